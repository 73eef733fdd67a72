"""The textbook convolutional decoder: dense layers, then stride-2 transposed convolutions."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from aezoo.components.encoders.configs import Conv
from aezoo.components.nd import activation, crop, flat, halved, up


class DeconvDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S), one doubling a width: ``deconv(64,32)`` has two."""

    def __init__(self, config: Conv, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape, self.out_shape = in_shape, out_shape
        params, *size = out_shape
        map_shape = (config.widths[0], *halved(tuple(size), len(config.widths)))
        layers: list[nn.Module] = [
            nn.Flatten(),
            nn.Linear(flat(in_shape), config.hidden),
            activation(config.act),
            nn.Linear(config.hidden, flat(map_shape)),
            nn.Unflatten(1, map_shape),
        ]
        for inputs, outputs in pairwise((*config.widths, params)):
            layers += [activation(config.act), up(len(size), inputs, outputs)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return crop(self.layers(z), self.out_shape[1:])
