"""Distributions on the unit sphere S^{D-1} of R^D, their densities relative to its area.

Davidson, Falorsi, De Cao, Kipf, Tomczak, Hyperspherical Variational Auto-Encoders, 2018,
arXiv:1804.00891: the von Mises-Fisher distribution (section 3.1), its KL to the uniform one
(equation 3), the draw of the cosine w by rejection (Ulrich 1984; algorithm 1).

Two things are done another way than there. The paper turns a draw around e_1 to mu by a
Householder reflection; here the tangent is drawn at mu itself, which is the same law and has no
singular direction. The paper differentiates the accepted proposal and owes a correction for the
acceptance, which its code leaves out; here the angle's derivative is that of its distribution
function, exact (Figurnov, Mohamed, Mnih, Implicit Reparameterization Gradients, 2018,
arXiv:1805.08498, equation 6), and mu moves a draw along by the smallest rotation.
"""

from __future__ import annotations

import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, constraints, register_kl

from aezoo.components import draws
from aezoo.components.bessel import log_0f1, ratio
from aezoo.components.nd import flat

#: Proposals for each draw. At least 0.65 of them are accepted, whatever D and kappa are: that
#: none of 40 is, and the last one stands, has a probability below 1e-18.
PROPOSALS = 40
NODES = 64  # of the quadrature of the angle's derivative
REACH = 10.0  # how far it goes into a tail, in standard deviations at the mode


def log_area(dim: int) -> float:
    """log of the area of S^{D-1}: 2 pi^(D/2) / Gamma(D/2)."""
    return math.log(2) + dim / 2 * math.log(math.pi) - math.lgamma(dim / 2)


