"""Objectives beyond the ELBO: closed forms, autograd, finite differences, Monte Carlo."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

import aezoo
from aezoo.errors import CapabilityError
from aezoo.objectives import importance, mmd
from aezoo.objectives.contractive import jacobian_norm
from aezoo.objectives.dip import covariance
from aezoo.objectives.factor import shuffled
from aezoo.objectives.rae import decoder_slope
from aezoo.objectives.sparse import bernoulli_kl
from aezoo.objectives.tcvae import decomposed

VAE = "vae(mlp(6,act=tanh),gaussian(3),mlp(6,act=tanh),objective={},input=(1,2,3))"
AE = "ae(mlp(6,act=tanh),point(3),mlp(6,act=tanh),prior=normal,objective={},input=(1,2,3))"
NAMES = (
    "annealing(10)", "capacity(5.0)", "free_bits(0.1)", "btcvae(6.0)", "factor(10.0)", "dip(1)",
    "dip(2)", "infovae", "infovae(kernel=imq)", "iwae(3)", "miwae(2,2)", "ciwae(3)", "piwae(2,2)",
    "dreg(3)",
)  # fmt: skip
AE_NAMES = (
    "wae", "wae(kernel=rbf)", "aae", "l1", "kl_sparse", "contractive", "rae", "rae(gradient=0.1)",
)  # fmt: skip


def make(spec: str, objective: str, seed: int = 0):
    torch.manual_seed(seed)
    return aezoo.create(spec.format(objective)).double()


def some_x(n: int = 5) -> torch.Tensor:
    return torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(3)).double()


def _first(module: torch.nn.Module) -> torch.Tensor:
    return next(p for p in module.parameters() if p.ndim == 2)


def seeded(work, seed: int = 7):
    """What ``work`` computes with its own random numbers, always the same."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return work()


@pytest.mark.parametrize(
    ("spec", "objective"),
    [*((VAE, name) for name in NAMES), *((AE, name) for name in AE_NAMES)],
)
def test_every_objective_gives_a_gradient_and_a_criterion(spec: str, objective: str) -> None:
    model = make(spec, objective)
    losses = seeded(lambda: model.loss(some_x()))
    losses.total.backward()
    assert torch.isfinite(losses.total)
    parts = [model.encoder, model.bottleneck, model.decoder]
    assert all(
        p.grad is not None and torch.isfinite(p.grad).all() for m in parts for p in m.parameters()
    )
    with torch.no_grad():
        seen = model.eval().loss(some_x())
    assert seen.criterion is None or torch.isfinite(seen.criterion)
    assert not any(name.startswith("objective") for name in model.state_dict())


@pytest.mark.parametrize(
    "objective",
    # The estimators whose expected gradient is not that of their value stand further down.
    [n for n in NAMES if n[:4] not in ("piwa", "dreg")] + list(AE_NAMES),
)
def test_gradients_against_finite_differences(objective: str) -> None:
    model = make(AE if objective in AE_NAMES else VAE, objective)
    x = some_x()
    work = lambda: seeded(lambda: model.loss(x).total)  # noqa: E731
    work().backward()
    for weight in (_first(model.encoder), _first(model.decoder)):
        step = 1e-6
        for at in ((0, 0), (2, 1)):
            weight.data[at] += step
            above = work()
            weight.data[at] -= 2 * step
            below = work()
            weight.data[at] += step
            slope = float((above - below).detach()) / (2 * step)
            assert float(weight.grad[at]) == pytest.approx(slope, rel=1e-4, abs=1e-7)


# -- rates


def test_annealing_weighs_the_rate_and_is_chosen_by_the_elbo() -> None:
    model = make(VAE, "annealing(10)")
    x = some_x()
    output = seeded(lambda: model(x))
    for step, weight in ((0, 0.0), (5, 0.5), (10, 1.0), (99, 1.0)):
        model.objective.schedule(step, 100)
        losses = model.objective(model, x, output)
        expected = (output.distortion + weight * output.rate).mean()
        torch.testing.assert_close(losses.total, expected)
        torch.testing.assert_close(losses.criterion, -output.elbo.mean())


