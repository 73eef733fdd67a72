"""Latents on the sphere: Bessel functions, densities, draws and their gradients."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import pytest
import torch
from scipy import integrate, special
from torch import Tensor
from torch.distributions import kl_divergence

import aezoo
from aezoo.components.bessel import log_0f1, ratio
from aezoo.components.sphere import (
    SphereUniform,
    VonMisesFisher,
    angle_slope,
    angles,
    log_area,
    slerp,
    uniform_on_sphere,
)
from aezoo.errors import ShapeError

DIMS = (2, 3, 4, 5, 8, 20, 64)


def unit(*values: float) -> Tensor:
    x = torch.tensor([values], dtype=torch.float64)
    return x / x.norm()


@pytest.mark.parametrize("order", [0.0, 0.5, 1.0, 1.5, 3.0, 15.5, 31.0, 63.0, 255.0, 511.0])
def test_log_bessel_is_scipys(order: float) -> None:
    x = np.logspace(-5, 6, 200)
    scaled = special.ive(order, x)
    seen = scaled > 1e-280  # scipy's underflows
    shift = special.gammaln(order + 1) - order * np.log(x / 2)
    expected = (np.log(scaled, where=seen, out=np.zeros_like(x)) + x + shift)[seen]
    found = log_0f1(order, torch.tensor(x)).numpy()[seen]
    size = np.abs(shift[seen]) + np.abs(expected) + 1  # scipy's terms cancel, ours do not
    assert (np.abs(found - expected) / size).max() < 1e-13
    above = special.ive(order + 1, x)
    seen &= above > 1e-280
    quotient = above[seen] / scaled[seen]
    np.testing.assert_allclose(ratio(order, torch.tensor(x)).numpy()[seen], quotient, rtol=1e-11)


@pytest.mark.parametrize("order", [0.0, 0.5, 2.0, 20.0, 100.0])
def test_bessel_gradients_are_finite_differences(order: float) -> None:
    x = torch.tensor([1e-3, 0.1, 1.0, 7.0, 60.0, 900.0], dtype=torch.float64, requires_grad=True)
    for function in (log_0f1, ratio):
        torch.autograd.gradcheck(lambda x, f=function: f(order, x), (x,), atol=1e-9)
    torch.autograd.gradgradcheck(lambda x: log_0f1(order, x), (x,), atol=1e-9)
    zero = torch.zeros(1, dtype=torch.float64, requires_grad=True)
    assert log_0f1(order, zero).item() == pytest.approx(0, abs=1e-12)
    ratio(order, zero).sum().backward()
    assert zero.grad is not None
    assert zero.grad.item() == pytest.approx(1 / (2 * order + 2))
    # In float32 the slope keeps its digits where kappa is great.
    great = torch.tensor([1e4], requires_grad=True)
    ratio(order, great).backward()
    assert great.grad is not None
    assert great.grad.item() == pytest.approx((order + 0.5) / 1e8, rel=0.02)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("kappa", [0.1, 1.0, 20.0, 500.0])
def test_density_moments_and_kl_by_the_marginal(dim: int, kappa: float) -> None:
    """All of it follows from the density of the angle, which is integrated numerically."""
    mu = torch.zeros(1, dim, dtype=torch.float64)
    mu[:, 0] = 1
    q = VonMisesFisher(mu, torch.full((1, 1), kappa, dtype=torch.float64))
    t = torch.linspace(0, math.pi, 40_001, dtype=torch.float64)
    z = torch.zeros(len(t), dim, dtype=torch.float64)
    z[:, 0], z[:, 1] = t.cos(), t.sin()
    ring = log_area(dim - 1) if dim > 2 else math.log(2)  # of the z at one angle
    log_q = q.log_prob(z)
    p = (log_q + ring).exp() * t.sin() ** (dim - 2)

    def mean(values: Tensor) -> float:
        return float(integrate.simpson((values * p).numpy(), x=t.numpy()))

    assert mean(torch.ones_like(t)) == pytest.approx(1, abs=1e-8)
    assert mean(t.cos()) == pytest.approx(q.mean[0, 0].item(), abs=1e-8)
    second = mean(t.cos().square())
    assert second - mean(t.cos()) ** 2 == pytest.approx(q.variance[0, 0].item(), abs=1e-8)
    across = (1 - second) / (dim - 1)
    torch.testing.assert_close(q.variance[0, 1:], torch.full((dim - 1,), across).double())
    assert q.variance.sum().item() == pytest.approx(1 - q.mean.square().sum().item())
    uniform = SphereUniform((dim,))
    kl = mean(log_q - uniform.log_prob(z))
    assert kl_divergence(q, uniform).item() == pytest.approx(kl, abs=1e-7)
    assert q.entropy().item() == pytest.approx(-mean(log_q), abs=1e-7)


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("kappa", [0.5, 3.0, 100.0, 1e4])
def test_draws_have_the_law(dim: int, kappa: float) -> None:
    """By Kolmogorov and Smirnov of the angle, and by the mean vector."""
    n = 5000
    torch.manual_seed(dim)
    mu = torch.nn.functional.normalize(torch.randn(1, dim).double())
    q = VonMisesFisher(mu.expand(n, -1), torch.full((n, 1), kappa, dtype=torch.float64))
    z = q.draw(torch.Generator().manual_seed(dim))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(n).double())
    error = (q.variance[0] / n).sqrt()
    assert ((z.mean(0) - q.mean[0]).abs() < 5 * error).all()
    nats = q.log_prob(z)
    assert (nats.mean() + q.entropy()[0]).abs() < 5 * nats.std() / math.sqrt(n)
    drawn = (2 * ((z - mu).norm(dim=1) / 2).clamp(max=1).asin()).sort().values.numpy()
    grid = np.linspace(0, min(math.pi, 3 * drawn[-1]), 40_001)[1:]
    log_f = (dim - 2) * np.log(np.sin(grid) + 1e-300) + kappa * (np.cos(grid) - 1)
    cdf = integrate.cumulative_trapezoid(np.exp(log_f - log_f.max()), grid, initial=0)
    apart = np.interp(drawn, grid, cdf / cdf[-1]) - (np.arange(n) + 0.5) / n
    assert np.abs(apart).max() < 2.0 / math.sqrt(n)  # five in a thousand million exceed it


@pytest.mark.parametrize("dim", DIMS)
@pytest.mark.parametrize("kappa", [0.3, 4.0, 80.0])
def test_the_angles_slope_keeps_the_distribution_function(dim: int, kappa: float) -> None:
    k = torch.full((6,), kappa, dtype=torch.float64)
    angle = angles(k, dim, torch.Generator().manual_seed(1))
    found = angle_slope(angle, k, ratio(dim / 2 - 1, k), dim)

    def below(kappa: float, angle: float) -> float:
        def f(t: float) -> float:
            return math.sin(t) ** (dim - 2) * math.exp(kappa * (math.cos(t) - 1))

        exact: dict = {"epsabs": 0, "epsrel": 1e-12, "limit": 400}
        return integrate.quad(f, 0, angle, **exact)[0] / integrate.quad(f, 0, math.pi, **exact)[0]

    h = 1e-3 * kappa
    for a, slope in zip(angle.tolist(), found.tolist(), strict=True):
        dt = 1e-5 * a
        density = (below(kappa, a + dt) - below(kappa, a - dt)) / (2 * dt)
        by_kappa = (below(kappa + h, a) - below(kappa - h, a)) / (2 * h)
        assert slope == pytest.approx(-by_kappa / density, rel=1e-4)


@pytest.mark.parametrize("dim", [2, 3, 10])
@pytest.mark.parametrize("kappa", [1.5, 30.0, 3000.0])
def test_the_gradient_of_a_draw_is_that_of_the_expectation(dim: int, kappa: float) -> None:
    """E z = A mu and E z z' are known, so are their gradients to kappa and to mu."""
    n = 40_000
    torch.manual_seed(3)
    direction = torch.randn(1, dim, dtype=torch.float64, requires_grad=True)
    concentration = torch.tensor([[kappa]], dtype=torch.float64, requires_grad=True)
    f = torch.randn(dim, dtype=torch.float64)

    def q(rows: int) -> VonMisesFisher:
        mu = direction / direction.norm()
        return VonMisesFisher(mu.expand(rows, -1), concentration.expand(rows, 1))

    def squares(z: Tensor) -> Tensor:
        return (z @ f).square()

    one = q(1)
    share = ratio(dim / 2 - 1, concentration) / concentration
    exact: list[tuple[Callable[[Tensor], Tensor], Tensor]] = [
        (lambda z: z @ f, (one.mean @ f).sum()),
        (squares, (share * f.square().sum() + (1 - dim * share) * squares(one.mu)).sum()),
    ]
    for function, value in exact:
        rows = [direction.detach().expand(n, -1).clone().requires_grad_(),
                concentration.detach().expand(n, 1).clone().requires_grad_()]  # fmt: skip
        each = VonMisesFisher(rows[0] / rows[0].norm(dim=1, keepdim=True), rows[1])
        drawn = function(each.draw(torch.Generator().manual_seed(5))).sum()
        found = torch.autograd.grad(drawn, rows)
        expected = torch.autograd.grad(value, [direction, concentration], retain_graph=True)
        for mine, theirs in zip(found, expected, strict=True):
            error = mine.std(0) / math.sqrt(n)
            assert ((mine.mean(0) - theirs[0]).abs() < 5 * error + 1e-12).all()


