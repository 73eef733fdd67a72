"""x at a lower resolution as the condition: super-resolution.

Gatopoulos, Stol, Tomczak, Super-resolution Variational Auto-Encoders, 2020, arXiv:2006.05218:
p(x|y,z) for y, a downscaled x. Here y is given, and no part of what the bound is of.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.conditions.configs import Lowres


class LowresCondition(nn.Module):
    """y (B, C, *S / factor), rounded up -> y, for each place a mean over a box of x."""

    label_shape = None

    def __init__(self, config: Lowres, in_shape: tuple[int, ...]):
        super().__init__()
        self.factor = config.factor
        channels, *size = in_shape
        self.out_shape = (channels, *self._small(size))

    def forward(self, y: Tensor) -> Tensor:
        return y

    def of(self, x: Tensor) -> Tensor:
        """x (B, C, *S) -> y (B, C, *S / factor)."""
        return F.interpolate(x, self._small(x.shape[2:]), mode="area")

    def _small(self, size: list[int] | tuple[int, ...]) -> tuple[int, ...]:
        return tuple(-(-n // self.factor) for n in size)