def test_capacity_is_the_papers() -> None:
    model = make(VAE, "capacity(4.0,gamma=3.0,steps=8)")
    x = some_x()
    output = seeded(lambda: model(x))
    for step, nats in ((0, 0.0), (4, 2.0), (8, 4.0), (50, 4.0)):
        model.objective.schedule(step, 100)
        found = model.objective(model, x, output).total
        expected = output.distortion.mean() + 3 * (output.rate.mean() - nats).abs()
        torch.testing.assert_close(found, expected)


def test_free_bits_charge_only_what_is_above() -> None:
    model = make(VAE, "free_bits(0.12)")
    x = some_x()
    output = seeded(lambda: model(x))
    q = output.latents[0].q.base_dist
    kl = (0.5 * (q.loc**2 + q.scale**2 - 1) - q.scale.log()).mean(0)
    assert (kl < 0.12).any() and (kl > 0.12).any()  # both sides are looked at
    expected = output.distortion.mean() + torch.maximum(kl, torch.tensor(0.12)).sum()
    torch.testing.assert_close(model.objective(model, x, output).total, expected)
    free = make(VAE, "free_bits(0.0)")
    torch.testing.assert_close(free.objective(model, x, output).total, -output.elbo.mean())


def test_free_bits_sum_a_channel_over_its_places() -> None:
    spec = "vae(res(4,depth=1,down=2),gaussian(2),unres(4,depth=1),objective={},input=(1,4,4))"
    model = make(spec, "free_bits(0.0)")
    output = seeded(lambda: model(torch.rand(3, 1, 4, 4).double()))
    total = model.objective(model, None, output).total
    torch.testing.assert_close(total, -output.elbo.mean())


# -- total correlation


def test_the_three_parts_sum_to_the_rate() -> None:
    generator = torch.Generator().manual_seed(0)
    mean, scale = torch.randn(2, 40, 3, generator=generator, dtype=torch.float64)
    scale = scale.exp()
    z = mean + scale * torch.randn(40, 3, generator=generator, dtype=torch.float64)
    log_p = Independent(Normal(torch.zeros(3).double(), 1.0), 1).log_prob(z)
    parts = decomposed(z, mean, scale, log_p)
    log_q = Independent(Normal(mean, scale), 1).log_prob(z)
    torch.testing.assert_close(sum(parts), (log_q - log_p).mean())


def test_total_correlation_of_a_gaussian() -> None:
    """Of q(z) = N(0, S), made of many narrow posteriors, TC = -log det(correlation) / 2."""
    generator = torch.Generator().manual_seed(1)
    s = torch.tensor([[1.0, 0.8], [0.8, 1.0]], dtype=torch.float64)
    n, narrow = 4000, 0.3
    spread = MultivariateNormal(torch.zeros(2).double(), s - narrow**2 * torch.eye(2))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(2)
        mean = spread.sample((n,))
    scale = torch.full_like(mean, narrow)
    z = mean + scale * torch.randn(n, 2, generator=generator, dtype=torch.float64)
    log_p = Independent(Normal(torch.zeros(2).double(), 1.0), 1).log_prob(z)
    information, correlation, apart = decomposed(z, mean, scale, log_p)
    assert float(correlation) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.03)
    assert float(information) == pytest.approx(0.5 * float(torch.logdet(s / narrow**2)), abs=0.06)
    assert float(apart) == pytest.approx(0, abs=0.02)  # the marginals are N(0, 1)


def test_shuffling_keeps_every_dimension_and_parts_them() -> None:
    z = torch.randn(2000, 1).repeat(1, 2).double()
    mixed = seeded(lambda: shuffled(z))
    assert torch.equal(mixed.sort(0).values, z.sort(0).values)
    assert abs(float(torch.corrcoef(mixed.T)[0, 1])) < 0.1


def test_factors_critic_learns_the_total_correlation() -> None:
    """The logit's mean is the ratio of densities that the paper says."""
    model = make(
        "vae(mlp(6),gaussian(2),mlp(6),objective={},input=(1,2,3))", "factor(1.0,critic=mlp(64,64))"
    ).float()
    objective = model.objective
    optimizer = torch.optim.Adam(objective.critic.parameters(), 3e-3)
    s = torch.tensor([[1.0, 0.8], [0.8, 1.0]])
    output = seeded(lambda: model(some_x().float()))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        for _ in range(600):
            output.latents[0].z = MultivariateNormal(torch.zeros(2), s).sample((256,))
            losses = objective.critic_losses(model, None, output)
            optimizer.zero_grad()
            losses.total.backward()
            optimizer.step()
        output.latents[0].z = MultivariateNormal(torch.zeros(2), s).sample((20_000,))
        found = objective.critic(output.latents[0].z).detach().mean()
    assert float(found) == pytest.approx(-0.5 * math.log(1 - 0.64), abs=0.1)


