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
