"""Bits as latents: enumeration over all of them, draws, and which way the gradients point."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch import Tensor
from torch.distributions import Bernoulli, Independent, kl_divergence

import aezoo
from aezoo.components.bits import Bits
from aezoo.errors import ShapeError
from aezoo.resolve import display, override, resolve, resolved

SPEC = "vae(mlp(6),bernoulli(5{}),mlp(6),likelihood=bernoulli{},input=(1,2,3))"


def make(more: str = "", prior: str = ""):
    torch.manual_seed(0)
    return aezoo.create(SPEC.format(more, prior)).double()


def some_x(n: int = 4) -> Tensor:
    return torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(3)).round().double()


def every_z() -> Tensor:
    return torch.tensor(list(itertools.product((0.0, 1.0), repeat=5))).double()


def test_the_default_prior_is_the_posteriors_own() -> None:
    bound = resolve(SPEC.format("", ""))
    assert "prior" not in str(display(bound))
    assert "prior=bernoulli(p=0.5,version=1)" in str(resolved(bound)).replace(" ", "")
    with pytest.raises(ShapeError, match="prior=bernoulli"):
        make(prior=",prior=normal")
    with pytest.raises(ShapeError, match="prior=normal"):
        aezoo.create("vae(mlp(6),gaussian(6),mlp(6),prior=bernoulli,input=(1,2,3))")


@pytest.mark.parametrize(("p", "tolerance"), [(0.5, 0.02), (0.2, 0.2)])
def test_rate_and_bound_by_enumeration(p: float, tolerance: float) -> None:
    model, x, z = make(prior=f",prior=bernoulli({p})").eval(), some_x(), every_z()
    with torch.no_grad():
        q = model.encode(x).q
        assert q is not None
        log_q = torch.stack([q.log_prob(one.expand(4, -1)) for one in z])
        torch.testing.assert_close(log_q.exp().sum(0), torch.ones(4).double())
        log_p = model.prior.log_prob(z)
        ones = z.sum(1)
        torch.testing.assert_close(log_p, ones * math.log(p) + (5 - ones) * math.log(1 - p))
        log_px = torch.stack([model.p(one.expand(4, -1)).log_prob(x) for one in z])
        output = model(x, generator=torch.Generator().manual_seed(1))
        rate = (log_q.exp() * (log_q - log_p[:, None])).sum(0)
        torch.testing.assert_close(output.rate, rate)
        elbo = (log_q.exp() * log_px).sum(0) - rate
        exact = (log_px + log_p[:, None]).logsumexp(0)
        assert (elbo <= exact).all()
        bounds = torch.stack(
            [model.elbo(x, generator=torch.Generator().manual_seed(i)) for i in range(300)]
        )
        error = bounds.std(0) / math.sqrt(300)
        assert ((bounds.mean(0) - elbo).abs() < 5 * error).all()
        tight = model.log_prob(x, k=2000, generator=torch.Generator().manual_seed(2))
        torch.testing.assert_close(tight.double(), exact, atol=tolerance, rtol=0)


@pytest.mark.parametrize("estimator", ["straight_through", "concrete"])
def test_draws_are_bits_in_eval_and_follow_q(estimator: str) -> None:
    model = make(f",estimator={estimator}").eval()
    h = model.features(some_x(1)).detach().repeat(20_000, 1)
    latent = model.bottleneck(h, sample=True, generator=torch.Generator().manual_seed(0))
    assert set(latent.z.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(latent.z.mean(0), latent.q.mean[0], atol=0.02, rtol=0)
    mode = model.bottleneck(h[:1]).z
    assert torch.equal(mode, (latent.q.mean[:1] > 0.5).double())


def test_the_priors_draws() -> None:
    prior = make(prior=",prior=bernoulli(0.2)").prior
    z = prior.sample(20_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(z.mean(0), torch.full((5,), 0.2), atol=0.015, rtol=0)
    assert prior.sample(50, temperature=0.0).sum() == 0
    cold = prior.sample(20_000, generator=torch.Generator().manual_seed(0), temperature=0.5)
    share = 1 / (1 + 4.0**2)
    torch.testing.assert_close(cold.mean(0), torch.full((5,), share), atol=0.01, rtol=0)


def test_straight_through_has_the_probabilitys_gradient() -> None:
    """Of E f(z) with f linear that is the exact one: pi (1 - pi) f."""
    posterior = make().train().bottleneck
    h = torch.zeros(3, 6).double()
    f = torch.tensor([1.0, 0.5, -1.0, 2.0, 0.0]).double()
    z = posterior(h, sample=True, generator=torch.Generator().manual_seed(0)).z
    assert set(z.detach().round(decimals=9).unique().tolist()) <= {0.0, 1.0}
    (z @ f).mean().backward()
    pi = posterior.project.bias.detach().sigmoid()
    torch.testing.assert_close(posterior.project.bias.grad, pi * (1 - pi) * f)


def test_the_relaxed_draws_are_the_concrete_distribution() -> None:
    """Its density (Maddison et al., equation 24) integrates to the draws' distribution."""
    posterior = make(",estimator=concrete,tau=0.6").train().bottleneck
    with torch.no_grad():
        posterior.project.bias.fill_(0.8)
    h = torch.zeros(40_000, 6).double()
    z = posterior(h, sample=True, generator=torch.Generator().manual_seed(0)).z[:, 0]
    x = torch.linspace(1e-5, 1 - 1e-5, 200_001).double()
    tau, odds = 0.6, math.exp(0.8)
    density = tau * odds * x ** (-tau - 1) * (1 - x) ** (-tau - 1)
    density = density / (odds * x**-tau + (1 - x) ** -tau).square()
    for at in (0.1, 0.5, 0.9):
        below = torch.trapezoid(density[x <= at], x[x <= at]).item()
        assert (z < at).double().mean().item() == pytest.approx(below, abs=0.015)
    means = []
    for tau in (1.0, 0.1, 0.001):
        posterior.tau = tau
        z = posterior(h, sample=True, generator=torch.Generator().manual_seed(0)).z
        means.append((z * (1 - z)).mean().item())
    assert means[0] > 2 * means[1] > 100 * means[2]