def test_the_prior_is_the_spheres_and_the_posteriors_default() -> None:
    model = aezoo.create("vae(mlp(8),vmf(4),mlp(8),input=(1,2,3))").eval()
    prior = model.prior
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.norm(dim=1), torch.ones(len(z)))
    covariance = z.T @ z / len(z)
    torch.testing.assert_close(covariance, torch.eye(4) / 4, atol=0.01, rtol=0)
    assert prior.log_prob(z[:3])[0].item() == pytest.approx(-math.log(2 * math.pi**2))
    for wrong in ("normal", "mog(2)"):
        with pytest.raises(ShapeError, match="prior=sphere"):
            aezoo.create(f"vae(mlp(8),vmf(4),mlp(8),prior={wrong},input=(1,2,3))")
    with pytest.raises(ShapeError, match="prior=normal"):
        aezoo.create("vae(mlp(8),gaussian(4),mlp(8),prior=sphere,input=(1,2,3))")


def test_a_map_has_a_direction_at_every_place_and_its_rates_add() -> None:
    model = aezoo.create("vae(res(8,depth=1,down=2),vmf(3),unres(8,depth=1),input=(1,8,8))").eval()
    x = torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        latent = model.encode(x, sample=True)
        torch.testing.assert_close(latent.z.norm(dim=1), torch.ones(2, 4, 4))
        assert isinstance(latent.q, VonMisesFisher)
        at = [(i, j) for i in range(4) for j in range(4)]
        places = [VonMisesFisher(latent.q.mu[:, :, i, j], latent.q.kappa[:, :, i, j])
                  for i, j in at]  # fmt: skip
        kl = torch.stack([kl_divergence(q, SphereUniform((3,))) for q in places]).sum(0)
        torch.testing.assert_close(model.rate(latent), kl)
        nats = [q.log_prob(latent.z[:, :, i, j]) for q, (i, j) in zip(places, at, strict=True)]
        torch.testing.assert_close(latent.q.log_prob(latent.z), torch.stack(nats).sum(0))
        bounds = torch.stack([model.elbo(x) for _ in range(200)]).mean(0)
        assert (model.log_prob(x, k=50) > bounds - 0.5).all()
        assert model.interpolate(x[:1], x[1:], 4).shape == (4, 1, 1, 8, 8)


