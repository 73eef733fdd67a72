"""The short names, and the configurations that are published behind them."""

from __future__ import annotations

import subprocess
import sys

import diffusers
import pytest
import torch
from small_diffusers import ours
from torch import nn

import aezoo
from aezoo.bench.run import run
from aezoo.build import build
from aezoo.resolve import display, resolve
from aezoo.testing import parametrize_with_checks
from aezoo_diffusers.models import MODELS
from aezoo_diffusers.reader import read

SD = {
    "_class_name": "AutoencoderKL",
    "_diffusers_version": "0.4.2",
    "act_fn": "silu",
    "block_out_channels": [128, 256, 512, 512],
    "down_block_types": ["DownEncoderBlock2D"] * 4,
    "in_channels": 3,
    "latent_channels": 4,
    "layers_per_block": 2,
    "norm_num_groups": 32,
    "out_channels": 3,
    "sample_size": 256,
    "up_block_types": ["UpDecoderBlock2D"] * 4,
}
FLUX = {
    "latent_channels": 16,
    "sample_size": 1024,
    "scaling_factor": 0.3611,
    "shift_factor": 0.1159,
    "use_quant_conv": False,
    "use_post_quant_conv": False,
    "force_upcast": True,
    "mid_block_add_attention": True,
    "latents_mean": None,
    "latents_std": None,
}
TINY = {
    "_class_name": "AutoencoderTiny",
    "act_fn": "relu",
    "decoder_block_out_channels": [64, 64, 64, 64],
    "encoder_block_out_channels": [64, 64, 64, 64],
    "force_upcast": False,
    "in_channels": 3,
    "latent_channels": 4,
    "latent_magnitude": 3,
    "latent_shift": 0.5,
    "num_decoder_blocks": [3, 3, 3, 1],
    "num_encoder_blocks": [1, 3, 3, 3],
    "out_channels": 3,
    "scaling_factor": 1.0,
    "shift_factor": 0.0,
    "upsample_fn": "nearest",
    "upsampling_scaling_factor": 2,
}
BLOCKS = ["ResBlock"] * 3 + ["EfficientViTBlock"] * 3
DC = {
    "_class_name": "AutoencoderDC",
    "latent_channels": 32,
    "encoder_block_types": BLOCKS,
    "decoder_block_types": BLOCKS,
    "encoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
    "decoder_block_out_channels": [128, 256, 512, 512, 1024, 1024],
    "encoder_qkv_multiscales": [[], [], [], [5], [5], [5]],
    "decoder_qkv_multiscales": [[], [], [], [5], [5], [5]],
    "encoder_layers_per_block": [2, 2, 2, 3, 3, 3],
    "decoder_layers_per_block": [3, 3, 3, 3, 3, 3],
    "downsample_block_type": "conv",
    "upsample_block_type": "interpolate",
    "decoder_norm_types": "rms_norm",
    "decoder_act_fns": "silu",
    "scaling_factor": 0.41407,
}
OOBLECK = {
    "_class_name": "AutoencoderOobleck",
    "encoder_hidden_size": 128,
    "downsampling_ratios": [2, 4, 4, 8, 8],
    "channel_multiples": [1, 2, 4, 8, 16],
    "decoder_channels": 128,
    "decoder_input_channels": 64,
    "audio_channels": 2,
    "sampling_rate": 44100,
}
#: As public conversion scripts and copies of these files have them.
CONFIGS = {
    "sd-vae-ft-mse": SD,
    "sd-vae-ft-ema": SD,
    "sdxl-vae": SD | {"sample_size": 1024, "scaling_factor": 0.13025, "force_upcast": True},
    "flux-vae": SD | FLUX,
    "taesd": TINY,
    "taesdxl": TINY,
    "dc-ae-f32c32-sana": DC,
    "stable-audio-vae": OOBLECK,
}


def sizes(model: nn.Module) -> int:
    return sum(p.numel() for p in model.parameters())


@pytest.mark.parametrize("entry", MODELS, ids=lambda entry: entry.name)
def test_the_spec_of_a_short_name_is_that_of_its_config(entry):
    config = CONFIGS[entry.name]
    spec, _ = read(config, {})
    assert str(display(resolve(spec))) == str(display(resolve(entry.spec)))
    assert aezoo.info(f"diffusers/{entry.name}").revision == entry.revision


@pytest.mark.filterwarnings(r"ignore:`torch\.nn\.utils\.weight_norm` is dep:FutureWarning")
@pytest.mark.parametrize(
    "config",
    [SD, SD | FLUX, TINY, DC, OOBLECK, {"_class_name": "AutoencoderKLCosmos"}],
    ids=["sd", "flux", "taesd", "dc", "stable-audio", "cosmos"],
)
def test_published_sizes_have_as_many_parameters_as_theirs(config):
    kind = getattr(diffusers, config["_class_name"])
    arguments = {key: value for key, value in config.items() if not key.startswith("_")}
    with torch.device("meta"):
        theirs = kind(**arguments)
    spec, extra = read(config, {})
    model = build(spec, device="meta")
    assert sizes(model) == sizes(theirs)
    assert set(extra) <= set(model.state_dict())


def test_the_manifest_imports_neither_torch_nor_diffusers():
    code = (
        "import sys, aezoo_diffusers.manifest as m; list(m.aezoo_encoders()); "
        "list(m.aezoo_models()); list(m.aezoo_formats()); "
        "assert not {'torch', 'diffusers'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_the_bench_measures_it(tmp_path):
    """The same row as any model's: digits are embedded, (1, 8, 8)."""
    rows = run(ours("grey"), data="digits", n=16, metrics="reconstruction", out=tmp_path)
    measured = {row.metric: row.value for row in rows}
    assert 0 < measured["mse"] < 1


KL = "diffusers/kl(block_out_channels=(8,16),norm_num_groups=4,layers_per_block=1)"
SPECS = [
    f"vae({KL},diffusers/moments(scaling_factor=0.5,shift_factor=0.1),"
    "diffusers/kl(block_out_channels=(8,16),norm_num_groups=4,layers_per_block=1,"
    "scaling_factor=0.5,shift_factor=0.1),likelihood=diffusers/distance,"
    "prior=diffusers/normal(scaling_factor=0.5,shift_factor=0.1),input=(3,16,16))",
]


@parametrize_with_checks(SPECS)
def test_conformance(check):
    check()
