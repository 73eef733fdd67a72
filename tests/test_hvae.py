"""Hierarchies of latents: bounds against quadrature and closed forms, rates, generation."""

from __future__ import annotations

import math

import pytest
import torch
from torch.distributions import Independent, MultivariateNormal, Normal, kl_divergence

import aezoo
from aezoo.build import build
from aezoo.components.posteriors.hierarchy import enlarged
from aezoo.components.posteriors.ladder import SMALLEST, combined
from aezoo.components.posteriors.nvae import changed
from aezoo.data.sets import load
from aezoo.errors import CapabilityError, ShapeError
from aezoo.explain import explain
from aezoo.gallery import LARGE
from aezoo.latents import normals, vector
from aezoo.testing.subject import stir
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask

TOPDOWN = (
    "hvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),topdown(2,1,dim=3,width=8),"
    "unres(8,depth=1),input=(1,8,8))"
)
LADDER = "hvae(levels(mlp(16),mlp(16)),ladder(4,3,hidden=8),mlp(16),input=(1,8,8))"
NVAE = TOPDOWN.replace("topdown(2,1,dim=3,width=8)", "nvae(2,1,dim=3,width=8,cells=1,expand=2)")
EACH = pytest.mark.parametrize("spec", [TOPDOWN, LADDER, NVAE], ids=["topdown", "ladder", "nvae"])
#: Two levels of one value each, over x of two values.
TINY = "hvae(levels(mlp(4),mlp(4)),{},mlp(4),likelihood=gaussian(sigma=0.5),input=(1,2))"


def make(spec: str, amount: float = 0.1, **overrides):
    """A model whose p and q do not start as N(0, I)."""
    torch.manual_seed(0)
    model = aezoo.create(spec, **overrides).eval()
    stir(model, amount)
    return model


def some(n: int = 5, *shape: int) -> torch.Tensor:
    return torch.rand(n, *(shape or (1, 8, 8)), generator=torch.Generator().manual_seed(7))


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- bounds


@torch.no_grad()
@pytest.mark.parametrize(
    ("bottleneck", "amount"),
    [
        ("ladder(1,1,hidden=4)", 0.5),
        ("topdown(1,1,dim=1,width=4)", 0.5),
        ("nvae(1,1,dim=1,width=4)", 0.2),
    ],
)
def test_the_bounds_lie_under_the_integral_and_reach_it(bottleneck: str, amount: float) -> None:
    """log p(x) by quadrature over the noise of both levels, on a grid."""
    model = make(TINY.format(bottleneck), amount).double()
    side = torch.linspace(-8, 8, 241, dtype=torch.float64)
    grid = torch.cartesian_prod(side, side)
    p = model.p(model.bottleneck.descend(grid.unsqueeze(2).unbind(1)).z)
    log_e = Normal(0.0, 1.0).log_prob(grid).sum(1) + 2 * math.log(side[1] - side[0])
    assert float(log_e.exp().sum()) == pytest.approx(1, abs=1e-12)
    x = 2 * some(4, 1, 2).double() - 0.5
    exact = torch.stack(
        [(p.log_prob(row.expand(len(grid), 1, 2)) + log_e).logsumexp(0) for row in x]
    )

    draws = 50_000
    rows = x.repeat_interleave(draws, 0)
    elbo = model.elbo(rows, generator=seeded()).view(4, draws).mean(1)
    log_w = model.log_prob(rows, k=1, generator=seeded()).view(4, draws).double()
    iwae = [(log_w.unflatten(1, (-1, k)).logsumexp(2) - math.log(k)).mean(1) for k in (5, 50)]
    assert (elbo < iwae[0]).all()
    assert (iwae[0] < iwae[1]).all()
    assert (iwae[1] < exact).all()
    w = (log_w - exact[:, None]).exp()
    assert ((w.mean(1) - 1).abs() < 5 * w.std(1) / math.sqrt(draws)).all()
    assert (w.std(1) < 10).all()
    five = model.log_prob(x.repeat_interleave(2000, 0), k=5, generator=seeded()).view(4, 2000)
    error = five.std(1) / math.sqrt(2000)
    assert ((five.mean(1) - iwae[0]).abs() < 5 * error).all()


