"""Independent bits: the prior of Shen et al. 2018, arXiv:1805.05361, equation 2."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents
from aezoo.components import bits
from aezoo.components.priors.configs import Bits
from aezoo.components.priors.device import drawing_device


class BernoulliPrior(nn.Module):
    """Each bit of z (B,D,*L) is 1 with probability p. No parameters; ignores ``cond``."""

    space = "bits"

    def __init__(
        self,
        config: Bits,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("bernoulli", num_codes)
        self.shape, self.logit = tuple(shape), math.log(config.p / (1 - config.p))

    def distribution(self, like: Tensor) -> bits.Bits:
        """The prior of one sample of ``like`` (B,D,*L), on its device."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        logits = torch.full(like.shape[1:], self.logit, dtype=dtype, device=like.device)
        return bits.Bits(logits, 0)

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L) of bits -> (B,) nats; of relaxed ones the linear extension."""
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
        """(n,*shape) of bits; ``temperature`` divides the logit, 0 takes the likelier bit."""
        check_temperature(temperature)
        size = (n, *(self.shape if shape is None else shape))
        u = torch.rand(size, generator=generator, device=drawing_device(generator, cond))
        u = u.clamp(min=torch.finfo(u.dtype).tiny)
        # u < sigmoid(logit / T), with no division by a temperature of 0.
        return (temperature * u.logit() < self.logit).to(u.dtype)
