"""What this plugin gives: its hooks, in the namespace ``video``. No torch in here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aezoo.hookspecs import hookimpl
from aezoo.hub.zoo import read_index
from aezoo.records import Capabilities, Component, Dataset, ModelEntry
from aezoo_video import configs

_MAGVIT2 = (
    "Yu et al., Language Model Beats Diffusion: Tokenizer is Key to Visual Generation, 2023, "
    "arXiv:2310.05737"
)
_MODEL = (
    "vqvae(video/causal(8,depth=1),fsq(3,3),video/causal(8,depth=1),"
    "prior=transformer(16,layers=1,heads=2),input=(1,6,8,12))"
)
_DIGITS = tuple("0123456789")
_PAIRS = tuple(f"{a}+{b}" for a in range(10) for b in range(a, 10))
_MODELS = Path(__file__).resolve().parent / "models"


@hookimpl
def aezoo_encoders() -> Iterator[Component]:
    yield Component(
        "causal",
        config=configs.Causal,
        target="aezoo_video.encoder:CausalEncoder",
        summary="3-D residual network that sees no later frame, from video of any size",
        caps=Capabilities(ranks=(3,)),
        paper=_MAGVIT2,
        example=_MODEL,
    )


@hookimpl
def aezoo_decoders() -> Iterator[Component]:
    yield Component(
        "causal",
        config=configs.Causal,
        target="aezoo_video.decoder:CausalDecoder",
        summary="3-D residual network that sees no later frame, to video of any size",
        caps=Capabilities(ranks=(3,)),
        paper=_MAGVIT2,
        example=_MODEL,
    )


@hookimpl
def aezoo_datasets() -> Iterator[Dataset]:
    yield Dataset(
        "moving-digits",
        summary="one or two MNIST digits that move and bounce, 13 frames of 32x32 grey",
        shape=(1, 13, 32, 32),
        splits=(("train", 20_000), ("test", 2_000)),
        validation=1_000,
        classes=_DIGITS + _PAIRS,
        license="cc-by-sa-3.0",  # MNIST's, see the core's record
        target="aezoo_video.digits:load",
        citation="after Srivastava, Mansimov, Salakhutdinov, Unsupervised learning of video "
        "representations using LSTMs, 2015, arXiv:1502.04681; digits: LeCun, Cortes, Burges",
    )


@hookimpl
def aezoo_models() -> Iterator[ModelEntry]:
    yield from read_index(_MODELS)
