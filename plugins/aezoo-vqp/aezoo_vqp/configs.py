"""The arguments of the quantizers, one frozen dataclass each. No torch here.

The first arguments are aezoo's: ``quantizers`` and ``groups`` are how many, ``codes`` is K of
each, ``dim`` is D, the channels that are quantized. The others have the names and the defaults
that vector-quantize-pytorch gives them.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import aezoo
from aezoo.checks import at_least


def _levels(levels: tuple[int, ...], lowest: int) -> None:
    if not levels:
        raise ValueError("needs at least one level count")
    at_least(lowest, **{f"level count {i}": n for i, n in enumerate(levels, 1)})


def _codebook(config: VQ | RVQ | GRVQ) -> None:
    at_least(2, codes=config.codes)
    at_least(1, dim=config.dim, kmeans_iters=config.kmeans_iters)
    at_least(
        0,
        commitment_weight=config.commitment_weight,
        threshold_ema_dead_code=config.threshold_ema_dead_code,
    )
    if not 0 <= config.decay < 1:
        raise ValueError(f"decay must be in [0, 1), not {config.decay}")
    if config.learnable_codebook and config.use_cosine_sim:
        raise ValueError("learnable_codebook and use_cosine_sim exclude each other")


@dataclass(frozen=True, slots=True, kw_only=True)
class Codebook:
    """How a codebook learns, in `VQ`, `RVQ` and `GRVQ` alike."""

    commitment_weight: float = 1.0  # of the mean squared distance from the codebook
    decay: float = 0.8  # of the codebook's moving averages
    learnable_codebook: bool = False  # by gradients, in place of moving averages
    rotation_trick: bool = True  # the gradient is rotated, else passed straight through
    use_cosine_sim: bool = False  # vectors and codes of length one
    kmeans_init: bool = False  # from the first training batch
    kmeans_iters: int = 10
    threshold_ema_dead_code: int = 0  # codes taken less often in the average move to the data


@dataclass(frozen=True, slots=True)
class VQ(Codebook):
    codes: int  # K
    dim: int  # D

    def __post_init__(self) -> None:
        _codebook(self)


@dataclass(frozen=True, slots=True)
class RVQ(Codebook):
    quantizers: int  # q, one codebook each
    codes: int
    dim: int

    def __post_init__(self) -> None:
        at_least(1, quantizers=self.quantizers)
        _codebook(self)


@dataclass(frozen=True, slots=True)
class GRVQ(Codebook):
    groups: int  # g, parts of the channels
    quantizers: int  # q of each group
    codes: int
    dim: int

    def __post_init__(self) -> None:
        at_least(1, quantizers=self.quantizers, groups=self.groups)
        if self.dim % self.groups:
            raise ValueError(f"dim {self.dim} cannot be cut into {self.groups} groups")
        _codebook(self)


@dataclass(frozen=True, slots=True)
class FSQ:
    levels: tuple[int, ...] = aezoo.rest()  # of each channel; K is their product
    preserve_symmetry: bool = False  # levels from -1 to 1; needed where a channel has two
    noise_dropout: float = 0.0  # part of the values that get noise for rounding, in training

    def __post_init__(self) -> None:
        _levels(self.levels, 2 if self.preserve_symmetry else 3)
        if not 0 <= self.noise_dropout < 1:
            raise ValueError(f"noise_dropout must be in [0, 1), not {self.noise_dropout}")
        if self.noise_dropout and not self.preserve_symmetry:
            raise ValueError("noise_dropout needs preserve_symmetry=true")

    @property
    def dim(self) -> int:
        return len(self.levels)

    @property
    def codes(self) -> int:
        return math.prod(self.levels)


@dataclass(frozen=True, slots=True)
class RFSQ:
    quantizers: int  # q
    levels: tuple[int, ...]  # of each channel, the same in all q; K is their product

    def __post_init__(self) -> None:
        at_least(1, quantizers=self.quantizers)
        _levels(self.levels, 2)

    @property
    def dim(self) -> int:
        return len(self.levels)

    @property
    def codes(self) -> int:
        return math.prod(self.levels)


@dataclass(frozen=True, slots=True)
class LFQ:
    dim: int  # D, bits; K = 2^D
    entropy_loss_weight: float = 0.1
    diversity_gamma: float = 1.0  # of the codebook's entropy, against that of each place
    commitment_loss_weight: float = 0.0
    spherical: bool = False  # on the unit sphere: binary spherical quantization

    def __post_init__(self) -> None:
        at_least(0, commitment_loss_weight=self.commitment_loss_weight)
        _bits(self)

    @property
    def codes(self) -> int:
        return 2**self.dim


@dataclass(frozen=True, slots=True)
class RLFQ:
    quantizers: int  # q
    dim: int  # D, bits of each; K = 2^D
    entropy_loss_weight: float = 0.1
    diversity_gamma: float = 1.0

    def __post_init__(self) -> None:
        at_least(1, quantizers=self.quantizers)
        _bits(self)

    @property
    def codes(self) -> int:
        return 2**self.dim


def _bits(config: LFQ | RLFQ) -> None:
    at_least(1, dim=config.dim)
    if config.dim > 20:
        raise ValueError(f"makes 2^{config.dim} codes; their entropy is counted up to 2^20")


@dataclass(frozen=True, slots=True)
class SimVQ:
    codes: int  # K
    dim: int  # D
    commitment_weight: float = 1.0  # of both terms
    input_to_quantize_commit_loss_weight: float = 0.25  # of the term that moves the encoder
    rotation_trick: bool = True

    def __post_init__(self) -> None:
        _simvq(self)


@dataclass(frozen=True, slots=True)
class RSimVQ:
    quantizers: int  # q
    codes: int
    dim: int
    commitment_weight: float = 1.0
    input_to_quantize_commit_loss_weight: float = 0.25
    rotation_trick: bool = True

    def __post_init__(self) -> None:
        at_least(1, quantizers=self.quantizers)
        _simvq(self)


def _simvq(config: SimVQ | RSimVQ) -> None:
    at_least(2, codes=config.codes)
    at_least(1, dim=config.dim)
    at_least(
        0,
        commitment_weight=config.commitment_weight,
        input_to_quantize_commit_loss_weight=config.input_to_quantize_commit_loss_weight,
    )
