"""Categorical and sparse latents: enumeration, limits, and which way the gradients point."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import aezoo
from aezoo.components.posteriors.configs import Gaussian
from aezoo.components.posteriors.gaussian import GaussianPosterior
from aezoo.errors import ShapeError
from aezoo.resolve import display, resolve, resolved

SPEC = "vae(mlp(6),gumbel(2,3{}),mlp(6),likelihood=bernoulli,input=(1,2,3))"


def make(more: str = ""):
    torch.manual_seed(0)
    return aezoo.create(SPEC.format(more)).double()


def some_x(n: int = 4) -> torch.Tensor:
    return torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(3)).round().double()


def every_z() -> torch.Tensor:
    eye = torch.eye(3).double()
    return torch.stack([torch.cat(pair) for pair in itertools.product(eye, eye)])


def test_the_default_prior_is_the_posteriors_own() -> None:
    bound = resolve("vae(conv(32,64),gumbel(20,10,tau=0.5),deconv(64,32))")
    assert "prior" not in str(display(bound))
    assert "prior=categorical(k=10,version=1)" in str(resolved(bound)).replace(" ", "")
    assert resolve(str(resolved(bound))) == bound
    assert aezoo.create(str(display(bound))).prior.one_hot_of == 10
    for wrong in ("normal", "categorical(2)"):
        with pytest.raises(ShapeError, match=r"prior=categorical\(3\)"):
            aezoo.create(f"vae(mlp(6),gumbel(2,3),mlp(6),prior={wrong},input=(1,2,3))")
    with pytest.raises(ShapeError, match="prior=normal"):
        aezoo.create("vae(mlp(6),gaussian(6),mlp(6),prior=categorical(3),input=(1,2,3))")


def test_rate_and_bound_by_enumeration() -> None:
    model, x, z = make().eval(), some_x(), every_z()
    with torch.no_grad():
        q = model.encode(x).q
        assert q is not None
        log_q = torch.stack([q.log_prob(one.expand(4, -1)) for one in z])
        torch.testing.assert_close(log_q.exp().sum(0), torch.ones(4).double())
        log_px = torch.stack([model.p(one.expand(4, -1)).log_prob(x) for one in z])
        output = model(x, generator=torch.Generator().manual_seed(1))
        rate = (log_q.exp() * (log_q + 2 * math.log(3))).sum(0)
        torch.testing.assert_close(output.rate, rate)
        elbo = (log_q.exp() * log_px).sum(0) - rate
        exact = (log_px - 2 * math.log(3)).logsumexp(0)
        assert (elbo <= exact).all()
        tight = model.log_prob(x, k=2000, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(tight.double(), exact, atol=0.02, rtol=0)


def test_draws_are_exact_one_hots_in_eval_and_follow_q() -> None:
    model = make().eval()
    h = model.features(some_x(1)).detach().repeat(20_000, 1)
    latent = model.bottleneck(h, sample=True, generator=torch.Generator().manual_seed(0))
    assert set(latent.z.unique().tolist()) == {0.0, 1.0}
    assert (latent.z.unflatten(1, (2, 3)).sum(2) == 1).all()
    torch.testing.assert_close(latent.z.mean(0), latent.q.mean[0], atol=0.02, rtol=0)
    model.bottleneck.schedule(0, 10)
    again = model.bottleneck(h, sample=True, generator=torch.Generator().manual_seed(0))
    assert torch.equal(latent.z, again.z)


def test_relaxed_draws_become_one_hots_as_tau_falls() -> None:
    model, far = make().train(), []
    h = model.features(some_x()).repeat(500, 1)
    for tau in (1.0, 0.1, 0.001):
        model.bottleneck.tau = tau
        z = model.bottleneck(h, sample=True, generator=torch.Generator().manual_seed(0)).z
        torch.testing.assert_close(z.unflatten(1, (2, 3)).sum(2), torch.ones(len(h), 2).double())
        far.append(float((z * (1 - z)).detach().mean()))
    assert far[0] > 2 * far[1] > 100 * far[2]


def test_tau_is_a_function_of_the_step() -> None:
    posterior = make(",tau=2.0,tau_end=0.5").bottleneck
    found = []
    for step in (0, 50, 100, 50):
        posterior.schedule(step, 101)
        found.append(posterior.tau)
    assert found == pytest.approx([2.0, 1.0, 0.5, 1.0])


@pytest.mark.parametrize("through", ["false", "true"])
def test_the_gradient_points_the_way_of_the_exact_one(through: str) -> None:
    """Of E f(z) with f linear the exact gradient is known: pi_i (f_i - E f)."""
    posterior = make(f",tau=0.5,straight_through={through}").train().bottleneck
    h = torch.zeros(20_000, 6).double()
    torch.nn.init.zeros_(posterior.project.bias)
    f = torch.tensor([1.0, 0.0, -1.0, 2.0, 0.0, -2.0]).double()
    z = posterior(h, sample=True, generator=torch.Generator().manual_seed(0)).z
    if through == "true":
        assert set(z.detach().unique().tolist()) == {0.0, 1.0}
    (z @ f).mean().backward()
    found, exact = posterior.project.bias.grad, f / 3
    assert torch.nn.functional.cosine_similarity(found, exact, dim=0) > 0.98
    assert ((found * exact)[exact != 0] > 0).all()


def test_topk_keeps_k_and_its_gradient_reaches_them_alone() -> None:
    model = aezoo.create("ae(mlp(8),topk(6,2),mlp(8),input=(1,2,3))").double()
    h = torch.randn(5, 8).double()
    dense = model.bottleneck.point(h).z
    z = model.bottleneck(h).z
    assert ((z != 0).sum(1) == 2).all()
    torch.testing.assert_close(z[z != 0].view(5, 2).sum(1), dense.topk(2).values.sum(1))
    (jacobian,) = torch.autograd.grad(z.sum(), model.bottleneck.point.project.bias)
    torch.testing.assert_close(jacobian, (z != 0).double().sum(0))
    with pytest.raises(ShapeError, match="smaller k"):
        aezoo.create("ae(mlp(8),topk(6,7),mlp(8),input=(1,2,3))")


def test_pathwise_beats_the_score_function() -> None:
    """min E |z - (5,5)|^2 over the mean of q: it gets there, and with less noise."""
    posterior = GaussianPosterior(Gaussian(2), in_shape=(1,))
    h, target = torch.zeros(64, 1), torch.tensor([5.0, 5.0])
    with torch.no_grad():
        bias = next(p for p in posterior.parameters() if p.ndim == 1)
        bias.copy_(torch.tensor([0.0, 0.0, 2 * math.log(0.1), 2 * math.log(0.1)]))
    generator = torch.Generator().manual_seed(0)

    def gradients(rows: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Of each draw, by the path and by the score: (rows, 2) each, in the mean."""
        latent = posterior(torch.zeros(rows, 1), sample=True, generator=generator)
        mean, cost = latent.q.base_dist.loc, (latent.z - target).square().sum(1)
        (path,) = torch.autograd.grad(cost.sum(), mean, retain_graph=True)
        score = cost.detach() * latent.q.log_prob(latent.z.detach())
        return path, torch.autograd.grad(score.sum(), mean)[0]

    path, score = gradients(40_000)
    error = score.std(0) / 200
    assert ((score.mean(0) - path.mean(0)).abs() < 5 * error).all()  # both are of one mean
    assert (path.var(0) < 1e-3 * score.var(0)).all()
    optimizer = torch.optim.Adam(posterior.parameters(), 0.1)
    for _ in range(500):
        z = posterior(h, sample=True, generator=generator).z
        optimizer.zero_grad()
        (z - target).square().sum(1).mean().backward()
        optimizer.step()
    assert (posterior(h).z - target).abs().max() < 0.1


