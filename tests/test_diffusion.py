"""The diffusion prior: bounds against closed forms and integrals, schedules, samples, learning."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.distributions import (
    Categorical,
    Independent,
    MixtureSameFamily,
    MultivariateNormal,
    Normal,
)

import aezoo
from aezoo.components.priors import diffusion
from aezoo.components.priors.configs import DiffusionConfig
from aezoo.components.priors.denoiser import Denoiser, sinusoids
from aezoo.components.priors.diffusion import DiffusionPrior
from aezoo.errors import CapabilityError, ShapeError
from aezoo.testing.subject import stir

MEAN = torch.tensor([0.4, -0.3, 0.0], dtype=torch.float64)
COVARIANCE = torch.tensor(
    [[1.0, 0.6, 0.0], [0.6, 0.8, -0.2], [0.0, -0.2, 0.3]], dtype=torch.float64
)
GAUSSIAN = MultivariateNormal(MEAN, COVARIANCE)


class Optimal(DiffusionPrior):
    """The mean of epsilon given u_t where x is of `GAUSSIAN`: no network can find it better."""

    def noise(self, u: Tensor, step: Tensor, cond: Tensor | None) -> Tensor:
        gamma = self.gamma(step)[:, None, None]
        alpha, sigma = (-gamma).sigmoid().sqrt(), gamma.sigmoid().sqrt()
        whole = alpha**2 * COVARIANCE + sigma**2 * torch.eye(3, dtype=u.dtype)
        off = u[:, :, None] - alpha * MEAN[:, None]
        return (sigma * torch.linalg.solve(whole, off))[:, :, 0]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def made(
    shape: tuple[int, ...] = (3,),
    steps: int = 5,
    kind: type[DiffusionPrior] = DiffusionPrior,
    cond_dim: int | None = None,
    power: float = 1.0,
    **more: Any,
) -> DiffusionPrior:
    torch.manual_seed(0)
    config = DiffusionConfig(width=8, depth=1, steps=steps, **more)
    prior = kind(config, shape, cond_dim=cond_dim).double().eval()
    torch.nn.init.constant_(prior.power, power)
    return prior


def stirred(amount: float = 0.2, **options: Any) -> DiffusionPrior:
    prior = made(**options)
    stir(prior, amount)
    return prior


def expected_bound(prior: DiffusionPrior) -> float:
    """The mean over x of `GAUSSIAN` of the bound, by its definition and in closed form."""
    variance = torch.linalg.eigvalsh(COVARIANCE)
    t = torch.arange(1, prior.steps + 1, dtype=torch.float64)
    gamma, before = prior.gamma(t), prior.gamma(t - 1)
    alpha2, sigma2 = (-gamma).sigmoid(), gamma.sigmoid()
    left = (alpha2[:, None] * variance) / (alpha2[:, None] * variance + sigma2[:, None])
    wider = (prior.power.detach() * (sigma2 / before.sigmoid()).log())[:, None]
    kl = 0.5 * (wider + (-wider).exp() * (1 + (gamma - before).expm1()[:, None] * left) - 1)
    end = 0.5 * (alpha2[-1] * (variance.sum() + MEAN.square().sum() - 3) - 3 * sigma2[-1].log())
    first = 0.5 * 3 * (math.log(2 * math.pi) + float(before[0]) + 1)
    return -float(kl.sum() + end + first)


# -- the bound


@pytest.mark.parametrize("power", [0.0, 1.0])
@pytest.mark.parametrize("training", [False, True])
def test_the_bound_of_the_best_denoiser_is_that_of_the_papers(power: float, training: bool) -> None:
    prior = made(steps=20, kind=Optimal, power=power).train(training)
    torch.manual_seed(1)
    x = GAUSSIAN.sample((40_000,))
    with torch.no_grad():
        drawn = prior.log_prob(x, generator=seeded())
    error = float(drawn.std()) / len(x) ** 0.5  # the even spread of steps makes it no larger
    assert float(drawn.mean()) == pytest.approx(expected_bound(prior), abs=5 * error)


@pytest.mark.parametrize("power", [0.0, 1.0])
def test_the_bound_is_below_the_density_and_closes_with_more_steps(power: float) -> None:
    gaps = []
    for steps in (5, 20, 80, 320, 10_000):
        prior = made(steps=steps, kind=Optimal, power=power, log_snr_max=12.0, log_snr_min=-12.0)
        gaps.append(-float(GAUSSIAN.entropy()) - expected_bound(prior))
    assert all(gap > 0 for gap in gaps)
    assert all(after < before / 2 for before, after in pairwise(gaps))
    assert gaps[-1] < 0.02


def test_as_the_gap_closes_every_draw_is_the_density() -> None:
    x = GAUSSIAN.sample((500,))
    exact = GAUSSIAN.log_prob(x)
    off = []
    for steps in (10, 100, 1000):
        prior = made(steps=steps, kind=Optimal, log_snr_max=12.0, log_snr_min=-12.0)
        with torch.no_grad():
            found = prior.log_prob(x, generator=seeded())
        off.append(float((found - exact).square().mean().sqrt()))
        # exp(log_prob) is p(z) on average, and log_prob at most log p(z).
        weight = (found - exact).exp()
        assert abs(float(weight.mean()) - 1) < 5 * float(weight.std()) / 500**0.5 + 1e-3
    assert off[1] < 0.5 * off[0] and off[2] < 0.12


def test_a_step_of_each_sample_stands_for_all_steps() -> None:
    """Training's estimate, the sum over all steps, and the drawn paths agree in their means."""
    prior = stirred(shape=(2,), steps=4, cond_dim=3)
    n = 200_000
    z, cond = torch.tensor([[0.7, -1.1]]).double(), torch.randn(1, 3).double()
    rows, conds = z.expand(n, 2), cond.expand(n, 3)
    with torch.no_grad():
        paths = prior.by_path(rows, conds, seeded(1))
        steps = prior.by_step(rows, conds, seeded(2))
        total, noise = -prior.ends(z), torch.randn(n, 2, generator=seeded(3)).double()
        for t in range(1, 5):  # VDM's equation 14, step by step, and v in it
            t = torch.full((n,), t, dtype=torch.float64)
            gamma, before = prior.gamma(t)[:, None], prior.gamma(t - 1)[:, None]
            u = (-gamma).sigmoid().sqrt() * z + gamma.sigmoid().sqrt() * noise
            off = (noise - prior.noise(u, t, conds)).square()
            v = prior.power[int(t[0]) - 1]
            p_over_q = (gamma.sigmoid() / before.sigmoid()) ** v
            kl = 0.5 * (p_over_q.log() + (1 + (gamma - before).expm1() * off) / p_over_q - 1)
            total = total - kl.sum(1)
    means = [(float(each.mean()), float(each.std()) / n**0.5) for each in (paths, steps, total)]
    for mean, error in means[:2]:
        assert mean == pytest.approx(means[2][0], abs=5 * (error + means[2][1]))


