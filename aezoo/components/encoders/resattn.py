"""The encoder of VQGAN: residual blocks at each resolution, attention at the smallest map.

Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, 2020,
arXiv:2012.09841, appendix A; the blocks of arXiv:2006.11239. Halvings are those of `res`.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.attention import SmoothBlock, middle
from aezoo.components.encoders.configs import ResAttn
from aezoo.components.nd import Down, conv, group_norm, halved, pyramid


class ResAttnEncoder(nn.Module):
    """x (B, C, *S) -> h (B, width, *ceil(S/down))."""

    any_size = True

    def __init__(self, config: ResAttn, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *size = in_shape
        rank, times = len(size), config.down.bit_length() - 1
        self.in_shape = in_shape
        self.out_shape = (config.width, *halved(tuple(size), times))
        widths = pyramid(config.width, times + 1)[::-1]
        layers: list[nn.Module] = [conv(rank, channels, widths[0], 3)]
        channels = widths[0]
        for step, width in enumerate(widths):
            if step:
                layers.append(Down(rank, channels, channels))
            for _ in range(config.depth):
                layers.append(SmoothBlock(rank, channels, width))
                channels = width
        layers += middle(rank, channels, config.heads)
        layers += [group_norm(channels), nn.SiLU(), conv(rank, channels, config.width, 3)]
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
