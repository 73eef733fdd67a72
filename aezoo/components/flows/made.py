"""A dense network whose outputs for a value see only the values before it.

Germain, Gregor, Murray and Larochelle, MADE: Masked Autoencoder for Distribution Estimation,
2015, arXiv:1502.03509: equations 8 to 13.

Value i of D has the number i, a hidden unit a number m, and a weight stays where the unit it
leads to has a number at least as great (into hidden units), or greater (into the outputs).
Hidden units take the numbers in turn where the paper draws them. A context is read by all; units
of the number 0 read nothing else, so that it reaches the first value too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.nd import activation, wide


class MADE(nn.Module):
    """x (N,D), context (N,E) -> ``outputs`` tensors (N,D), at least float32; zero at first.

    ``backwards``: the last value is the first of the order.
    """

    def __init__(
        self,
        dim: int,
        hidden: int,
        outputs: int,
        *,
        context: int | None = None,
        backwards: bool = False,
        act: str = "tanh",
    ):
        super().__init__()
        self.dim, self.outputs, self.backwards = dim, outputs, backwards
        self.first = nn.Linear(dim, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs * dim)
        self.reader = None if context is None else nn.Linear(context, hidden, bias=False)
        self.act = activation(act)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, ...]:
        value, unit = self._numbers(x.device)
        dtype = self.first.weight.dtype
        h = _masked(self.first, x.to(dtype), unit[:, None] >= value)
        if self.reader is not None:
            assert context is not None
            h = h + self.reader(context.to(dtype))
        h = self.act(_masked(self.second, self.act(h), unit[:, None] >= unit))
        out = _masked(self.last, h, value.repeat(self.outputs)[:, None] > unit)
        return wide(out).chunk(self.outputs, dim=1)

    def order(self) -> range:
        """The values' places, the first of the order first."""
        return range(self.dim - 1, -1, -1) if self.backwards else range(self.dim)

    def _numbers(self, device: torch.device) -> tuple[Tensor, Tensor]:
        """Of the values, 1 to D, and of the hidden units, up to D - 1."""
        value = torch.arange(1, self.dim + 1, device=device)
        unit = torch.arange(self.first.out_features, device=device)
        if self.reader is None and self.dim > 1:
            unit = 1 + unit % (self.dim - 1)
        else:
            unit = unit % self.dim
        return value.flip(0) if self.backwards else value, unit


def _masked(layer: nn.Linear, x: Tensor, mask: Tensor) -> Tensor:
    return F.linear(x, layer.weight * mask, layer.bias)
