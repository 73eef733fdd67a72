"""The textbook convolutional encoder: stride-2 convolutions, then a dense layer."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from aezoo.components.encoders.configs import Conv
from aezoo.components.nd import Down, activation, flat, halved


class ConvEncoder(nn.Module):
    """x (B, C, *S) -> h (B, hidden)."""

    def __init__(self, config: Conv, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.hidden,)
        channels, *size = in_shape
        layers: list[nn.Module] = []
        for inputs, outputs in pairwise((channels, *config.widths)):
            layers += [Down(len(size), inputs, outputs), activation(config.act)]
        map_shape = (config.widths[-1], *halved(tuple(size), len(config.widths)))
        layers += [
            nn.Flatten(),
            nn.Linear(flat(map_shape), config.hidden),
            activation(config.act),
        ]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
