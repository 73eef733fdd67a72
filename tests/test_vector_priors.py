"""MADE, NADE and RNADE: sums over all outcomes, causality by gradient, draws value by value."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.components.flows.made import MADE, MADESteps
from aezoo.components.priors.configs import MADEConfig, NADEConfig, RNADEConfig
from aezoo.components.priors.made import MADEPrior
from aezoo.components.priors.nade import NADEPrior
from aezoo.components.priors.raster import draw, uniforms
from aezoo.components.priors.rnade import RNADEPrior
from aezoo.errors import CapabilityError, ShapeError

KINDS = {"made": (MADEPrior, MADEConfig), "nade": (NADEPrior, NADEConfig)}
WHAT = ("codes", "bits", "one-hot")


def stirred(module: Any, amount: float = 0.7) -> Any:
    generator = torch.Generator().manual_seed(5)
    with torch.no_grad():
        for p in module.parameters():
            p.add_(amount * torch.randn(p.shape, generator=generator))
    return module.double().eval()


def make(name: str, what: str, cond_dim: int | None = None, hidden: int = 9) -> Any:
    """Over 3 x 2 codes of 3 values, over 3 x 2 bits, or over 2 x 2 one-hot vectors of 3."""
    kind, config = KINDS[name]
    torch.manual_seed(0)
    if what == "codes":
        return stirred(kind(config(hidden), (3, 2), 3, cond_dim))
    if what == "bits":
        return stirred(kind(config(hidden), (3, 2), None, cond_dim))
    return stirred(kind(config(hidden, k=3), (6, 2), None, cond_dim))


def every(what: str) -> Tensor:
    if what == "bits":
        return torch.tensor(list(itertools.product((0.0, 1.0), repeat=6))).view(-1, 3, 2).double()
    if what == "codes":
        return torch.tensor(list(itertools.product(range(3), repeat=6))).view(-1, 3, 2)
    codes = torch.tensor(list(itertools.product(range(3), repeat=4))).view(-1, 2, 2)
    return torch.nn.functional.one_hot(codes, 3).movedim(-1, 2).reshape(-1, 6, 2).double()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("cond_dim", [None, 4])
def test_probabilities_sum_to_one_and_draws_follow_them(
    name: str, what: str, cond_dim: int | None
) -> None:
    prior, x = make(name, what, cond_dim), every(what)
    cond = None if cond_dim is None else torch.randn(1, cond_dim).double()
    with torch.no_grad():
        log_p = prior.log_prob(x, None if cond is None else cond.expand(len(x), -1))
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
        n = 20_000
        rows = None if cond is None else cond.expand(n, -1)
        drawn = prior.sample(n, cond=rows, generator=torch.Generator().manual_seed(1))
        assert drawn.shape == (n, *x.shape[1:])
        nats = -prior.log_prob(drawn, rows)
    entropy = -(log_p.exp() * log_p).sum()
    assert (nats.mean() - entropy).abs() < 5 * nats.std() / math.sqrt(n)
    expected = (log_p.exp()[:, None] * x.flatten(1).double()).sum(0)
    error = drawn.double().flatten(1).std(0) / math.sqrt(n) + 1e-6
    assert ((drawn.double().flatten(1).mean(0) - expected).abs() < 5 * error).all()


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("what", WHAT)
@pytest.mark.parametrize("cond_dim", [None, 4])
@pytest.mark.parametrize("hidden", [2, 9])
def test_drawing_value_by_value_is_drawing_from_the_whole_network(
    name: str, what: str, cond_dim: int | None, hidden: int
) -> None:
    prior, n = make(name, what, cond_dim, hidden), 50
    cond = None if cond_dim is None else torch.randn(n, cond_dim).double()
    noise = uniforms(n, (prior.n,), torch.device("cpu"), torch.Generator().manual_seed(3))
    for temperature in (1.0, 0.7, 0.0):
        told = torch.zeros(n, prior.n, prior.each).double()
        with torch.no_grad():
            steps = prior.steps(n, cond)
            for i in range(prior.n):
                scores = prior.scores(told, cond)[:, i]
                torch.testing.assert_close(steps.scores(i), scores)
                if what == "bits":
                    scores = torch.nn.functional.pad(scores, (1, 0))
                told[:, i] = prior._as_numbers(draw(scores, noise[:, i], temperature)).double()
                steps.put(i, told[:, i])
        found = prior.sample(n, cond=cond, generator=torch.Generator().manual_seed(3),
                             temperature=temperature)  # fmt: skip
        assert torch.equal(prior._told(found), told)


@pytest.mark.parametrize("name", KINDS)
@pytest.mark.parametrize("what", ["bits", "one-hot"])
def test_causality_by_gradient(name: str, what: str) -> None:
    prior = make(name, what, hidden=40)
    moved = torch.zeros(prior.n, prior.n).double()  # (read, changed)
    for x in every(what)[::7]:  # at one point alone a rectifier may be off
        told = prior._told(x[None])
        jacobian = torch.func.jacrev(lambda x: prior.scores(x, None)[0])(told)[:, :, 0]
        moved = torch.maximum(moved, jacobian.abs().amax((1, 3)))
    assert (moved.triu() == 0).all()
    assert (moved[1:].amax(1) > 0).all()


def test_nade_is_its_recursion() -> None:
    """Equations 9 and 10 of Larochelle and Murray, bit by bit."""
    prior = make("nade", "bits")
    w, v = prior.read[:, 0], prior.tell[:, :, 0]
    with torch.no_grad():
        for x in every("bits")[[0, 21, 63]]:
            a, expected = prior.first.clone(), 0.0
            for i, bit in enumerate(x.flatten()):
                p = (prior.bias[i, 0] + v[i] @ a.sigmoid()).sigmoid()
                expected += (bit * p.log() + (1 - bit) * (1 - p).log()).item()
                a = a + bit * w[i]
            assert prior.log_prob(x[None]).item() == pytest.approx(expected, rel=1e-9)


def test_made_reads_values_backwards_too() -> None:
    made = stirred(MADE(5, 7, 2, context=3, backwards=True))
    x, context = torch.randn(4, 5).double(), torch.randn(4, 3).double()
    with torch.no_grad():
        whole = torch.stack(made(x, context), 2)
        steps = MADESteps(made, 4, context)
        for place in made.order():
            torch.testing.assert_close(steps.scores(place), whole[:, place])
            steps.put(place, x[:, place : place + 1])


def rnade(
    shape: tuple[int, ...] = (3,), cond_dim: int | None = None, amount: float = 0.15
) -> RNADEPrior:
    torch.manual_seed(0)
    return stirred(RNADEPrior(RNADEConfig(8, 3), shape, None, cond_dim), amount)


def test_rnade_is_its_recursion_and_integrates_to_one() -> None:
    prior = rnade()
    with torch.no_grad():
        prior.middle.copy_(torch.tensor([1.0, 0.0, -2.0]))
        prior.log_spread.copy_(torch.tensor([0.5, 0.0, -0.3]))
        z = torch.randn(3).double()
        x = (z - prior.middle) / prior.log_spread.exp()
        a, expected = prior.first.clone(), -float(prior.log_spread.sum())
        for i in range(3):
            h = (prior.scale[i] * a).relu()
            alpha, mu, log_sigma = (h @ prior.tell[i] + prior.bias[i]).chunk(3)
            mixture = torch.distributions.MixtureSameFamily(
                torch.distributions.Categorical(logits=alpha),
                torch.distributions.Normal(mu, log_sigma.exp()),
            )
            expected += mixture.log_prob(x[i]).item()
            a = a + x[i] * prior.read[i]
        assert prior.log_prob(z[None]).item() == pytest.approx(expected, rel=1e-9)
        line = torch.linspace(-25, 25, 20_001, dtype=torch.float64)
        one = rnade((1,))
        total = one.log_prob(line[:, None]).exp().sum() * (line[1] - line[0])
        assert total.item() == pytest.approx(1, abs=1e-6)


def test_rnade_causality_by_gradient() -> None:
    """d log p(z_i | before) / d z_j = 0 for j > i: by the mixed second derivatives' pattern."""
    prior = rnade((2, 2))
    z = torch.randn(1, 2, 2).double()

    def conditionals(z: Tensor) -> Tensor:
        """log p(z_<=i) for each i, where later values are far out of the way at fixed places."""
        kept = torch.ones(4, 4).double().tril().view(4, 2, 2)
        fixed = torch.full((4, 2, 2), 0.3).double()
        return prior.log_prob(kept * z + (1 - kept) * fixed)

    full = conditionals(z)
    for j in range(4):
        moved = z.clone().flatten(1)
        moved[0, j] += 0.5
        change = (conditionals(moved.view(1, 2, 2)) - full).abs()
        assert (change[:j] == 0).all()
        assert (change[j:] > 0).all()


