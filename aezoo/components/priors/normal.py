"""The standard normal prior.

Kingma and Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Independent, Normal

from aezoo.checks import check_temperature, over_latents
from aezoo.components.priors.configs import NormalConfig
from aezoo.components.priors.device import drawing_device


class NormalPrior(nn.Module):
    """N(0, 1) over continuous latents (B,D,*L). It has no parameters and ignores ``cond``."""

    def __init__(
        self,
        config: NormalConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("normal", num_codes)
        self.shape = tuple(shape)

    def distribution(self, like: Tensor) -> Independent:
        """The prior of one sample of ``like`` (B,D,*L): event shape (D,*L), on its device."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        zero = torch.zeros((), dtype=dtype, device=like.device).expand(like.shape[1:])
        pixels = Normal(zero, torch.ones_like(zero), validate_args=False)
        return Independent(pixels, like.ndim - 1, validate_args=False)

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
        return temperature * torch.randn(size, generator=generator, device=device)