@torch.no_grad()
def test_the_ladder_is_exact_where_the_model_is_linear() -> None:
    """z_2 = N(0,1), z_1 = N(a z_2, s), x = N(b z_1, 1/4): every draw's ELBO is log p(x).

    x tells of z_1 what x / b with variance 1 / (4 b^2) does, and so of z_2 by Bayes' rule; the
    ladder's product with p(z_1|z_2) is then the posterior itself. All its rectifiers come in
    pairs of w and -w, whose difference is linear.
    """
    spec = "hvae(levels(mlp(2),mlp(2)),ladder(1,1,hidden=2),mlp(2),likelihood=gaussian(sigma=0.5),"
    model = aezoo.create(spec + "input=(1,1))").double().eval()
    a, s, b = 0.8, 0.3, 1.5
    pair, apart = torch.tensor([[1.0], [-1.0]]), torch.tensor([[1.0, -1.0]])

    def fill(layer, weight, bias: float | list[float] = 0.0) -> None:
        layer.weight.copy_(torch.as_tensor(weight))
        layer.bias.copy_(torch.as_tensor(bias).expand_as(layer.bias))

    def raw(variance):
        return math.log(math.expm1(variance - SMALLEST))

    first, second = (part.layers[1] for part in model.encoder.parts)
    fill(first, pair)
    fill(second, torch.eye(2))
    down = model.bottleneck.down[0]
    fill(down.first, pair)
    fill(down.second, pair @ apart / 1.1)  # leaky rectifiers of 0.1
    fill(down.project, torch.cat([apart * a / 1.1, 0 * apart]), [0.0, raw(s)])
    inside, outside = (layer for layer in model.decoder.layers if hasattr(layer, "weight"))
    fill(inside, pair)
    fill(outside, b * apart)
    noise = 0.25 / b**2  # of x / b as an estimate of z_1
    top = 1 / (1 + a**2 / (s + noise))  # variance of z_2 given x
    fill(model.bottleneck.up[0], torch.cat([apart / b, 0 * apart]), [0.0, raw(noise)])
    gain = top * a / (s + noise) / b
    fill(model.bottleneck.up[1], torch.cat([gain * apart, 0 * apart]), [0.0, raw(top)])

    x = 4 * some(50, 1, 1).double() - 2
    exact = Normal(0.0, math.sqrt(b**2 * (a**2 + s) + 0.25)).log_prob(x).flatten()
    found = model.log_prob(x, k=1, generator=seeded())
    torch.testing.assert_close(found.double(), exact, atol=1e-6, rtol=1e-6)
    ten = model.log_prob(x, k=10, generator=seeded())
    torch.testing.assert_close(ten.double(), exact, atol=1e-6, rtol=1e-6)


# -- rates


@EACH
@torch.no_grad()
def test_the_rate_is_the_sum_of_each_level_s_kl(spec: str) -> None:
    model = make(spec)
    output = model(some(), generator=seeded())
    rates = []
    for level in output.latents:
        q, p = normals(level.q), normals(level.p)
        assert q is not None and p is not None
        ratio = (q.scale / p.scale).square()
        away = ((q.loc - p.loc) / p.scale).square()
        rates.append((0.5 * (ratio + away - 1 - ratio.log())).flatten(1).sum(1))
        torch.testing.assert_close(level.rate, rates[-1], atol=1e-4, rtol=1e-4)
        assert (rates[-1] > 0).all()
    torch.testing.assert_close(output.rate, sum(rates), atol=1e-4, rtol=1e-4)


@EACH
@torch.no_grad()
def test_the_rate_is_the_mean_of_log_q_minus_log_p(spec: str) -> None:
    model, n = make(spec), 4000
    output = model(some(1).expand(n, 1, 8, 8), generator=seeded())
    assert output.rate is not None
    apart = model.log_ratio(output.latents) - output.rate
    assert abs(float(apart.mean())) < 4 * float(apart.std()) / math.sqrt(n)
    assert float(apart.std()) > 0.01  # the draws matter


@torch.no_grad()
def test_where_q_is_p_the_rate_is_0() -> None:
    """A fresh p is N(0, I) whatever lies above; so is a q whose last layers are 0."""
    model = aezoo.create(TOPDOWN).eval()
    for block in model.bottleneck.blocks:
        for parameter in block.posterior[-1].parameters():
            parameter.zero_()
    output = model(some())
    assert torch.equal(output.rate, torch.zeros(5))
    assert torch.equal(model.log_ratio(output.latents), torch.zeros(5))


