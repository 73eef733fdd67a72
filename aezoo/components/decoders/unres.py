"""The convolutional residual decoder of the VQ-VAE paper (arXiv:1711.00937, section 4.1).

A 3x3 convolution and residual blocks at the latents' size, then strided 4x4 transposed
convolutions. How many follows from the shapes on both sides.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.decoders.configs import UnRes
from aezoo.components.decoders.maps import ways_up
from aezoo.components.nd import conv, up
from aezoo.components.residual import residual_stack


class UnResDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S') with S' = L times a power of two, S' >= S."""

    any_size = True

    def __init__(self, config: UnRes, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        rank, times = len(out_shape) - 1, ways_up("unres", in_shape, out_shape)
        self.in_shape, self.out_shape = in_shape, out_shape
        layers: list[nn.Module] = [conv(rank, in_shape[0], config.width, 3)]
        layers += residual_stack(rank, config.width, config.depth, config.hidden)
        channels = config.width
        for _ in range(times - 1):
            layers += [up(rank, channels, config.width // 2), nn.ReLU()]
            channels = config.width // 2
        last = up if times else lambda r, i, o: conv(r, i, o, 3)
        layers.append(last(rank, channels, out_shape[0]))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