def test_the_relaxations_gradient_points_the_way_of_the_exact_one() -> None:
    posterior = make(",estimator=concrete,tau=0.5").train().bottleneck
    torch.nn.init.zeros_(posterior.project.bias)
    f = torch.tensor([1.0, 0.5, -1.0, 2.0, 0.0]).double()
    h = torch.zeros(20_000, 6).double()
    z = posterior(h, sample=True, generator=torch.Generator().manual_seed(0)).z
    (z @ f).mean().backward()
    found, exact = posterior.project.bias.grad, f / 4
    assert torch.nn.functional.cosine_similarity(found, exact, dim=0) > 0.98


def test_tau_is_a_function_of_the_step() -> None:
    posterior = make(",tau=2.0,tau_end=0.5").bottleneck
    found = []
    for step in (0, 50, 100, 50):
        posterior.schedule(step, 101)
        found.append(posterior.tau)
    assert found == pytest.approx([2.0, 1.0, 0.5, 1.0])


def test_the_distribution_is_torchs() -> None:
    logits, other = torch.tensor([[-40.0, -1.0, 0.0, 3.0, 40.0]]), torch.tensor([1.0] * 5)
    ours, theirs = Bits(logits, 1), Independent(Bernoulli(logits=logits), 1)
    torch.testing.assert_close(ours.mean, theirs.mean)
    torch.testing.assert_close(ours.variance, theirs.variance)
    torch.testing.assert_close(ours.entropy(), theirs.entropy())
    for z in every_z().float():
        torch.testing.assert_close(ours.log_prob(z), theirs.log_prob(z))
    prior = Independent(Bernoulli(logits=other.expand(1, 5)), 1)
    torch.testing.assert_close(kl_divergence(ours, Bits(other, 0)), kl_divergence(theirs, prior))


@pytest.mark.parametrize(
    ("spec", "changes", "expected"),
    [
        ("gumbel(4,10)", {"posterior.k": 5}, "gumbel(4,5)"),
        ("gumbel(4,10)", {"posterior": "gaussian(3)"}, "gaussian(3)"),
        ("gaussian(3)", {"posterior": "gumbel(4,10)"}, "gumbel(4,10)"),
        ("poincare(3)", {"posterior.c": 2.0}, "poincare(3,c=2.0)"),
        ("joint(gaussian(2),gumbel(1,3))", {"posterior.1.k": 4}, "joint(gaussian(2),gumbel(1,4))"),
        ("joint(gaussian(2),gumbel(1,3))", {"posterior.0": "vmf(2)"}, "joint(vmf(2),gumbel(1,3))"),
        # A prior that is said, in the spec or now, stays.
        ("gaussian(3)", {"posterior.dim": 4, "prior": "mog(2)"}, "gaussian(4),prior=mog(2)"),
        ("gaussian(3),prior=mog(2)", {"posterior.dim": 4}, "gaussian(4),prior=mog(2)"),
    ],
)
def test_a_default_prior_follows_an_override_of_its_posterior(
    spec: str, changes: dict, expected: str
) -> None:
    whole = "vae(mlp(6),{},mlp(6),input=(1,2,3))"
    before, _, prior = spec.partition(",prior=")
    bound = resolve(whole.format(before)[:-1] + (f",prior={prior})" if prior else ")"))
    found = override(bound, changes)
    after, _, prior = expected.partition(",prior=")
    assert found == resolve(whole.format(after)[:-1] + (f",prior={prior})" if prior else ")"))
    assert aezoo.create(str(display(found))).loss(some_x().float()).total.isfinite()


def test_a_prior_asked_for_with_another_posterior_is_taken_at_its_word() -> None:
    bound = resolve("vae(mlp(6),gaussian(4),mlp(6),input=(1,2,3))")
    found = override(bound, {"prior": "normal", "posterior": "gumbel(2,3)"})
    with pytest.raises(ShapeError, match=r"prior=categorical\(3\)"):
        aezoo.create(str(resolved(found)))
