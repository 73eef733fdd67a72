"""Residual finite scalar quantization: what rounding left over is rounded again, more finely.

Parker, Smirnov, Pons et al., Scaling Transformers for Low-Bitrate High-Quality Speech Coding,
2024, arXiv:2411.19842: each channel is bounded by tanh and rounded to L levels from -1 to 1, ends
included; the error is at most 1/(L-1), and step k rounds it on a grid (L-1)^-k as large. The paper
cuts a trained code into such steps afterwards; here they are in training too, as one rounding.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import RFSQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.components.quantizers.radix import bases_of, digits_of, number_of
from aezoo.latents import Latent


class RFSQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, q, *L) in [0, prod L_i), the coarsest step first."""

    levels: Tensor  # L_i, (D,) int64
    bases: Tensor  # products of the levels before, (D,) int64

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape,
            dim=len(config.levels),
            codes=math.prod(config.levels),
            several=(config.q,),
        )
        self.q = config.q
        self.register_buffer("levels", torch.tensor(config.levels))
        self.register_buffer("bases", torch.tensor(bases_of(config.levels)))

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        rows = z_e.movedim(1, -1).tanh()
        steps = (self.levels - 1).to(rows.dtype)
        left, total, codes = rows.detach(), torch.zeros_like(rows), []
        for k in range(self.q):
            digits = ((left * steps**k + 1) / 2 * steps + 0.5).floor()
            digits = digits.clamp(min=torch.zeros_like(steps), max=steps)
            value = self._values(digits, k)
            left, total = left - value, total + value
            code = number_of(digits.long(), self.bases)
            codes.append(code.clamp(0, self.num_codes - 1))  # NaN must stay in the table
        codes = torch.stack(codes, 1)
        return Latent(
            z=straight_through(rows, total).movedim(-1, 1).contiguous(),
            codes=codes,
            metrics=gauges(codes, self.num_codes, self.q),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, q, *L) int64 -> z (B, D, *L); the first steps alone give a coarser z."""
        dtype = self.project.weight.dtype
        digits = digits_of(codes, self.bases, self.levels).to(dtype)
        values = [self._values(step, k) for k, step in enumerate(digits.unbind(1))]
        return torch.stack(values).sum(0).movedim(-1, 1).contiguous()

    def _values(self, digits: Tensor, k: int) -> Tensor:
        """digits (..., D) of step k -> values on its grid, from -(L-1)^-k to (L-1)^-k."""
        steps = (self.levels - 1).to(digits.dtype)
        return (digits * 2 / steps - 1) / steps**k