def test_it_learns_and_its_schedule_makes_a_run_repeatable() -> None:
    def run() -> list[float]:
        model, x = make(",tau_end=0.3").train(), some_x(3).repeat(6, 1, 1, 1)
        optimizer, found = torch.optim.Adam(model.parameters(), 0.02), []
        for step in range(200):
            model.bottleneck.schedule(step, 200)
            loss = model.loss(x, generator=torch.Generator().manual_seed(step)).total
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            found.append(loss.item())
        return found

    first = run()
    assert sum(first[-20:]) < 0.9 * sum(first[:20])
    assert run() == first


def test_dropout_drops_its_share_in_training_alone_and_keeps_the_mean() -> None:
    model = aezoo.create("ae(mlp(8),dropout(6,p=0.25),mlp(8),input=(1,2,3))").double()
    h = torch.randn(1, 8).double().expand(20_000, -1)
    dense = model.eval().bottleneck(h).z
    torch.testing.assert_close(dense, model.bottleneck.point(h).z)
    model.train()
    z = model.bottleneck(h, generator=torch.Generator().manual_seed(1)).z
    assert abs(float((z == 0).double().mean()) - 0.25) < 5e-3  # six standard errors
    torch.testing.assert_close(z[z != 0], (dense / 0.75)[z != 0])
    torch.testing.assert_close(z.mean(0), dense[0], rtol=0.03, atol=0)
    again = model.bottleneck(h, generator=torch.Generator().manual_seed(1)).z
    assert torch.equal(z, again)
    with pytest.raises(aezoo.SpecError, match=r"p must be in \[0, 1\)"):
        aezoo.create("ae(mlp(8),dropout(6,p=1.0),mlp(8),input=(1,2,3))")
