"""Finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505, algorithm in app. A.1).

Channel i is bounded to a range that holds L_i integers and rounded; there is no codebook to
learn and no penalty. A code is the mixed-radix number of the channels' levels, the first
channel counting fastest.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import FSQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.components.quantizers.radix import bases_of, digits_of, number_of
from aezoo.latents import Latent

_EPSILON = 1e-3  # keeps the outermost levels reachable in finite precision


class FSQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L) in [-1, 1], codes (B, *L) in [0, prod L_i)."""

    levels: Tensor  # L_i, (D,) int64
    bases: Tensor  # products of the levels before, (D,) int64

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(in_shape=in_shape, dim=len(config.levels), codes=math.prod(config.levels))
        # Buffers, and saved ones: constants made in forward would be copied to the GPU each step.
        self.register_buffer("levels", torch.tensor(config.levels))
        self.register_buffer("bases", torch.tensor(bases_of(config.levels)))

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        rows = z_e.movedim(1, -1)
        bounded = self._bound(rows)
        integers = straight_through(bounded, bounded.round())
        half = self.levels // 2
        codes = number_of(integers.detach().round().long() + half, self.bases)
        codes = codes.clamp(0, self.num_codes - 1)  # NaN must not count outside the table
        return Latent(
            z=(integers / half).movedim(-1, 1).contiguous(),
            codes=codes,
            metrics=gauges(codes, self.num_codes),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) int64 -> z (B, D, *L)."""
        half = self.levels // 2
        digits = digits_of(codes, self.bases, self.levels)
        values = (digits - half).to(self.project.weight.dtype) / half
        return values.movedim(-1, 1).contiguous()

    def _bound(self, rows: Tensor) -> Tensor:
        levels = self.levels.to(rows.dtype)
        half = (levels - 1) * (1 + _EPSILON) / 2
        offset = 0.5 * (1 - levels % 2)  # even counts: the integers lie off-centre
        return (rows + (offset / half).atanh()).tanh() * half - offset