@torch.no_grad()
def test_nvae_s_q_is_p_and_what_changes_it() -> None:
    model = make(NVAE, 0.3)
    for block in model.bottleneck.blocks:
        for parameter in block.change.parameters():
            parameter.zero_()
    output = model(some())
    assert float(output.latents[0].p.stddev.std()) > 0.01
    assert torch.equal(output.rate, torch.zeros(5))

    p = Normal(torch.randn(4, 3), torch.rand(4, 3) + 0.5)
    stats = torch.randn(4, 6)
    shift, change = stats[:, :3], (5 * torch.tanh(stats[:, 3:] / 5)).exp()
    # the paper's equation of section 3.2
    kl = 0.5 * ((shift / p.scale).square() + change.square() - change.square().log() - 1)
    torch.testing.assert_close(kl_divergence(changed(p, stats), p), kl, atol=1e-5, rtol=1e-4)


def test_a_ladder_s_q_is_the_product_of_two_normals() -> None:
    z = torch.linspace(-12, 12, 20_001, dtype=torch.float64)
    one, two = Normal(*torch.tensor([1.5, 0.7])), Normal(*torch.tensor([-0.5, 1.9]))
    product = (one.log_prob(z) + two.log_prob(z)).exp()
    density = product / torch.trapezoid(product, z)
    q = combined(one, two)
    torch.testing.assert_close(q.log_prob(z).exp(), density, atol=1e-6, rtol=1e-5)
    precision = 1 / 0.7**2 + 1 / 1.9**2
    assert float(q.variance) == pytest.approx(1 / precision)
    assert float(q.mean) == pytest.approx((1.5 / 0.7**2 - 0.5 / 1.9**2) / precision)
    silent = combined(Normal(*torch.tensor([5.0, 1e6])), two)
    assert float(kl_divergence(silent, two)) < 1e-6  # an estimate that says nothing


@torch.no_grad()
def test_the_ladder_combines_all_levels_but_the_top() -> None:
    model = make(LADDER)
    h = model.features(some())
    below, top = model.bottleneck(h, sample=True, generator=seeded()).levels
    raw = [up(part).chunk(2, 1) for up, part in zip(model.bottleneck.up, h, strict=True)]
    mean, variance = raw[1][0], torch.nn.functional.softplus(raw[1][1]) + SMALLEST
    torch.testing.assert_close(top.q.mean, mean)
    torch.testing.assert_close(top.q.variance, variance)
    assert torch.equal(top.p.mean, torch.zeros(5, 3))
    mean, variance = raw[0][0], torch.nn.functional.softplus(raw[0][1]) + SMALLEST
    precision = 1 / variance + 1 / below.p.variance
    torch.testing.assert_close(below.q.variance, 1 / precision)
    weighed = mean / variance + below.p.mean / below.p.variance
    torch.testing.assert_close(below.q.mean, weighed / precision)


# -- gradients and batches


@EACH
def test_every_level_s_rate_teaches_its_encoder(spec: str) -> None:
    model = make(spec).train()
    count = len(model(some()).latents)
    for level in range(count):
        model.zero_grad()
        model(some(), generator=seeded()).latents[level].rate.sum().backward()
        part = model.encoder.parts[0 if level < count - 1 else 1]
        assert any(p.grad is not None and p.grad.any() for p in part.parameters())


@EACH
@torch.no_grad()
def test_a_sample_s_bound_does_not_depend_on_its_batch(spec: str) -> None:
    model, x = make(spec), some()
    whole = model.output(x, model.encode(x))
    for i in range(len(x)):
        alone = model.output(x[i : i + 1], model.encode(x[i : i + 1]))
        torch.testing.assert_close(alone.elbo, whole.elbo[i : i + 1])
        for mine, all_of_them in zip(alone.latents, whole.latents, strict=True):
            torch.testing.assert_close(mine.rate, all_of_them.rate[i : i + 1])


@pytest.mark.parametrize(
    "objective",
    ["elbo", "beta(4.0)", "annealing(3)", "capacity(steps=3)", "free_bits", "reconstruction",
     "iwae(3)", "miwae(2,2)", "ciwae(3)"],
)  # fmt: skip
def test_objectives_over_all_levels(objective: str) -> None:
    model = make(LADDER, objective=objective).train()
    losses = model.loss(some())
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert all(p.grad is not None and p.grad.any() for p in model.encoder.parameters())


@pytest.mark.parametrize(
    "objective",
    ["piwae(2,2)", "dreg(2)", "btcvae(4.0)", "factor(2.0,critic=mlp(4))", "dip", "infovae", "wae",
     "aae(critic=mlp(4))", "l1", "kl_sparse", "contractive", "rae"],
)  # fmt: skip
def test_objectives_of_one_latent_say_so(objective: str) -> None:
    with pytest.raises(CapabilityError, match="of several levels; take elbo"):
        make(LADDER, objective=objective).loss(some())


