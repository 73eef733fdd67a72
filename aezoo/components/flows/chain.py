"""What a step of a normalising flow is, and steps one after the other.

Rezende and Mohamed, Variational Inference with Normalizing Flows, 2015, arXiv:1505.05770,
equations 5 to 7: log q(f(x)) = log q(x) - log |det df/dx|, and log-determinants add up.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import torch
from torch import Tensor


class Step(Protocol):
    """An invertible map of rows (N,D), each with its context (N,E) or none.

    Both ways give log |det df/dx| of the forward way, (N,), beside the rows.
    """

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]: ...

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]: ...


def forward(
    steps: Sequence[Step], x: Tensor, contexts: Sequence[Tensor | None]
) -> tuple[Tensor, Tensor]:
    """x (N,D) through all steps: f(x) (N,D) and log |det df/dx| (N,)."""
    total = torch.zeros_like(x[:, 0])
    for step, context in zip(steps, contexts, strict=True):
        x, log_det = step.forward(x, context)
        total = total + log_det
    return x, total


def inverse(
    steps: Sequence[Step], y: Tensor, contexts: Sequence[Tensor | None]
) -> tuple[Tensor, Tensor]:
    """The x (N,D) that `forward` makes y of, and log |det df/dx| (N,) there."""
    total = torch.zeros_like(y[:, 0])
    for step, context in zip(reversed(steps), reversed(contexts), strict=True):
        y, log_det = step.inverse(y, context)
        total = total + log_det
    return y, total