@pytest.mark.parametrize("cond_dim", [None, 4])
def test_rnade_draws_are_its_density(cond_dim: int | None) -> None:
    """By the entropy of a grid in the plane, and value by value from the whole network."""
    prior, n = rnade((2, 1), cond_dim, 0.04), 20_000
    cond = None if cond_dim is None else torch.randn(1, cond_dim).double()
    side = torch.linspace(-15, 15, 401, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side).view(-1, 2, 1)
    with torch.no_grad():
        rows = None if cond is None else cond.expand(len(grid), -1)
        log_p = prior.log_prob(grid, rows)
        cell = (side[1] - side[0]) ** 2
        assert (log_p.exp().sum() * cell).item() == pytest.approx(1, abs=1e-3)
        entropy = -(log_p.exp() * log_p).sum() * cell
        mean = (log_p.exp()[:, None] * grid[:, :, 0]).sum(0) * cell
        rows = None if cond is None else cond.expand(n, -1)
        z = prior.sample(n, cond=rows, generator=torch.Generator().manual_seed(1))
        nats = -prior.log_prob(z, rows)
        assert (nats.mean() - entropy).abs() < 5 * nats.std() / math.sqrt(n)
        assert ((z[:, :, 0].mean(0) - mean).abs() < 5 * z[:, :, 0].std(0) / math.sqrt(n)).all()


