"""A part of x as the condition, which the model completes: structured output, inpainting.

Sohn, Lee, Yan, Learning Structured Output Representation using Deep Conditional Generative
Models, NIPS 2015. The likelihood is that of all of x: of what is given as well.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor, nn

Size = tuple[int, ...]
Boxes = tuple[tuple[slice, ...], ...]  # each over the last spatial axes


class GivenPart(nn.Module):
    """y (B, C, *S) -> the same with zeros wherever nothing is given.

    Args:
        boxes: what is given of data with a spatial size.
    """

    label_shape = None

    def __init__(self, in_shape: tuple[int, ...], boxes: Callable[[Size], Boxes]):
        super().__init__()
        self.out_shape = tuple(in_shape)
        self.boxes = boxes
        boxes(self.out_shape[1:])  # raises where there are too few axes

    def forward(self, y: Tensor) -> Tensor:
        given = torch.zeros(y.shape[2:], device=y.device, dtype=torch.bool)
        for box in self.boxes(tuple(y.shape[2:])):
            given[(..., *box)] = True
        return torch.where(given, y, 0.0)

    def of(self, x: Tensor) -> Tensor:
        """x (B, C, *S) with zeros wherever nothing is given."""
        return self(x)
