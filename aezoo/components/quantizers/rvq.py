"""Residual vector quantization: each codebook quantizes what those before it left over.

Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, SoundStream: An End-to-End Neural Audio Codec,
2021, arXiv:2107.03312, section III-C, algorithm 1. Every level is a `vq.VQ`, with its own
k-means start, moving averages and revival; the gradient passes the sum once.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import RVQ as Config
from aezoo.components.quantizers.estimators import ESTIMATORS
from aezoo.components.quantizers.gauges import joined
from aezoo.components.quantizers.vq import unprojected
from aezoo.latents import Latent


class RVQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, q, *L) in [0, K), the coarsest level first.

    The penalty is the sum of the levels' own. ``metrics`` are the levels' geometric mean of
    perplexities and their mean usage.
    """

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(in_shape=in_shape, dim=config.dim, codes=config.codes, several=(config.q,))
        self.estimator = ESTIMATORS[config.estimator]
        self.levels: Any = nn.ModuleList(
            unprojected(config.level, in_shape=self.out_shape) for _ in range(config.q)
        )

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        left, total, found = z_e, torch.zeros_like(z_e), []
        for level in self.levels:
            found.append(level(left))
            e = found[-1].z.detach()
            left, total = left - e, total + e
        return Latent(
            z=self.estimator(z_e, total),
            codes=torch.stack([latent.codes for latent in found], 1),
            penalty=torch.stack([latent.penalty for latent in found]).sum(0),
            metrics=joined([latent.metrics for latent in found]),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, q, *L) int64 -> z (B, D, *L); the first levels alone give a coarser z."""
        levels = zip(self.levels, codes.unbind(1), strict=False)
        return torch.stack([level.lookup(code) for level, code in levels]).sum(0)
