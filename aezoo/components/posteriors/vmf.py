"""q(z|x) on the unit sphere: Davidson et al. 2018, arXiv:1804.00891, sections 3.1 to 3.3."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.nd import pointwise, wide
from aezoo.components.posteriors.configs import VMF
from aezoo.components.sphere import VonMisesFisher, slerp
from aezoo.latents import Latent

#: kappa is 1 at least, as in the paper's code, and no greater than this.
GREATEST = 1e5


class VMFPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L) of length 1 at every place; mu with sample=False.

    The encoder gives a direction, whose length counts for nothing, and kappa = 1 + softplus.
    """

    space = "sphere"

    def __init__(self, config: VMF, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.dim, self.in_shape = config.dim, in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], config.dim + 1)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        direction, kappa = wide(self.project(h)).split((self.dim, 1), dim=1)
        mu = F.normalize(direction, dim=1)
        q = VonMisesFisher(mu, (1 + F.softplus(kappa)).clamp(max=GREATEST))
        return Latent(z=q.draw(generator) if sample else mu, q=q)

    def between(self, z0: Tensor, z1: Tensor, weight: Tensor) -> Tensor:
        """The way from z0 to z1, both (B, D, *L), along great circles."""
        return slerp(z0, z1, weight)
