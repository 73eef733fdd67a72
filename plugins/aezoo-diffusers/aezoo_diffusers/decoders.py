"""diffusers' decoders: z (B,D,*L) in the scale of diffusion models -> x_hat before its limits.

The scale is undone here, the [-1,1] of images and video becomes [0,1], and what the encoder
had to add at the far ends is cropped by the model.
"""

from __future__ import annotations

from typing import Any

from diffusers.models.autoencoders import autoencoder_dc, autoencoder_kl_cosmos, vae
from torch import Tensor, nn

from aezoo_diffusers import configs
from aezoo_diffusers.latents import Scale, mixer
from aezoo_diffusers.oobleck import oobleck_decoder
from aezoo_diffusers.tiles import tiled


class _Decoder(nn.Module):
    """``network`` between raw latents and x_hat, one latent place to ``stride`` of the output."""

    any_size = True
    audio = False

    def __init__(
        self,
        config: Any,
        network: nn.Module,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
        stride: int,
        axes: int,
        inputs: int | None = None,
    ):
        super().__init__()
        self.network = network
        self.in_shape, self.out_shape = in_shape, out_shape
        self.scale = Scale(config, in_shape[0])
        mixes = getattr(config, "use_post_quant_conv", False)
        self.post_quant_conv = mixer(mixes, in_shape, inputs or in_shape[0])
        self.stride, self.axes = stride, axes
        self.tile = config.tile // stride
        overlap = config.tile // 4 if config.overlap is None else config.overlap
        self.overlap = overlap // stride

    def forward(self, z: Tensor) -> Tensor:
        y = tiled(
            self.decode,
            self.scale.inverse(z),
            tile=self.tile,
            overlap=self.overlap,
            axes=self.axes,
            stride=(1, self.stride),
        )
        return y if self.audio else y * 0.5 + 0.5

    def decode(self, raw: Tensor) -> Tensor:
        return self.network(self.post_quant_conv(raw))


class KLDecoder(_Decoder):
    """Of Stable Diffusion, SDXL, FLUX, VQGAN: z (B,D,H/s,W/s) -> (B,C,H,W)."""

    def __init__(
        self, config: configs.KLDecoder, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
    ):
        levels = len(config.block_out_channels)
        inputs = config.latent_channels or in_shape[0]
        network = vae.Decoder(
            in_channels=inputs,
            out_channels=out_shape[0],
            up_block_types=config.up_block_types or ("UpDecoderBlock2D",) * levels,
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            norm_num_groups=config.norm_num_groups,
            act_fn=config.act_fn,
            norm_type=config.norm_type,
            mid_block_add_attention=config.mid_block_add_attention,
        )
        super().__init__(config, network, in_shape, out_shape, config.stride, 2, inputs)
        self.spatial = config.norm_type == "spatial"

    def decode(self, raw: Tensor) -> Tensor:
        # MoVQ (arXiv:2209.09002) norms its layers by the latents themselves.
        return self.network(self.post_quant_conv(raw), raw if self.spatial else None)


class TinyDecoder(_Decoder):
    """Of TAESD: z (B,D,H/s,W/s) -> (B,C,H,W)."""

    def __init__(
        self, config: configs.TinyDecoder, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
    ):
        network = vae.DecoderTiny(
            in_channels=in_shape[0],
            out_channels=out_shape[0],
            num_blocks=config.num_blocks,
            block_out_channels=config.block_out_channels,
            upsampling_scaling_factor=2,
            act_fn=config.act_fn,
            upsample_fn=config.upsample_fn,
        )
        super().__init__(config, network, in_shape, out_shape, config.stride, 2)


class DCDecoder(_Decoder):
    """Of the deep-compression autoencoder: z (B,D,H/s,W/s) -> (B,C,H,W)."""

    def __init__(
        self, config: configs.DCDecoder, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
    ):
        levels = len(config.block_out_channels)
        network = autoencoder_dc.Decoder(
            in_channels=out_shape[0],
            latent_channels=in_shape[0],
            attention_head_dim=config.attention_head_dim,
            block_type=config.block_types or ("ResBlock",) * levels,  # pyright: ignore[reportArgumentType]
            block_out_channels=config.block_out_channels,
            layers_per_block=config.layers_per_block,
            qkv_multiscales=config.qkv_multiscales,
            norm_type=config.norm_types or ("rms_norm",) * levels,  # pyright: ignore[reportArgumentType]
            act_fn=config.act_fns or ("silu",) * levels,  # pyright: ignore[reportArgumentType]
            upsample_block_type=config.upsample_block_type,
            in_shortcut=config.in_shortcut,
            conv_act_fn=config.conv_act_fn,
        )
        super().__init__(config, network, in_shape, out_shape, config.stride, 2)


class CosmosDecoder(_Decoder):
    """Of NVIDIA's Cosmos tokenizer: z (B,D,1+(T-1)/t,H/s,W/s) -> (B,C,T,H,W)."""

    def __init__(
        self,
        config: configs.CosmosDecoder,
        *,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
    ):
        network = autoencoder_kl_cosmos.CosmosDecoder3d(
            in_channels=in_shape[0],
            out_channels=out_shape[0],
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
        super().__init__(config, network, in_shape, out_shape, stride, 2)


class OobleckDecoder(_Decoder):
    """Of Stable Audio: z (B,D,T/s) -> (B,C,T), about [-1,1]."""

    audio = True

    def __init__(
        self,
        config: configs.OobleckDecoder,
        *,
        in_shape: tuple[int, ...],
        out_shape: tuple[int, ...],
    ):
        network = oobleck_decoder(config, in_shape[0], out_shape[0])
        super().__init__(config, network, in_shape, out_shape, config.stride, 1)
