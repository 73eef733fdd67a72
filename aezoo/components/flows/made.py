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

    ``backwards``: the last value is the first of the order. ``each``: x is (N,D*each), a value
    told by so many numbers beside each other.
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
        each: int = 1,
    ):
        super().__init__()
        self.dim, self.outputs, self.backwards, self.each = dim, outputs, backwards, each
        self.first = nn.Linear(dim * each, hidden)
        self.second = nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, outputs * dim)
        self.reader = None if context is None else nn.Linear(context, hidden, bias=False)
        self.act = activation(act)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: Tensor, context: Tensor | None = None) -> tuple[Tensor, ...]:
        value, unit = self._numbers(x.device)
        dtype = self.first.weight.dtype
        told = value.repeat_interleave(self.each)
        h = _masked(self.first, x.to(dtype), unit[:, None] >= told)
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


class MADESteps:
    """One value after the other, in the order's turn: in all the work of one pass.

    ``scores(place) -> (N,outputs)``, what the network gives for a value; then ``put(place, x
    (N,each))``, which the values after it see. A hidden unit is computed once, as soon as all that
    it may see is there.
    """

    def __init__(self, made: MADE, n: int, context: Tensor | None):
        self.made = made
        weight = made.first.weight
        self.first = made.first.bias.expand(n, -1)  # of the first layer, before its activation
        if made.reader is not None:
            assert context is not None
            self.first = self.first + made.reader(context.to(weight.dtype))
        self.second = made.second.bias.expand(n, -1)
        self.h = weight.new_zeros(n, len(weight))  # of the second layer, what is there of it
        self.unit = made._numbers(weight.device)[1]

    def scores(self, place: int) -> Tensor:
        made, number = self.made, self._number(place) - 1
        ready = self._units(number)
        h = made.act(self.first[:, ready])
        weight = made.second.weight[:, ready] * (self.unit >= number)[:, None]
        self.second = self.second + F.linear(h, weight)
        self.h[:, ready] = made.act(self.second[:, ready])
        rows = slice(place, None, made.dim)
        return wide(F.linear(self.h, made.last.weight[rows], made.last.bias[rows]))

    def put(self, place: int, x: Tensor) -> None:
        made = self.made
        columns = slice(place * made.each, (place + 1) * made.each)
        seen = (self.unit >= self._number(place))[:, None]
        weight = made.first.weight[:, columns] * seen
        self.first = self.first + F.linear(x.to(weight.dtype), weight)

    def _number(self, place: int) -> int:
        return self.made.dim - place if self.made.backwards else place + 1

    def _units(self, number: int) -> slice:
        """The hidden units of a number, as `MADE` gives them out."""
        if self.made.reader is None and self.made.dim > 1:
            return slice(number - 1, None, self.made.dim - 1) if number else slice(0, 0)
        return slice(number, None, self.made.dim)


def _masked(layer: nn.Linear, x: Tensor, mask: Tensor) -> Tensor:
    return F.linear(x, layer.weight * mask, layer.bias)
