"""diffusers' encoders: x in aezoo's range and any size -> h (B,F,*L).

Images and video in [0,1] become the [-1,1] of diffusers, audio is in [-1,1] already. An axis
that is no multiple of the stride is lengthened at its far end, pictures by their edge and
audio by silence; `decoders` crop again.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.autoencoders import autoencoder_dc, autoencoder_kl_cosmos, vae
from torch import Tensor, nn

from aezoo_diffusers import configs
from aezoo_diffusers.oobleck import oobleck_encoder
from aezoo_diffusers.tiles import multiple, padded, tiled


class _Encoder(nn.Module):
    """``network`` between x (B,C,*S) and h (B,F,*L), ``stride`` places of S to one of L."""

    any_size = True
    audio = False

    def __init__(
        self,
        config: Any,
        network: nn.Module,
        in_shape: tuple[int, ...],
        features: int,
        stride: int,
        axes: int,
    ):
        super().__init__()
        self.network = network
        self.in_shape = in_shape
        self.stride = stride
        self.axes = axes  # the last ones, which tiles cut
        self.tile = config.tile // stride
        overlap = config.tile // 4 if config.overlap is None else config.overlap
        self.overlap = overlap // stride
        self.out_shape = (features, *self.latent_size(in_shape[1:]))

    def padded_size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(multiple(n, self.stride) for n in size)

    def latent_size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return tuple(n // self.stride for n in self.padded_size(size))

    def forward(self, x: Tensor) -> Tensor:
        x = padded(x, self.padded_size(tuple(x.shape[2:])), repeat=not self.audio)
        x = x if self.audio else 2.0 * x - 1.0
        return tiled(
            self.network,
            x,
            tile=self.tile,
            overlap=self.overlap,
            axes=self.axes,
            stride=(self.stride, 1),
        )


class KLEncoder(_Encoder):
    """Of Stable Diffusion, SDXL, FLUX, VQGAN: x (B,C,H,W) -> h (B,F,H/s,W/s).

    F is twice ``latent_channels``, mean and log-variance, or once without ``double_z``.
    """

    def __init__(self, config: configs.KLEncoder, *, in_shape: tuple[int, ...]):
        levels = len(config.block_out_channels)
        network = vae.Encoder(
            in_channels=in_shape[0],
            out_channels=config.latent_channels,
            down_block_types=config.down_block_types or ("DownEncoderBlock2D",) * levels,
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            norm_num_groups=config.norm_num_groups,
            act_fn=config.act_fn,
            double_z=config.double_z,
            mid_block_add_attention=config.mid_block_add_attention,
        )
        features = config.latent_channels * (2 if config.double_z else 1)
        super().__init__(config, network, in_shape, features, config.stride, 2)


class TinyEncoder(_Encoder):
    """Of TAESD: x (B,C,H,W) -> h (B,D,H/s,W/s)."""

    def __init__(self, config: configs.TinyEncoder, *, in_shape: tuple[int, ...]):
        network = vae.EncoderTiny(
            in_channels=in_shape[0],
            out_channels=config.latent_channels,
            num_blocks=config.num_blocks,
            block_out_channels=config.block_out_channels,
            act_fn=config.act_fn,
        )
        super().__init__(config, network, in_shape, config.latent_channels, config.stride, 2)


class DCEncoder(_Encoder):
    """Of the deep-compression autoencoder: x (B,C,H,W) -> h (B,D,H/s,W/s)."""

    def __init__(self, config: configs.DCEncoder, *, in_shape: tuple[int, ...]):
        levels = len(config.block_out_channels)
        network = autoencoder_dc.Encoder(
            in_channels=in_shape[0],
            latent_channels=config.latent_channels,
            attention_head_dim=config.attention_head_dim,
            block_type=config.block_types or ("ResBlock",) * levels,  # pyright: ignore[reportArgumentType]
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            qkv_multiscales=config.qkv_multiscales,
            downsample_block_type=config.downsample_block_type,
            out_shortcut=config.out_shortcut,
        )
        super().__init__(config, network, in_shape, config.latent_channels, config.stride, 2)


class CosmosEncoder(_Encoder):
    """Of NVIDIA's Cosmos tokenizer: x (B,C,T,H,W) -> h (B,D,1+(T-1)/t,H/s,W/s).

    Causal in time: the first frame stands alone, so T is one more than a multiple of t.
    """

    def __init__(self, config: configs.CosmosEncoder, *, in_shape: tuple[int, ...]):
        self.frames = config.temporal_compression_ratio
        network = autoencoder_kl_cosmos.CosmosEncoder3d(
            in_channels=in_shape[0],
            out_channels=config.latent_channels,
            block_out_channels=config.block_out_channels,
            num_resnet_blocks=config.num_layers,
            attention_resolutions=config.attention_resolutions,
            resolution=config.resolution,
            patch_size=config.patch_size,
            patch_type=config.patch_type,
            spatial_compression_ratio=config.spatial_compression_ratio,
            temporal_compression_ratio=config.temporal_compression_ratio,
        )
        stride = config.spatial_compression_ratio
        super().__init__(config, network, in_shape, config.latent_channels, stride, 2)

    def padded_size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return (1 + multiple(size[0] - 1, self.frames), *super().padded_size(size[1:]))

    def latent_size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        return (1 + -(-(size[0] - 1) // self.frames), *(-(-n // self.stride) for n in size[1:]))


class OobleckEncoder(_Encoder):
    """Of Stable Audio: x (B,C,T) in [-1,1] -> h (B,2D,T/s), mean and raw sigma."""

    audio = True

    def __init__(self, config: configs.OobleckEncoder, *, in_shape: tuple[int, ...]):
        network = oobleck_encoder(config, in_shape[0])
        features = config.encoder_hidden_size
        super().__init__(config, network, in_shape, features, config.stride, 1)