def test_free_bits_are_given_to_every_channel_of_every_level() -> None:
    model = make(LADDER, objective="free_bits(1000.0)")
    losses = model.loss(some())
    expected = losses.terms["distortion"] + 1000 * (4 + 3)
    torch.testing.assert_close(losses.total.detach(), expected)
    losses = make(LADDER, objective="free_bits(0.0)").loss(some(), generator=seeded())
    elbo = losses.terms["distortion"] + losses.terms["rate"]
    torch.testing.assert_close(losses.total.detach(), elbo)


def test_one_draw_s_iwae_is_the_elbo_s_estimate() -> None:
    model = make(TOPDOWN, objective="iwae(1)")
    output = model(some(), generator=seeded())
    total = model.objective(model, some(), output).total
    expected = (output.distortion + model.log_ratio(output.latents)).mean()
    torch.testing.assert_close(total, expected)


# -- generation


@EACH
@torch.no_grad()
def test_samples_come_from_the_top_down(spec: str) -> None:
    model = make(spec)
    state = torch.get_rng_state()
    first, again = (model.sample(4, generator=seeded(1)) for _ in range(2))
    assert torch.equal(state, torch.get_rng_state())
    assert first.shape == (4, 1, 8, 8)
    assert torch.equal(first, again)
    assert not torch.equal(first, model.sample(4, generator=seeded(2)))
    still = model.sample(4, temperature=0.0)
    torch.testing.assert_close(still, still[:1].expand(4, -1, -1, -1))
    with pytest.raises(ValueError, match="temperature"):
        model.sample(1, temperature=-1.0)


@EACH
@torch.no_grad()
def test_noise_of_every_level_becomes_z_of_its_p(spec: str) -> None:
    model = make(spec)
    noise = tuple(torch.randn(6, *shape) for shape in model.bottleneck.level_shapes)
    latent = model.bottleneck.descend(noise)
    assert all(level.q is None for level in latent.levels)
    for level, e in zip(latent.levels, noise, strict=True):
        torch.testing.assert_close((level.z - level.p.mean) / level.p.stddev, e)
    # p of the top is the same for all; those below depend on what lies above.
    tops = latent.levels[-1].p.mean
    assert torch.equal(tops[0], tops[1])
    assert not torch.equal(latent.levels[0].p.mean[0], latent.levels[0].p.mean[1])


@EACH
@torch.no_grad()
def test_the_ends_of_the_way_are_the_reconstructions(spec: str) -> None:
    model, x = make(spec), some()
    way = model.interpolate(x, x.flip(0), steps=4)
    assert way.shape == (4, 5, 1, 8, 8)
    torch.testing.assert_close(way[0], model.reconstruct(x))
    torch.testing.assert_close(way[-1], model.reconstruct(x.flip(0)))
    assert not torch.equal(way[1], way[0])


@EACH
@torch.no_grad()
def test_levels_are_kept_from_the_top(spec: str) -> None:
    model, x = make(spec), some()
    levels = len(model.bottleneck.level_shapes)
    torch.testing.assert_close(model.redraw(x, levels), model.reconstruct(x))
    sample = model.sample(len(x), generator=seeded())
    torch.testing.assert_close(model.redraw(x, 0, generator=seeded()), sample)
    first, second = (model.redraw(x, 1, generator=seeded(i)) for i in (1, 2))
    assert not torch.equal(first, second)
    with pytest.raises(ValueError, match=f"{levels} levels"):
        model.redraw(x, levels + 1)


@EACH
@torch.no_grad()
def test_p_is_told_the_condition(spec: str) -> None:
    model = make(spec, 0.3, cond="label(10)")
    noise = tuple(torch.zeros(2, *shape) for shape in model.bottleneck.level_shapes)
    y = torch.tensor([1, 7])
    latent = model.bottleneck.descend(noise, model.embed_for_prior(y))
    below = latent.levels[0].p.mean
    assert not torch.allclose(below[0], below[1])
    assert model.sample(3, torch.tensor([1, 2, 3])).shape == (3, 1, 8, 8)
    assert model.sample(3).shape == (3, 1, 8, 8)
    assert model.log_prob(some(2), y, k=2).shape == (2,)
    assert model.redraw(some(2), 1, y).shape == (2, 1, 8, 8)
    assert model.interpolate(some(2), some(2), 3, y).shape == (3, 2, 1, 8, 8)
    with pytest.raises(CapabilityError, match="needs cond"):
        model.reconstruct(some(2))


