"""The arguments of the built-in components, one frozen dataclass each. No torch here.

The likelihoods' and priors' stand beside their modules, in the same way.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from aezoo.records import rest, slot

Activation = Literal["relu", "gelu", "silu", "elu", "tanh", "softplus"]


def _at_least(lowest: int | float, **values: int | float | None) -> None:
    for name, value in values.items():
        if value is not None and value < lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")


def _widths(widths: tuple[int, ...], least: int = 1) -> None:
    if len(widths) < least or any(w < 1 for w in widths):
        raise ValueError(f"needs at least {least} width(s), each at least 1")


def _several(parts: tuple[Any, ...]) -> None:
    if len(parts) < 2:
        raise ValueError(f"takes at least two parts, one a level, not {len(parts)}")


# -- families


@dataclass(frozen=True, slots=True)
class AE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("posterior")
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian(sigma=1.0)")
    prior: object = slot("prior", default=None)  # fitted afterwards, on the frozen model
    cond: object = slot("condition", default=None)  # of encoder, decoder and prior
    prior_cond: object = slot("condition", default=None)  # of the prior alone
    corruption: object = slot("corruption", default=None)  # of the encoder's input, in training
    objective: object = slot("objective", default="reconstruction")
    input: tuple[int, ...] = (3, 32, 32)  # (C, *S)

    def __post_init__(self) -> None:
        _input(self.input)


@dataclass(frozen=True, slots=True)
class VAE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("posterior")
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian")
    prior: object = slot("prior", default="normal")
    cond: object = slot("condition", default=None)
    prior_cond: object = slot("condition", default=None)
    corruption: object = slot("corruption", default=None)
    objective: object = slot("objective", default="elbo")
    input: tuple[int, ...] = (3, 32, 32)

    def __post_init__(self) -> None:
        _input(self.input)


@dataclass(frozen=True, slots=True)
class VQVAE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("quantizer")
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian")
    prior: object = slot("prior", default="uniform")  # learned ones are fitted afterwards
    cond: object = slot("condition", default=None)
    prior_cond: object = slot("condition", default=None)
    corruption: object = slot("corruption", default=None)
    objective: object = slot("objective", default="elbo")
    input: tuple[int, ...] = (3, 32, 32)

    def __post_init__(self) -> None:
        _input(self.input)


def _input(shape: tuple[int, ...]) -> None:
    if not 2 <= len(shape) <= 4 or any(n < 1 for n in shape):
        raise ValueError("input is (channels, size) with one to three sizes, each at least 1")


# -- encoders and decoders


@dataclass(frozen=True, slots=True)
class MLP:
    widths: tuple[int, ...] = rest()  # of the hidden layers, in order
    act: Activation = "relu"

    def __post_init__(self) -> None:
        _widths(self.widths)


@dataclass(frozen=True, slots=True)
class Conv:
    widths: tuple[int, ...] = rest()  # channels of the stride-2 layers, in order
    hidden: int = 256  # units of the dense layer next to the latent vector
    act: Activation = "relu"

    def __post_init__(self) -> None:
        _widths(self.widths)
        _at_least(1, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class Res:
    width: int  # channels at the latents' resolution
    depth: int = 2  # residual blocks
    hidden: int | None = None  # channels inside a block; none: width / 4
    down: int = 4  # how much smaller the latents' map is, a power of two

    def __post_init__(self) -> None:
        _at_least(2, width=self.width)
        _at_least(0, depth=self.depth)
        _at_least(1, hidden=self.hidden)
        if self.down < 1 or self.down & (self.down - 1):
            raise ValueError(f"down must be a power of two, not {self.down}")


@dataclass(frozen=True, slots=True)
class UnRes:
    width: int
    depth: int = 2
    hidden: int | None = None

    def __post_init__(self) -> None:
        _at_least(2, width=self.width)
        _at_least(0, depth=self.depth)
        _at_least(1, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class EncoderLevels:
    parts: tuple[Any, ...] = rest("encoder")  # each reads the one before; the largest map first

    def __post_init__(self) -> None:
        _several(self.parts)


@dataclass(frozen=True, slots=True)
class Timm:
    name: str  # as in timm.list_models()
    stage: int = -1  # which of its feature maps
    pretrained: bool = False  # start from timm's weights


# -- posteriors and quantizers


@dataclass(frozen=True, slots=True)
class Point:
    dim: int  # latent channels D

    def __post_init__(self) -> None:
        _at_least(1, dim=self.dim)


@dataclass(frozen=True, slots=True)
class Gaussian:
    dim: int  # latent channels D

    def __post_init__(self) -> None:
        _at_least(1, dim=self.dim)


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
        _at_least(2, codes=self.codes)
        _at_least(1, dim=self.dim)
        _at_least(0.0, beta=self.beta, revive=self.revive)
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
class QuantizerLevels:
    parts: tuple[Any, ...] = rest("quantizer")  # the largest map first
    depth: int = 2  # residual blocks between a level and the one below

    def __post_init__(self) -> None:
        _several(self.parts)
        _at_least(0, depth=self.depth)


# -- conditions and objectives


@dataclass(frozen=True, slots=True)
class Label:
    classes: int
    dim: int | None = None  # of a learned embedding; none: one-hot

    def __post_init__(self) -> None:
        _at_least(1, classes=self.classes, dim=self.dim)


@dataclass(frozen=True, slots=True)
class Elbo:
    pass


@dataclass(frozen=True, slots=True)
class Beta:
    beta: float  # weight of the rate

    def __post_init__(self) -> None:
        _at_least(0.0, beta=self.beta)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    pass
