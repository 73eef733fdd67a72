"""q(z|x) = N(mu, diag(sigma^2)), Kingma & Welling 2013, arXiv:1312.6114, appendix C.2."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from aezoo.components import draws
from aezoo.components.nd import pointwise, wide
from aezoo.components.posteriors.configs import Gaussian
from aezoo.latents import Latent

#: log sigma^2 is kept in this range: exp() stays finite in float32 and in bfloat16.
LOG_VARIANCE = (-20.0, 10.0)


class GaussianPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L) = mu + sigma * epsilon (eq. 10), or mu with sample=False."""

    def __init__(self, config: Gaussian, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], 2 * config.dim)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        mu, log_variance = wide(self.project(h)).chunk(2, dim=1)
        sigma = (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp()
        q = Independent(Normal(mu, sigma, validate_args=False), mu.ndim - 1, validate_args=False)
        if not sample:
            return Latent(z=mu, q=q)
        return Latent(z=mu + sigma * draws.normal(mu.shape, mu, generator), q=q)
