"""Lookup-free quantization: the sign of each channel is a bit of the code.

Yu, Lezama, Gundavarapu et al., Language Model Beats Diffusion: Tokenizer is Key to Visual
Generation (MAGVIT-v2), 2023, arXiv:2310.05737, section 3.1, eq. 3 to 5. The penalty is the
commitment and ``entropy`` times E[H(q(z))] - gamma H(E[q(z)]), from soft assignments
q(c|z) proportional to exp(-|z - c|^2 / temperature): each place sure of its code, the batch
using all of them. A batch of few places cannot use all: its entropy is at most log of their number
where each is sure.
"""

from __future__ import annotations

from torch import Generator, Tensor

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.bits import entropy_penalty, numbered, signs, signs_of
from aezoo.components.quantizers.configs import LFQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.latents import Latent


class LFQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L) of 1 and -1; codes (B, *L) in [0, 2^D), or q of D/q bits."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape, dim=config.dim, codes=config.codes, several=config.several
        )
        self.config = config

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        e = signs(z_e)
        # |z - c|^2 differs by 4z between the two values of a bit
        logits = 4 * z_e / self.config.temperature
        penalty = entropy_penalty(logits, self.config, training=self.training)
        codes = numbered(z_e, self.config.q)
        return Latent(
            z=straight_through(z_e, e),
            codes=codes,
            penalty=penalty + self.config.beta * (z_e - e).square().flatten(1).sum(1),
            metrics=gauges(codes, self.num_codes, *self.config.several),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) or (B, q, *L) int64 -> z (B, D, *L)."""
        return signs_of(codes, self.config.dim, self.config.q, self.project.weight.dtype)
