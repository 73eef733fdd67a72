"""Convolutions over maps that see what comes before in raster order, whole or step by step.

Salimans, Karpathy, Chen and Kingma, PixelCNN++, 2017, arXiv:1701.05517: nothing is masked, the
input is padded on the side of the past; and gated residual blocks with concatenated ELUs, which
Chen, Mishra, Rohaninejad and Abbeel, PixelSNAIL, 2017, arXiv:1712.09763, build on as well. The
weight normalisation of both papers' code is left out.

Letters: B batch, I and O channels, H rows, W columns.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

Conv = Callable[[Tensor], Tensor]


class CausalConv(nn.Conv2d):
    """(B,I,H,W) -> (B,O,H,W): each place reads rows up to its own.

    ``kernel`` is (rows, columns); the columns end at the place's own, or are ``centred`` on it
    (their number is odd then).
    """

    def __init__(self, inputs: int, outputs: int, kernel: tuple[int, int], *, centred: bool):
        super().__init__(inputs, outputs, kernel)
        rows, columns = kernel
        self.right = columns // 2 if centred else 0
        self.left = columns - 1 - self.right
        self.above = rows - 1

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(F.pad(x, (self.left, self.right, self.above, 0)))


class Kept:
    """A `CausalConv` that is given its input a place at a time, or a row at a time where centred.

    ``kept(x)`` takes the next place (n,I,1,1), or row (n,I,1,W), in raster order and gives what
    the convolution has there. It keeps the rows that the kernel reaches.
    """

    def __init__(self, conv: CausalConv, n: int, columns: int):
        weight = conv.weight
        self.conv, self.columns, self.at = conv, columns, 0
        self.reach = weight.shape[3] - 1
        self.rows = weight.new_zeros(n, weight.shape[1], conv.above + 1, columns + self.reach)

    def __call__(self, x: Tensor) -> Tensor:
        if self.at == self.columns:
            self.rows = F.pad(self.rows[:, :, 1:], (0, 0, 0, 1))
            self.at = 0
        first, after = self.at, self.at + x.shape[3]
        self.rows[:, :, -1, self.conv.left + first : self.conv.left + after] = x[:, :, 0]
        self.at = after
        seen = self.rows[..., first : after + self.reach]
        if x.shape[3] > 1:
            return F.conv2d(seen, self.conv.weight, self.conv.bias)
        found = F.linear(seen.flatten(1), self.conv.weight.flatten(1), self.conv.bias)
        return found[:, :, None, None]


class GatedResidual(nn.Module):
    """x + a * sigmoid(b), where (a,b) come from x through two convolutions: (B,width,H,W).

    Args:
        conv: makes a convolution from its numbers of input and output channels.
        beside: channels of a second input, at the same places; 0: there is none.
        cond_dim: channels of the condition, or None.
    """

    def __init__(
        self,
        width: int,
        conv: Callable[[int, int], nn.Module],
        *,
        beside: int = 0,
        cond_dim: int | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.first = conv(2 * width, width)
        self.beside = pointwise(2 * beside, width) if beside else None
        self.second = conv(2 * width, 2 * width)
        self.cond = None if cond_dim is None else nn.Linear(cond_dim, 2 * width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, beside: Tensor | None = None, cond: Tensor | None = None
    ) -> Tensor:
        """``beside`` (B,beside,H,W); ``cond`` (B,E), or (B,E,*L) with a vector for each place."""
        told = None if self.cond is None or cond is None else everywhere(self.cond, cond)
        return self.through(x, self.first, self.second, self.dropout, beside, told)

    def through(
        self,
        x: Tensor,
        first: Conv,
        second: Conv,
        dropout: Conv,
        beside: Tensor | None = None,
        told: Tensor | None = None,
    ) -> Tensor:
        """The block with these in the place of its own; ``told`` is added to both halves."""
        h = first(concat_elu(x))
        if self.beside is not None and beside is not None:
            h = h + self.beside(concat_elu(beside))
        h = second(dropout(concat_elu(h)))
        if told is not None:
            h = h + told
        a, b = h.chunk(2, dim=1)
        return x + a * b.sigmoid()


class KeptResidual:
    """A `GatedResidual` of causal convolutions, as `Kept` is of one. Dropout is off.

    Its condition is given at the start, for all places.
    """

    def __init__(self, block: GatedResidual, n: int, columns: int, cond: Tensor | None):
        self.block = block
        self.first, self.second = (
            Kept(conv, n, columns) if isinstance(conv, CausalConv) else conv
            for conv in (block.first, block.second)
        )
        self.told = None if block.cond is None or cond is None else everywhere(block.cond, cond)

    def __call__(self, x: Tensor, row: int, columns: slice, beside: Tensor | None = None) -> Tensor:
        """The next place or row x (n,width,1,c), which is at these ``columns`` of ``row``."""
        told = None if self.told is None else at(self.told, row, columns)
        return self.block.through(x, self.first, self.second, _same, beside, told)


def pointwise(inputs: int, outputs: int) -> nn.Conv2d:
    """The same linear map at every place."""
    return nn.Conv2d(inputs, outputs, 1)


def concat_elu(x: Tensor) -> Tensor:
    """ELU of x and of -x, beside each other in the channels: (B,I,H,W) -> (B,2I,H,W)."""
    return F.elu(torch.cat([x, -x], dim=1))


def everywhere(linear: nn.Linear, cond: Tensor) -> Tensor:
    """What a condition adds: (B,E) -> (B,O,1,1), (B,E,L) -> (B,O,1,L), (B,E,H,W) -> (B,O,H,W)."""
    if cond.ndim == 2:
        return linear(cond)[:, :, None, None]
    places = cond if cond.ndim == 4 else cond.unsqueeze(2)
    return linear(places.movedim(1, -1)).movedim(-1, 1)


def at(x: Tensor, row: int, columns: slice) -> Tensor:
    """(B,O,1,c) of a map (B,O,H,W), or of one that is the same everywhere, (B,O,1,1)."""
    return x if x.shape[2:] == (1, 1) else x[:, :, row : row + 1, columns]


def _same(x: Tensor) -> Tensor:
    return x
