"""Independent bits. torch's own Bernoulli has no KL of a batch to one distribution, and no mode
where a bit is as likely as not."""

from __future__ import annotations

from typing import ClassVar

import torch.nn.functional as F
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl


class Bits(Distribution):
    """Events in {0,1}^(D,*L): logits (*batch,D,*L) of a 1.

    ``log_prob`` of a relaxed z, between 0 and 1, is the linear extension z log pi + (1 - z)
    log(1 - pi); it is a probability at bits alone.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor, batch_dims: int):
        self.logits = logits
        shape = logits.shape
        super().__init__(shape[:batch_dims], shape[batch_dims:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """pi, (*batch,D,*L)."""
        return self.logits.sigmoid()

    @property
    def variance(self) -> Tensor:
        return self.mean * (-self.logits).sigmoid()

    @property
    def mode(self) -> Tensor:
        return (self.logits > 0).to(self.logits.dtype)

    def log_prob(self, value: Tensor) -> Tensor:
        return self._summed(value * self.logits - F.softplus(self.logits))

    def entropy(self) -> Tensor:
        return -self._summed(self.mean * self.logits - F.softplus(self.logits))

    def _summed(self, each: Tensor) -> Tensor:
        return each.flatten(each.ndim - len(self.event_shape)).sum(-1)


@register_kl(Bits, Bits)
def _kl(q: Bits, p: Bits) -> Tensor:
    """sum of pi log(pi / p) + (1 - pi) log((1 - pi) / (1 - p)) over all bits: exact."""
    one = F.logsigmoid(q.logits) - F.logsigmoid(p.logits)
    none = F.logsigmoid(-q.logits) - F.logsigmoid(-p.logits)
    return q._summed(q.logits.sigmoid() * one + (-q.logits).sigmoid() * none)
