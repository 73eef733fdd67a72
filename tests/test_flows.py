"""Normalising flows: inverses, Jacobians by autograd, integrals on grids, what they are for."""

from __future__ import annotations

import math
from functools import partial
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

import aezoo
from aezoo.components.flows import chain
from aezoo.components.flows.coupling import AffineCoupling
from aezoo.components.flows.distribution import maps, rows
from aezoo.components.flows.iaf import InverseAutoregressive
from aezoo.components.flows.made import MADE
from aezoo.components.flows.maf import MaskedAutoregressive
from aezoo.components.flows.planar import Planar
from aezoo.components.flows.radial import Radial
from aezoo.components.flows.reverse import Reversed
from aezoo.components.posteriors.configs import IAF, Gaussian, PlanarFlow, RadialFlow
from aezoo.components.posteriors.gaussian import GaussianPosterior
from aezoo.components.posteriors.iaf import IAFPosterior
from aezoo.components.posteriors.planar import PlanarPosterior
from aezoo.components.posteriors.radial import RadialPosterior
from aezoo.components.priors.configs import IAFConfig, MAFConfig, NormalConfig, RealNVPConfig
from aezoo.components.priors.iaf import IAFPrior
from aezoo.components.priors.maf import MAFPrior
from aezoo.components.priors.normal import NormalPrior
from aezoo.components.priors.realnvp import RealNVPPrior
from aezoo.errors import CapabilityError, ShapeError
from aezoo.metrics.latents import Posterior
from aezoo.metrics.likelihood import importance_bound
from aezoo.testing.subject import stir

STEPS = ("planar", "radial", "iaf", "maf", "reversed maf", "realnvp")
POSTERIORS = {
    "planar": lambda dim, f: PlanarPosterior(PlanarFlow(dim, 4), in_shape=f),
    "radial": lambda dim, f: RadialPosterior(RadialFlow(dim, 4), in_shape=f),
    "iaf": lambda dim, f: IAFPosterior(IAF(dim, 3, 16), in_shape=f),
}
PRIORS = {
    "realnvp": lambda shape, **more: RealNVPPrior(RealNVPConfig(4, 12), shape, **more),
    "maf": lambda shape, **more: MAFPrior(MAFConfig(3, 12), shape, **more),
    "iaf": lambda shape, **more: IAFPrior(IAFConfig(3, 12), shape, **more),
}


def step_of(name: str, dim: int, seed: int = 0, first: bool = False):
    """A step in float64 with random weights, and contexts for 5 rows."""
    torch.manual_seed(seed)
    if name in ("planar", "radial"):
        step = (Planar if name == "planar" else Radial)(dim)
        return step, 2 * torch.randn(5, step.context, dtype=torch.float64)
    step = {
        "iaf": lambda: InverseAutoregressive(dim, 9, context=2, backwards=not first),
        "maf": lambda: MaskedAutoregressive(dim, 9, context=2, backwards=not first),
        "reversed maf": lambda: Reversed(
            MaskedAutoregressive(dim, 9, context=2, backwards=not first)
        ),
        "realnvp": lambda: AffineCoupling(dim, 9, context=2, kept=int(first)),
    }[name]().double()
    stir(step, 0.5)
    return step, torch.randn(5, 2, dtype=torch.float64)


def _first_of(step, context: Tensor, x: Tensor) -> Tensor:
    return step.forward(x[None], context)[0][0]


@pytest.mark.parametrize("name", STEPS)
@pytest.mark.parametrize("dim", [1, 2, 5])
def test_a_step_is_invertible_and_its_log_determinant_is_autograds(name: str, dim: int) -> None:
    for seed in range(4):
        step, context = step_of(name, dim, seed, first=bool(seed % 2))
        x = 2 * torch.randn(5, dim, dtype=torch.float64)
        y, log_det = step.forward(x, context)
        back, same = step.inverse(y, context)
        torch.testing.assert_close(back, x, atol=1e-8, rtol=1e-8)
        torch.testing.assert_close(same, log_det, atol=1e-7, rtol=1e-7)
        for i in range(5):
            forward = partial(_first_of, step, context[i : i + 1])
            jacobian = torch.autograd.functional.jacobian(forward, x[i])
            sign, expected = torch.linalg.slogdet(jacobian)
            assert sign > 0
            torch.testing.assert_close(log_det[i], expected, atol=1e-9, rtol=1e-8)


