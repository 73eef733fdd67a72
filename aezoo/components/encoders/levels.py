"""Encoders one behind the other: each reads the features of the one before.

Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with VQ-VAE-2, 2019,
arXiv:1906.00446, section 3.1 and figure 2a.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from aezoo.components.encoders.configs import Levels
from aezoo.errors import ShapeError


class LevelsEncoder(nn.Module):
    """x (B, C, *S) -> (h_1, ..., h_n), each (B, F_l, *L_l); h_1 is the largest map.

    ``out_shape`` is the tuple of their shapes.
    """

    def __init__(self, config: Levels, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.parts: Any = nn.ModuleList()
        shapes: list[tuple[int, ...]] = []
        for part in config.parts:
            level = len(shapes)
            try:
                self.parts.append(part.build(in_shape=shapes[-1] if shapes else in_shape))
            except ShapeError as error:
                raise ShapeError(f"level {level}, {part}: {error}") from error
            shapes.append(tuple(self.parts[-1].out_shape))
            if isinstance(shapes[-1][0], tuple):
                raise ShapeError(
                    f"level {level}, {part}, has levels itself; write its parts side by side "
                    "with the others"
                )
        self.out_shape = tuple(shapes)
        self.any_size = all(getattr(part, "any_size", False) for part in self.parts)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = []
        for part in self.parts:
            x = part(x)
            features.append(x)
        return tuple(features)
