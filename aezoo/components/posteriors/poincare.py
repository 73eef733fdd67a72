"""q(z|x) on the Poincare ball: Mathieu et al. 2019, arXiv:1901.06033, section 3."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components import draws, poincare
from aezoo.components.nd import pointwise, wide
from aezoo.components.posteriors.configs import Poincare
from aezoo.components.posteriors.gaussian import LOG_VARIANCE
from aezoo.latents import Latent


class PoincarePosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L), at every place a point of the ball; mu with sample=False.

    The encoder gives a tangent vector at the origin, which leads to mu, and the variances of a
    normal distribution in the tangent space of mu.
    """

    def __init__(self, config: Poincare, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.c, self.in_shape = config.c, in_shape
        self.space = f"poincare({config.c:g})"
        self.out_shape = (config.dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], 2 * config.dim)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        tangent, log_variance = wide(self.project(h)).chunk(2, dim=1)
        mu = poincare.exp(torch.zeros_like(tangent), tangent, self.c)
        sigma = (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp()
        q = poincare.WrappedNormal(mu, sigma, self.c)
        if not sample:
            return Latent(z=mu, q=q)
        return Latent(z=q.push(draws.normal(mu.shape, mu, generator)), q=q)

    def between(self, z0: Tensor, z1: Tensor, weight: Tensor) -> Tensor:
        """The way from z0 to z1, both (B, D, *L), along geodesics."""
        return poincare.between(z0, z1, weight, self.c)
