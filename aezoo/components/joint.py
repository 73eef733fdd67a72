"""A distribution of parts side by side on the channels, independent of each other."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, kl_divergence, register_kl


class Joint(Distribution):
    """Events (D_1 + D_2 + ..., *L) of parts with events (D_i, *L); log-probabilities add.

    Args:
        parts: all of one batch shape.
        made: z (B,D,*L) and the parts' own (B,D_i,*L) that it was put together of, where known: a
            flow remembers what its z was made of, but not a copy of it.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(
        self,
        parts: tuple[Distribution, ...],
        made: tuple[Tensor, tuple[Tensor, ...]] | None = None,
    ):
        self.parts, self.made = parts, made
        self.sizes = [part.event_shape[0] for part in parts]
        event = torch.Size((sum(self.sizes), *parts[0].event_shape[1:]))
        super().__init__(parts[0].batch_shape, event, validate_args=False)

    @property
    def mean(self) -> Tensor:
        return self._joined([part.mean for part in self.parts])

    @property
    def variance(self) -> Tensor:
        return self._joined([part.variance for part in self.parts])

    def split(self, value: Tensor) -> tuple[Tensor, ...]:
        """(...,D,*L) -> the parts' (...,D_i,*L)."""
        if self.made is not None and value is self.made[0]:
            return self.made[1]
        return value.split(self.sizes, dim=value.ndim - len(self.event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """(*batch,D,*L) -> (*batch,) nats."""
        pieces = zip(self.parts, self.split(value), strict=True)
        found = [part.log_prob(piece) for part, piece in pieces]
        return sum(found[1:], found[0])

    def _joined(self, values: list[Tensor]) -> Tensor:
        return torch.cat(values, dim=values[0].ndim - len(self.event_shape))


@register_kl(Joint, Joint)
def _kl(q: Joint, p: Joint) -> Tensor:
    """The parts' sum, where each pair has a closed form."""
    found = [kl_divergence(a, b) for a, b in zip(q.parts, p.parts, strict=True)]
    return sum(found[1:], found[0])