def test_rnade_starts_near_the_latents() -> None:
    prior = RNADEPrior(RNADEConfig(16, 4), (2,), None, None)
    z = torch.tensor([5.0, -40.0]) + torch.randn(2000, 2) * torch.tensor([0.1, 9.0])
    far = -prior.log_prob(z).mean()
    prior.start(z)
    near = -prior.log_prob(z).mean()
    entropy = (torch.tensor([0.1, 9.0]).log() + 0.5 * math.log(2 * math.pi * math.e)).sum()
    assert near < entropy + 0.7
    assert far > 5 * near


def test_they_learn_what_depends_on_what() -> None:
    """Of three bits whose last is the exclusive or of the others: log 4 nats, not log 8."""
    bits = torch.randint(2, (512, 2), generator=torch.Generator().manual_seed(0)).float()
    x = torch.cat([bits, (bits.sum(1, keepdim=True) == 1).float()], 1)
    for name, (kind, config) in KINDS.items():
        torch.manual_seed(0)
        prior: Any = kind(config(16), (3,), None, None)
        optimizer = torch.optim.Adam(prior.parameters(), 0.05)
        for _ in range(150):
            loss = -prior.log_prob(x).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert loss.item() < math.log(4) + 0.1, name


def test_what_they_are_over_and_what_they_refuse() -> None:
    vae = "vae(mlp(6),{},mlp(6),prior={},input=(1,2,3))"
    for name in KINDS:
        for spec in (
            vae.format("bernoulli(4)", f"{name}(8)"),
            vae.format("gumbel(2,3)", f"{name}(8,k=3)"),
        ):
            model = aezoo.create(spec).eval()
            drawn = model.prior.sample(5, generator=torch.Generator().manual_seed(0))
            assert set(drawn.unique().tolist()) <= {0.0, 1.0}
            assert model.sample(3).shape == (3, 1, 2, 3)
            assert model.loss(torch.rand(4, 1, 2, 3)).total.isfinite()
        with pytest.raises(ShapeError, match="prior=normal"):
            aezoo.create(vae.format("gaussian(4)", name))
        with pytest.raises(ShapeError, match=r"prior=categorical\(3\)"):
            aezoo.create(vae.format("gumbel(2,3)", name))
        with pytest.raises(ShapeError, match="leave k=3 out"):
            aezoo.create(f"vqvae(mlp(6),fsq(3,3),mlp(6),prior={name}(8,k=3),input=(1,2,3))")
        model = aezoo.create(f"vqvae(mlp(6),fsq(3,3),mlp(6),prior={name}(8),input=(1,2,3))")
        model.prior_fitted = True
        assert model.sample(3).shape == (3, 1, 2, 3)
        codes = model.encode_codes(torch.rand(4, 1, 2, 3))
        assert model.prior.log_prob(codes).shape == (4,)
        assert model.prior.logits(codes).shape == (4, 9)
        with pytest.raises(CapabilityError, match="without a condition"):
            model.prior.sample(3, cond=torch.zeros(3, 2))
        with pytest.raises(ShapeError, match="was built for"):
            model.prior.sample(3, shape=(7,))
    with pytest.raises(ShapeError, match="prior over continuous latents"):
        aezoo.create("vqvae(mlp(6),fsq(3,3),mlp(6),prior=rnade,input=(1,2,3))")
