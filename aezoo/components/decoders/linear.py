"""Linear decoder: one matrix and a bias, no hidden layer."""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.decoders.configs import Linear
from aezoo.components.nd import flat


class LinearDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S), of the flattened z."""

    def __init__(self, config: Linear, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape, self.out_shape = in_shape, out_shape
        self.project = nn.Linear(flat(in_shape), flat(out_shape))

    def forward(self, z: Tensor) -> Tensor:
        return self.project(z.flatten(1)).unflatten(1, self.out_shape)
