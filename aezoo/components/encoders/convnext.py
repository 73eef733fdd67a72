"""ConvNeXt as an encoder (arXiv:2201.03545): blocks at each resolution, halved between.

The stem's patches are 2x2, where the paper's are 4x4 of large pictures. No stochastic depth.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.convnext import PlaceNorm, blocks, started
from aezoo.components.encoders.configs import ConvNeXt
from aezoo.components.nd import Down, conv, halved, pyramid


class ConvNeXtEncoder(nn.Module):
    """x (B, C, *S) -> h (B, width, *ceil(S/down))."""

    any_size = True

    def __init__(self, config: ConvNeXt, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *size = in_shape
        rank, times = len(size), config.down.bit_length() - 1
        self.in_shape = in_shape
        self.out_shape = (config.width, *halved(tuple(size), times))
        layers: list[nn.Module] = []
        for width in reversed(pyramid(config.width, max(1, times))):
            if layers:
                layers += [Down(rank, channels, width, 2)]
            elif times:
                layers += [Down(rank, channels, width, 2), PlaceNorm(width)]
            else:
                layers += [conv(rank, channels, width, 3), PlaceNorm(width)]
            layers += [*blocks(rank, width, config.depth, config.scale), PlaceNorm(width)]
            channels = width
        self.layers = nn.Sequential(*layers)
        started(self.layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
