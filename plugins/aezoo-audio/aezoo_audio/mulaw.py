"""Mu-law companding: amplitudes on a scale of loudness (ITU-T G.711; WaveNet, arXiv:1609.03499,
section 2.2).
"""

from __future__ import annotations

import math

import torch
from torch import Tensor


def compand(x: Tensor, mu: float = 255.0) -> Tensor:
    """sign(x) log(1 + mu |x|) / log(1 + mu): -1, 0 and 1 stay where they are."""
    return x.sign() * torch.log1p(mu * x.abs()) / math.log1p(mu)


def expand(y: Tensor, mu: float = 255.0) -> Tensor:
    """The inverse of `compand`."""
    return y.sign() * torch.expm1(y.abs() * math.log1p(mu)) / mu


def to_levels(x: Tensor, levels: int) -> Tensor:
    """Amplitudes in [-1,1] -> the nearest of ``levels`` companded levels, int64 in [0, levels)."""
    steps = levels - 1
    companded = compand(x.float().clamp(-1, 1), steps)
    return ((companded + 1) * (steps / 2)).round().long()


def from_levels(level: Tensor, levels: int) -> Tensor:
    """The amplitude of each level, float32 in [-1,1]; of an odd count the middle one is 0."""
    steps = levels - 1
    return expand(level.float() * (2 / steps) - 1, steps).clamp(-1, 1)


def every_level(levels: int, device: torch.device | None = None) -> Tensor:
    """All amplitudes there are, rising: (levels,) float32."""
    return from_levels(torch.arange(levels, device=device), levels)
