"""Modified Bessel functions I_v of any order v >= 0, in logarithms and ratios, with gradients.

Olver's expansion, uniform in the argument (NIST Digital Library of Mathematical Functions,
10.41.3 and 10.41.10), at an order so large that `TERMS` of it are exact to float64; from there
down by the recurrence I_{v-1} = I_{v+1} + (2v/x) I_v (10.29.1), which is stable that way. All
terms are positive, so nothing cancels, and there is no case for small or for large x.

torch.special has the orders 0 and 1 alone.
"""

from __future__ import annotations

import functools
import math
from fractions import Fraction
from typing import Any

import torch
from torch import Tensor

TERMS = 12  # of Olver's expansion
ORDER = 12.0  # at least this is what it is used at


def log_0f1(order: float, x: Tensor) -> Tensor:
    """log 0F1(; v+1; x^2/4) = log(Gamma(v+1) (2/x)^v I_v(x)) for x >= 0: 0 at x = 0.

    With v = D/2 - 1 it is the logarithm of the mean of exp(x u_1) over unit vectors u of R^D.
    In float64 inside; given in x's dtype.
    """
    return _Log0F1.apply(x, order)  # pyright: ignore[reportReturnType]


def ratio(order: float, x: Tensor) -> Tensor:
    """I_{v+1}(x) / I_v(x), in [0, 1), for x >= 0: the derivative of `log_0f1`."""
    return _Ratio.apply(x, order)  # pyright: ignore[reportReturnType]


class _Log0F1(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: float) -> Tensor:
        ctx.order = order
        found, slope, _ = _values(order, x)
        ctx.save_for_backward(x, slope.to(x.dtype))
        return found.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        x, slope = ctx.saved_tensors
        # A gradient of the gradient needs the ratio as a function of x.
        return grads[0] * (ratio(ctx.order, x) if torch.is_grad_enabled() else slope), None


class _Ratio(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, order: float) -> Tensor:
        _, found, slope = _values(order, x)
        ctx.save_for_backward(slope.to(x.dtype))
        return found.to(x.dtype)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        (slope,) = ctx.saved_tensors
        return grads[0] * slope, None


def _values(order: float, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """log 0F1, the ratio r and its derivative r', float64."""
    x = x.double()
    steps = max(0, math.ceil(ORDER - order))
    log_f, r, slope = _olver(order + steps, x)
    for step in reversed(range(steps)):
        twice = 2 * (order + step + 1)
        below = twice + x * r
        log_f = log_f + torch.log1p(x * r / twice)
        r, slope = x / below, (twice - x.square() * slope) / below.square()
    return log_f, r, slope


def _olver(order: float, x: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The same at one large order, by the expansion."""
    z = x / order
    s = (1 + z.square()).sqrt()
    t = 1 / s
    series, slopes, at_zero = _expansion(order)
    total = _horner(series, t)
    growth = z.square() / (1 + s)  # s - 1
    log_f = order * (growth - torch.log1p(growth / 2)) - s.log() / 2 + total.log() - at_zero
    # r / z: what stays finite at x = 0
    share = 1 / (1 + s) - t.square() / (2 * order) - t**3 * _horner(slopes, t) / (total * order)
    r = z * share
    return log_f, r, 1 - r.square() - (2 * order + 1) * share / order


def _horner(coefficients: tuple[float, ...], t: Tensor) -> Tensor:
    found = torch.zeros_like(t)
    for c in reversed(coefficients):
        found = found * t + c
    return found


@functools.cache
def _expansion(order: float) -> tuple[tuple[float, ...], tuple[float, ...], float]:
    """sum_k u_k(t) / v^k as a polynomial in t, its derivative, and its logarithm at t = 1."""
    series = [0.0] * (3 * TERMS + 1)
    for k, u in enumerate(_U):
        for i, c in enumerate(u):
            series[i] += float(c) / order**k
    slopes = tuple(i * c for i, c in enumerate(series))[1:]
    return tuple(series), slopes, math.log(math.fsum(series))


def _polynomials() -> list[list[Fraction]]:
    """u_0 .. u_TERMS by u_{k+1}(t) = t^2 (1 - t^2) u_k' / 2 + 1/8 int_0^t (1 - 5 s^2) u_k ds."""
    found = [[Fraction(1)]]
    for _ in range(TERMS):
        new = [Fraction(0)] * (len(found[-1]) + 3)
        for i, c in enumerate(found[-1]):
            new[i + 1] += c * (Fraction(i, 2) + Fraction(1, 8 * (i + 1)))
            new[i + 3] -= c * (Fraction(i, 2) + Fraction(5, 8 * (i + 3)))
        found.append(new)
    return found


_U = _polynomials()
