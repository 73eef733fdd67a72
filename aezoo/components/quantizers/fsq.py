"""Finite scalar quantization (Mentzer et al. 2023, arXiv:2309.15505, algorithm in app. A.1).

Channel i is bounded to a range that holds L_i integers and rounded; there is no codebook to
learn and no penalty. A code is the mixed-radix number of the channels' levels, the first
channel counting fastest.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from aezoo.components.nd import pointwise
from aezoo.components.quantizers.configs import FSQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.nearest import perplexity, usage
from aezoo.latents import Latent

_EPSILON = 1e-3  # keeps the outermost levels reachable in finite precision


class FSQ(nn.Module):
    """h (B, F, *L) -> z (B, D, *L) in [-1, 1], codes (B, *L) in [0, prod L_i)."""

    levels: Tensor  # L_i, (D,) int64
    bases: Tensor  # products of the levels before, (D,) int64

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.num_codes = math.prod(config.levels)
        self.in_shape = in_shape
        self.out_shape = (len(config.levels), *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], len(config.levels))
        # Buffers, and saved ones: constants made in forward would be copied to the GPU each step.
        bases = [math.prod(config.levels[:i]) for i in range(len(config.levels))]
        self.register_buffer("levels", torch.tensor(config.levels))
        self.register_buffer("bases", torch.tensor(bases))

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        with torch.autocast(h.device.type, enabled=False):
            rows = self.project(h.float()).movedim(1, -1)
            bounded = self._bound(rows)
            integers = straight_through(bounded, bounded.round())
            half = self.levels // 2
            codes = ((integers.detach().round().long() + half) * self.bases).sum(-1)
            codes = codes.clamp(0, self.num_codes - 1)  # NaN must not count outside the table
            counts = torch.zeros(self.num_codes, device=h.device).index_add_(
                0, codes.flatten(), torch.ones(codes.numel(), device=h.device)
            )
            return Latent(
                z=(integers / half).movedim(-1, 1).contiguous(),
                codes=codes,
                metrics={"perplexity": perplexity(counts), "usage": usage(counts)},
            )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) int64 -> z (B, D, *L)."""
        digits = (codes[..., None] // self.bases) % self.levels
        half = self.levels // 2
        return ((digits - half) / half).movedim(-1, 1).contiguous()

    def _bound(self, rows: Tensor) -> Tensor:
        half = (self.levels - 1) * (1 + _EPSILON) / 2
        offset = 0.5 * (1 - self.levels % 2)  # even counts: the integers lie off-centre
        return (rows + (offset / half).atanh()).tanh() * half - offset