class SphereUniform(Distribution):
    """The uniform distribution of a unit vector at every place: event shape (D,*L)."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, shape: tuple[int, ...]):
        super().__init__(torch.Size(), torch.Size(shape), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """(*batch,D,*L) -> (*batch,) nats, the same for all."""
        each = -log_area(self.event_shape[0]) * flat(self.event_shape[1:])
        return value.new_full(value.shape[: value.ndim - len(self.event_shape)], each)


class VonMisesFisher(Distribution):
    """exp(kappa mu . z) / C at every place: batch shape (B,), event shape (D,*L).

    Args:
        mu: (B,D,*L), unit vectors along axis 1.
        kappa: (B,1,*L), above 0.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}
    has_rsample = True

    def __init__(self, mu: Tensor, kappa: Tensor):
        self.mu, self.kappa = mu, kappa
        self.dim = mu.shape[1]
        self.axis = 1 - mu.ndim  # of the vectors, whatever stands before the event
        self.order = self.dim / 2 - 1
        self.length = ratio(self.order, kappa.double())  # A(kappa), of the mean vector
        super().__init__(mu.shape[:1], mu.shape[1:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        return constraints.independent(constraints.real, len(self.event_shape))

    @property
    def mean(self) -> Tensor:
        return self.length.to(self.mu.dtype) * self.mu

    @property
    def variance(self) -> Tensor:
        """Of each coordinate."""
        share = self.length / self.kappa
        along = 1 - self.dim * share - self.length.square()
        return (share + along * self.mu.square()).to(self.mu.dtype)

    @property
    def mode(self) -> Tensor:
        return self.mu

    def log_prob(self, value: Tensor) -> Tensor:
        """(*batch,D,*L), unit vectors -> (*batch,) nats relative to the sphere's area."""
        # kappa mu.z = kappa - kappa |z - mu|^2 / 2: great kappas lose nothing.
        apart = (value - self.mu).square().sum(self.axis, keepdim=True)
        kappa = self.kappa.double()
        top = (kappa - log_0f1(self.order, kappa)).to(apart.dtype) - log_area(self.dim)
        return self._summed(top - 0.5 * self.kappa * apart)

    def kl_to_uniform(self) -> Tensor:
        """(B,) nats: kappa A(kappa) - log 0F1(; D/2; kappa^2 / 4), A the mean's length."""
        kappa = self.kappa.double()
        each = kappa * self.length - log_0f1(self.order, kappa)
        return self._summed(each.to(self.kappa.dtype))

    def entropy(self) -> Tensor:
        """(B,) nats relative to the sphere's area."""
        return log_area(self.dim) * flat(self.event_shape[1:]) - self.kl_to_uniform()

    def rsample(self, sample_shape: Any = ()) -> Tensor:
        """(*sample_shape,B,D,*L), with gradient."""
        size = torch.Size(sample_shape)
        drawn = torch.stack([self.draw() for _ in range(size.numel())])
        return drawn.reshape(*size, *self.mu.shape)

    def draw(self, generator: torch.Generator | None = None) -> Tensor:
        """One z (B,D,*L) a row, with gradient to mu and kappa; drawn where the generator is."""
        mu, kappa = self.mu.detach(), self.kappa.detach()
        angle = angles(kappa, self.dim, generator).to(mu.dtype)
        aside = tangent(draws.normal(mu.shape, mu, generator), mu)
        z = angle.cos() * mu + angle.sin() * aside
        if torch.is_grad_enabled():
            # mu moved by dmu rotates z by dmu mu' - mu dmu'; kappa moves the angle.
            moved = self.mu - mu
            z = z + moved * (mu * z).sum(1, keepdim=True) - mu * (moved * z).sum(1, keepdim=True)
            length = self.length.detach()
            slope = angle_slope(angle, kappa, length, self.dim).to(mu.dtype)
            turned = (self.kappa - kappa) * slope
            z = z + turned * (angle.cos() * aside - angle.sin() * mu)
        return z

    def _summed(self, each: Tensor) -> Tensor:
        return each.flatten(each.ndim - len(self.event_shape)).sum(-1)


@register_kl(VonMisesFisher, SphereUniform)
def _kl(q: VonMisesFisher, p: SphereUniform) -> Tensor:
    return q.kl_to_uniform()


def tangent(x: Tensor, mu: Tensor) -> Tensor:
    """x (B,D,*L) projected off mu, to length 1: uniform over directions where x is normal."""
    aside = x - (x * mu).sum(1, keepdim=True) * mu
    return aside / aside.norm(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)


def uniform_on_sphere(
    shape: tuple[int, ...],
    *,
    generator: torch.Generator | None = None,
    device: torch.device | None = None,
) -> Tensor:
    """``shape`` = (n,D,*L): unit vectors along axis 1."""
    x = torch.randn(shape, generator=generator, device=device)
    return x / x.norm(dim=1, keepdim=True).clamp(min=torch.finfo(x.dtype).tiny)


def slerp(z0: Tensor, z1: Tensor, weight: Tensor) -> Tensor:
    """From z0 to z1, unit vectors along axis 1, along great circles; ``weight`` 0 to 1."""
    half = (z1 - z0).norm(dim=1, keepdim=True) / 2
    angle = 2 * half.clamp(max=1).asin()
    whole = angle.sin()
    # Of points that are the same, or opposite, every great circle is one: the chord does.
    plain = whole < 1e-4
    whole = whole.where(~plain, 1)
    first = (((1 - weight) * angle).sin() / whole).where(~plain, 1 - weight)
    second = ((weight * angle).sin() / whole).where(~plain, weight)
    return first * z0 + second * z1


def angles(kappa: Tensor, dim: int, generator: torch.Generator | None = None) -> Tensor:
    """A draw for each kappa of the angle between z and mu, float64.

    Its cosine w has the density (1 - w^2)^((D-3)/2) exp(kappa w), up to a constant. Of
    `PROPOSALS` the first that Ulrich's and Wood's test accepts is taken: rejection sampling of a
    fixed size, which waits for nothing.
    """
    kappa, m = kappa.double(), dim - 1
    radius, turn, test = draws.uniform((3, PROPOSALS, *kappa.shape), kappa, generator).unbind(0)
    root = (4 * kappa.square() + m * m).sqrt()
    b = m / (2 * kappa + root)
    a = (m + 2 * kappa + root) / 4
    d = 4 * a * b / (1 + b) - m * math.log(m)
    # A coordinate of a uniform point on the sphere is 2 Beta(m/2, m/2) - 1, and of two such
    # coordinates the radius r has P(1 - r^2 < s) = s^((D-2)/2).
    r = (-torch.expm1(2 / (dim - 2) * radius.log())).sqrt() if dim > 2 else 1.0
    epsilon = (1 + r * (2 * math.pi * turn).cos()) / 2
    below = (1 - epsilon) + b * epsilon
    t = 2 * a * b / below
    accepted = m * t.log() - t + d >= test.log()
    first = accepted.to(torch.uint8).argmax(0, keepdim=True)
    first = torch.where(accepted.any(0, keepdim=True), first, PROPOSALS - 1)
    apart = (2 * b * epsilon / below).gather(0, first)[0]  # 1 - w
    return 2 * (apart / 2).clamp(0, 1).sqrt().asin()


def angle_slope(angle: Tensor, kappa: Tensor, length: Tensor, dim: int) -> Tensor:
    """d angle / d kappa at a fixed value of the angle's distribution function, float64.

    The angle t has the density f(t) = sin^(D-2) t exp(kappa cos t) / c, so d log f / d kappa is
    cos t - A with A the ``length`` of the mean, and the slope is minus the integral of that times
    f up to the angle, over f there: by Fejer's rule, from the side on which f falls away from it.
    """
    angle, kappa, length = angle.double(), kappa.double(), length.double()
    mode_cos = 2 * kappa / ((dim - 2) + ((dim - 2) ** 2 + 4 * kappa.square()).sqrt())
    mode = mode_cos.clamp(max=1).acos()
    bend = kappa * mode_cos + ((dim - 2) / (1 - mode_cos.square()) if dim > 2 else 0.0)
    reach = REACH / bend.sqrt()
    angle = angle.clamp(1e-9, math.pi - 1e-9)
    left = angle < mode
    far = torch.where(left, (angle - reach).clamp(min=0), (angle + reach).clamp(max=math.pi))
    nodes, weights = (v.view(-1, *[1] * angle.ndim) for v in fejer(NODES, angle.device))
    t = angle + (far - angle) * nodes
    half = (t - angle) / 2
    grown = -2 * kappa * (angle + half).sin() * half.sin()  # kappa (cos t - cos angle)
    if dim > 2:
        grown = grown + (dim - 2) * (t.sin() / angle.sin()).log()
    summed = ((t.cos() - length) * grown.exp() * weights).sum(0)
    # From the left the integral runs from far to the angle, and the slope is minus it; from the
    # right it runs to far, and the slope is it, for the whole integral is 0. Both are this:
    return summed * (far - angle)


def fejer(n: int, device: torch.device) -> tuple[Tensor, Tensor]:
    """Nodes and weights of Fejer's first rule on [0, 1], float64, made on the device."""
    theta = (torch.arange(n, device=device, dtype=torch.float64) + 0.5) * math.pi / n
    j = torch.arange(1, n // 2 + 1, device=device, dtype=torch.float64)
    ripple = ((2 * theta[:, None] * j).cos() / (4 * j.square() - 1)).sum(1)
    return (1 + theta.cos()) / 2, (1 - 2 * ripple) / n
