"""Large inputs in overlapping windows, so that memory grows with the window alone.

Where two windows meet, the outer quarter of each one's overlap, which has seen the padding
at its edge, is dropped, and the middle half goes linearly from one to the other. A network
whose receptive field is below a quarter of the overlap gives what it gives untiled; one with
attention or group norms over the whole map comes near it.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable

import torch
from torch import Tensor


def tiled(
    network: Callable[[Tensor], Tensor],
    x: Tensor,
    *,
    tile: int,
    overlap: int,
    axes: int,
    stride: tuple[int, int],
) -> Tensor:
    """``network(x)`` over the last ``axes`` axes of x in windows of ``tile`` latent places.

    Args:
        tile, overlap: In latent places; tile 0 takes x whole, as does an x that is no larger.
        stride: How many places of x, and of the output, one latent place is.
    """
    before, behind = stride
    size = [n // before for n in x.shape[-axes:]]
    if not tile or all(n <= tile for n in size):
        return network(x)
    total = mass = None
    for window in itertools.product(*(_windows(n, tile, overlap) for n in size)):
        y = network(x[(..., *(slice(a * before, b * before) for a, b in window))])
        if total is None or mass is None:
            shape = [n * behind for n in size]
            total = y.new_zeros(*y.shape[:-axes], *shape)
            mass = y.new_zeros(shape)
        weight = y.new_ones(())
        for axis, ((a, b), n) in enumerate(zip(window, size, strict=True)):
            ramp = _ramp((b - a) * behind, overlap * behind, a > 0, b < n).to(y)
            weight = weight * ramp.reshape(-1, *[1] * (axes - 1 - axis))
        place = tuple(slice(a * behind, b * behind) for a, b in window)
        total[(..., *place)] += y * weight
        mass[place] += weight
    assert total is not None and mass is not None
    return total / mass


def _windows(n: int, tile: int, overlap: int) -> list[tuple[int, int]]:
    """(start, end) of windows that cover n places; the last is moved back to fit."""
    if n <= tile:
        return [(0, n)]
    count = math.ceil((n - tile) / (tile - overlap))
    starts = [i * (tile - overlap) for i in range(count)]
    return [(start, start + tile) for start in [*starts, n - tile]]


def _ramp(length: int, overlap: int, left: bool, right: bool) -> Tensor:
    """Weights (length,): 1 inside, falling to 0 over the overlap at sides that have a neighbour."""
    places = torch.arange(length) + 0.5
    weight = torch.ones(length)
    if overlap:
        for there, distance in ((left, places), (right, length - places)):
            if there:
                weight = weight * ((distance - overlap / 4) / (overlap / 2)).clamp(0, 1)
    return weight


def padded(x: Tensor, size: tuple[int, ...], *, repeat: bool) -> Tensor:
    """x with each spatial axis made ``size`` long at its far end: the edge repeated, or zeros."""
    for axis, n in enumerate(size, start=2):
        missing = n - x.shape[axis]
        if missing:
            edge = x.narrow(axis, x.shape[axis] - 1, 1) * (1.0 if repeat else 0.0)
            shape = [-1] * x.ndim
            shape[axis] = missing
            x = torch.cat([x, edge.expand(shape)], dim=axis)
    return x


def multiple(n: int, of: int) -> int:
    """The smallest multiple that is not below n."""
    return -(-n // of) * of
