"""The prior vae: a bound from below whose exponential is unbiased; exact where all is linear."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import MultivariateNormal

import aezoo
from aezoo.components.priors.configs import SecondStage
from aezoo.components.priors.vae import VAEPrior
from aezoo.errors import CapabilityError, ShapeError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def linear(shape: tuple[int, ...] = (4,), dim: int = 2) -> VAEPrior:
    """f(u) = W u + b with orthogonal columns of W; q(u|z) is any linear one yet."""
    torch.manual_seed(0)
    prior = VAEPrior(SecondStage(dim, depth=0), shape).double()
    n = math.prod(shape)
    with torch.no_grad():
        columns = torch.linalg.qr(torch.randn(n, dim).double())[0]
        prior.decoder[0].weight.copy_(columns * torch.tensor([1.5, 0.7])[:dim])
        prior.log_gamma.fill_(-0.5)
        prior.mean.copy_(torch.randn(n))
        prior.scale.copy_(torch.rand(n) + 0.5)
    return prior


def exact(prior: VAEPrior) -> MultivariateNormal:
    """p(z) of a linear second stage: N(m + s b, s (W Wt + gamma^2 I) s)."""
    w, b = prior.decoder[0].weight.detach(), prior.decoder[0].bias.detach()
    within = w @ w.T + torch.eye(len(w)).double() * (2 * prior.log_gamma.detach()).exp()
    s = torch.diag(prior.scale)
    return MultivariateNormal(prior.mean + prior.scale * b, s @ within @ s)


def test_a_bound_below_the_closed_form_and_unbiased_weights():
    prior, draws = linear((2, 2)), 40_000
    z = exact(prior).sample((3,)).reshape(3, 2, 2)
    with torch.no_grad():
        rows = z.repeat_interleave(draws, 0)
        found = prior.log_prob(rows, generator=seeded()).reshape(3, draws)
    truth = exact(prior).log_prob(z.flatten(1))
    assert bool((found.mean(1) < truth - 0.05).all())
    weights = (found - truth[:, None]).exp()  # mean 1
    error = weights.std(1) / draws**0.5
    assert bool(((weights.mean(1) - 1).abs() < 5 * error).all()), (weights.mean(1), error)


def test_exact_with_the_true_posterior():
    """q(u|z) = N(M^-1 Wt (z - b), gamma^2 M^-1), M = Wt W + gamma^2 I: here M is diagonal."""
    prior = linear()
    w, b = prior.decoder[0].weight, prior.decoder[0].bias
    with torch.no_grad():
        variance = (2 * prior.log_gamma).exp()
        m = (w.T @ w).diagonal() + variance
        prior.encoder[0].weight.copy_(torch.cat([w.T / m[:, None], torch.zeros_like(w.T)]))
        prior.encoder[0].bias.copy_(torch.cat([-(w.T @ b) / m, 0.5 * (variance / m).log()]))
        z = 2 * torch.randn(50, 4).double()
        torch.testing.assert_close(prior.log_prob(z), exact(prior).log_prob(z))


def test_samples_follow_the_closed_form():
    prior, n = linear(), 40_000
    z = prior.sample(n, generator=seeded())
    assert torch.equal(z, prior.sample(n, generator=seeded()))
    law = exact(prior)
    off = (z.mean(0) - law.mean).abs() / (law.variance / n).sqrt()
    assert off.max() < 5
    torch.testing.assert_close(z.T.cov(), law.covariance_matrix, atol=0.08, rtol=0)
    still = prior.sample(3, generator=seeded(), temperature=0.0)
    torch.testing.assert_close(still, law.mean.expand(3, -1))


def test_the_models_bounds_against_integration():
    """One latent dimension each: p(x) is an integral over z, p(z) one over u."""
    torch.manual_seed(0)
    model = aezoo.create(
        "vae(mlp(8),gaussian(1),mlp(8),prior=vae(1,8,1),likelihood=gaussian(sigma=1.0),"
        "input=(1,2,3))"
    ).double()
    prior = model.prior
    x = torch.rand(1, 1, 2, 3).double()
    with torch.no_grad():
        for parameter in prior.decoder.parameters():
            parameter.mul_(3)
        prior.log_gamma.fill_(-0.5)
        grid = torch.linspace(-12, 12, 1201).double()
        cell = grid[1] - grid[0]
        f, gamma = prior.decoder(grid[:, None]), prior.log_gamma.exp()
        given = torch.distributions.Normal(f, gamma).log_prob(grid[None])  # (u, z)
        p_u = torch.distributions.Normal(0.0, 1.0).log_prob(grid)
        log_pz = (given + p_u[:, None]).logsumexp(0) + cell.log()
        log_px = model.p(grid.reshape(-1, *model.latent_shape)).log_prob(x)
        truth = float((log_px + log_pz).logsumexp(0) + cell.log())
        rows = x.expand(100_000, -1, -1, -1)
        elbo = model.elbo(rows[:4000], generator=seeded())
        one = model.log_prob(rows, k=1, generator=seeded()).double()
        tight = float(one.logsumexp(0)) - math.log(len(rows))
    assert float(elbo.mean()) < truth - 0.01
    assert tight == pytest.approx(truth, abs=0.03)


def test_the_second_stage_learns_what_a_normal_cannot():
    """A ring, far from zero: the bound is above the best Gaussian's log-likelihood."""
    torch.manual_seed(0)
    angle = 2 * math.pi * torch.rand(4000)
    ring = torch.stack([angle.cos(), angle.sin()], 1) + 0.05 * torch.randn(4000, 2)
    ring = 20 * ring + 100
    prior = VAEPrior(SecondStage(hidden=64, depth=2), (2,))
    prior.start(ring)
    optimizer = torch.optim.Adam(prior.parameters(), 3e-3)
    for _ in range(800):
        optimizer.zero_grad()
        (-prior.log_prob(ring[torch.randint(4000, (256,))]).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        bound = float(prior.log_prob(ring).mean())
        radius = (prior.sample(2000, generator=seeded()) - 100).norm(dim=1) / 20
    best = float(MultivariateNormal(ring.mean(0), ring.T.cov()).log_prob(ring).mean())
    assert bound > best + 0.5
    assert float((radius - 1).abs().median()) < 0.2  # of the best Gaussian 0.34


def test_a_condition_is_read_by_both_networks():
    torch.manual_seed(0)
    prior = VAEPrior(SecondStage(2, 8, 1), (3,), cond_dim=2)
    z, cond = torch.randn(5, 3), torch.eye(2)[[0, 1, 0, 1, 0]]
    one = prior.log_prob(z, cond, generator=seeded())
    assert not torch.allclose(one, prior.log_prob(z, 1 - cond, generator=seeded()))
    drawn = prior.sample(5, cond=cond, generator=seeded())
    assert not torch.allclose(drawn, prior.sample(5, cond=1 - cond, generator=seeded()))
    prior.start(z)
    with pytest.raises(CapabilityError, match="with a condition"):
        prior.log_prob(z)
    with pytest.raises(CapabilityError, match="without a condition"):
        linear().log_prob(torch.zeros(1, 4).double(), cond)


def test_what_does_not_fit_is_said():
    with pytest.raises(ShapeError, match="prior=pixelcnn"):
        VAEPrior(SecondStage(), (4,), num_codes=8)
    with pytest.raises(ShapeError, match="flattens"):
        linear().sample(2, shape=(5,))
    with pytest.raises(ValueError, match="hidden"):
        SecondStage(hidden=0)
