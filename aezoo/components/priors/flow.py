"""What the flow priors share: p(z) is N(0, 1) sent through steps, learned with the model."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents, told_as_built
from aezoo.components.flows import chain
from aezoo.components.nd import flat, wide
from aezoo.errors import ShapeError


class FlowPrior(nn.Module):
    """Over continuous latents (B,D,*L); a map is flattened to one vector.

    Every step starts as the identity, so the prior does as N(0, 1). With a ``cond_dim`` E every
    step reads the condition's embedding (B,E).
    """

    name: str  # as specs write it
    steps: Any  # a ModuleList, which the subclass makes for `dim` values

    def __init__(self, shape: tuple[int, ...], num_codes: int | None, cond_dim: int | None):
        super().__init__()
        over_latents(self.name, num_codes)
        self.shape, self.dim, self.cond_dim = tuple(shape), flat(shape), cond_dim

    def distribution(self, like: Tensor) -> None:
        """None: nothing has a closed form with it."""

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L), cond (B,E) -> (B,) nats."""
        self._check(tuple(z.shape[1:]), cond)
        contexts = [cond] * len(self.steps)
        u, log_det = chain.inverse(self.steps, wide(z).flatten(1), contexts)
        return -0.5 * (u.square() + math.log(2 * math.pi)).sum(1) - log_det

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
        """(n,*shape); ``temperature`` scales the standard deviation before the steps."""
        check_temperature(temperature)
        self._check(self.shape if shape is None else tuple(shape), cond)
        weight = next(self.parameters())
        where = weight.device if generator is None else generator.device
        dtype = torch.promote_types(weight.dtype, torch.float32)
        u = torch.randn(n, self.dim, generator=generator, device=where, dtype=dtype)
        contexts = [cond] * len(self.steps)
        z, _ = chain.forward(self.steps, temperature * u.to(weight.device), contexts)
        return z.reshape(n, *self.shape)

    def _check(self, shape: tuple[int, ...], cond: Tensor | None) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"{self.name} was built for latents {self.shape}, which it flattens; these are "
                f"{shape}; use prior=normal for other sizes"
            )
        told_as_built(self.name, cond, self.cond_dim)