def test_the_paths_weights_integrate_to_one_and_are_the_samples_density() -> None:
    prior = stirred(shape=(1,), steps=3, log_snr_max=3.0, log_snr_min=-3.0)
    grid = torch.linspace(-8, 8, 161).double()
    with torch.no_grad():
        rows = grid[:, None].repeat(400, 1)
        weights = prior.log_prob(rows, generator=seeded()).exp().reshape(400, -1)
        p = weights.mean(0)
        error = weights.std(0) / 20
        drawn = prior.sample(100_000, generator=seeded(1))[:, 0]
    assert float(p.sum() * 0.1) == pytest.approx(1, abs=0.02)
    cells = p.unflatten(0, (23, 7)).sum(1) * 0.1
    off = error.square().unflatten(0, (23, 7)).sum(1).sqrt() * 0.1
    edges = torch.linspace(-8.05, 8.05, 24).double()
    found = torch.histogram(drawn, edges).hist / len(drawn)
    noise = (cells / len(drawn)).sqrt()
    assert ((found - cells).abs() < 5 * (off + noise) + 1e-4).all()
    bound = prior.log_prob(rows, generator=seeded()).reshape(400, -1).mean(0)
    assert (bound < p.log() + 1e-9).all()


def test_a_fresh_prior_is_a_standard_normal_whatever_the_steps() -> None:
    x = torch.randn(400, 4, generator=seeded()).double()
    exact = Normal(0, 1).log_prob(x).sum(1)
    for steps in (1, 7, 100):
        prior = made(shape=(4,), steps=steps)
        with torch.no_grad():
            found = prior.log_prob(x, generator=seeded(1))
        torch.testing.assert_close(found.mean(), exact.mean(), atol=0.02, rtol=0)
        assert float((found - exact).std()) < 0.15  # p(x|u_0) is narrow, and not of no width
        drawn = prior.sample(20_000, generator=seeded(2))
        assert float(drawn.mean().abs()) < 0.02
        assert float(drawn.var()) == pytest.approx(1, abs=0.03)


def test_few_steps_are_looser_with_the_variance_of_the_paper() -> None:
    x = torch.randn(400, 4, generator=seeded()).double()
    with torch.no_grad():
        ours, vdm = (
            made(shape=(4,), steps=20, power=v).log_prob(x, generator=seeded(1)).mean()
            for v in (1.0, 0.0)
        )
    assert float(ours - vdm) > 3


