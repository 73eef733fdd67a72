"""The ConvNeXt encoder backwards: blocks at each resolution (arXiv:2201.03545), doubled between.

How many doublings follows from the shapes on both sides.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.convnext import PlaceNorm, blocks, started
from aezoo.components.decoders.configs import UnConvNeXt
from aezoo.components.decoders.maps import ways_up
from aezoo.components.nd import conv, pyramid, unpatched


class UnConvNeXtDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S') with S' = L times a power of two, S' >= S."""

    any_size = True

    def __init__(
        self, config: UnConvNeXt, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
    ):
        super().__init__()
        rank, times = len(out_shape) - 1, ways_up("unconvnext", in_shape, out_shape)
        self.in_shape, self.out_shape = in_shape, out_shape
        channels = config.width
        layers: list[nn.Module] = [conv(rank, in_shape[0], channels, 3), PlaceNorm(channels)]
        for step, width in enumerate(pyramid(config.width, max(1, times))):
            if step:
                layers.append(unpatched(rank, channels, width, 2))
            layers += [*blocks(rank, width, config.depth, config.scale), PlaceNorm(width)]
            channels = width
        if times:
            last = unpatched(rank, channels, out_shape[0], 2)
        else:
            last = conv(rank, channels, out_shape[0], 3)
        self.layers = nn.Sequential(*layers, last)
        started(self.layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
