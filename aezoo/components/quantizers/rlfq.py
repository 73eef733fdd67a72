"""Residual lookup-free quantization: the signs of what the signs before left over, half as large.

The residual quantization of SoundStream (Zeghidour et al. 2021, arXiv:2107.03312, algorithm 1) with
the lookup-free quantizer of MAGVIT-v2 (Yu et al. 2023, arXiv:2310.05737) in every step, as
vector-quantize-pytorch has it: step k adds 2^-k or -2^-k to each channel, whose q steps are then q
bits of a number between -2 and 2. A step's soft assignments are of distances in its own size;
there they have one temperature at all sizes.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.bits import entropy_penalty, numbered, signs, signs_of
from aezoo.components.quantizers.configs import RLFQ as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.latents import Latent


class RLFQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, q, *L) in [0, 2^D), the coarsest step first.

    The penalty is the sum of the steps' own: `lfq` has its terms.
    """

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape, dim=config.dim, codes=config.step.codes, several=(config.q,)
        )
        self.q, self.step = config.q, config.step

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        left, total, codes, penalties = z_e, torch.zeros_like(z_e), [], []
        for k in range(self.q):
            size = 0.5**k
            e = size * signs(left.detach())
            logits = 4 * left / (size * self.step.temperature)  # as in lfq, of left / size
            penalty = entropy_penalty(logits, self.step, training=self.training)
            codes.append(numbered(left, 1))
            left, total = left - e, total + e
            penalties.append(penalty + self.step.beta * left.square().flatten(1).sum(1))
        codes = torch.stack(codes, 1)
        return Latent(
            z=straight_through(z_e, total),
            codes=codes,
            penalty=torch.stack(penalties).sum(0),
            metrics=gauges(codes, self.num_codes, self.q),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, q, *L) int64 -> z (B, D, *L); the first steps alone give a coarser z."""
        dim, dtype = self.step.dim, self.project.weight.dtype
        steps = [0.5**k * signs_of(code, dim, 1, dtype) for k, code in enumerate(codes.unbind(1))]
        return torch.stack(steps).sum(0)
