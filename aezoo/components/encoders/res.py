"""The convolutional residual encoder of the VQ-VAE paper (arXiv:1711.00937, section 4.1).

Strided 4x4 convolutions, then residual blocks. The widths before the last halving are half
of ``width``, as in the authors' released code; the paper's text has one width throughout.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.encoders.configs import Res
from aezoo.components.nd import Down, conv, halved
from aezoo.components.residual import residual_stack


class ResEncoder(nn.Module):
    """x (B, C, *S) -> h (B, width, *ceil(S/down))."""

    any_size = True

    def __init__(self, config: Res, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *size = in_shape
        rank, times = len(size), config.down.bit_length() - 1
        self.in_shape = in_shape
        self.out_shape = (config.width, *halved(tuple(size), times))
        layers: list[nn.Module] = []
        for step in range(times):
            outputs = config.width if step == times - 1 else config.width // 2
            layers += [Down(rank, channels, outputs), nn.ReLU()]
            channels = outputs
        layers.append(conv(rank, channels, config.width, 3))
        layers += residual_stack(rank, config.width, config.depth, config.hidden)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)
