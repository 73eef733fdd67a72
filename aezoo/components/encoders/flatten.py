"""No encoder: the data as one vector. What reads it is the bottleneck's linear map."""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.encoders.configs import Flatten
from aezoo.components.nd import flat


class FlattenEncoder(nn.Module):
    """x (B, C, *S) -> h (B, F), F = C * prod(S)."""

    def __init__(self, config: Flatten, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (flat(in_shape),)

    def forward(self, x: Tensor) -> Tensor:
        return x.flatten(1)
