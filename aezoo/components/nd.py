"""Layers for one, two or three spatial axes, and the shape arithmetic they share.

Down-sampling halves an axis and rounds up; up-sampling doubles it, and the surplus is
cropped at the far end. So every size works, and sizes that are multiples of the total
stride lose nothing.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.errors import ShapeError

_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}
_CONV_TRANSPOSE = {1: nn.ConvTranspose1d, 2: nn.ConvTranspose2d, 3: nn.ConvTranspose3d}
_ACTIVATIONS = {
    "relu": nn.ReLU,
    "gelu": nn.GELU,
    "silu": nn.SiLU,
    "elu": nn.ELU,
    "tanh": nn.Tanh,
    "softplus": nn.Softplus,
}


def _of(layers: dict[int, type[nn.Module]], rank: int) -> Any:
    """Raises ShapeError for a vector."""
    if rank not in layers:
        raise ShapeError(
            "a convolution reads a map with 1, 2 or 3 spatial axes, and what it is given has "
            f"{rank or 'none'}; take mlp here, or an encoder that keeps a map, as res"
        )
    return layers[rank]


def activation(name: str) -> nn.Module:
    return _ACTIVATIONS[name]()


def conv(rank: int, inputs: int, outputs: int, kernel: int, groups: int = 1) -> nn.Module:
    """A convolution that keeps the size (``kernel`` odd)."""
    return _of(_CONV, rank)(inputs, outputs, kernel, padding=kernel // 2, groups=groups)


class EvenConv(nn.Module):
    """Convolution of an even kernel that keeps the size: the far end has one zero more."""

    def __init__(self, rank: int, inputs: int, outputs: int, kernel: int):
        super().__init__()
        self.conv = _of(_CONV, rank)(inputs, outputs, kernel)
        self.pad = (kernel // 2 - 1, kernel // 2) * rank

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, self.pad))


def pointwise(rank: int, inputs: int, outputs: int) -> nn.Module:
    """The same linear map at every place; for rank 0, of a vector."""
    return nn.Linear(inputs, outputs) if rank == 0 else _of(_CONV, rank)(inputs, outputs, 1)


class Down(nn.Module):
    """Convolution of even kernel and stride 2: (B, inputs, *S) to (B, outputs, *ceil(S/2))."""

    def __init__(self, rank: int, inputs: int, outputs: int, kernel: int = 4):
        super().__init__()
        self.conv = _of(_CONV, rank)(inputs, outputs, kernel, stride=2, padding=kernel // 2 - 1)

    def forward(self, x: Tensor) -> Tensor:
        odd = [n % 2 for n in x.shape[2:]]
        if any(odd):
            x = F.pad(x, [p for n in reversed(odd) for p in (0, n)])
        return self.conv(x)


def up(rank: int, inputs: int, outputs: int) -> nn.Module:
    """Transposed convolution of kernel 4 and stride 2: (B, inputs, *S) to (B, outputs, *2S)."""
    return _of(_CONV_TRANSPOSE, rank)(inputs, outputs, 4, stride=2, padding=1)


def patches(rank: int, inputs: int, outputs: int, size: int) -> nn.Module:
    """Each patch of ``size`` places along each axis to one: (B, inputs, *S) to (.., *S/size)."""
    return _of(_CONV, rank)(inputs, outputs, size, stride=size)


def unpatched(rank: int, inputs: int, outputs: int, size: int) -> nn.Module:
    """Each place to a patch: (B, inputs, *S) to (B, outputs, *size * S)."""
    layer = _of(_CONV_TRANSPOSE, rank)(inputs, outputs, size, stride=size)
    # As a dense layer starts. torch counts the values of a patch, which do not meet in any sum.
    nn.init.uniform_(layer.weight, -(inputs**-0.5), inputs**-0.5)
    return layer


def group_norm(channels: int) -> nn.Module:
    """Group normalisation (arXiv:1803.08494): 32 groups, or as many as give each 4 channels."""
    most = max(1, min(32, channels // 4))
    return nn.GroupNorm(next(n for n in range(most, 0, -1) if channels % n == 0), channels)


def halved(size: tuple[int, ...], times: int) -> tuple[int, ...]:
    """The spatial size after ``times`` down-samplings."""
    return tuple(-(-n // 2**times) for n in size)


def pyramid(width: int, maps: int) -> list[int]:
    """The channels of ``maps`` maps, the smallest first: each larger one has half, 16 at least."""
    return [max(width >> i, min(width, 16)) for i in range(maps)]


def crop(x: Tensor, size: tuple[int, ...]) -> Tensor:
    """The first ``size`` places along each spatial axis."""
    if tuple(x.shape[2:]) == tuple(size):
        return x
    return x[(slice(None), slice(None), *(slice(n) for n in size))]


def doublings(small: tuple[int, ...], large: tuple[int, ...]) -> int:
    """How many up-samplings lead from one spatial size to the other.

    Raises:
        ShapeError: no number of doublings does.
    """
    for times in range(32):
        if halved(large, times) == tuple(small):
            return times
    raise ShapeError(f"no number of doublings leads from a map of size {small} to size {large}")


def flat(shape: tuple[int, ...]) -> int:
    """The number of values in one sample of this shape."""
    return math.prod(shape)


def wide(x: Tensor) -> Tensor:
    """x in float32 at least: what a likelihood or a KL is computed in, under autocast too."""
    return x.to(torch.promote_types(x.dtype, torch.float32))