def test_chunks_change_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    prior = stirred(shape=(2, 3), steps=7, cond_dim=2)
    z, cond = torch.randn(5, 2, 3).double(), torch.randn(5, 2).double()
    found = []
    for chunk in (1, 31, 2**15):
        stream = torch.randn(8 * z.numel(), generator=seeded()).double()
        place = [0]

        def drawn(size: Any, *_: Any, stream: Tensor = stream, place: list = place) -> Tensor:
            begin, place[0] = place[0], place[0] + math.prod(size)
            return stream[begin : place[0]].reshape(tuple(size))

        monkeypatch.setattr(diffusion.draws, "normal", drawn)
        monkeypatch.setattr(diffusion, "CHUNK", chunk)
        with torch.no_grad():
            found.append(prior.log_prob(z, cond))
        assert place[0] == len(stream)
    torch.testing.assert_close(found[0], found[1])
    torch.testing.assert_close(found[0], found[2])


@pytest.mark.parametrize("training", [False, True])
def test_float32_and_autocast_are_near(training: bool) -> None:
    prior = made(steps=100).train(training)
    stir(prior, 0.1)
    z = torch.randn(50, 3, generator=seeded()).double()
    stream = torch.randn(200_000, generator=seeded()).double()

    def drawn(size: Any, like: Tensor, _: Any) -> Tensor:
        return stream[: math.prod(size)].reshape(tuple(size)).to(like.dtype)

    with pytest.MonkeyPatch.context() as patch, torch.no_grad():
        patch.setattr(diffusion.draws, "normal", drawn)
        torch.manual_seed(1)
        exact = prior.log_prob(z, generator=None if training else seeded())
        prior.float()
        single = prior.log_prob(z.float(), generator=None if training else seeded())
    if not training:  # of training the step is drawn in another dtype
        torch.testing.assert_close(single.double(), exact, atol=0.02, rtol=1e-3)
    assert single.dtype == torch.float32 and exact.dtype == torch.float64
    with torch.autocast("cpu", torch.bfloat16):
        assert prior.log_prob(z.float()).dtype == torch.float32


# -- the schedule


def test_the_schedules_ends_and_its_line() -> None:
    prior = made(steps=50, log_snr_max=9.0, log_snr_min=-5.0)
    gamma = prior.gamma(torch.arange(51).double())
    assert float(gamma[0]) == -9 and float(gamma[-1]) == pytest.approx(5)
    torch.testing.assert_close(gamma.diff(), torch.full((50,), 14 / 50).double())
    # What is left of z at the end: KL(q(u_T|x) | N(0,1)), and p(x|u_0), by torch's own.
    x = torch.randn(6, 3).double()
    alpha, sigma = (-gamma).sigmoid().sqrt(), gamma.sigmoid().sqrt()
    torch.testing.assert_close(alpha**2 + sigma**2, torch.ones(51).double())
    q = Independent(Normal(alpha[-1] * x, sigma[-1]), 1)
    kl = torch.distributions.kl_divergence(q, Independent(Normal(torch.zeros_like(x), 1.0), 1))
    nats = 3 * Normal(0.0, float(sigma[0] / alpha[0])).entropy()  # E -log N(x; u_0 / alpha_0)
    torch.testing.assert_close(prior.ends(x), kl + nats)
    assert float(kl.mean()) < 0.02


def test_sinusoids_tell_the_steps_apart() -> None:
    times = torch.arange(1, 1001).double() / 1000
    told = sinusoids(times, 32)
    assert told.shape == (1000, 64) and told.abs().max() <= 1
    apart = torch.cdist(told, told) + 10 * torch.eye(1000).double()
    assert float(apart.min()) > 0.5
    torch.testing.assert_close(told[:, 0], times.mul(1000).sin())


# -- samples


@pytest.mark.parametrize(("steps", "power"), [(300, 0.0), (40, 1.0)])
def test_samples_of_the_best_denoiser_have_its_mean_and_covariance(
    steps: int, power: float
) -> None:
    prior = made(steps=steps, kind=Optimal, power=power)
    with torch.no_grad():
        prior.mean.copy_(torch.tensor([5.0, 0.0, -2.0]))
        prior.scale.copy_(torch.tensor([3.0, 1.0, 0.5]))
    n = 20_000
    drawn = prior.sample(n, generator=seeded())
    scale = torch.diag(prior.scale)
    mean, covariance = prior.mean + prior.scale * MEAN, scale @ COVARIANCE @ scale
    error = (covariance.diagonal() / n).sqrt()
    assert ((drawn.mean(0) - mean).abs() < 5 * error + 0.01 * prior.scale).all()
    off = (torch.cov(drawn.T) - covariance) / torch.outer(prior.scale, prior.scale)
    assert off.abs().max() < 0.06
    truth = MultivariateNormal(mean, covariance)
    with torch.no_grad():
        found = prior.log_prob(truth.sample((500,)), generator=seeded(1))
    assert float(found.mean()) < -float(truth.entropy()) + 0.3  # the scale is in the density


