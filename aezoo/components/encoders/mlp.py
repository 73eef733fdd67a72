"""Dense encoder: the flattened input through hidden layers. ``h`` is the last of them."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from aezoo.components.encoders.configs import MLP
from aezoo.components.nd import activation, flat


class MLPEncoder(nn.Module):
    """x (B, C, *S) -> h (B, F) with F the last width."""

    def __init__(self, config: MLP, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.widths[-1],)
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((flat(in_shape), *config.widths)):
            layers += [nn.Linear(inputs, outputs), activation(config.act)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
