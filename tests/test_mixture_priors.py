"""mog and vamp: densities by torch's own mixtures, samples, the ELBO, and fitting afterwards."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

import aezoo
from aezoo.components.priors.configs import MoG
from aezoo.components.priors.mog import MoGPrior
from aezoo.errors import CapabilityError, ShapeError

VAMP = "vae(mlp(8),gaussian({}),mlp(8),prior=vamp(3){},input=(1,2,3))"


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def mog(k: int, shape: tuple[int, ...], covariance: Any = "diagonal") -> MoGPrior:
    torch.manual_seed(0)
    prior = MoGPrior(MoG(k, covariance), shape).double()
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.copy_(0.7 * torch.randn_like(parameter))
    return prior


def torchs(prior: MoGPrior) -> MixtureSameFamily:
    """The same mixture, over flat vectors."""
    scale = torch.diag_embed(prior.log_scale.exp())
    if prior.lower is not None:
        scale = scale + prior.lower.tril(-1)
    return MixtureSameFamily(
        Categorical(logits=prior.weight), MultivariateNormal(prior.mean, scale_tril=scale)
    )


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
@pytest.mark.parametrize("shape", [(4,), (2, 3), (2, 2, 2)])
def test_mog_is_torchs_mixture(shape, covariance):
    prior = mog(3, shape, covariance)
    z = 2 * torch.randn(6, *shape).double()
    torch.testing.assert_close(prior.log_prob(z), torchs(prior).log_prob(z.flatten(1)))


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_mogs_samples_follow_it(covariance):
    prior, n = mog(3, (2, 1), covariance), 40_000
    z = prior.sample(n, generator=seeded())
    assert torch.equal(z, prior.sample(n, generator=seeded()))
    flat = z.flatten(1)
    p = torchs(prior)
    off = (flat.mean(0) - p.mean).abs() / (p.variance / n).sqrt()
    assert off.max() < 5
    nats = -prior.log_prob(z)
    torch.manual_seed(1)
    theirs = -p.log_prob(p.sample((n,)))
    error = ((nats.var() + theirs.var()) / n).sqrt()
    assert (nats.mean() - theirs.mean()).abs() < 5 * error
    still = prior.sample(50, generator=seeded(), temperature=0.0).flatten(1)
    assert torch.cdist(still, prior.mean).min(1).values.max() < 1e-12


@pytest.mark.parametrize("covariance", ["diagonal", "full"])
def test_mog_recovers_a_known_mixture(covariance):
    """k-means to start with, then gradient: as good as the truth on new rows."""
    torch.manual_seed(3)
    mean = torch.tensor([[-4.0, 0.0], [4.0, 1.0], [0.0, 6.0]]).double()
    scale = torch.tensor([[0.5, 1.0], [1.0, 0.4], [0.7, 0.7]]).double()
    share = torch.tensor([0.2, 0.5, 0.3]).double()
    truth = MixtureSameFamily(Categorical(share), Independent(Normal(mean, scale), 1))
    rows, new = truth.sample((4000,)), truth.sample((4000,))
    prior = MoGPrior(MoG(3, covariance), (2,)).double()
    prior.start(rows)
    optimizer = torch.optim.Adam(prior.parameters(), 0.02)
    for _ in range(100):
        optimizer.zero_grad()
        (-prior.log_prob(rows).mean()).backward()
        optimizer.step()
    with torch.no_grad():
        loss = float((truth.log_prob(new) - prior.log_prob(new)).mean())
    assert -0.005 < loss < 0.01
    found = torch.cdist(mean, prior.mean).argmin(1)
    assert sorted(found.tolist()) == [0, 1, 2]
    torch.testing.assert_close(prior.mean[found], mean, atol=0.1, rtol=0)
    torch.testing.assert_close(prior.log_scale.exp()[found], scale, atol=0.1, rtol=0)
    torch.testing.assert_close(prior.weight.softmax(0)[found], share, atol=0.03, rtol=0)


def test_mog_starts_from_few_rows_too():
    for covariance in ("diagonal", "full"):
        prior = MoGPrior(MoG(5, covariance), (3,))
        rows = torch.randn(4, 3)
        prior.start(rows)
        assert torch.isfinite(prior.log_prob(rows)).all()


def test_what_does_not_fit_is_said():
    with pytest.raises(ShapeError, match="prior=pixelcnn"):
        MoGPrior(MoG(2), (4,), num_codes=8)
    with pytest.raises(ShapeError, match="the whole"):
        mog(2, (2, 3)).log_prob(torch.zeros(1, 2, 4))
    with pytest.raises(CapabilityError, match="gives points"):
        aezoo.create("ae(mlp(8),point(2),mlp(8),prior=vamp(3),input=(1,2,3))")
    with pytest.raises(ShapeError, match="pseudo-inputs"):
        aezoo.create(VAMP.format(2, "")).prior.sample(2, shape=(3,))


# -- vamp


@pytest.mark.parametrize("more", ["", ",cond=label(4)"])
def test_vamp_is_the_mixture_of_the_posteriors(more):
    torch.manual_seed(0)
    model = aezoo.create(VAMP.format(2, more)).double()
    model.input_range = (-1.0, 1.0)
    u = model.prior.pseudo_inputs()
    assert u.shape == (3, 1, 2, 3) and -1 < u.min() < -0.2 and 0.2 < u.max() < 1
    h = model._join(u, model.prior.conditions if more else None)
    q = model.bottleneck(model.encoder(h)).q
    z = torch.randn(5, *model.latent_shape).double()
    rows = []
    for row in z:  # one q at a time, by hand
        rows.append(sum(float(q.log_prob(row)[i].detach().exp()) for i in range(3)) / 3)
    expected = torch.tensor(rows).double().log()
    cond = model.embed_for_prior(torch.arange(5) % 4) if more else None
    torch.testing.assert_close(model.prior.log_prob(z, cond), expected)


def test_vamps_gradient_reaches_pseudo_inputs_and_encoder():
    model = aezoo.create(VAMP.format(2, ""))
    names = [n for n, _ in model.prior.named_parameters()]
    assert names == ["inputs"]  # the model's own weights are not the prior's
    model.prior.log_prob(torch.randn(4, *model.latent_shape)).sum().backward()
    assert model.prior.inputs.grad.abs().amin(0).max() > 0
    assert any(p.grad is not None and p.grad.any() for p in model.encoder.parameters())
    assert not any(p.grad is not None for p in model.decoder.parameters())
    other = copy.deepcopy(model)
    assert other.prior._model is other


def test_vamps_samples_follow_it():
    torch.manual_seed(0)
    model = aezoo.create(VAMP.format(1, "")).double()
    with torch.no_grad():
        model.bottleneck.project.weight.mul_(4)
        z = model.prior.sample(20_000, generator=seeded()).flatten()
        q = model.bottleneck(model.encoder(model.prior.pseudo_inputs())).q.base_dist
        mean, scale = q.loc.flatten(), q.scale.flatten()
    variance = (scale**2 + mean**2).mean() - mean.mean() ** 2
    assert (z.mean() - mean.mean()).abs() < 5 * (variance / len(z)).sqrt()
    assert float(z.var() / variance) == pytest.approx(1, abs=0.06)
    modes = model.prior.sample(30, generator=seeded(), temperature=0.0).flatten()
    assert (modes[:, None] - mean).abs().amin(1).max() < 1e-12


# -- in a vae


@pytest.mark.parametrize("prior", ["mog(3)", "vamp(3)"])
def test_the_elbo_and_the_likelihood_against_integration(prior):
    torch.manual_seed(0)
    model = aezoo.create(
        f"vae(mlp(8),gaussian(1),mlp(8),prior={prior},likelihood=gaussian(sigma=1.0),input=(1,2,3))"
    ).double()
    x = torch.rand(1, 1, 2, 3).double()
    with torch.no_grad():
        grid = torch.linspace(-15, 15, 6001).double()
        z = grid.reshape(-1, *model.latent_shape)
        cell = grid[1] - grid[0]
        log_px, log_pz = model.p(z).log_prob(x), model.prior.log_prob(z)
        q = model.encode(x).q
        assert q is not None
        log_q = q.log_prob(z)
        assert float(log_pz.exp().sum() * cell) == pytest.approx(1, abs=1e-4)
        elbo = float((log_q.exp() * (log_px + log_pz - log_q)).sum() * cell)
        exact = float((log_px + log_pz).logsumexp(0) + cell.log())
        many = x.expand(20_000, -1, -1, -1)
        drawn = model.elbo(many, generator=seeded())
        assert abs(float(drawn.mean()) - elbo) < 5 * float(drawn.std()) / len(many) ** 0.5
        assert elbo < exact
        bound = float(model.log_prob(x, k=3000, generator=seeded()))
    assert bound == pytest.approx(exact, abs=0.05)


@pytest.mark.parametrize("prior", ["mog(3)", "mog(3,covariance=full)", "vamp(3)"])
def test_saved_and_loaded_bit_for_bit(prior, tmp_path):
    model = aezoo.create(f"vae(mlp(8),gaussian(2),mlp(8),prior={prior},input=(1,2,3))").eval()
    model.save_pretrained(tmp_path)
    again = aezoo.create(f"local:{tmp_path}")
    x = torch.rand(4, 1, 2, 3)
    with torch.no_grad():
        assert torch.equal(model.sample(5, generator=seeded()), again.sample(5, generator=seeded()))
        mine, theirs = (m.elbo(x, generator=seeded()) for m in (model, again))
    assert torch.equal(mine, theirs)


# -- ex post


@pytest.mark.parametrize("prior", ["mog(10)", "mog(10,covariance=full)"])
def test_a_plain_ae_generates_with_a_mixture_fitted_afterwards(prior, tmp_path):
    """Fréchet distance in PCA features of the digits: prior=normal against ex-post mog(10)."""
    from aezoo.data.sets import Resident, load
    from aezoo.metrics.frechet import distance, from_rows
    from aezoo.train.recipe import Recipe, Size, Stage
    from aezoo.train.run import train

    spec = f"ae(mlp(64),point(8),mlp(64),prior={prior},input=(1,8,8))"
    stage = Stage(steps=600, batch=128, lr=3e-3, eval_every=200, ema=0.99)
    short = Stage(steps=100, batch=128, lr=3e-3, warmup=10, eval_every=50, ema=0.9)
    recipe = Recipe("expost", spec, "digits", {"cpu": Size(stage, short)})
    done = train(recipe, run_dir=tmp_path, quiet=True)
    model = done.model
    assert done.finished and model.prior_fitted
    digits = Resident(load("digits", "test"), torch.device("cpu"))
    x = digits.batch(torch.arange(len(digits)))[0]
    flat = x.flatten(1)
    axes = torch.linalg.svd(flat - flat.mean(0), full_matrices=False)[2][:20]
    real = from_rows(flat @ axes.T)
    with torch.no_grad():
        fitted = model.sample(2000, generator=seeded()).flatten(1)
        unit = torch.randn(2000, *model.latent_shape, generator=seeded())
        normal = model.decode(unit).flatten(1)
    theirs, ours = (distance(real, from_rows(s @ axes.T)) for s in (normal, fitted))
    assert ours < 0.5 * theirs, (prior, ours, theirs)
