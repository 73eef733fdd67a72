"""q(z|x) of a flow: independent normals, sent through steps (arXiv:1505.05770, equation 7)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, Normal, constraints

from aezoo.components.flows import chain
from aezoo.components.flows.chain import Step


def rows(x: Tensor) -> Tensor:
    """(B,C,*L) -> (B * places, C): the vector of every place."""
    return x if x.ndim == 2 else x.movedim(1, -1).reshape(-1, x.shape[1])


def maps(found: Tensor, shape: tuple[int, ...]) -> Tensor:
    """Back from `rows`: (B * places, C) -> ``shape`` = (B,C,*L)."""
    if len(shape) == 2:
        return found
    return found.reshape(shape[0], *shape[2:], shape[1]).movedim(-1, 1)


class FlowDistribution(Distribution):
    """Of batch shape (B,) and event shape (D,*L); at each place the D channels are a vector.

    Args:
        mu, sigma: (B,D,*L), of the normals before the steps.
        steps: the flow, from the normals to z.
        contexts: of each step, (B * places, E).

    `log_prob` of what was last made of noise by `push` is known and costs nothing, for any
    other z the steps are inverted. It has no closed mean.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(
        self,
        mu: Tensor,
        sigma: Tensor,
        steps: Sequence[Step],
        contexts: Sequence[Tensor | None],
    ):
        self.mu, self.sigma, self.steps, self.contexts = mu, sigma, steps, contexts
        self._made: Tensor | None = None
        self._log_q: Tensor | None = None
        super().__init__(mu.shape[:1], mu.shape[1:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        return constraints.independent(constraints.real, len(self.event_shape))

    def push(self, epsilon: Tensor) -> Tensor:
        """Standard normal noise (B,D,*L) -> z (B,D,*L); zero noise goes the way of the mean."""
        start = self.mu + self.sigma * epsilon
        z, log_det = chain.forward(self.steps, rows(start), self.contexts)
        self._made = maps(z, self.mu.shape)
        self._log_q = self._base(start) - self._summed(log_det)
        return self._made

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """(*sample_shape,B,D,*L), with gradient."""
        size = torch.Size(sample_shape)
        if not size:
            return self.push(torch.randn_like(self.mu))
        drawn = [self.push(torch.randn_like(self.mu)) for _ in range(size.numel())]
        return torch.stack(drawn).reshape(*size, *self.mu.shape)

    def log_prob(self, value: Tensor) -> Tensor:
        """(*sample_shape,B,D,*L) -> (*sample_shape,B) nats."""
        if value is self._made and self._log_q is not None:
            return self._log_q
        every = value.reshape(-1, *self.mu.shape)
        found = torch.stack([self._inverted(z) for z in every])
        return found.reshape(value.shape[: value.ndim - self.mu.ndim + 1])

    def _inverted(self, z: Tensor) -> Tensor:
        start, log_det = chain.inverse(self.steps, rows(z), self.contexts)
        return self._base(maps(start, self.mu.shape)) - self._summed(log_det)

    def _base(self, start: Tensor) -> Tensor:
        log_q = Normal(self.mu, self.sigma, validate_args=False).log_prob(start)
        return log_q.flatten(1).sum(1)

    def _summed(self, log_det: Tensor) -> Tensor:
        """(B * places,) -> (B,)."""
        return log_det.reshape(len(self.mu), -1).sum(1)
