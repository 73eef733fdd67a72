"""A class label as a condition: one-hot, or a learned embedding."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.conditions.configs import Label
from aezoo.errors import ShapeError


class LabelCondition(nn.Module):
    """y (B,) int64, or other integers, in [0, classes) -> (B, E)."""

    def __init__(self, config: Label):
        super().__init__()
        self.classes = config.classes
        self.dim = config.dim or config.classes
        self.embedding = nn.Embedding(config.classes, config.dim) if config.dim else None

    def forward(self, y: Tensor) -> Tensor:
        if y.is_floating_point() or y.ndim != 1:
            raise ShapeError(
                f"the condition is one label a sample, int64 (B,), not {y.dtype} {tuple(y.shape)}"
            )
        if y.device.type == "cpu" and len(y) and not 0 <= y.min() <= y.max() < self.classes:
            raise ShapeError(  # elsewhere it would be a wait for the device
                f"the condition is a label from 0 to {self.classes - 1}, and they go from "
                f"{int(y.min())} to {int(y.max())}; cond=inferred(...) takes -1, unknown"
            )
        if self.embedding is not None:
            return self.embedding(y.long())
        return F.one_hot(y.long(), self.classes).float()

    def draw(
        self, n: int, *, device: torch.device, generator: torch.Generator | None = None
    ) -> Tensor:
        """``n`` labels, each class equally likely: (n,) int64."""
        where = device if generator is None else generator.device
        return torch.randint(self.classes, (n,), device=where, generator=generator).to(device)
