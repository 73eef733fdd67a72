"""The block of ConvNeXt, for one, two or three spatial axes.

Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, A ConvNet for the 2020s, 2022, arXiv:2201.03545,
section 2 and figure 4. Layer scale: Touvron et al. 2021, arXiv:2103.17239. Weights start with the
deviation of the authors' code, 0.02; the paper's table 5 says 0.2, ten times as much.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.nd import conv

KERNEL = 7
WIDER = 4  # times: the channels inside a block


class PlaceNorm(nn.Module):
    """Layer normalisation of the channels at each place: (B, C, *S)."""

    def __init__(self, channels: int):
        super().__init__()
        self.norm = nn.LayerNorm(channels, eps=1e-6)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(x.movedim(1, -1)).movedim(-1, 1)


class ConvNeXtBlock(nn.Module):
    """x + gamma * (7x7 depthwise convolution, layer norm, wider, GELU, back); (B, width, *S)."""

    def __init__(self, rank: int, width: int, scale: float):
        super().__init__()
        self.conv = conv(rank, width, width, KERNEL, groups=width)
        self.norm = nn.LayerNorm(width, eps=1e-6)
        self.wider = nn.Linear(width, WIDER * width)
        self.act = nn.GELU()
        self.project = nn.Linear(WIDER * width, width)
        self.gamma = nn.Parameter(torch.full((width,), scale))

    def forward(self, x: Tensor) -> Tensor:
        h = self.norm(self.conv(x).movedim(1, -1))
        h = self.gamma * self.project(self.act(self.wider(h)))
        return x + h.movedim(-1, 1)


def blocks(rank: int, width: int, depth: int, scale: float) -> list[nn.Module]:
    return [ConvNeXtBlock(rank, width, scale) for _ in range(depth)]


def started(network: nn.Module) -> None:
    """Truncated normal kernels and matrices, and biases of zero, as ConvNeXt has them."""
    for name, parameter in network.named_parameters():
        if parameter.ndim > 1:
            nn.init.trunc_normal_(parameter, std=0.02)
        elif name.endswith("bias"):
            nn.init.zeros_(parameter)
