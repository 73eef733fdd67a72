"""The Poincare ball of curvature -c, and normal distributions wrapped onto it.

Nagano, Yamaguchi, Fujita, Koyama, A Wrapped Normal Distribution on Hyperbolic Space for
Gradient-based Learning, 2019, arXiv:1902.02992.
Mathieu, Le Lan, Maddison, Tomioka, Teh, Continuous Hierarchical Representations with Poincare
Variational Auto-Encoders, 2019, arXiv:1901.06033: section 2 and appendix B.

Points x of R^D with c |x|^2 < 1, metric (lambda_x)^2 times the Euclidean one, lambda_x =
2 / (1 - c |x|^2). A tangent vector at x is given here as v, the vector lambda_x times the
coordinates': its Euclidean length is its Riemannian one, at every point.

Log-densities are relative to the Riemannian measure, lambda_x^D dx.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints

#: sqrt(c) times the distance from the origin is kept below: float32 tells points apart until
#: there, and loses them at 17.
FARTHEST = 12.0
SMALL = 1e-20  # a squared length below counts as that


def inside(x: Tensor, c: float, axis: int = 1) -> Tensor:
    """x, drawn to the origin where it is farther than `FARTHEST` away."""
    length = x.square().sum(axis, keepdim=True).clamp(min=SMALL).sqrt()
    return x * (math.tanh(FARTHEST / 2) / (math.sqrt(c) * length)).clamp(max=1)


def exp(x: Tensor, v: Tensor, c: float, axis: int = 1) -> Tensor:
    """Where the geodesic from x ends that begins as v and is as long as it."""
    half = (0.25 * c * v.square().sum(axis, keepdim=True)).clamp(min=SMALL).sqrt()
    y = half.tanh() / (2 * half) * v
    across = 2 * c * (x * y).sum(axis, keepdim=True)
    xx, yy = c * x.square().sum(axis, keepdim=True), c * y.square().sum(axis, keepdim=True)
    # Moebius addition of x and y.
    return inside(((1 + across + yy) * x + (1 - xx) * y) / (1 + across + xx * yy), c, axis)


def log(x: Tensor, z: Tensor, c: float, axis: int = 1) -> Tensor:
    """v at x with exp(x, v) = z: its length is the distance."""
    apart, half, a, ab = _half(x, z, c, axis)
    s = c * apart.square().sum(axis, keepdim=True)
    # -x (+) z, sorted so that nothing cancels where z is near x.
    return 2 * half / half.tanh() * (a * apart - s * x) / (ab + s)


def distance(x: Tensor, z: Tensor, c: float, axis: int = 1) -> Tensor:
    """The length of the geodesic from x to z; the axis stays, of size 1."""
    return _half(x, z, c, axis)[1] * (2 / math.sqrt(c))


def between(x: Tensor, z: Tensor, weight: Tensor | float, c: float, axis: int = 1) -> Tensor:
    """A point of the geodesic from x to z, ``weight`` from 0 to 1."""
    return exp(x, weight * log(x, z, c, axis), c, axis)


def log_volume(distance: Tensor, c: float, dim: int) -> Tensor:
    """log of how much less volume flat space has at this distance: (D-1) log(r / sinh r)."""
    r = (math.sqrt(c) * distance).clamp(min=1e-6)
    return -(dim - 1) * (r + (-torch.expm1(-2 * r) / (2 * r)).log())


def _half(x: Tensor, z: Tensor, c: float, axis: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """z - x, sqrt(c) / 2 times the distance, 1 - c|x|^2 and (1 - c|x|^2)(1 - c|z|^2)."""
    apart = z - x
    a, b = (1 - c * point.square().sum(axis, keepdim=True) for point in (x, z))
    ab = a * b
    s = c * apart.square().sum(axis, keepdim=True).clamp(min=SMALL)
    return apart, (s / ab).sqrt().asinh(), a, ab


class WrappedNormal(Distribution):
    """exp(mu, v) with v ~ N(0, diag(sigma^2)), at every place: batch (B,), event (D,*L).

    Args:
        mu: (B,D,*L), points of the ball.
        sigma: (B,D,*L), or what broadcasts to it.
        batch_dims: how many axes of ``mu`` stand before its event.

    Draws beyond `FARTHEST` are set back to there, and ``log_prob`` is then of where they are: of a
    q that reaches so far, 72 nats from a prior of sigma 1, the rate is too small to be a bound's.
    It has no closed mean.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(self, mu: Tensor, sigma: Tensor, c: float, batch_dims: int = 1):
        self.mu, self.sigma, self.c = mu, sigma, c
        self.axis = batch_dims - mu.ndim  # of the vectors, whatever stands before the event
        super().__init__(mu.shape[:batch_dims], mu.shape[batch_dims:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def mode(self) -> Tensor:
        """Of the density relative to the Riemannian measure."""
        return self.mu

    def push(self, epsilon: Tensor) -> Tensor:
        """Standard normal noise (B,D,*L) -> z."""
        return exp(self.mu, self.sigma * epsilon, self.c, self.axis)

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """(*sample_shape,B,D,*L), with gradient."""
        size = torch.Size(sample_shape) + self.mu.shape
        return self.push(torch.randn(size, dtype=self.mu.dtype, device=self.mu.device))

    def log_prob(self, value: Tensor) -> Tensor:
        """(*batch,D,*L) -> (*batch,) nats relative to the Riemannian measure."""
        v = log(self.mu, value, self.c, self.axis)
        normal = -0.5 * ((v / self.sigma).square() + math.log(2 * math.pi)) - self.sigma.log()
        far = distance(self.mu, value, self.c, self.axis)
        volume = log_volume(far, self.c, self.event_shape[0])
        events = len(self.event_shape)
        return normal.flatten(-events).sum(-1) + volume.flatten(-events).sum(-1)