def test_draws_follow_their_generator_and_temperature() -> None:
    prior = stirred(shape=(2, 4), cond_dim=2)
    cond = torch.randn(3, 2).double()
    state = torch.get_rng_state()
    first, again, other = (prior.sample(3, cond=cond, generator=seeded(s)) for s in (1, 1, 2))
    assert torch.equal(first, again) and not torch.equal(first, other)
    z = first
    same = [prior.log_prob(z, cond, generator=seeded(3)) for _ in range(2)]
    assert torch.equal(*same)
    assert torch.equal(torch.get_rng_state(), state)
    one = cond[:1].expand(3, 2)
    still = prior.sample(3, cond=one, generator=seeded(1), temperature=0.0)
    torch.testing.assert_close(still[0], still[2])
    assert float(prior.sample(3, cond=one, temperature=0.5).std()) > 0


def test_maps_of_any_size_and_vectors() -> None:
    for shape, other in (((2, 5), (2, 8)), ((2, 4, 3), (2, 6, 6)), ((1, 2, 3, 2), (1, 3, 3, 3))):
        prior = stirred(shape=shape)
        for size in (shape, other):
            z = prior.sample(2, shape=size, generator=seeded())
            assert z.shape == (2, *size)
            assert prior.log_prob(z).shape == (2,)
    # Places see each other: by convolutions and the attention.
    net = Denoiser(2, 1, 8, 2, None).double()
    stir(net, 0.5)
    u = torch.randn(1, 1, 9, 9).double().requires_grad_()
    net(u, torch.tensor([0.5]).double(), None)[0, 0, 0, 0].backward()
    assert u.grad is not None and bool((u.grad != 0).all())


# -- learning


def test_gradients_reach_the_network_z_and_what_made_it() -> None:
    prior = stirred(shape=(3,), steps=6, cond_dim=2).train()
    z = torch.randn(12, 3).double().requires_grad_()
    cond = torch.randn(12, 2).double().requires_grad_()
    (-prior.log_prob(z, cond).mean()).backward()
    assert all(p.grad is not None and p.grad.any() for p in prior.parameters())
    assert z.grad is not None and z.grad.any() and cond.grad is not None and cond.grad.any()


def test_a_mixture_is_learnt() -> None:
    truth = MixtureSameFamily(
        Categorical(torch.tensor([0.3, 0.7])),
        Independent(
            Normal(
                torch.tensor([[-2.0, -1.0], [2.0, 1.0]]), torch.tensor([[0.3, 0.5], [0.5, 0.2]])
            ),
            1,
        ),
    )
    torch.manual_seed(0)
    prior = DiffusionPrior(DiffusionConfig(width=32, depth=2, steps=50), (2,))
    prior.start(truth.sample((2000,)))
    assert float(prior.scale[0]) == pytest.approx(1.9, abs=0.1)
    optimizer = torch.optim.Adam(prior.parameters(), 5e-3)
    for _ in range(300):
        optimizer.zero_grad()
        (-prior.log_prob(truth.sample((256,))).mean()).backward()
        optimizer.step()
    prior.eval()
    rows = truth.sample((2000,))
    with torch.no_grad():
        nats = -prior.log_prob(rows, generator=seeded()).mean()
        drawn = prior.sample(2000, generator=seeded(1))
    gauss = 0.5 * torch.logdet(2 * math.pi * math.e * torch.cov(rows.T))
    standard = -Normal(0, 1).log_prob(rows).sum(1).mean()
    exact = -truth.log_prob(rows).mean()
    assert exact - 0.05 < nats < gauss - 0.7 < standard - 0.7
    assert float((drawn[:, 0] < 0).float().mean()) == pytest.approx(0.3, abs=0.06)
    assert float(-truth.log_prob(drawn).mean()) < float(exact) + 0.8