def test_dip_is_the_papers() -> None:
    x = some_x(7)
    for version in (1, 2):
        model = make(VAE, f"dip({version},off=2.0,diagonal=3.0)")
        output = seeded(lambda model=model: model(x))
        q = output.latents[0].q.base_dist
        cov = torch.cov(q.loc.T, correction=0)
        torch.testing.assert_close(covariance(q.loc), cov)
        if version == 2:
            cov = cov + torch.diag((q.scale**2).mean(0))
        expected = -output.elbo.mean()
        for i, j in itertools.product(range(3), repeat=2):
            expected = expected + (3 * (cov[i, i] - 1) ** 2 if i == j else 2 * cov[i, j] ** 2)
        torch.testing.assert_close(model.objective(model, x, output).total, expected)


# -- MMD


def test_mmd_is_unbiased_and_the_closed_form() -> None:
    """RBF of N(m, I) and N(0, I) in D dimensions: E k = (s2 / (s2 + 2))^(D/2) exp(...)."""
    d, m = 3, 0.7
    s2 = float(d)
    same = (s2 / (s2 + 2)) ** (d / 2)
    apart = same * math.exp(-(d * m * m) / (2 * (s2 + 2)))
    generator = torch.Generator().manual_seed(0)
    found = [
        mmd.mmd(
            m + torch.randn(20, d, generator=generator),
            torch.randn(30, d, generator=generator),
            mmd.rbf(d),
        )
        for _ in range(2000)
    ]
    mean, error = torch.stack(found).mean(), torch.stack(found).std() / math.sqrt(2000)
    assert abs(float(mean) - 2 * (same - apart)) < 4 * float(error)


def test_mmd_by_two_loops() -> None:
    x, y = torch.randn(4, 2).double(), torch.randn(5, 2).double()
    k = lambda a, b: sum(  # noqa: E731
        c / (c + float((a - b).square().sum()))
        for c in (4 * s for s in (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0))
    )
    expected = (
        sum(k(a, b) for i, a in enumerate(x) for j, b in enumerate(x) if i != j) / 12
        + sum(k(a, b) for i, a in enumerate(y) for j, b in enumerate(y) if i != j) / 20
        - 2 * sum(k(a, b) for a in x for b in y) / 20
    )
    assert float(mmd.mmd(x, y, mmd.imq(2))) == pytest.approx(expected)


@pytest.mark.parametrize("objective", ["wae", "infovae"])
def test_a_batch_of_one_has_no_mmd(objective: str) -> None:
    """The last rows of the data may be one alone; its loss was NaN."""
    model, x = make(VAE, objective), some_x(1)
    losses = model.loss(x)
    losses.total.backward()
    assert bool(losses.total.isfinite()) and losses.terms["mmd"] == 0
    assert all(p.grad is None or bool(p.grad.isfinite().all()) for p in model.parameters())


# -- importance weights


def test_bounds_by_hand() -> None:
    model, x = make(VAE, "iwae(4)"), some_x()
    output = seeded(lambda: model(x))
    log_w = seeded(lambda: importance.log_weights(model, x, output, 4))
    torch.testing.assert_close(log_w[0], _log_weight(model, x, output))
    mean = log_w.exp().mean(0).log()
    for objective, expected in (
        ("iwae(4)", mean),
        ("iwae(1)", seeded(lambda: importance.log_weights(model, x, output, 1))[0]),
        ("ciwae(4,beta=0.25)", 0.25 * log_w.mean(0) + 0.75 * mean),
        ("miwae(2,2)", 0.5 * (log_w[:2].exp().mean(0).log() + log_w[2:].exp().mean(0).log())),
        ("piwae(2,2)", mean),
        ("dreg(4)", mean),
    ):
        theirs = make(VAE, objective).objective
        found = seeded(lambda theirs=theirs: theirs(model, x, output))
        torch.testing.assert_close(found.total, -expected.mean())


