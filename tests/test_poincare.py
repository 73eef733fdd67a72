"""Latents on the Poincare ball: its geometry in closed form, and densities on grids."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import integrate
from torch import Tensor

import aezoo
from aezoo.components import poincare
from aezoo.components.poincare import WrappedNormal
from aezoo.errors import ShapeError
from aezoo.resolve import display, resolve

CURVATURES = (0.3, 1.0, 2.5)


def points(n: int, dim: int, c: float, seed: int = 0, spread: float = 1.5) -> Tensor:
    v = spread * torch.randn(n, dim, generator=torch.Generator().manual_seed(seed)).double()
    return poincare.exp(torch.zeros_like(v), v, c)


@pytest.mark.parametrize("c", CURVATURES)
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_distances_are_the_closed_form(c: float, dim: int) -> None:
    x, z = points(50, dim, c, 1), points(50, dim, c, 2)
    found = poincare.distance(x, z, c)[:, 0]
    outside = (1 - c * x.square().sum(1)) * (1 - c * z.square().sum(1))
    cosh = 1 + 2 * c * (x - z).square().sum(1) / outside
    torch.testing.assert_close(found, cosh.acosh() / math.sqrt(c))
    torch.testing.assert_close(found, poincare.distance(z, x, c)[:, 0])
    y = points(50, dim, c, 3)
    way = poincare.distance(x, y, c) + poincare.distance(y, z, c)
    assert (found <= way[:, 0] + 1e-9).all()
    # From the origin: 2 artanh(sqrt(c) |x|) / sqrt(c).
    far = 2 * (math.sqrt(c) * x.norm(dim=1)).atanh() / math.sqrt(c)
    torch.testing.assert_close(poincare.distance(torch.zeros_like(x), x, c)[:, 0], far)


@pytest.mark.parametrize("c", CURVATURES)
def test_exp_and_log_are_inverse_and_their_length_is_the_distance(c: float) -> None:
    x, z = points(60, 3, c, 1), points(60, 3, c, 2)
    v = poincare.log(x, z, c)
    torch.testing.assert_close(v.norm(dim=1, keepdim=True), poincare.distance(x, z, c))
    torch.testing.assert_close(poincare.exp(x, v, c), z)
    u = torch.randn(60, 3).double()
    torch.testing.assert_close(poincare.log(x, poincare.exp(x, u, c), c), u)
    torch.testing.assert_close(poincare.exp(x, torch.zeros_like(x), c), x)
    assert poincare.log(x, x, c).abs().max() < 1e-9
    middle = poincare.between(x, z, 0.5, c)
    halves = [poincare.distance(x, middle, c), poincare.distance(middle, z, c)]
    torch.testing.assert_close(halves[0], halves[1])
    torch.testing.assert_close(halves[0] + halves[1], poincare.distance(x, z, c))


def test_its_metric_is_the_balls() -> None:
    """A small step is lambda_x long, and the space is flat where c is nothing."""
    x, c = points(20, 4, 1.0), 1.0
    step = 1e-8 * torch.randn(20, 4).double()
    length = 2 / (1 - c * x.square().sum(1, keepdim=True)) * step.norm(dim=1, keepdim=True)
    torch.testing.assert_close(poincare.distance(x, x + step, c), length, rtol=1e-4, atol=0)
    flat = poincare.distance(x, -x, 1e-8)
    torch.testing.assert_close(flat, 4 * x.norm(dim=1, keepdim=True), rtol=1e-6, atol=0)


@pytest.mark.parametrize("c", CURVATURES)
@pytest.mark.parametrize("sigma", [(0.4, 0.4), (0.7, 0.2)])
def test_the_density_integrates_to_one_over_the_ball(c: float, sigma: tuple[float, float]) -> None:
    """Against the Riemannian measure lambda^2 dx, in polar coordinates around the origin."""
    mu = points(1, 2, c, 4, 0.7)
    q = WrappedNormal(mu, torch.tensor([sigma]).double(), c)
    r = torch.linspace(1e-4, 9.0, 1500).double()  # distance from the origin
    turn = 2 * math.pi * torch.arange(240).double() / 240
    size = (math.sqrt(c) * r / 2).tanh() / math.sqrt(c)
    grid = size[:, None, None] * torch.stack([turn.cos(), turn.sin()], 1)  # (R,T,2)
    density = q.log_prob(grid.reshape(-1, 1, 2)).exp().reshape(len(r), len(turn))
    # dx = size dsize dturn, and lambda dsize = dr.
    weight = 2 * size / (1 - c * size.square())
    total = integrate.simpson((density.mean(1) * 2 * math.pi * weight).numpy(), x=r.numpy())
    assert total == pytest.approx(1, abs=1e-5)


def test_the_density_is_that_of_the_draws_by_autograd() -> None:
    """log q(z) = log N(v) - log |det dz/dv| - D log lambda_z, the Jacobian by autograd."""
    c, dim = 1.7, 3
    mu, sigma = points(1, dim, c, 5), torch.tensor([[0.3, 0.8, 1.1]]).double()
    q = WrappedNormal(mu, sigma, c)
    for seed in range(5):
        noise = torch.randn(1, dim, generator=torch.Generator().manual_seed(seed)).double()
        jacobian = torch.func.jacrev(lambda e: q.push(e)[0])(noise)[:, 0]
        z = q.push(noise)
        base = -0.5 * (noise.square() + math.log(2 * math.pi)).sum()
        stretch = math.log(2) - (1 - c * z.square().sum()).log()
        expected = base - jacobian.slogdet()[1] - dim * stretch
        assert q.log_prob(z).item() == pytest.approx(expected.item(), rel=1e-9)


def test_gradients_of_exp_log_and_density() -> None:
    c = 1.3
    x, z = points(3, 2, c, 1).requires_grad_(), points(3, 2, c, 2).requires_grad_()
    v = torch.randn(3, 2).double().requires_grad_()
    sigma = (0.5 + torch.rand(3, 2).double()).requires_grad_()
    check = torch.autograd.gradcheck
    assert check(lambda x, v: poincare.exp(x, v, c), (x, v))
    assert check(lambda x, z: poincare.log(x, z, c), (x, z))
    assert check(lambda x, z, s: WrappedNormal(x, s, c).log_prob(z), (x, z, sigma))
    here = torch.zeros(1, 2, requires_grad=True)
    for value in (poincare.exp(here, here, c), poincare.log(here, here, c)):
        (found,) = torch.autograd.grad(value.sum(), here)
        assert found.isfinite().all()


def test_it_stays_finite_in_float32_at_the_edge() -> None:
    mu = poincare.exp(torch.zeros(1, 2), torch.tensor([[40.0, 0.0]]), 1.0).requires_grad_()
    assert mu.norm() < 1
    q = WrappedNormal(mu, torch.full((1, 2), 20.0), 1.0)
    torch.manual_seed(0)
    z = q.rsample((100,))
    assert (z.norm(dim=2) < 1).all()
    nats = q.log_prob(z)
    nats.sum().backward()
    assert nats.isfinite().all()
    assert mu.grad is not None
    assert mu.grad.isfinite().all()
    far = poincare.distance(torch.zeros(1, 2), mu, 1.0).item()
    assert far == pytest.approx(poincare.FARTHEST, rel=1e-3)


def test_one_dimension_is_the_line() -> None:
    """There the space is flat: distances from the origin are normal, and the KL is closed."""
    model = aezoo.create("vae(mlp(6),poincare(1,c=2.0),mlp(6),input=(1,2,3))").eval()
    x = torch.rand(1, 1, 2, 3)
    with torch.no_grad():
        q = model.encode(x).q
        assert isinstance(q, WrappedNormal)
        torch.manual_seed(0)
        z = q.sample((20_000,))[:, 0]
        nats = q.log_prob(z[:, None])[:, 0] - model.prior.log_prob(z)
        place = poincare.log(torch.zeros_like(q.mu), q.mu, 2.0)
        line = torch.distributions.Normal(place[0, 0], q.sigma[0, 0])
        kl = torch.distributions.kl_divergence(line, torch.distributions.Normal(0.0, 1.0))
    assert (nats.mean() - kl).abs() < 5 * nats.std() / math.sqrt(len(z))


def test_the_default_prior_has_the_curvature_and_others_are_refused() -> None:
    bound = resolve("vae(mlp(6),poincare(3,c=0.5),mlp(6),input=(1,2,3))")
    assert "prior" not in str(display(bound))
    model = aezoo.create(str(display(bound)))
    assert model.prior.config.c == 0.5
    for wrong in ("normal", "poincare(1.0)", "sphere"):
        with pytest.raises(ShapeError, match=r"prior=poincare\(0.5\)"):
            aezoo.create(f"vae(mlp(6),poincare(3,c=0.5),mlp(6),prior={wrong},input=(1,2,3))")
    aezoo.create("vae(mlp(6),poincare(3),mlp(6),prior=poincare(sigma=2.0),input=(1,2,3))")


def test_a_map_adds_up_and_goes_along_geodesics() -> None:
    spec = "vae(res(8,depth=1,down=2),poincare(2),unres(8,depth=1),input=(1,8,8))"
    model, x = aezoo.create(spec).eval(), torch.rand(2, 1, 8, 8)
    with torch.no_grad():
        latent = model.encode(x, sample=True)
        q, z = latent.q, latent.z
        assert isinstance(q, WrappedNormal)
        each = [
            WrappedNormal(q.mu[:, :, i, j], q.sigma[:, :, i, j], 1.0).log_prob(z[:, :, i, j])
            for i in range(4)
            for j in range(4)
        ]
        torch.testing.assert_close(q.log_prob(z), torch.stack(each).sum(0))
        assert model.interpolate(x[:1], x[1:], 3).isfinite().all()
        drawn = model.prior.sample(4000, generator=torch.Generator().manual_seed(1))
        far = poincare.distance(torch.zeros_like(drawn), drawn, 1.0)
        torch.testing.assert_close(far.square().mean(), torch.tensor(2.0), atol=0.1, rtol=0)
