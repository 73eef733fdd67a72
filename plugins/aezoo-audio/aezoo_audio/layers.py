"""One-dimensional layers: strided convolutions of any length, and dilated residual blocks.

Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, SoundStream: An End-to-End Neural Audio Codec,
2021, arXiv:2107.03312, section III: strided convolutions of kernel 2s and stride s, and between
them residual units of dilations 1, 3 and 9 with ELU.

Letters: B batch, C channels, T samples of a waveform, L places of a latent.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

DILATIONS = (1, 3, 9)  # of consecutive blocks; then again from the start


class Shorten(nn.Module):
    """Convolution of kernel 2s and stride s: (B, inputs, T) to (B, outputs, ceil(T / s))."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv = nn.Conv1d(inputs, outputs, 2 * stride, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        left = self.stride // 2
        right = self.stride - left + -x.shape[-1] % self.stride
        return self.conv(F.pad(x, (left, right)))


class Lengthen(nn.Module):
    """Transposed convolution of kernel 2s and stride s: (B, inputs, L) to (B, outputs, s L)."""

    def __init__(self, inputs: int, outputs: int, stride: int):
        super().__init__()
        self.stride = stride
        self.conv = nn.ConvTranspose1d(inputs, outputs, 2 * stride, stride=stride)

    def forward(self, x: Tensor) -> Tensor:
        left = self.stride // 2
        return self.conv(x)[..., left : left + self.stride * x.shape[-1]]


class Block(nn.Module):
    """x + pointwise(elu(dilated(elu(x)))): (B, C, T) to the same shape."""

    def __init__(self, width: int, dilation: int):
        super().__init__()
        self.dilated = nn.Conv1d(width, width, 3, dilation=dilation, padding=dilation)
        self.pointwise = nn.Conv1d(width, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.pointwise(F.elu(self.dilated(F.elu(x))))


def blocks(width: int, depth: int) -> list[nn.Module]:
    return [Block(width, DILATIONS[i % len(DILATIONS)]) for i in range(depth)]
