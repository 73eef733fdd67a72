"""Independent categorical variables as one-hot vectors among the channels."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, constraints, register_kl


class OneHots(Distribution):
    """n variables of k categories a place: logits (*batch, n, k, *L), events (n*k, *L).

    ``log_prob`` of a relaxed z, on the simplex, is the linear extension sum z log pi; it is a
    probability at one-hot z alone.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor, batch_dims: int):
        self.axis = batch_dims + 1  # of the k categories
        self.log_pi = logits.log_softmax(self.axis)
        event = self._flat(logits).shape[batch_dims:]
        super().__init__(logits.shape[:batch_dims], event, validate_args=False)

    def _flat(self, values: Tensor) -> Tensor:
        return values.flatten(self.axis - 1, self.axis)

    @property
    def mean(self) -> Tensor:
        """pi, (*batch, n*k, *L)."""
        return self._flat(self.log_pi.exp())

    @property
    def variance(self) -> Tensor:
        return self.mean * (1 - self.mean)

    @property
    def mode(self) -> Tensor:
        return self._flat(one_hot(self.log_pi, self.axis))

    def log_prob(self, value: Tensor) -> Tensor:
        terms = value * self._flat(self.log_pi)
        return terms.flatten(-len(self.event_shape)).sum(-1)

    def entropy(self) -> Tensor:
        return -(self.mean * self._flat(self.log_pi)).flatten(-len(self.event_shape)).sum(-1)


def one_hot(scores: Tensor, axis: int) -> Tensor:
    """1 at the largest score along an axis, else 0."""
    return torch.zeros_like(scores).scatter(axis, scores.argmax(axis, keepdim=True), 1.0)


def gumbel(like: Tensor, generator: Generator | None) -> Tensor:
    """Gumbel noise of the shape, dtype and device of ``like``: logits + noise draw by argmax."""
    where = like.device if generator is None else generator.device
    waits = torch.empty(like.shape, dtype=like.dtype, device=where)
    waits = waits.exponential_(generator=generator).to(like.device)
    return -waits.clamp(min=torch.finfo(waits.dtype).tiny).log()


def annealed(first: float, last: float | None, step: int, total: int) -> float:
    """A temperature that falls geometrically over a run; with None it stays. Of the step alone."""
    last = last or first
    return first * (last / first) ** min(1.0, step / max(1, total - 1))


@register_kl(OneHots, OneHots)
def _kl(q: OneHots, p: OneHots) -> Tensor:
    """sum pi_q (log pi_q - log pi_p) over all variables: exact."""
    gain = q._flat(q.log_pi) - p._flat(p.log_pi)
    return (q.mean * gain).flatten(-len(q.event_shape)).sum(-1)
