"""The uniform prior over one-hot latents, as Jang et al. 2016 (arXiv:1611.01144) have it."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature
from aezoo.components.one_hot import OneHots, one_hot
from aezoo.components.priors.configs import Categorical
from aezoo.components.priors.device import drawing_device
from aezoo.errors import ShapeError


class CategoricalPrior(nn.Module):
    """Each of k categories with 1/k, over one-hot z (B, n*k, *L). No parameters; no ``cond``."""

    def __init__(
        self,
        config: Categorical,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        self.shape, self.one_hot_of = tuple(shape), config.k
        if num_codes is not None or shape[0] % config.k:
            raise ShapeError(
                f"categorical is a prior over one-hot latents of {config.k} categories, as the "
                f"posterior gumbel(n,{config.k}) gives; over codes use prior=uniform"
            )

    def distribution(self, like: Tensor) -> OneHots:
        """The prior of one sample of ``like`` (B, n*k, *L), on its device."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        zero = torch.zeros((), dtype=dtype, device=like.device).expand(like.shape[1:])
        return OneHots(zero.unflatten(0, (-1, self.one_hot_of)), 0)

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B, n*k, *L) one-hot -> (B,) nats."""
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
        """(n,*shape) one-hot. A uniform distribution is the same at any temperature."""
        check_temperature(temperature)
        size = (n, *(self.shape if shape is None else shape))
        scores = torch.rand(size, generator=generator, device=drawing_device(generator, cond))
        return one_hot(scores.unflatten(1, (-1, self.one_hot_of)), 2).flatten(1, 2)
