"""Binary spherical quantization: the nearest corner of a cube that the unit sphere surrounds.

Zhao, Xiong, Krähenbühl, Image and Video Tokenization with Binary Spherical Quantization, 2024,
arXiv:2406.07548, section 4: u = v/|v|, z = sign(u)/sqrt(D). The error is bounded, and there is
no commitment; the penalty is ``entropy`` times E[H(q(c|u))] - gamma H(E[q(c|u)]), from soft
assignments q(c|u) proportional to exp(tau c^T u). The second term is exact for up to ``joint``
bits; with ``joint=1`` it is the paper's factorized approximation (eq. 8), an upper bound.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Generator, Tensor

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.bits import entropy_penalty, numbered, signs, signs_of
from aezoo.components.quantizers.configs import BSQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.latents import Latent


class BSQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L) of length one; codes (B, *L) in [0, 2^D), or q of D/q bits."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape, dim=config.dim, codes=config.codes, several=config.several
        )
        self.config = config
        self.side = config.dim**-0.5  # 1/sqrt(D)

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        u = F.normalize(z_e, dim=1)
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
        dtype = self.project.weight.dtype
        return signs_of(codes, self.config.dim, self.config.q, dtype) * self.side