def test_it_starts_from_latents_of_any_scale() -> None:
    prior = made(shape=(2, 4))
    z = torch.tensor([100.0, 1e-3])[:, None].double() * torch.randn(500, 2, 4).double() - 7
    prior.start(z)
    torch.testing.assert_close(prior.mean, z.mean((0, 2)))
    with torch.no_grad():
        nats = -prior.log_prob(z, generator=seeded()).mean()
    each = 4 * (math.log(2 * math.pi * math.e) + math.log(100.0) + math.log(1e-3 * 5))
    assert float(nats) < each + 10  # a channel that hardly varies keeps a width


# -- in a model


def test_the_models_bounds_hold() -> None:
    torch.manual_seed(0)
    model = aezoo.create(
        "vae(mlp(8),gaussian(1),mlp(8),prior=diffusion(8,1,8,log_snr_max=4),"
        "likelihood=gaussian(sigma=1.0),input=(1,2,3))"
    ).double()
    stir(model, 0.1)
    x = torch.rand(1, 1, 2, 3).double()
    model.train()
    model.loss(x.expand(64, -1, -1, -1)).total.backward()
    assert all(p.grad is not None for p in model.parameters())
    model.eval()
    grid = torch.linspace(-10, 10, 401).double().reshape(-1, *model.latent_shape)
    with torch.no_grad():
        many = grid.repeat(100, 1)
        log_p = model.prior.log_prob(many, generator=seeded()).reshape(100, -1)
        log_p = log_p.logsumexp(0) - math.log(100)
        exact = float((log_p + model.p(grid).log_prob(x)).logsumexp(0) + math.log(0.05))
        elbo = model.elbo(x.expand(5000, -1, -1, -1), generator=seeded(1))
        tight = float(model.log_prob(x, k=3000, generator=seeded(2)))
    assert float(elbo.mean()) < exact + 5 * float(elbo.std()) / 5000**0.5
    assert tight == pytest.approx(exact, abs=0.1)


def test_weights_are_refused_in_training_alone() -> None:
    spec = "vae(mlp(8),{},mlp(8),prior={},objective=iwae(2),input=(1,2,3))"
    x = torch.rand(4, 1, 2, 3)
    for posterior, prior in (
        ("gaussian(2)", "diffusion(8,1,steps=3)"),
        ("joint(gaussian(1),gaussian(1))", "joint(normal,diffusion(8,1,steps=3))"),
    ):
        model = aezoo.create(spec.format(posterior, prior)).train()
        with pytest.raises(CapabilityError, match="in evaluation alone"):
            model.loss(x)
        with pytest.raises(CapabilityError, match=r"model\.eval"):
            model.log_prob(x, k=2)
        assert torch.isfinite(model.eval().loss(x).total)
    model = aezoo.create(spec.format("gaussian(2)", "vae(2,8,1)")).train()
    assert torch.isfinite(model.loss(x).total)
    dreg = spec.replace("iwae", "dreg").format("gaussian(2)", "diffusion(8,1,steps=3)")
    with pytest.raises(CapabilityError, match="in evaluation alone"):
        aezoo.create(dreg).train().loss(x)


def test_it_is_fitted_afterwards(tmp_path: Any) -> None:
    torch.manual_seed(0)
    model = aezoo.create("ae(mlp(16),point(4),mlp(16),input=(1,8,8))").eval()
    done = aezoo.fit_prior(
        model, "diffusion(32,1,steps=20)", out=tmp_path / "new", data="digits", quiet=True,
        prior_cond="label(10)", steps=60, batch=60, warmup=5, lr=3e-3, eval_every=30,
    )  # fmt: skip
    new = done.model
    assert new.prior_fitted and new.sample(3, torch.arange(3)).shape == (3, 1, 8, 8)
    assert float(new.prior.scale.min()) != 1
    again = aezoo.create(f"local:{tmp_path / 'new'}")
    draws = [m.sample(3, torch.arange(3), generator=seeded(1)) for m in (new, again)]
    assert torch.equal(*draws)


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (lambda: DiffusionPrior(DiffusionConfig(), (4,), 3), ShapeError, "continuous latents"),
        (lambda: made().log_prob(torch.zeros(1, 4)), ShapeError, r"built for .*3"),
        (lambda: made(shape=(3, 2)).sample(1, shape=(3,)), ShapeError, "prior=normal"),
        (lambda: made(cond_dim=2).sample(1), CapabilityError, "given none"),
        (lambda: made().sample(1, cond=torch.zeros(1, 2)), CapabilityError, "built without"),
        (lambda: made().sample(1, temperature=-1.0), ValueError, "temperature"),
        (lambda: DiffusionConfig(steps=0), ValueError, "steps must be at least 1"),
        (lambda: DiffusionConfig(log_snr_max=-7.0), ValueError, "log_snr_max must be above"),
    ],
)
def test_what_cannot_be_is_said(work: Any, error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        work()
