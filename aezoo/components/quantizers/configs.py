"""The arguments of the quantizers, and their records. No torch in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from aezoo.checks import at_least, several
from aezoo.records import Capabilities, Component, rest


@dataclass(frozen=True, slots=True)
class VQ:
    codes: int  # K
    dim: int  # D
    beta: float = 0.25  # weight of the commitment penalty
    update: Literal["ema", "gradient"] = "ema"  # how the codebook learns
    decay: float = 0.99  # of the moving averages
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    revive: float = 0.03  # codes used less than this part of 1/K move to the data; 0: never

    def __post_init__(self) -> None:
        at_least(2, codes=self.codes)
        at_least(1, dim=self.dim)
        at_least(0.0, beta=self.beta, revive=self.revive)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {self.decay}")


@dataclass(frozen=True, slots=True)
class FSQ:
    levels: tuple[int, ...] = rest()  # L_i of each latent channel

    def __post_init__(self) -> None:
        if not self.levels or any(not 2 <= n <= 1000 for n in self.levels):
            raise ValueError("needs at least one level count, each from 2 to 1000")
        if math.prod(self.levels) > 1 << 24:
            raise ValueError(f"makes {math.prod(self.levels):,} codes; at most 2^24 are counted")


@dataclass(frozen=True, slots=True)
class RVQ:
    q: int  # levels, codes a place
    codes: int  # K of each level
    dim: int  # D
    beta: float = 0.25  # of each level, as in vq: weight of the commitment penalty
    update: Literal["ema", "gradient"] = "ema"  # how the codebooks learn
    decay: float = 0.99  # of the moving averages
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    revive: float = 0.03  # codes used less than this part of 1/K move to the data; 0: never

    def __post_init__(self) -> None:
        at_least(1, q=self.q)
        assert self.level  # its own arguments are checked there

    @property
    def level(self) -> VQ:
        """The arguments of one level; its gradient passes straight, or not at all."""
        return VQ(self.codes, self.dim, self.beta, self.update, self.decay, revive=self.revive)


@dataclass(frozen=True, slots=True)
class Levels:
    parts: tuple[Any, ...] = rest("quantizer")  # the largest map first
    depth: int = 2  # residual blocks between a level and the one below

    def __post_init__(self) -> None:
        several(self.parts)
        at_least(0, depth=self.depth)


_VQVAE = (
    "van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning, 2017, "
    "arXiv:1711.00937"
)
_VQVAE_2 = (
    "Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with VQ-VAE-2, 2019, "
    "arXiv:1906.00446"
)
_LEVELS = (
    "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
    "unres(8,depth=1),input=(1,8,8))"
)

RECORDS = (
    Component(
        "vq",
        config=VQ,
        target="aezoo.components.quantizers.vq:VQ",
        summary="nearest vector of a learned codebook",
        paper=_VQVAE,
        caps=Capabilities(discrete=True),
        example="vq(8,4)",
    ),
    Component(
        "fsq",
        config=FSQ,
        target="aezoo.components.quantizers.fsq:FSQ",
        summary="finite scalar quantization: each channel rounded to a few levels",
        paper=(
            "Mentzer, Minnen, Agustsson, Tschannen, Finite Scalar Quantization: VQ-VAE Made "
            "Simple, 2023, arXiv:2309.15505"
        ),
        caps=Capabilities(discrete=True),
        example="fsq(3,4)",
    ),
    Component(
        "levels",
        config=Levels,
        target="aezoo.components.quantizers.levels:LevelsQuantizer",
        summary="a quantizer a level; the smaller maps condition the larger",
        paper=_VQVAE_2,
        caps=Capabilities(discrete=True),
        example=_LEVELS,
    ),
    Component(
        "rvq",
        config=RVQ,
        target="aezoo.components.quantizers.rvq:RVQ",
        summary="residual: each codebook quantizes what those before it left over",
        paper=(
            "Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, SoundStream: An End-to-End Neural "
            "Audio Codec, 2021, arXiv:2107.03312"
        ),
        caps=Capabilities(discrete=True),
        example="rvq(2,8,4)",
    ),
)
