"""The wrapped normal prior at the origin of the Poincare ball.

Mathieu et al., Continuous Hierarchical Representations with Poincare Variational Auto-Encoders,
2019, arXiv:1901.06033, section 3.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents
from aezoo.components import poincare
from aezoo.components.priors.configs import PoincareConfig
from aezoo.components.priors.device import drawing_device


class PoincarePrior(nn.Module):
    """Over z (B,D,*L), points of the ball at every place. No parameters; ignores ``cond``.

    Densities are relative to the Riemannian measure, as the posterior poincare's are.
    """

    def __init__(
        self,
        config: PoincareConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("poincare", num_codes)
        self.config, self.shape = config, tuple(shape)
        self.space = f"poincare({config.c:g})"

    def distribution(self, like: Tensor) -> poincare.WrappedNormal:
        """The prior of one sample of ``like`` (B,D,*L), on its device."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        origin = torch.zeros(like.shape[1:], dtype=dtype, device=like.device)
        sigma = torch.full_like(origin, self.config.sigma)
        return poincare.WrappedNormal(origin, sigma, self.config.c, batch_dims=0)

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L) -> (B,) nats."""
        return self.distribution(z).log_prob(z)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple[int, ...] | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """(n,*shape); ``temperature`` scales the standard deviation."""
        check_temperature(temperature)
        size = (n, *(self.shape if shape is None else shape))
        device = drawing_device(generator, cond)
        v = torch.randn(size, generator=generator, device=device)
        v = temperature * self.config.sigma * v
        return poincare.exp(torch.zeros_like(v), v, self.config.c)
