"""The decoder of VQGAN: attention at the smallest map, residual blocks at each resolution.

Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, 2020,
arXiv:2012.09841, appendix A; the blocks of arXiv:2006.11239. Doublings are those of `unres`, and
how many there are follows from the shapes on both sides.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.attention import SmoothBlock, middle
from aezoo.components.decoders.configs import UnResAttn
from aezoo.components.decoders.maps import ways_up
from aezoo.components.nd import conv, group_norm, pyramid, up


class UnResAttnDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S') with S' = L times a power of two, S' >= S."""

    any_size = True

    def __init__(self, config: UnResAttn, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        rank, times = len(out_shape) - 1, ways_up("unresattn", in_shape, out_shape)
        self.in_shape, self.out_shape = in_shape, out_shape
        channels = config.width
        layers: list[nn.Module] = [conv(rank, in_shape[0], channels, 3)]
        layers += middle(rank, channels, config.heads)
        for step, width in enumerate(pyramid(config.width, times + 1)):
            if step:
                layers.append(up(rank, channels, channels))
            for _ in range(config.depth):
                layers.append(SmoothBlock(rank, channels, width))
                channels = width
        layers += [group_norm(channels), nn.SiLU(), conv(rank, channels, out_shape[0], 3)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
