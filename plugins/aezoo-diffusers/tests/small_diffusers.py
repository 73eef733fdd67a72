"""Small randomly initialised models of diffusers, one for each way that they differ."""

from __future__ import annotations

import atexit
import functools
import shutil
import tempfile
import warnings
from pathlib import Path
from typing import Any

import diffusers
import torch
from torch import Tensor

import aezoo

TWO = {
    "block_out_channels": (8, 16),
    "norm_num_groups": 4,
    "down_block_types": ("DownEncoderBlock2D",) * 2,
    "up_block_types": ("UpDecoderBlock2D",) * 2,
    "sample_size": 16,
}
ATTENTIVE = {
    "down_block_types": ("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
    "up_block_types": ("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
}

#: name: diffusers' class, its arguments, the shape of two inputs
MODELS: dict[str, tuple[str, dict[str, Any], tuple[int, ...]]] = {
    "sd": ("AutoencoderKL", TWO, (3, 16, 16)),
    "flux": (
        "AutoencoderKL",
        TWO
        | {"latent_channels": 16, "scaling_factor": 0.3611, "shift_factor": 0.1159}
        | {"use_quant_conv": False, "use_post_quant_conv": False},
        (3, 16, 24),
    ),
    "standardised": (
        "AutoencoderKL",
        TWO
        | {"latents_mean": [0.1, -0.2, 0.3, 0.4], "latents_std": [1.0, 2.0, 3.0, 0.5]}
        | {"scaling_factor": 0.5, "mid_block_add_attention": False},
        (3, 16, 16),
    ),
    "grey": ("AutoencoderKL", TWO | {"in_channels": 1, "out_channels": 1}, (1, 8, 8)),
    "tiny": (
        "AutoencoderTiny",
        {
            "encoder_block_out_channels": (8, 8, 8),
            "decoder_block_out_channels": (8, 8, 8),
            "num_encoder_blocks": (1, 1, 1),
            "num_decoder_blocks": (1, 1, 1),
        },
        (3, 16, 16),
    ),
    "vq": (
        "VQModel",
        TWO | {"num_vq_embeddings": 16, "vq_embed_dim": 5, "latent_channels": 4},
        (3, 16, 16),
    ),
    "movq": (
        "VQModel",
        TWO
        | ATTENTIVE
        | {"block_out_channels": (32, 32)}  # spatial norms have 32 groups
        | {"num_vq_embeddings": 16, "latent_channels": 4, "norm_type": "spatial"},
        (3, 16, 16),
    ),
    "dc": (
        "AutoencoderDC",
        {
            "latent_channels": 4,
            "attention_head_dim": 4,
            "scaling_factor": 0.41407,
            "decoder_norm_types": ["batch_norm", "rms_norm"],
            "decoder_act_fns": ["relu", "silu"],
        }
        | {
            f"{side}_block_types": ("ResBlock", "EfficientViTBlock")
            for side in ("encoder", "decoder")
        }
        | {f"{side}_block_out_channels": (8, 8) for side in ("encoder", "decoder")}
        | {f"{side}_layers_per_block": (1, 1) for side in ("encoder", "decoder")}
        | {f"{side}_qkv_multiscales": ((), (5,)) for side in ("encoder", "decoder")},
        (3, 16, 16),
    ),
    "cosmos": (
        "AutoencoderKLCosmos",
        {
            "latent_channels": 4,
            "encoder_block_out_channels": (8, 8, 8, 8),
            "decode_block_out_channels": (8, 8, 8, 8),
            "attention_resolutions": (8,),
            "resolution": 32,
            "num_layers": 1,
        },
        (3, 9, 32, 32),
    ),
    "oobleck": (
        "AutoencoderOobleck",
        {
            "encoder_hidden_size": 8,
            "downsampling_ratios": [2, 4],
            "channel_multiples": [1, 2],
            "decoder_channels": 8,
            "decoder_input_channels": 4,
            "sampling_rate": 64,
        },
        (2, 64),
    ),
}


@functools.cache
def theirs(name: str) -> Any:
    """diffusers' model, in eval mode."""
    kind, arguments, _ = MODELS[name]
    torch.manual_seed(1)
    with warnings.catch_warnings():  # diffusers' own use of it, in AutoencoderOobleck
        warnings.filterwarnings("ignore", r"`torch\.nn\.utils\.weight_norm` is dep", FutureWarning)
        return getattr(diffusers, kind)(**arguments).eval().requires_grad_(False)


@functools.cache
def folder(name: str) -> Path:
    """What diffusers' save_pretrained writes of it."""
    kept = Path(tempfile.mkdtemp(prefix=f"{name}-"))
    atexit.register(shutil.rmtree, kept)
    theirs(name).save_pretrained(kept)
    return kept


@functools.cache
def ours(name: str) -> Any:
    """What aezoo makes of that folder."""
    return aezoo.create(f"local:{folder(name)}").requires_grad_(False)


def inputs(name: str, n: int = 2) -> Tensor:
    """x in aezoo's range."""
    x = torch.rand(n, *MODELS[name][2], generator=torch.Generator().manual_seed(2))
    return 2 * x - 1 if name == "oobleck" else x


def in_their_range(name: str, x: Tensor) -> Tensor:
    return x if name == "oobleck" else 2.0 * x - 1.0


def raw(name: str, x: Tensor) -> Tensor:
    """diffusers' latents, before any scale: the mode where it is a distribution."""
    found = theirs(name).encode(in_their_range(name, x))
    if hasattr(found, "latent_dist"):
        return found.latent_dist.mode()
    return found.latents if hasattr(found, "latents") else found.latent


def postprocessed(name: str, y: Tensor) -> Tensor:
    """As diffusers' image processor does; pipelines leave audio alone."""
    return y if name == "oobleck" else (y * 0.5 + 0.5).clamp(0, 1)
