"""A strided encoder with dilated residual blocks (SoundStream's, arXiv:2107.03312, section III.A).

Without causality: the codes of a recording may look at all of it. The amplitudes are companded
first, for a quiet speaker is a hundred times quieter than a loud one; zeros and ones, such as
those of a condition, stay as they are.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo_audio.configs import DilatedConfig
from aezoo_audio.layers import Shorten, blocks
from aezoo_audio.mulaw import compand


class DilatedEncoder(nn.Module):
    """x (B, C, T) -> h (B, width, ceil(T / down)), down the product of the strides."""

    any_size = True

    def __init__(self, config: DilatedConfig, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, length = in_shape
        self.in_shape = in_shape
        layers: list[nn.Module] = []
        for stride, width in zip(config.strides, config.widths, strict=True):
            layers += [Shorten(channels, width, stride), *blocks(width, config.depth)]
            channels, length = width, -(-length // stride)
        self.layers = nn.Sequential(*layers)
        self.last = nn.Conv1d(channels, config.width, 3, padding=1)
        self.out_shape = (config.width, length)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(F.elu(self.layers(compand(x))))