def _log_weight(model, x: torch.Tensor, output) -> torch.Tensor:
    latent = output.latents[0]
    log_p = Independent(Normal(torch.zeros(3).double(), 1.0), 1).log_prob(latent.z)
    return model.p(latent.z).log_prob(x) + log_p - latent.q.log_prob(latent.z)


def gradients(model, objective: str, x: torch.Tensor, draws: int) -> dict[str, torch.Tensor]:
    """Gradients of ``draws`` calls, (draws, parameters) of the encoder's and the decoder's side."""
    chosen = make(VAE, objective).objective
    found = {"encoder": [], "decoder": []}
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(11)
        for _ in range(draws):
            model.zero_grad()
            chosen(model, x, model(x)).total.backward()
            sides = {"encoder": (model.encoder, model.bottleneck), "decoder": (model.decoder,)}
            for side, parts in sides.items():
                flat = [p.grad.flatten().clone() for m in parts for p in m.parameters()]
                found[side].append(torch.cat(flat))
    return {side: torch.stack(rows) for side, rows in found.items()}


def test_dreg_has_iwaes_gradient_with_less_noise() -> None:
    model, x = make(VAE, "iwae(8)"), some_x(2)
    plain, better = (gradients(model, name, x, 500) for name in ("iwae(8)", "dreg(8)"))
    for side in ("encoder", "decoder"):
        a, b = plain[side], better[side]
        error = ((a.var(0) + b.var(0)) / len(a)).sqrt() + 1e-12
        assert ((a.mean(0) - b.mean(0)).abs() / error).max() < 5
    assert better["encoder"].var(0).sum() < 0.9 * plain["encoder"].var(0).sum()


def test_piwae_takes_each_side_from_its_own_bound() -> None:
    model, x = make(VAE, "iwae(4)"), some_x()

    def one(objective: str) -> dict[str, torch.Tensor]:
        return {side: rows[0] for side, rows in gradients(model, objective, x, 1).items()}

    found = one("piwae(2,2)")
    torch.testing.assert_close(found["decoder"], one("iwae(4)")["decoder"])
    torch.testing.assert_close(found["encoder"], one("miwae(2,2)")["encoder"])


def test_piwae_counts_the_priors_condition_once() -> None:
    """Its embedding is the decoder's side: the IWAE bound's gradient, not that of both bounds."""
    found = []
    for objective in ("iwae(4)", "piwae(2,2)"):
        torch.manual_seed(0)
        model = aezoo.create(
            "vae(mlp(8),gaussian(2),mlp(8),likelihood=bernoulli,prior=rnade(8,2),"
            f"prior_cond=label(3,dim=2),objective={objective},input=(1,4))"
        )
        x, y = torch.rand(9, 1, 4).round(), torch.arange(9) % 3
        torch.manual_seed(1)
        model.loss(x, y).total.backward()
        found.append(model.prior_cond.embedding.weight.grad)
    torch.testing.assert_close(*found)


# -- plain autoencoders


def test_the_jacobian_is_autograds() -> None:
    model, x = make(AE, "contractive"), some_x(3)
    for i in range(3):
        one = x[i : i + 1]
        jacobian = torch.autograd.functional.jacobian(lambda a: model.encode(a).z[0], one)
        expected = jacobian.square().sum()
        torch.testing.assert_close(jacobian_norm(model, x)[i], expected)
    losses = model.loss(x)
    output = model(x)
    expected = output.distortion.mean() + 0.1 * jacobian_norm(model, x).mean()
    torch.testing.assert_close(losses.total, expected)


def test_a_discrete_latent_has_no_jacobian() -> None:
    model = aezoo.create("vae(mlp(8),bernoulli(3),mlp(8),objective=contractive,input=(1,4))")
    with pytest.raises(CapabilityError, match=r"discrete q\(z\|x\) has not"):
        model.loss(torch.rand(2, 1, 4))


def test_the_decoders_slope_is_autograds() -> None:
    model = make(AE, "rae(0.5,gradient=2.0)")
    z = torch.randn(3, 3).double()
    for i in range(3):
        slope = torch.autograd.functional.jacobian(lambda a: model.decode(a[None]).sum(), z[i])
        torch.testing.assert_close(decoder_slope(model, z)[i], slope.square().sum())
    x = some_x()
    output = model(x)
    code = output.latents[0].z
    expected = output.distortion.mean() + 0.25 * code.square().sum(1).mean()
    expected = expected + 2 * decoder_slope(model, code).mean()
    torch.testing.assert_close(model.objective(model, x, output).total, expected)


