"""What aezoo finds of this package. No torch, no diffusers here."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from aezoo.records import Capabilities, Component, FormatRecord, ModelEntry
from aezoo_diffusers import configs
from aezoo_diffusers.models import MODELS

_LDM = (
    "Rombach, Blattmann, Lorenz, Esser, Ommer, High-Resolution Image Synthesis with Latent "
    "Diffusion Models, 2022, arXiv:2112.10752"
)
_TAESD = "Bohan, Tiny AutoEncoder for Stable Diffusion, 2023, github:madebyollin/taesd"
_DC = (
    "Chen, Cai, Chen, Xie, Yang, Tang, Li, Lu, Han, Deep Compression Autoencoder for Efficient "
    "High-Resolution Diffusion Models, 2024, arXiv:2410.10733"
)
_COSMOS = "NVIDIA, Cosmos World Foundation Model Platform for Physical AI, 2025, arXiv:2501.03575"
_AUDIO = "Evans, Parker, Carr, Zukowski, Taylor, Pons, Stable Audio Open, 2024, arXiv:2407.14358"
_VAE = "Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114"

#: name, prefix of its classes, whose it is, paper, spatial axes
_NETWORKS = (
    ("kl", "KL", "Stable Diffusion, SDXL, FLUX and VQGAN", _LDM, 2),
    ("tiny", "Tiny", "TAESD", _TAESD, 2),
    ("dc", "DC", "the deep-compression autoencoder", _DC, 2),
    ("cosmos", "Cosmos", "the Cosmos video tokenizer", _COSMOS, 3),
    ("oobleck", "Oobleck", "Stable Audio", _AUDIO, 1),
)


def _networks(side: str) -> Iterator[Component]:
    for name, prefix, what, paper, rank in _NETWORKS:
        yield Component(
            name,
            config=getattr(configs, f"{prefix}{side}"),
            target=f"aezoo_diffusers.{side.lower()}s:{prefix}{side}",
            summary=f"the {side.lower()} of {what}, any size",
            caps=Capabilities(ranks=(rank,)),
            paper=paper,
        )


@aezoo.hookimpl
def aezoo_encoders() -> Iterator[Component]:
    yield from _networks("Encoder")


@aezoo.hookimpl
def aezoo_decoders() -> Iterator[Component]:
    yield from _networks("Decoder")


@aezoo.hookimpl
def aezoo_posteriors() -> Iterator[Component]:
    yield Component(
        "moments",
        config=configs.Moments,
        target="aezoo_diffusers.latents:MomentsPosterior",
        summary="Gaussian with the encoder's mean and deviation, in the diffusion model's scale",
        paper=_LDM,
    )
    yield Component(
        "latents",
        config=configs.Latents,
        target="aezoo_diffusers.latents:LatentsPosterior",
        summary="the encoder's output as it is, in the diffusion model's scale",
        paper=_LDM,
    )


@aezoo.hookimpl
def aezoo_priors() -> Iterator[Component]:
    yield Component(
        "normal",
        config=configs.Normal,
        target="aezoo_diffusers.latents:NormalPrior",
        summary="the standard normal of raw latents, in the diffusion model's scale",
        paper=_VAE,
    )


@aezoo.hookimpl
def aezoo_likelihoods() -> Iterator[Component]:
    yield Component(
        "distance",
        config=configs.Distance,
        target="aezoo_diffusers.distance:DistanceLikelihood",
        summary="none: the squared error as a score, so that there is no bound",
        paper=(
            "Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, "
            "2021, arXiv:2012.09841"
        ),
    )


@aezoo.hookimpl
def aezoo_models() -> Iterator[ModelEntry]:
    yield from MODELS


@aezoo.hookimpl
def aezoo_formats() -> Iterator[FormatRecord]:
    yield FormatRecord(
        "diffusers",
        key="_class_name",
        kinds=(
            "AutoencoderKL",
            "AutoencoderTiny",
            "VQModel",
            "AutoencoderDC",
            "AutoencoderKLCosmos",
            "AutoencoderOobleck",
        ),
        weights="diffusion_pytorch_model.safetensors",
        target="aezoo_diffusers.reader:read",
        summary="autoencoders as diffusers' save_pretrained writes them",
    )