@EACH
@torch.no_grad()
def test_a_condition_that_is_a_part_of_x_need_not_be_given(spec: str) -> None:
    model, x = make(spec, 0.3, cond="half(left)"), some()
    c = model.condition(x)
    assert torch.equal(model.reconstruct(x), model.reconstruct(x, c))
    assert torch.equal(model.encode(x).levels[0].z, model.encode(x, c).levels[0].z)
    assert torch.equal(*(model.redraw(x, 1, given, generator=seeded()) for given in (None, c)))
    way = model.interpolate(x, x.flip(0), steps=3)
    torch.testing.assert_close(way[-1], model.reconstruct(x.flip(0)))
    assert model.sample(5, c).shape == x.shape
    with pytest.raises(CapabilityError, match="cannot draw"):
        model.sample(5)


# -- shapes and building


@pytest.mark.parametrize("size", [(16,), (16, 16), (13, 10), (8, 8, 4)])
@pytest.mark.parametrize(
    "bottleneck",
    ["topdown(1,2,1,dim=3,width=8)", "ladder(2,3,4,hidden=8)", "nvae(1,1,2,dim=3,width=8)"],
)
@torch.no_grad()
def test_maps_of_every_rank_and_odd_sizes(bottleneck: str, size: tuple[int, ...]) -> None:
    encoder = "levels(res(8,depth=1,down=1),res(8,depth=1,down=2),res(8,depth=1,down=4))"
    model = make(f"hvae({encoder},{bottleneck},unres(8,depth=1))", input=(1, *size))
    x = some(2, 1, *size)
    sizes = [tuple(-(-n // down) for n in size) for down in (1, 2, 8)]
    latent = model.encode(x)
    assert {tuple(level.z.shape[2:]) for level in latent.levels} == set(sizes)
    assert [tuple(level.z.shape[1:]) for level in latent.levels] == list(
        model.bottleneck.level_shapes
    )
    assert latent.z.shape[2:] == size
    assert model.sample(2).shape == model.reconstruct(x).shape == x.shape
    assert not model.capabilities.any_size


def test_enlarging_repeats_places() -> None:
    x = torch.arange(6.0).reshape(1, 1, 2, 3)
    expected = torch.nn.functional.interpolate(x, scale_factor=4, mode="nearest")[..., :7, :11]
    assert torch.equal(enlarged(x, 4, (7, 11)), expected)


@pytest.mark.parametrize(
    ("spec", "match"),
    [
        ("hvae(mlp(8),gaussian(3),mlp(8))", "no prior"),
        ("vae(mlp(8),topdown(1),mlp(8))", "family hvae"),
        ("ae(mlp(8),ladder(1),mlp(8))", "family hvae"),
        ("hvae(mlp(8),topdown(1,2),mlp(8))", "2 level.s. and the encoder has 1"),
        ("hvae(levels(mlp(8),mlp(8)),ladder(2),mlp(8))", "1 level.s. and the encoder has 2"),
        ("hvae(levels(res(8),mlp(8)),ladder(2,2),mlp(8))", "maps alone"),
        ("hvae(mlp(8),topdown(1),mlp(8),prior=normal)", "no argument 'prior'"),
        ("hvae(mlp(8),topdown(0),mlp(8))", "blocks at each map"),
        ("hvae(mlp(8),ladder(0),mlp(8))", "latent channels of each level"),
        ("hvae(mlp(8),nvae(0),mlp(8))", "groups at each map"),
    ],
)
def test_what_does_not_fit_is_said(spec: str, match: str) -> None:
    with pytest.raises((ShapeError, aezoo.SpecError), match=match):
        aezoo.create(spec, input=(1, 8, 8))


def test_a_single_level_is_a_vae() -> None:
    model = make("hvae(mlp(8),ladder(3),mlp(8),input=(1,8,8))")
    q = model.encode(some()).levels[0].q
    standard = Independent(Normal(torch.zeros(5, 3), 1.0), 1)
    torch.testing.assert_close(model(some()).rate, kl_divergence(q, standard))


@torch.no_grad()
def test_deep_hierarchies_start_calm() -> None:
    """The path's size does not grow with the blocks: what they add is scaled by 1/sqrt(N)."""
    sizes = []
    for blocks in (2, 32):
        torch.manual_seed(0)
        model = aezoo.create(f"hvae(mlp(16),topdown({blocks},width=32),mlp(16),input=(1,8,8))")
        sizes.append(float(model.encode(some(64), sample=True).z.std()))
    assert 0.5 < sizes[1] / sizes[0] < 2


def test_extreme_statistics_stay_finite() -> None:
    model = make(TOPDOWN).train()
    with torch.no_grad():
        for block in model.bottleneck.blocks:
            block.prior[-1].weight.mul_(1e4)
            block.posterior[-1].weight.mul_(1e4)
    model(some(), generator=seeded()).rate.sum().backward()
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


# -- around it


@EACH
@torch.no_grad()
def test_saved_and_loaded_it_is_the_same(spec: str, tmp_path) -> None:
    model = make(spec)
    model.save_pretrained(tmp_path)
    again = aezoo.create(f"local:{tmp_path}")
    assert again.spec == model.spec
    x = some()
    assert torch.equal(model.reconstruct(x), again.reconstruct(x))
    assert torch.equal(*(m.elbo(x, generator=seeded()) for m in (model, again)))
    assert torch.equal(*(m.sample(3, generator=seeded()) for m in (model, again)))


@EACH
def test_bench_and_validation_report_each_level(spec: str) -> None:
    model = make(spec, likelihood="bernoulli")
    rows = aezoo.bench.run(
        model, data="digits", split="test[:64]", metrics="likelihood(k=3),posterior,reconstruction"
    )
    found = {row.figure.metric: row.figure.value for row in rows}
    count = len(model.bottleneck.level_shapes)
    levels = [found[f"kl-level-{i}"] for i in range(1, count + 1)]
    assert sum(levels) == pytest.approx(found["rate"], rel=1e-5)
    assert found["nll-iwae-3"] < found["-elbo"]
    assert 0 <= found["kl-per-dim-min"] <= found["kl-per-dim-median"] <= found["kl-per-dim-max"]
    assert found["posterior-collapse"] == pytest.approx(0, abs=1)
    assert f"posterior-collapse-level-{count}" in found
    assert "active-units" not in found

    split = load("digits", "test[:64]")
    figures = ModelTask(model, split, split, Stage(steps=1, batch=8), 0, Ranks()).validate()
    levels = [figures[f"rate{i}"] for i in range(count)]
    assert sum(levels) == pytest.approx(figures["rate"], rel=1e-5)


@EACH
def test_readers_are_shown_the_z_of_every_level(spec: str) -> None:
    model = make(spec)
    latent = model.encode(some())
    z = vector(latent)
    assert z.shape == (5, sum(math.prod(shape) for shape in model.bottleneck.level_shapes))
    assert torch.equal(z[:, -latent.levels[-1].z[0].numel() :], latent.levels[-1].z.flatten(1))
    rows = aezoo.bench.run(model, data="digits", split="test[:64]", metrics="probes(learn=200)")
    found = {row.figure.metric: row.figure.value for row in rows}
    assert 0 <= found["linear-probe"] <= 1


def test_explain_shows_the_levels() -> None:
    found = explain(TOPDOWN)
    assert found.latent == (8, 4, 4)
    (bottleneck,) = [part for part in found.parts if part.role == "bottleneck"]
    assert bottleneck.reads == ((8, 4, 4), (8, 2, 2))


@pytest.mark.parametrize("example", LARGE, ids=[e.name.replace(" ", "-") for e in LARGE])
def test_the_large_ones_run(example) -> None:
    """On the meta device, where nothing is computed; and one real step."""
    hollow = build(example.spec, device="meta")
    x = torch.empty(2, *hollow.input_shape, device="meta")
    output = hollow(x)
    assert output.rate.shape == (2,)
    assert len(output.latents) == len(hollow.bottleneck.level_shapes)
    torch.manual_seed(0)
    model = aezoo.create(example.spec).train()
    losses = model.loss(some(1, *model.input_shape))
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())


def test_quadrature_s_closed_form() -> None:
    """The linear model's log p(x) that the ladder is held against, by a joint normal."""
    a, s, b = 0.8, 0.3, 1.5
    up = torch.tensor([[1.0, 0.0, 0.0], [a, math.sqrt(s), 0.0], [a * b, b * math.sqrt(s), 0.5]])
    joint = MultivariateNormal(torch.zeros(3), up @ up.T)
    assert float(joint.variance[2]) == pytest.approx(b**2 * (a**2 + s) + 0.25)