def test_sparse_prices() -> None:
    x = some_x()
    model = make(AE, "l1(2.0)")
    output = model(x)
    expected = output.distortion.mean() + 2 * output.latents[0].z.abs().sum(1).mean()
    torch.testing.assert_close(model.objective(model, x, output).total, expected)
    p, q = (
        torch.distributions.Bernoulli(0.05),
        torch.distributions.Bernoulli(torch.rand(9).double()),
    )
    torch.testing.assert_close(bernoulli_kl(0.05, q.probs), kl_divergence(p, q))


def test_an_adversarial_autoencoder_meets_its_prior() -> None:
    """A latent that starts far from N(0, I) is drawn to it."""
    torch.manual_seed(0)
    model = aezoo.create(
        "ae(mlp(16),point(2),mlp(16),prior=normal,objective=aae(30.0,critic=mlp(64,64)),"
        "input=(1,2,3))"
    )
    with torch.no_grad():
        model.bottleneck.project.bias.fill_(3.0)
    x = torch.rand(256, 1, 2, 3)
    main = torch.optim.Adam(model.parameters(), 1e-3, betas=(0.5, 0.9))
    critic = torch.optim.Adam(model.objective.critic.parameters(), 1e-3, betas=(0.5, 0.9))
    before = model.encode(x).z.mean(0).norm()
    for _ in range(600):
        output = model(x)
        main.zero_grad()
        model.objective(model, x, output).total.backward()
        main.step()
        critic.zero_grad()
        model.objective.critic_losses(model, x, output).total.backward()
        critic.step()
    z = model.encode(x).z.detach()
    assert before > 4
    assert z.mean(0).norm() < 0.5
    assert 0.5 < float(z.std(0).mean()) < 1.6


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (AE.format("annealing").replace("prior=normal,", ""), None),
        (AE.format("capacity"), "needs a rate"),
        (AE.format("free_bits"), "independent normals"),
        (AE.format("btcvae(2.0)"), "independent normals"),
        (AE.format("dip"), "independent normals"),
        (AE.format("infovae"), "needs a rate"),
        (AE.format("iwae(2)"), r"need a q\(z\|x\)"),
        (AE.format("wae").replace("prior=normal,", ""), "prior=normal"),
        (AE.format("aae").replace("prior=normal,", ""), "prior=normal"),
    ],
)
def test_what_an_objective_cannot_do_is_said(spec: str, message: str | None) -> None:
    if message is None:
        assert torch.isfinite(aezoo.create(spec).loss(some_x().float()).total)
        return
    with pytest.raises(CapabilityError, match=message):
        aezoo.create(spec).loss(some_x().float())


@pytest.mark.parametrize(
    "objective",
    [
        "btcvae(4.0)",
        "infovae(10.0)",
        "wae",
        "aae(critic=mlp(8))",
        "vaegan(critic=patch(4,layers=1))",
    ],
)
def test_a_prior_that_reads_the_condition_is_given_it(objective: str) -> None:
    """What is drawn from it, and its log-density, are of the batch's own labels."""
    model = aezoo.create(
        "vae(mlp(8),gaussian(2),mlp(8),prior=realnvp(2,4),cond=label(3),"
        f"objective={objective},input=(1,4,4))"
    )
    asked = []
    sample, log_prob = model.prior.sample, model.prior.log_prob
    model.prior.sample = lambda *a, **k: asked.append(k["cond"]) or sample(*a, **k)
    model.prior.log_prob = lambda z, cond=None: asked.append(cond) or log_prob(z, cond)
    x, y = torch.rand(6, 1, 4, 4), torch.tensor([0, 1, 2, 2, 1, 0])
    output = model(x, y)
    asked.clear()  # the rate's own
    losses = [model.objective(model, x, output)]
    if hasattr(model.objective, "critic_losses"):
        losses.append(model.objective.critic_losses(model, x, output))
    assert all(torch.isfinite(each.total) for each in losses)
    assert asked
    assert all(torch.equal(cond, model.cond(y)) for cond in asked)
