"""DiVeQ: quantization as a step to the code vector, through which a gradient passes.

Vali, Bäckström, Solin, DiVeQ: Differentiable Vector Quantization Using the Reparameterization
Trick, 2025, arXiv:2509.26469: z + |e - z| sg[u], where u is the direction of e - z + v with a
little noise v ~ N(0, sigma^2 I). The length of the step moves codebook and encoder, so that the
reconstruction alone teaches both and there is no penalty. (The authors' package gives torch
sigma^2 as the deviation.) Codes that the data has left move to it as in `vq`, in the paper next
to a code in use. Evaluated, z is e itself.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aezoo.components import draws
from aezoo.components.quantizers.codebook import Codebook
from aezoo.components.quantizers.configs import DiVeQ as Config


class DiVeQ(Codebook):
    """h (B, F, *L) -> z (B, D, *L), codes (B, *L) in [0, K)."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape,
            codes=config.codes,
            dim=config.dim,
            by_gradient=True,
            decay=config.decay,
            revive=config.revive,
        )
        self.sigma = config.variance**0.5

    def passed(
        self, rows: Tensor, e: Tensor, generator: Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        if self.training:
            return step(rows, e, self.sigma * draws.normal(rows.shape, rows, generator)), None
        reached = step(rows, e, torch.zeros_like(rows))
        return e.detach() + (reached - reached.detach()), None  # it is e but for rounding


def step(z: Tensor, e: Tensor, noise: Tensor) -> Tensor:
    """From z as far as e is, in the direction of e + noise, held constant. Shapes (N, D)."""
    way = e - z
    return z + way.norm(dim=1, keepdim=True) * F.normalize(way.detach() + noise, dim=1)
