"""Numbers as a condition: the factors that a sample is known to have.

Sohn, Lee, Yan, Learning Structured Output Representation using Deep Conditional Generative
Models, NIPS 2015: p(x|z,y) and q(z|x,y) for y of any kind.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.conditions.configs import Continuous
from aezoo.errors import ShapeError


class ContinuousCondition(nn.Module):
    """y (B, k) float32 -> (B, E): the numbers themselves, or a small network of them."""

    def __init__(self, config: Continuous):
        super().__init__()
        k, dim = config.values, config.dim
        self.label_shape = (k,)
        self.dim = dim or k
        self.low, self.high = config.bounds
        self.embedding = (
            nn.Sequential(nn.Linear(k, dim), nn.SiLU(), nn.Linear(dim, dim)) if dim else None
        )

    def forward(self, y: Tensor) -> Tensor:
        if not y.is_floating_point() or tuple(y.shape[1:]) != self.label_shape:
            raise ShapeError(
                f"the condition is {self.label_shape[0]} numbers a sample, floating-point (B, "
                f"{self.label_shape[0]}), not {y.dtype} {tuple(y.shape)}"
            )
        return y if self.embedding is None else self.embedding(y)

    def draw(
        self, n: int, *, device: torch.device, generator: torch.Generator | None = None
    ) -> Tensor:
        """``n`` times k numbers, each uniform between its ``low`` and ``high``: (n, k)."""
        where = device if generator is None else generator.device
        u = torch.rand(n, *self.label_shape, device=where, generator=generator)
        low, high = (torch.tensor(v, device=where) for v in (self.low, self.high))
        return torch.lerp(low, high, u).to(device)
