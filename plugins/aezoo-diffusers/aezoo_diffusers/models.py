"""Short names of published autoencoders, each at one commit of its repository. No torch here.

Commits, and checksums where there are any, are those that independent public projects have
pinned; a repository whose commit we found nowhere has no short name, and is read as
``hf://org/name``. Nothing here was downloaded by the authors of this package.
"""

from __future__ import annotations

from aezoo.records import FileRecord, ModelEntry

WEIGHTS = "diffusion_pytorch_model.safetensors"


def _kl(scale: str, size: int, *, latents: int = 4, mixed: bool = True) -> str:
    """AutoencoderKL with the widths that Stable Diffusion's, SDXL's and FLUX's share."""
    channels = "" if latents == 4 else f"(latent_channels={latents})"
    quant, post = ("", "") if mixed else ("use_quant_conv=false,", "use_post_quant_conv=false,")
    return (
        f"vae(diffusers/kl{channels},diffusers/moments({quant}{scale}),"
        f"diffusers/kl({post}{scale}),likelihood=diffusers/distance,"
        f"prior=diffusers/normal({scale}),input=(3,{size},{size}))"
    )


_TINY = (
    "ae(diffusers/tiny,diffusers/latents,diffusers/tiny,likelihood=diffusers/distance,"
    "input=(3,256,256))"
)
_BLOCKS = "(ResBlock,ResBlock,ResBlock,EfficientViTBlock,EfficientViTBlock,EfficientViTBlock)"
_DC = (
    f"ae(diffusers/dc(block_types={_BLOCKS},downsample_block_type=conv),"
    "diffusers/latents(scaling_factor=0.41407),"
    f"diffusers/dc(block_types={_BLOCKS},upsample_block_type=interpolate,scaling_factor=0.41407),"
    "likelihood=diffusers/distance,input=(3,256,256))"
)
_OOBLECK = (
    "vae(diffusers/oobleck,diffusers/moments(use_quant_conv=false,deviation=softplus),"
    "diffusers/oobleck,likelihood=diffusers/distance(audio=true),prior=diffusers/normal,"
    "input=(2,45056))"
)

MODELS: tuple[ModelEntry, ...] = (
    ModelEntry(
        "sd-vae-ft-mse",
        spec=_kl("scaling_factor=0.18215", 256),
        summary="Stable Diffusion's VAE, its decoder tuned on MSE",
        files=(
            FileRecord(
                WEIGHTS,
                334_643_276,
                "a1d993488569e928462932c8c38a0760b874d166399b14414135bd9c42df5815",
            ),
        ),
        license="mit",
        repo="stabilityai/sd-vae-ft-mse",
        revision="31f26fdeee1355a5c34592e401dd41e45d25a493",
    ),
    ModelEntry(
        "sd-vae-ft-ema",
        spec=_kl("scaling_factor=0.18215", 256),
        summary="Stable Diffusion's VAE, its decoder tuned",
        files=(
            FileRecord(
                WEIGHTS,
                334_643_276,
                "32db726da04f06c1b6b14c0043ce115cc87a501482945c5add89a40d838fcb46",
            ),
        ),
        license="mit",
        repo="stabilityai/sd-vae-ft-ema",
        revision="f04b2c4b98319346dad8c65879f680b1997b204a",
    ),
    ModelEntry(
        "sdxl-vae",
        spec=_kl("scaling_factor=0.13025", 1024),
        summary="SDXL's VAE",
        files=(),
        license="mit",
        repo="stabilityai/sdxl-vae",
        revision="6f5909a7e596173e25d4e97b07fd19cdf9611c76",
    ),
    ModelEntry(
        "flux-vae",
        spec=_kl("scaling_factor=0.3611,shift_factor=0.1159", 1024, latents=16, mixed=False),
        summary="FLUX.1's VAE, 16 latent channels",
        files=(
            FileRecord(
                WEIGHTS,
                167_666_902,
                "f5b59a26851551b67ae1fe58d32e76486e1e812def4696a4bea97f16604d40a3",
            ),
        ),
        license="unknown",  # FLUX.1-schnell is apache-2.0, FLUX.1-dev is not; see the repository
        repo="diffusers/FLUX.1-vae",
        revision="da548cfb003bdeebaff6da0211fc8fbc67cb563a",
    ),
    ModelEntry(
        "taesd",
        spec=_TINY,
        summary="a tiny autoencoder of Stable Diffusion's latents",
        files=(
            FileRecord(
                WEIGHTS,
                9_793_292,
                "db169d69145ec4ff064e49d99c95fa05d3eb04ee453de35824a6d0f325513549",
            ),
        ),
        license="mit",
        repo="madebyollin/taesd",
        revision="614f76814bbe30edbe2e627ace1c2234c81a2c0e",
    ),
    ModelEntry(
        "taesdxl",
        spec=_TINY,
        summary="a tiny autoencoder of SDXL's latents",
        files=(
            FileRecord(
                WEIGHTS,
                9_793_292,
                "ff4824aca94dd6111e0340fa749347fb74101060d9712cb5ef1ca8f1cf17502f",
            ),
        ),
        license="mit",
        repo="madebyollin/taesdxl",
        revision="b20258aaef75ef61e659c1e0f14f251cf0ad153e",
    ),
    ModelEntry(
        "dc-ae-f32c32-sana",
        spec=_DC,
        summary="SANA's deep-compression autoencoder, 32 times smaller a side",
        files=(),
        license="unknown",  # see the repository
        repo="mit-han-lab/dc-ae-f32c32-sana-1.1-diffusers",
        revision="6f7b3f3b289a439a11ef4fb1034989fd4b9a4766",
    ),
    ModelEntry(
        "stable-audio-vae",
        spec=_OOBLECK,
        summary="Stable Audio Open's VAE, stereo at 44.1 kHz; its terms must be accepted first",
        files=(),
        license="other",
        repo="stabilityai/stable-audio-open-1.0/vae",
        revision="f21265c1e2710b3bd2386596943f0007f55f802e",
    ),
)
