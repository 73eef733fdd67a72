"""The components' arguments, named as in diffusers' config.json. No torch here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

# `tile` is the side of a window in pixels (samples of audio) beyond which an input is taken in
# windows that overlap by `overlap`; 0 takes it whole, None overlaps by a quarter.


def _check_tile(tile: int, overlap: int | None, unit: int) -> None:
    for name, value in (("tile", tile), ("overlap", overlap or 0)):
        if value < 0 or value % unit:
            raise ValueError(f"{name} must be a multiple of {unit}, not {value}")
    if tile and (overlap or 0) >= tile:
        raise ValueError(f"overlap must be less than tile, not {overlap} of {tile}")


def _check_scaling(factor: float, statistics: int) -> None:
    if factor <= 0:
        raise ValueError(f"scaling_factor must be above 0, not {factor}")
    if statistics < 0:
        raise ValueError(f"statistics must be at least 0, not {statistics}")


def _check_levels(**values: tuple[object, ...]) -> None:
    """All of these have one entry a level, and there is a level."""
    lengths = {name: len(value) for name, value in values.items()}
    if len(set(lengths.values())) != 1 or 0 in lengths.values():
        said = ", ".join(f"{name} has {n}" for name, n in lengths.items())
        raise ValueError(f"each level needs one entry: {said}")


# -- AutoencoderKL and VQModel: Rombach et al. 2022, arXiv:2112.10752


@dataclass(frozen=True, slots=True)
class KLEncoder:
    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)  # of each level
    layers_per_block: int = 2
    norm_num_groups: int = 32
    act_fn: str = "silu"
    mid_block_add_attention: bool = True
    double_z: bool = True  # mean and log-variance of each latent channel; false: its value
    down_block_types: tuple[str, ...] = ()  # of each level; (): DownEncoderBlock2D
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_levels(block_out_channels=self.block_out_channels)
        if self.down_block_types:
            _check_levels(
                block_out_channels=self.block_out_channels, down_block_types=self.down_block_types
            )
        _check_tile(self.tile, self.overlap, self.stride)

    @property
    def stride(self) -> int:
        return 2 ** (len(self.block_out_channels) - 1)


@dataclass(frozen=True, slots=True)
class KLDecoder:
    latent_channels: int | None = None  # behind post_quant_conv; none: as many as z has
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    layers_per_block: int = 2
    norm_num_groups: int = 32
    act_fn: str = "silu"
    mid_block_add_attention: bool = True
    norm_type: Literal["group", "spatial"] = "group"
    use_post_quant_conv: bool = True
    up_block_types: tuple[str, ...] = ()  # of each level; (): UpDecoderBlock2D
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0  # as in Moments
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_levels(block_out_channels=self.block_out_channels)
        if self.up_block_types:
            _check_levels(
                block_out_channels=self.block_out_channels, up_block_types=self.up_block_types
            )
        _check_scaling(self.scaling_factor, self.statistics)
        _check_tile(self.tile, self.overlap, self.stride)

    @property
    def stride(self) -> int:
        return 2 ** (len(self.block_out_channels) - 1)


# -- AutoencoderTiny: TAESD, Bohan 2023


@dataclass(frozen=True, slots=True)
class TinyEncoder:
    latent_channels: int = 4
    block_out_channels: tuple[int, ...] = (64, 64, 64, 64)
    num_blocks: tuple[int, ...] = (1, 3, 3, 3)
    act_fn: str = "relu"
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_levels(block_out_channels=self.block_out_channels, num_blocks=self.num_blocks)
        _check_tile(self.tile, self.overlap, self.stride)

    @property
    def stride(self) -> int:
        return 2 ** (len(self.num_blocks) - 1)


@dataclass(frozen=True, slots=True)
class TinyDecoder:
    block_out_channels: tuple[int, ...] = (64, 64, 64, 64)
    num_blocks: tuple[int, ...] = (3, 3, 3, 1)
    act_fn: str = "relu"
    upsample_fn: str = "nearest"
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_levels(block_out_channels=self.block_out_channels, num_blocks=self.num_blocks)
        _check_scaling(self.scaling_factor, self.statistics)
        _check_tile(self.tile, self.overlap, self.stride)

    @property
    def stride(self) -> int:
        return 2 ** (len(self.num_blocks) - 1)


# -- AutoencoderDC: Chen et al. 2024, arXiv:2410.10733


@dataclass(frozen=True, slots=True)
class DCEncoder:
    latent_channels: int = 32
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
    layers_per_block: tuple[int, ...] = (2, 2, 2, 3, 3, 3)
    block_types: tuple[str, ...] = ()  # of each level; (): ResBlock
    qkv_multiscales: tuple[tuple[int, ...], ...] = ((), (), (), (5,), (5,), (5,))
    attention_head_dim: int = 32
    downsample_block_type: str = "pixel_unshuffle"
    out_shortcut: bool = True
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_levels(
            block_out_channels=self.block_out_channels,
            layers_per_block=self.layers_per_block,
            qkv_multiscales=self.qkv_multiscales,
            **({"block_types": self.block_types} if self.block_types else {}),
        )
        _check_tile(self.tile, self.overlap, self.stride)

    @property
    def stride(self) -> int:
        return _dc_stride(self.layers_per_block)


@dataclass(frozen=True, slots=True)
class DCDecoder:
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512, 1024, 1024)
    layers_per_block: tuple[int, ...] = (3, 3, 3, 3, 3, 3)
    block_types: tuple[str, ...] = ()
    qkv_multiscales: tuple[tuple[int, ...], ...] = ((), (), (), (5,), (5,), (5,))
    attention_head_dim: int = 32
    norm_types: tuple[str, ...] = ()  # of each level; (): rms_norm
    act_fns: tuple[str, ...] = ()  # of each level; (): silu
    upsample_block_type: str = "pixel_shuffle"
    in_shortcut: bool = True
    conv_act_fn: str = "relu"
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        given = {"block_types": self.block_types, "norm_types": self.norm_types}
        given["act_fns"] = self.act_fns
        _check_levels(
            block_out_channels=self.block_out_channels,
            layers_per_block=self.layers_per_block,
            qkv_multiscales=self.qkv_multiscales,
            **{name: value for name, value in given.items() if value},
        )
        _check_scaling(self.scaling_factor, self.statistics)
        _check_tile(self.tile, self.overlap, self.stride)

    @property
    def stride(self) -> int:
        return _dc_stride(self.layers_per_block)


def _dc_stride(layers: tuple[int, ...]) -> int:
    """A level without layers changes no size, except the first, which halves at the door."""
    return 2 ** (sum(n > 0 for n in layers[:-1]) + (layers[0] == 0))


# -- AutoencoderKLCosmos: NVIDIA 2025, arXiv:2501.03575


@dataclass(frozen=True, slots=True)
class CosmosEncoder:
    latent_channels: int = 16
    block_out_channels: tuple[int, ...] = (128, 256, 512, 512)
    num_layers: int = 2
    attention_resolutions: tuple[int, ...] = (32,)
    resolution: int = 1024
    patch_size: int = 4
    patch_type: Literal["haar", "rearrange"] = "haar"
    spatial_compression_ratio: int = 8
    temporal_compression_ratio: int = 8
    tile: int = 0  # height and width; time is never cut
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_cosmos(self)


@dataclass(frozen=True, slots=True)
class CosmosDecoder:
    block_out_channels: tuple[int, ...] = (256, 512, 512, 512)
    num_layers: int = 2
    attention_resolutions: tuple[int, ...] = (32,)
    resolution: int = 1024
    patch_size: int = 4
    patch_type: Literal["haar", "rearrange"] = "haar"
    spatial_compression_ratio: int = 8
    temporal_compression_ratio: int = 8
    use_post_quant_conv: bool = True
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_scaling(self.scaling_factor, self.statistics)
        _check_cosmos(self)


def _check_cosmos(config: CosmosEncoder | CosmosDecoder) -> None:
    for name in ("patch_size", "spatial_compression_ratio", "temporal_compression_ratio"):
        value = getattr(config, name)
        if value < 1 or value & (value - 1) or value < config.patch_size:
            raise ValueError(f"{name} must be a power of two from patch_size on, not {value}")
    _check_tile(config.tile, config.overlap, config.spatial_compression_ratio)


# -- AutoencoderOobleck: Evans et al. 2024, arXiv:2407.14358


@dataclass(frozen=True, slots=True)
class OobleckEncoder:
    encoder_hidden_size: int = 128  # of the last layer too: mean and scale of the latents
    downsampling_ratios: tuple[int, ...] = (2, 4, 4, 8, 8)
    channel_multiples: tuple[int, ...] = (1, 2, 4, 8, 16)
    sampling_rate: int = 44100  # of the audio it was trained on, samples a second
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_oobleck(self)

    @property
    def stride(self) -> int:
        return math.prod(self.downsampling_ratios)


@dataclass(frozen=True, slots=True)
class OobleckDecoder:
    decoder_channels: int = 128
    downsampling_ratios: tuple[int, ...] = (2, 4, 4, 8, 8)  # undone in reverse
    channel_multiples: tuple[int, ...] = (1, 2, 4, 8, 16)
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0
    tile: int = 0
    overlap: int | None = None

    def __post_init__(self) -> None:
        _check_scaling(self.scaling_factor, self.statistics)
        _check_oobleck(self)

    @property
    def stride(self) -> int:
        return math.prod(self.downsampling_ratios)


def _check_oobleck(config: OobleckEncoder | OobleckDecoder) -> None:
    _check_levels(
        downsampling_ratios=config.downsampling_ratios,
        channel_multiples=config.channel_multiples,
    )
    if any(ratio < 2 or ratio % 2 for ratio in config.downsampling_ratios):
        raise ValueError(
            f"downsampling_ratios must be even, not {config.downsampling_ratios}: with an odd one "
            "the decoder gives fewer samples than the encoder took"
        )
    _check_tile(config.tile, config.overlap, config.stride)


# -- posteriors, prior, likelihood


@dataclass(frozen=True, slots=True)
class Moments:
    use_quant_conv: bool = True  # a pointwise convolution before mean and log-variance
    deviation: Literal["logvar", "softplus"] = "logvar"  # how sigma is written
    scaling_factor: float = 1.0  # z = (raw - shift_factor) * scaling_factor
    shift_factor: float = 0.0
    statistics: int = 0  # frames of mean and deviation a channel; z = (raw - mean) / deviation

    def __post_init__(self) -> None:
        _check_scaling(self.scaling_factor, self.statistics)


@dataclass(frozen=True, slots=True)
class Latents:
    use_quant_conv: bool = False
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0

    def __post_init__(self) -> None:
        _check_scaling(self.scaling_factor, self.statistics)


@dataclass(frozen=True, slots=True)
class Normal:
    scaling_factor: float = 1.0
    shift_factor: float = 0.0
    statistics: int = 0

    def __post_init__(self) -> None:
        _check_scaling(self.scaling_factor, self.statistics)


@dataclass(frozen=True, slots=True)
class Distance:
    audio: bool = False  # values in [-1,1]; false: pixels in [0,1]