@pytest.mark.parametrize("name", STEPS)
def test_a_step_is_invertible_in_float32(name: str) -> None:
    step: Any
    step, context = step_of(name, 6)
    if name not in ("planar", "radial"):
        step.float()
    x = torch.randn(5, 6)
    y, _ = step.forward(x, context.float() * 0.5)
    torch.testing.assert_close(step.inverse(y, context.float() * 0.5)[0], x, atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("name", STEPS)
def test_the_inverses_gradients_are_right(name: str) -> None:
    step, context = step_of(name, 3)
    y = torch.randn(5, 3, dtype=torch.float64, requires_grad=True)
    context.requires_grad_()
    assert torch.autograd.gradcheck(step.inverse, (y, context))
    assert torch.autograd.gradcheck(step.forward, (y, context))


def test_planar_and_radial_are_the_papers() -> None:
    """By hand, where nothing has to be moved: w.u and beta are what is used."""
    x = torch.tensor([[0.3, -0.7]], dtype=torch.float64)
    u, w, b = torch.tensor([[0.5, 1.0]]).double(), torch.tensor([[1.0, -2.0]]).double(), 0.25
    raw = (w * u).sum()
    step = Planar(2)
    y, _ = step.forward(x, torch.cat([u, w, torch.full((1, 1), b).double()], 1))
    used = u + (torch.log1p(raw.exp()) - 1 - raw) * w / w.square().sum()
    torch.testing.assert_close(y, x + used * torch.tanh((w * x).sum() + b))
    assert (w * used).sum() > -1
    x0 = torch.tensor([[1.0, 0.5]], dtype=torch.float64)
    y, _ = Radial(2).forward(x, torch.cat([x0, torch.tensor([[0.2, -1.5]]).double()], 1))
    alpha = math.log1p(math.exp(0.2))
    beta = -alpha + math.log1p(math.exp(-1.5))
    torch.testing.assert_close(y, x + beta / (alpha + (x - x0).norm()) * (x - x0))
    assert (step.forward(x0, torch.zeros(1, 5).double())[0] == x0).all()


# -- masks


@pytest.mark.parametrize("context", [None, 3])
@pytest.mark.parametrize("backwards", [False, True])
def test_an_output_sees_the_values_before_it_and_all_of_them(
    context: int | None, backwards: bool
) -> None:
    torch.manual_seed(0)
    made = MADE(5, 16, 2, context=context, backwards=backwards).double()
    stir(made, 0.5)
    c = None if context is None else torch.randn(1, context).double()
    x = torch.randn(5, dtype=torch.float64)
    before = torch.ones(5, 5).tril(-1).bool()
    before = before.flip(0, 1) if backwards else before
    for output in range(2):
        slopes = torch.autograd.functional.jacobian(
            lambda v, output=output: made(v[None], c)[output][0], x
        )
        assert torch.equal(slopes != 0, before)
        if context is not None:
            read = torch.autograd.functional.jacobian(
                lambda v, output=output: made(x[None], v)[output][0], c
            )
            assert (read != 0).all()
    assert [int(i) for i in made.order()] == sorted(range(5), reverse=backwards)


@pytest.mark.parametrize("name", ["iaf", "maf", "reversed maf"])
def test_jacobians_are_triangular_and_a_couplings_keeps_half(name: str) -> None:
    step, context = step_of(name, 4, first=True)
    x = torch.randn(4, dtype=torch.float64)
    jacobian = torch.autograd.functional.jacobian(
        lambda v: step.forward(v[None], context[:1])[0][0], x
    )
    assert torch.equal(jacobian != 0, torch.ones(4, 4).tril().bool())
    step, context = step_of("realnvp", 4)
    y, _ = step.forward(x[None], context[:1])
    assert torch.equal(y[0] == x, torch.tensor([True, False, True, False]))


# -- densities


GRID = torch.linspace(-12, 12, 401, dtype=torch.float64)


@pytest.mark.parametrize("dim", [1, 2])
@pytest.mark.parametrize("name", POSTERIORS)
def test_posteriors_integrate_to_one(name: str, dim: int) -> None:
    torch.manual_seed(1)
    posterior = POSTERIORS[name](dim, (3,)).double()
    stir(posterior, 0.3)
    q = posterior(torch.randn(1, 3).double()).q
    with torch.no_grad():
        points = torch.cartesian_prod(*[GRID] * dim).reshape(-1, dim)
        wide = posterior.steps, [c.expand(len(points), -1) for c in q.contexts]
        x, log_det = chain.inverse(wide[0], points, wide[1])
        log_q = Normal(q.mu, q.sigma).log_prob(x).sum(1) - log_det
        torch.testing.assert_close(log_q[::4001], q.log_prob(points[::4001][:, None])[:, 0])
        mass = float(log_q.exp().sum() * (GRID[1] - GRID[0]) ** dim)
    assert mass == pytest.approx(1, abs=5e-3)


@pytest.mark.parametrize("cond", [None, 3])
@pytest.mark.parametrize(
    ("name", "shape"),
    [
        ("maf", (1,)),
        ("maf", (2,)),
        ("maf", (1, 2, 1)),
        ("realnvp", (2,)),
        ("iaf", (1,)),
        ("iaf", (2,)),
    ],
)
def test_priors_integrate_to_one_and_draw_what_they_say(
    name: str, shape: tuple[int, ...], cond: int | None
) -> None:
    torch.manual_seed(2)
    prior = PRIORS[name](shape, cond_dim=cond).double()
    dim, n = math.prod(shape), 20_000
    points = torch.cartesian_prod(*[GRID] * dim).reshape(-1, *shape)
    c = None if cond is None else torch.randn(1, cond).double()

    def of(values: Tensor) -> Tensor:
        return prior.log_prob(values, None if c is None else c.expand(len(values), -1))

    with torch.no_grad():
        flat = points.flatten(1)
        torch.testing.assert_close(of(points), Normal(0, 1).log_prob(flat).sum(1))  # at first
        stir(prior, 0.3)
        cell = (GRID[1] - GRID[0]) ** dim
        p = of(points).exp() * cell
        assert float(p.sum()) == pytest.approx(1, abs=2e-3)
        generator = torch.Generator().manual_seed(3)
        drawn = prior.sample(n, cond=None if c is None else c.expand(n, -1), generator=generator)
        for power in (1, 2):
            expected = (p[:, None] * flat**power).sum(0)
            values = drawn.flatten(1) ** power
            assert ((values.mean(0) - expected).abs() < 5 * values.std(0) / math.sqrt(n)).all()
        nats = -of(drawn)
        entropy = -(p * (p / cell).clamp(min=1e-300).log()).sum()
        assert abs(nats.mean() - entropy) < 5 * nats.std() / math.sqrt(n) + 1e-3
        cold = prior.sample(2, cond=None if c is None else c.expand(2, -1), temperature=0.0)
        torch.testing.assert_close(cold[0], cold[1])


def test_iaf_is_maf_run_backwards() -> None:
    """The weights the same, the steps in the other order: the noise of the one is the other's z."""
    torch.manual_seed(5)
    there, back = (PRIORS[name]((4,), cond_dim=2).double() for name in ("iaf", "maf"))
    stir(there, 0.3)
    for step, same in zip(there.steps, reversed(back.steps), strict=True):
        assert step.step.made.backwards == same.made.backwards  # of 3 steps the outer two are alike
        same.load_state_dict(step.step.state_dict())
    cond, u = torch.randn(6, 2).double(), torch.randn(6, 4).double()
    contexts = [cond] * 3
    z, log_det = chain.forward(there.steps, u, contexts)
    same, log_dets = chain.inverse(back.steps, u, contexts)
    torch.testing.assert_close(z, same)
    torch.testing.assert_close(log_det, -log_dets)
    torch.testing.assert_close(chain.inverse(there.steps, z, contexts)[0], u)
    normal = Normal(0, 1).log_prob(u).sum(1)
    torch.testing.assert_close(there.log_prob(z, cond), normal - log_det)
    torch.testing.assert_close(back.log_prob(u, cond), Normal(0, 1).log_prob(z).sum(1) + log_det)


@pytest.mark.parametrize("name", ["maf", "iaf"])
def test_which_way_takes_one_pass(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    prior = PRIORS[name]((6,))
    asked, ask = [], MADE.forward

    def counted(self: MADE, *given: Any) -> tuple[Tensor, ...]:
        asked.append(len(given[0]))
        return ask(self, *given)

    monkeypatch.setattr(MADE, "forward", counted)
    z = prior.sample(2)
    drawing = len(asked)
    prior.log_prob(z)
    assert (drawing, len(asked) - drawing) == ((3, 18) if name == "iaf" else (18, 3))


@pytest.mark.parametrize("name", PRIORS)
def test_a_prior_learns_a_density_by_its_condition(name: str) -> None:
    """A ring of radius 2 or a spot at (2, 2), of noise 0.3: nats near the true entropy."""
    torch.manual_seed(0)
    prior = PRIORS[name]((2,), cond_dim=2)
    optimizer = torch.optim.Adam(prior.parameters(), 1e-2)

    def data(n: int) -> tuple[Tensor, Tensor]:
        kind, angle = torch.randint(2, (n,)), 3.0 * torch.rand(n)
        ring = 2 * torch.stack([angle.cos(), angle.sin()], 1)
        z = torch.where(kind[:, None] == 0, ring, torch.full((n, 2), 2.0))
        return z + 0.3 * torch.randn(n, 2), nn.functional.one_hot(kind, 2).float()

    for _ in range(200 if name == "iaf" else 100):  # its inverse is the slow way to learn
        z, cond = data(256)
        optimizer.zero_grad()
        (-prior.log_prob(z, cond).mean()).backward()
        optimizer.step()
    z, cond = data(4000)
    nats = -prior.log_prob(z, cond).detach()
    spot = 1 + math.log(2 * math.pi * 0.09)
    assert float(nats[cond[:, 1] == 1].mean()) == pytest.approx(spot, abs=0.15)
    z0 = z[cond[:, 0] == 1]
    gauss = 0.5 * torch.logdet(2 * math.pi * math.e * torch.cov(z0.T))
    assert float(nats[cond[:, 0] == 1].mean()) < float(gauss) - 0.4
    drawn = prior.sample(500, cond=torch.tensor([[0.0, 1.0]]).expand(500, -1))
    assert (drawn.mean(0) - 2).abs().max() < 0.2


# -- q


@pytest.mark.parametrize("name", POSTERIORS)
@pytest.mark.parametrize("where", [(), (3,), (2, 3), (2, 1, 2)])
def test_what_is_known_of_a_draw_is_what_the_inverse_says(name: str, where: tuple) -> None:
    torch.manual_seed(0)
    posterior = POSTERIORS[name](4, (5, *where)).double()
    stir(posterior, 0.2)
    h = torch.randn(3, 5, *where).double()
    latent = posterior(h, sample=True, generator=torch.Generator().manual_seed(1))
    q, z = latent.q, latent.z
    assert (q.batch_shape, q.event_shape) == ((3,), (4, *where)) and z.shape == (3, 4, *where)
    torch.testing.assert_close(q.log_prob(z), q.log_prob(z.clone()), atol=1e-7, rtol=1e-7)
    point, again = posterior(h), posterior(h)
    assert torch.equal(point.z, again.z)  # with sample=False nothing is random
    torch.testing.assert_close(
        point.q.log_prob(point.z), point.q.log_prob(point.z.clone()), atol=1e-7, rtol=1e-7
    )
    assert torch.equal(maps(rows(z), tuple(z.shape)), z)
    several = q.rsample((2, 3))
    assert several.shape == (2, 3, *z.shape) and q.log_prob(several).shape == (2, 3, 3)
    assert several.requires_grad
    with pytest.raises(NotImplementedError):
        _ = q.mean
    # A place's draw depends on what h has there, and on no other place.
    if where:
        other = h.clone()
        other[:, :, *[0] * len(where)] += 1
        moved = (posterior(other).z != point.z).any(0).any(0)
        assert moved.sum() == 1 and moved[(0,) * len(where)]


class Banana:
    """z1 ~ N(0, 1), z2 ~ N(z1^2 - 1, 0.25^2): the posterior that is looked for."""

    def log_prob(self, z: Tensor) -> Tensor:
        first = Normal(0.0, 1.0).log_prob(z[:, 0])
        return first + Normal(z[:, 0].square() - 1, 0.25).log_prob(z[:, 1])


def bound_of(posterior: nn.Module, steps: int) -> float:
    """The ELBO that it reaches; 0 is the truth, log p(x)."""
    torch.manual_seed(4)
    h, target = torch.ones(1, 1).expand(128, 1), Banana()
    optimizer = torch.optim.Adam(posterior.parameters(), 1e-2)
    for _ in range(steps):
        latent = posterior(h, sample=True)
        optimizer.zero_grad()
        (latent.q.log_prob(latent.z) - target.log_prob(latent.z)).mean().backward()
        optimizer.step()
    with torch.no_grad():
        latent = posterior(h[:1].expand(20_000, 1), sample=True)
        return float((target.log_prob(latent.z) - latent.q.log_prob(latent.z)).mean())


def test_flows_come_nearer_to_a_banana_than_a_gaussian() -> None:
    torch.manual_seed(0)
    gaussian = bound_of(GaussianPosterior(Gaussian(2), in_shape=(1,)), 400)
    assert gaussian < -0.5
    reached = {}
    for name, make in (
        ("planar", lambda: PlanarPosterior(PlanarFlow(2, 8), in_shape=(1,))),
        ("radial", lambda: RadialPosterior(RadialFlow(2, 8), in_shape=(1,))),
        ("iaf", lambda: IAFPosterior(IAF(2, 4, 32), in_shape=(1,))),
    ):
        torch.manual_seed(0)
        reached[name] = bound_of(make(), 400)
    assert all(gaussian + 0.1 < value < 0.02 for value in reached.values()), reached
    assert reached["iaf"] > -0.3


# -- in a model


@pytest.mark.parametrize("prior", ["normal", "realnvp(2,8)", "maf(2,8)", "iaf(2,8)"])
@pytest.mark.parametrize("posterior", ["planar(2,2)", "radial(2,2)", "iaf(2,2,8)", "gaussian(2)"])
def test_bounds_of_a_model(posterior: str, prior: str) -> None:
    torch.manual_seed(0)
    model = aezoo.create(
        f"vae(mlp(6,act=tanh),{posterior},mlp(6,act=tanh),prior={prior},objective=iwae(3),"
        "likelihood=bernoulli,input=(1,2,3))"
    ).double()
    stir(model, 0.1)
    with torch.no_grad():  # a wide q, whose weights p / q are bounded
        model.bottleneck.project.bias[2:4] += 1.0
        model.bottleneck.project.bias[4:] += 1.0  # planar maps with a small w move far
    x = torch.rand(4, 1, 2, 3).round().double()
    model.loss(x).total.backward()
    assert all(p.grad is not None for p in model.encoder.parameters())
    with torch.no_grad():
        generator = torch.Generator().manual_seed(1)
        tight = model.log_prob(x, k=400, generator=generator).double()
        elbos = torch.stack([model.elbo(x, generator=generator) for _ in range(100)])
        bound = importance_bound(model, x, k=10_000, generator=generator)
        # log p(x) itself: the prior times the likelihood on a grid of z.
        grid = torch.linspace(-7, 7, 71, dtype=torch.float64)
        z = torch.cartesian_prod(grid, grid)
        log_p = model.prior.log_prob(z)
        exact = [
            (log_p + model.p(z).log_prob(one.expand(len(z), 1, 2, 3))).logsumexp(0) for one in x
        ]
        exact = torch.stack(exact) + 2 * math.log(14 / 70)
    assert ((elbos.mean(0) < tight) & (tight < exact + 0.3)).all()
    torch.testing.assert_close(bound, exact, atol=0.06, rtol=0)
    assert (elbos.mean(0) < exact + 1e-3).all()
    assert model.float().sample(3).shape == (3, 1, 2, 3)


def test_the_designs_spec() -> None:
    model = aezoo.create(
        "vae(conv(32,64),iaf(32,steps=4,hidden=320),deconv(64,32),"
        "likelihood=logistic_mixture(10),input=(3,32,32))"
    )
    assert len(model.bottleneck.steps) == 4 and model.latent_shape == (32,)
    assert torch.isfinite(model.loss(torch.rand(2, 3, 32, 32)).total)


def test_a_flow_of_the_plain_autoencoders_latents_is_fitted_afterwards() -> None:
    model = aezoo.create("ae(mlp(6),point(3),mlp(6),prior=maf(2,8),input=(1,2,3))")
    assert not model.capabilities.sample
    model.prior_fitted = True
    assert model.sample(2).shape == (2, 1, 2, 3)


@pytest.mark.parametrize(
    ("work", "error", "message"),
    [
        (lambda: PRIORS["maf"]((4,), num_codes=3), ShapeError, "maf is a prior over continuous"),
        (lambda: PRIORS["realnvp"]((1,)), ShapeError, "use prior=maf"),
        (lambda: PRIORS["maf"]((4,)).log_prob(torch.zeros(1, 4, 2)), ShapeError, r"built for .*4"),
        (lambda: PRIORS["maf"]((4,)).sample(1, shape=(5,)), ShapeError, "prior=normal"),
        (lambda: PRIORS["maf"]((4,), cond_dim=2).sample(1), CapabilityError, "given none"),
        (
            lambda: PRIORS["maf"]((4,)).sample(1, cond=torch.zeros(1, 2)),
            CapabilityError,
            "built without",
        ),
        (lambda: PRIORS["maf"]((4,)).sample(1, temperature=-1.0), ValueError, "temperature"),
        (lambda: IAF(2, 0), ValueError, "steps must be at least 1"),
    ],
)
def test_what_cannot_be_is_said(work, error, message: str) -> None:
    with pytest.raises(error, match=message):
        work()


def test_a_normal_prior_and_a_flow_have_no_closed_form_but_a_rate() -> None:
    torch.manual_seed(0)
    model = aezoo.create("vae(mlp(6),planar(2,2),mlp(6),input=(1,2,3))").double()
    output = model(torch.rand(4, 1, 2, 3).double())
    latent = output.latents[0]
    normal = NormalPrior(NormalConfig(), (2,))
    assert isinstance(normal.distribution(latent.z), Independent)
    expected = latent.q.log_prob(latent.z.clone()) - normal.log_prob(latent.z)
    torch.testing.assert_close(output.rate, expected)


def test_the_metric_of_means_says_that_a_flow_has_none() -> None:
    spec = "vae(mlp(6),{},mlp(6),input=(1,2,3))"
    said = (("iaf(2,2,8)", "no closed mean"), ("point(2)", "no posterior"), ("gaussian(2)", ""))
    for posterior, message in said:
        run = SimpleNamespace(model=aezoo.create(spec.format(posterior)))
        missing = Posterior().missing(run)  # pyright: ignore[reportArgumentType]
        assert message in missing and bool(message) == bool(missing)
