"""Objectives: which terms they sum, with which weights, and their gradients."""

from __future__ import annotations

import pytest
import torch
from torch.distributions import Independent, Normal

from aezoo.build import build
from aezoo.latents import Latent, Output
from aezoo.objectives import configs
from aezoo.objectives.beta import BetaObjective
from aezoo.objectives.elbo import ElboObjective
from aezoo.objectives.reconstruction import ReconstructionObjective
from aezoo.objectives.terms import terms, weighted


def output(*, rate: bool = True, penalties: int = 1) -> Output:
    """An output of four samples, whose numbers are leaves of the graph."""

    def leaf() -> torch.Tensor:
        return torch.rand(4).requires_grad_()

    z = torch.zeros(4, 2)
    latents = [Latent(z, penalty=leaf()) for _ in range(penalties)] + [Latent(z)]
    return Output(
        p=Independent(Normal(torch.zeros(4, 1, 2), 1.0), 2),
        latents=tuple(latents),
        distortion=leaf(),
        rate=leaf() if rate else None,
    )


def test_the_terms_are_means_over_the_batch():
    out = output(penalties=2)
    found = terms(out)
    assert list(found) == ["distortion", "rate", "penalty"]
    torch.testing.assert_close(found["distortion"], out.distortion.mean())
    torch.testing.assert_close(found["rate"], out.rate.mean())
    both = out.latents[0].penalty + out.latents[1].penalty
    torch.testing.assert_close(found["penalty"], both.mean())
    assert list(terms(output(rate=False, penalties=0))) == ["distortion"]


@pytest.mark.parametrize(
    ("objective", "weights"),
    [
        (ElboObjective(configs.Elbo()), (1.0, 1.0, 1.0)),
        (BetaObjective(configs.Beta(4.0)), (1.0, 4.0, 1.0)),
        (BetaObjective(configs.Beta(0.0)), (1.0, 0.0, 1.0)),
        (ReconstructionObjective(configs.Reconstruction()), (1.0, 0.0, 1.0)),
    ],
    ids=["elbo", "beta", "beta0", "reconstruction"],
)
def test_an_objective_is_a_weighted_sum(objective, weights):
    out = output()
    losses = objective(None, None, out)
    leaves = (out.distortion, out.rate, out.latents[0].penalty)
    expected = sum(w * leaf.mean() for w, leaf in zip(weights, leaves, strict=True))
    torch.testing.assert_close(losses.total, expected)
    assert list(losses.terms) == ["distortion", "rate", "penalty"]
    assert not any(t.requires_grad for t in losses.terms.values())
    assert all(t.ndim == 0 for t in losses.terms.values())
    grads = torch.autograd.grad(losses.total, leaves, allow_unused=True)
    for grad, weight in zip(grads, weights, strict=True):
        if grad is None:
            assert weight == 0
        else:
            torch.testing.assert_close(grad, torch.full((4,), weight / 4))


def test_terms_that_a_model_lacks_count_nothing():
    out = output(rate=False, penalties=0)
    losses = ElboObjective(configs.Elbo())(None, None, out)
    torch.testing.assert_close(losses.total, out.distortion.mean())
    assert list(losses.terms) == ["distortion"]
    losses = weighted(out, distortion=2.0, rate=9.0)
    torch.testing.assert_close(losses.total, 2 * out.distortion.mean())


def test_the_penalty_is_no_part_of_the_elbo():
    out = output()
    torch.testing.assert_close(out.elbo, -(out.distortion + out.rate))
    assert output(rate=False).elbo is None
    assert output(penalties=0).penalty is None


def test_elbo_loss_is_minus_the_mean_elbo():
    model = build("vae(mlp(8),gaussian(2),mlp(8),likelihood=bernoulli,input=(1,3,3))")
    x = torch.rand(5, 1, 3, 3).round()
    loss = model.loss(x, generator=torch.Generator().manual_seed(0)).total
    elbo = model.elbo(x, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(loss, -elbo.mean())


def test_beta_one_is_the_elbo_and_beta_weighs_the_rate_alone():
    text = "vae(mlp(8),gaussian(2),mlp(8),input=(1,3,3)"
    plain, one, four = (
        build(f"{text})"),
        build(f"{text},objective=beta(1))"),
        build(f"{text},objective=beta(4))"),
    )
    one.load_state_dict(plain.state_dict())
    four.load_state_dict(plain.state_dict())
    x = torch.rand(5, 1, 3, 3)
    a, b, c = (m.loss(x, generator=torch.Generator().manual_seed(0)) for m in (plain, one, four))
    torch.testing.assert_close(a.total, b.total)
    torch.testing.assert_close(c.total, a.total + 3 * a.terms["rate"])
    assert a.terms == b.terms == c.terms


def test_squared_error_is_what_an_ae_minimises():
    """-log N(x; x_hat, 1) is half the squared error and a constant."""
    model = build("ae(mlp(8),point(2),mlp(8),input=(2,5))")
    x = torch.rand(6, 2, 5)
    squares = (x - model.reconstruct(x)).square().flatten(1).sum(1)
    constant = 10 * 0.5 * torch.log(torch.tensor(2 * torch.pi))
    torch.testing.assert_close(model.loss(x).total, (0.5 * squares + constant).mean())
