"""Binary spherical quantization: the nearest corner of a cube that the unit sphere surrounds.

Zhao, Xiong, Krähenbühl, Image and Video Tokenization with Binary Spherical Quantization, 2024,
arXiv:2406.07548, section 4: u = v/|v|, z = sign(u)/sqrt(D). The error is bounded, and there is
no commitment; the penalty is ``entropy`` times E[H(q(c|u))] - gamma H(E[q(c|u)]), from soft
assignments q(c|u) proportional to exp(tau c^T u). The second term is exact for up to ``joint``
bits; with ``joint=1`` it is the paper's factorized approximation, an upper bound.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.nd import pointwise, wide
from aezoo.components.quantizers.bits import entropy_penalty, numbered, signs, signs_of
from aezoo.components.quantizers.configs import BSQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.latents import Latent


class BSQ(nn.Module):
    """h (B, F, *L) -> z (B, D, *L) of length one; codes (B, *L) in [0, 2^D), or q of D/q bits."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.config = config
        self.in_shape = in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.num_codes = config.codes
        self.code_shape = (*config.several, *in_shape[1:])
        self.side = config.dim**-0.5  # 1/sqrt(D)
        self.project = pointwise(len(in_shape) - 1, in_shape[0], config.dim)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        with torch.autocast(h.device.type, enabled=False):
            u = F.normalize(self.project(wide(h)), dim=1)
            logits = 2 * self.config.tau * self.side * u
            codes = numbered(u, self.config.q)
            return Latent(
                z=straight_through(u, signs(u) * self.side),
                codes=codes,
                penalty=entropy_penalty(logits, self.config, training=self.training),
                metrics=gauges(codes, self.num_codes, *self.config.several),
            )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) or (B, q, *L) int64 -> z (B, D, *L)."""
        dtype = next(self.parameters()).dtype
        return signs_of(codes, self.config.dim, self.config.q, dtype) * self.side
