"""Codes as mixed-radix numbers of their channels' digits, the first channel counting fastest."""

from __future__ import annotations

import itertools
import operator

from torch import Tensor


def bases_of(levels: tuple[int, ...]) -> list[int]:
    """What a digit of each channel counts: the product of the levels before."""
    return list(itertools.accumulate(levels[:-1], operator.mul, initial=1))


def number_of(digits: Tensor, bases: Tensor) -> Tensor:
    """digits (..., D) int64 and bases (D,) -> (...)."""
    return (digits * bases).sum(-1)


def digits_of(codes: Tensor, bases: Tensor, levels: Tensor) -> Tensor:
    """codes (...), bases and levels (D,), all int64 -> digits (..., D), each below its level."""
    return (codes[..., None] // bases) % levels