def test_great_circles_stay_on_the_sphere() -> None:
    z0, z1 = uniform_on_sphere((5, 3, 2)), uniform_on_sphere((5, 3, 2))
    for w in (0.0, 0.3, 1.0):
        way = slerp(z0, z1, torch.tensor(w))
        torch.testing.assert_close(way.norm(dim=1), torch.ones(5, 2))
    torch.testing.assert_close(slerp(z0, z1, torch.tensor(0.0)), z0)
    torch.testing.assert_close(slerp(z0, z1, torch.tensor(1.0)), z1)
    right, up = unit(1, 0), unit(0, 1)
    torch.testing.assert_close(slerp(right, up, torch.tensor(0.5)), unit(1, 1))
    torch.testing.assert_close(slerp(right, right, torch.tensor(0.5)), right)


def test_it_learns_where_the_circle_is() -> None:
    """Of x on a circle the mean length of the latents' draws grows, and the loss falls."""
    torch.manual_seed(0)
    model = aezoo.create("vae(mlp(32),vmf(2),mlp(32),likelihood=gaussian(sigma=0.1),input=(2,1,1))")
    turn = 2 * math.pi * torch.arange(64) / 64
    x = 0.5 + 0.4 * torch.stack([turn.cos(), turn.sin()], 1).view(64, 2, 1, 1)
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    losses = []
    for step in range(200):
        loss = model.loss(x, generator=torch.Generator().manual_seed(step)).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert sum(losses[-10:]) < sum(losses[:10]) - 20
    q = model.encode(x).q
    assert isinstance(q, VonMisesFisher)
    assert q.kappa.min() > 5


@pytest.mark.parametrize(("dim", "kappa"), [(2, 1.5), (3, 30.0), (10, 300.0)])
def test_the_gradient_of_log_q_is_the_entropys(dim: int, kappa: float) -> None:
    """To kappa; to mu it is 0 in every draw, for q turns as a whole."""
    n = 20_000
    mu = uniform_on_sphere((1, dim), generator=torch.Generator().manual_seed(0)).double()
    mu = mu.expand(n, -1).clone().requires_grad_()
    kappas = torch.full((n, 1), kappa, dtype=torch.float64, requires_grad=True)
    q = VonMisesFisher(mu / mu.norm(dim=1, keepdim=True), kappas)
    nats = q.log_prob(q.draw(torch.Generator().manual_seed(1)))
    to_mu, found = torch.autograd.grad(nats.sum(), [mu, kappas], retain_graph=True)
    (exact,) = torch.autograd.grad(-q.entropy().sum(), kappas)
    error = found.std() / math.sqrt(n)
    assert (found.mean() - exact[0]).abs() < 5 * error + 1e-9
    assert to_mu.abs().max() < 1e-9
