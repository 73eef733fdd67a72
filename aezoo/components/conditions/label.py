"""A class label as a condition: one-hot, or a learned embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.conditions.configs import Label


class LabelCondition(nn.Module):
    """y (B,) int64 in [0, classes) -> (B, E)."""

    def __init__(self, config: Label):
        super().__init__()
        self.classes = config.classes
        self.dim = config.dim or config.classes
        self.embedding = nn.Embedding(config.classes, config.dim) if config.dim else None

    def forward(self, y: Tensor) -> Tensor:
        if self.embedding is not None:
            return self.embedding(y)
        return F.one_hot(y, self.classes).float()

    def draw(
        self, n: int, *, device: torch.device, generator: torch.Generator | None = None
    ) -> Tensor:
        """``n`` labels, each class equally likely: (n,) int64."""
        where = device if generator is None else generator.device
        return torch.randint(self.classes, (n,), device=where, generator=generator).to(device)
