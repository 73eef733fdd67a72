"""The arguments of the priors, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aezoo.components.checks import several
from aezoo.records import Capabilities, Component, rest


@dataclass(frozen=True, slots=True)
class NormalConfig:
    """No arguments: mean 0, variance 1."""


@dataclass(frozen=True, slots=True)
class UniformConfig:
    """No arguments: every code is equally likely."""


@dataclass(frozen=True, slots=True)
class PixelCNNConfig:
    width: int = 128  # channels of the two stacks
    layers: int = 12  # gated layers; one reaches kernel // 2 positions further
    kernel: int = 3  # side of the unmasked window, odd
    dropout: float = 0.0  # of the gated activations, in training

    def __post_init__(self):
        for name in ("width", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and at least 3, not {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class LevelsConfig:
    parts: tuple[Any, ...] = rest("prior")  # one a level, the largest map first
    width: int = 64  # channels of what the levels above tell a level
    depth: int = 2  # residual blocks of the network that tells it

    def __post_init__(self):
        several(self.parts)
        if self.width < 1 or self.depth < 0:
            raise ValueError("width must be at least 1 and depth at least 0")


_HERE = "aezoo.components.priors"

RECORDS = (
    Component(
        "normal",
        config=NormalConfig,
        target=f"{_HERE}.normal:NormalPrior",
        summary="standard normal over continuous latents",
        paper="Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114",
    ),
    Component(
        "uniform",
        config=UniformConfig,
        target=f"{_HERE}.uniform:UniformPrior",
        summary="every code equally likely",
        caps=Capabilities(discrete=True),
    ),
    Component(
        "pixelcnn",
        config=PixelCNNConfig,
        target=f"{_HERE}.pixelcnn:PixelCNNPrior",
        summary="gated PixelCNN over codes, conditional, sampled with cached rows",
        caps=Capabilities(discrete=True, ranks=(1, 2), conditional=True),
        paper="van den Oord et al., Conditional Image Generation with PixelCNN Decoders, "
        "2016, arXiv:1606.05328",
        example="pixelcnn(8,layers=2)",
    ),
    Component(
        "levels",
        config=LevelsConfig,
        target=f"{_HERE}.levels:LevelsPrior",
        summary="a prior a level of codes, each given the levels above",
        caps=Capabilities(discrete=True, conditional=True),
        paper="Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with "
        "VQ-VAE-2, 2019, arXiv:1906.00446",
        example="vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),"
        "levels(vq(4,3),vq(5,2)),unres(8,depth=1),"
        "prior=levels(pixelcnn(8,2),pixelcnn(8,2),width=4),input=(1,8,8))",
    ),
)
