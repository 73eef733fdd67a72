"""Likelihoods: against torch and scipy, and that probabilities of levels sum to one."""

from __future__ import annotations

import importlib
import itertools
import math

import pytest
import scipy.stats
import torch

from aezoo.build import build
from aezoo.components.likelihoods.bernoulli import BernoulliLikelihood
from aezoo.components.likelihoods.configs import (
    RECORDS,
    BernoulliConfig,
    GaussianConfig,
    LaplaceConfig,
    LogisticMixtureConfig,
)
from aezoo.components.likelihoods.gaussian import GaussianLikelihood
from aezoo.components.likelihoods.laplace import LaplaceLikelihood
from aezoo.components.likelihoods.logistic_mixture import LogisticMixtureLikelihood

LEVELS = torch.arange(256) / 255
SHAPES = [(1, 5), (2, 4, 3), (3, 4, 3), (3, 2, 3, 2)]  # one, two and three spatial axes


def make(likelihood: str, shape: tuple[int, ...]) -> torch.nn.Module:
    return {
        "bernoulli": lambda: BernoulliLikelihood(BernoulliConfig(), shape=shape),
        "gaussian": lambda: GaussianLikelihood(GaussianConfig(), shape=shape),
        "gaussian-0.2": lambda: GaussianLikelihood(GaussianConfig(0.2), shape=shape),
        "gaussian-pixel": lambda: GaussianLikelihood(GaussianConfig("pixel"), shape=shape),
        "laplace": lambda: LaplaceLikelihood(LaplaceConfig(), shape=shape),
        "laplace-pixel": lambda: LaplaceLikelihood(LaplaceConfig("pixel"), shape=shape),
        "logistic_mixture": lambda: LogisticMixtureLikelihood(
            LogisticMixtureConfig(4), shape=shape
        ),
    }[likelihood]()


ALL = [
    "bernoulli",
    "gaussian",
    "gaussian-0.2",
    "gaussian-pixel",
    "laplace",
    "laplace-pixel",
    "logistic_mixture",
]


def params_of(part: torch.nn.Module, shape: tuple[int, ...], batch: int = 3) -> torch.Tensor:
    return torch.randn(batch, part.param_channels, *shape[1:])


# -- the contract


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("name", ALL)
def test_contract(name, shape):
    part = make(name, shape)
    params = params_of(part, shape).requires_grad_()
    x = torch.rand(3, *shape)
    p = part(params)
    assert p.batch_shape == (3,)
    assert p.event_shape == shape
    assert p.mean.shape == (3, *shape)
    log_p = p.log_prob(x)
    assert log_p.shape == (3,)
    assert p.sample().shape == (3, *shape)
    assert p.sample((2,)).shape == (2, 3, *shape)
    log_p.sum().backward()
    assert params.grad.isfinite().all()
    # Each sample by itself: the batch plays no part.
    torch.testing.assert_close(part(params[1:2]).log_prob(x[1:2]), log_p[1:2])


@pytest.mark.parametrize("name", ALL)
def test_takes_other_sizes_and_low_precision(name):
    part = make(name, (3, 8, 8))
    params = params_of(part, (3, 5, 7)).bfloat16()
    assert part(params).log_prob(torch.rand(3, 3, 5, 7)).dtype == torch.float32


@pytest.mark.parametrize("name", ALL)
def test_builds_on_meta_and_loads(name):
    weights = make(name, (3, 4, 4)).state_dict()
    with torch.device("meta"):
        part = make(name, (3, 4, 4))
    part.load_state_dict(weights, strict=True, assign=True)
    assert not list(part.buffers())
    params = params_of(part, (3, 4, 4))
    assert part(params).log_prob(torch.rand(3, 3, 4, 4)).isfinite().all()


def test_records_point_at_the_classes():
    for record in RECORDS:
        module, name = record.target.split(":")
        part = getattr(importlib.import_module(module), name)(record.config(), shape=(3, 4, 4))
        assert part.param_channels >= 3


@pytest.mark.parametrize(
    ("config", "value"),
    [
        (GaussianConfig, 0.0),
        (GaussianConfig, -1.0),
        (GaussianConfig, math.nan),
        (GaussianConfig, "fixed"),
        (LaplaceConfig, 0.0),
        (LogisticMixtureConfig, 0),
    ],
)
def test_configs_refuse_nonsense(config, value):
    with pytest.raises(ValueError, match="must be"):
        config(value)


# -- bernoulli


def test_bernoulli_is_scipys_and_cross_entropy_on_grey():
    logits = torch.randn(2, 1, 4, 4)
    p = make("bernoulli", (1, 4, 4))(logits)
    x = torch.bernoulli(torch.full((2, 1, 4, 4), 0.5))
    expected = scipy.stats.bernoulli(logits.double().sigmoid()).logpmf(x).sum((1, 2, 3))
    torch.testing.assert_close(
        p.log_prob(x).double(), torch.from_numpy(expected), rtol=1e-5, atol=0
    )
    torch.testing.assert_close(p.mean, logits.sigmoid())
    grey = torch.rand(2, 1, 4, 4)
    cross = torch.nn.functional.binary_cross_entropy_with_logits(logits, grey, reduction="none")
    torch.testing.assert_close(p.log_prob(grey), -cross.sum((1, 2, 3)))


# -- gaussian, laplace


@pytest.mark.parametrize(
    ("name", "scipys", "scale"),
    [
        ("gaussian", scipy.stats.norm, 0.1),
        ("gaussian-0.2", scipy.stats.norm, 0.2),
        ("laplace", scipy.stats.laplace, 0.1),
    ],
)
def test_density_is_scipys(name, scipys, scale):
    part = make(name, (2, 3))
    params, x = torch.randn(4, 2, 3), torch.rand(4, 2, 3)
    expected = torch.from_numpy(scipys(params.double(), scale).logpdf(x.double()).sum((1, 2)))
    torch.testing.assert_close(part(params).log_prob(x).double(), expected, rtol=1e-4, atol=1e-4)
    assert torch.equal(part(params).mean, params)


@pytest.mark.parametrize("name", ["gaussian-pixel", "laplace-pixel"])
def test_pixel_scale_comes_from_the_decoder(name):
    part = make(name, (1, 3))
    params = torch.tensor([[[0.2, 0.5, 0.8], [-2.0, 0.0, 2.0]]])
    scale = part(params).base_dist.scale
    assert scale[0, 0, 1].item() == pytest.approx(0.1)
    assert (scale.diff() > 0).all()


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_learned_scale_finds_the_error_and_never_collapses(name):
    part = make(name, (1, 64))
    x = torch.rand(16, 1, 64)
    optimizer = torch.optim.Adam(part.parameters(), 0.1)
    for error, expected in ((0.05, 0.05), (0.0, 0.0)):
        noise = error * x.sub(0.5).sign()  # mean absolute and squared error agree
        for _ in range(400):
            optimizer.zero_grad()
            (-part(x + noise).log_prob(x).mean()).backward()
            optimizer.step()
        scale = part(x).base_dist.scale.max().item()
        assert scale > 1e-3 * (1 - 1e-5)
        assert scale == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
@pytest.mark.parametrize("scale", [0.001, 0.01, 0.1, 1.0, 20.0, 1000.0])
def test_discretized_sums_to_one(name, scale):
    kind, config = {
        "gaussian": (GaussianLikelihood, GaussianConfig),
        "laplace": (LaplaceLikelihood, LaplaceConfig),
    }[name]
    part = kind(config(scale), shape=(1, 1))
    for location in (-3.0, -0.1, 0.0, 0.3, 0.50001, 1.0, 4.0):
        params = torch.full((256, 1, 1), location)
        log_p = part.discretized(params).log_prob(LEVELS.reshape(256, 1, 1))
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-9)
        assert not log_p.isnan().any()


def test_discretized_gaussian_is_scipys_and_close_to_density_times_width():
    part = make("gaussian", (1, 1))
    params = torch.full((256, 1, 1), 0.4)
    log_p = part.discretized(params).log_prob(LEVELS.reshape(256, 1, 1))
    edges = (torch.arange(257).double() - 0.5) / 255
    edges[0], edges[-1] = -math.inf, math.inf
    cdf = torch.from_numpy(scipy.stats.norm(params[0, 0, 0].item(), 0.1).cdf(edges))
    torch.testing.assert_close(log_p.exp(), cdf.diff(), rtol=1e-5, atol=1e-12)
    density = part(params).log_prob(LEVELS.reshape(256, 1, 1)) - math.log(255)
    torch.testing.assert_close(log_p[60:150].float(), density[60:150], rtol=0, atol=2e-3)


def test_discretized_takes_the_nearest_level():
    part = make("gaussian", (1, 4))
    p = part.discretized(torch.rand(1, 1, 4))
    x = torch.tensor([[[0.0, 10.3, 99.6, 255.0]]]) / 255
    assert torch.equal(p.log_prob(x), p.log_prob((x * 255).round() / 255))
    sample = p.sample((50,)) * 255
    torch.testing.assert_close(sample, sample.round(), rtol=0, atol=1e-4)


def test_discretized_far_tail_is_finite_and_has_a_gradient():
    part = make("gaussian", (1, 2))
    params = torch.tensor([[[3.0, -3.0]]], requires_grad=True)
    log_p = part.discretized(params).log_prob(torch.tensor([[[0.5, 0.5]]]))
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert params.grad.isfinite().all() and (params.grad != 0).all()


# -- logistic mixture


def mixture_params(means, log_scales, logits=(0.0,)) -> torch.Tensor:
    """(1,P,1) for one channel; means and raw log scales in units from -1 to 1."""
    return torch.tensor([*logits, *means, *log_scales]).reshape(1, -1, 1)


def raw(log_scale: float) -> float:
    """The raw parameter whose softly bounded log scale is this, in units from -1 to 1."""
    return math.log(math.expm1(log_scale + 7)) - 7


@pytest.mark.parametrize("log_scale", [-6.999, -6, -5, -4, -3, -2, -1, 0, 1, 2, 3])
def test_mixture_sums_to_one_at_every_scale(log_scale):
    part = LogisticMixtureLikelihood(LogisticMixtureConfig(1), shape=(1, 1))
    for mean in (-5.0, -1.001, -1.0, -0.9, -1 / 3, 0.0, 0.00391, 0.123, 0.999, 1.0, 1.5, 8.0):
        params = mixture_params([mean], [raw(log_scale)]).expand(256, -1, -1)
        log_p = part(params).log_prob(LEVELS.reshape(256, 1, 1))
        assert not log_p.isnan().any()
        assert abs(log_p.double().exp().sum().item() - 1) < 1e-6


def test_mixture_of_many_sums_to_one():
    torch.manual_seed(0)
    part = LogisticMixtureLikelihood(LogisticMixtureConfig(10), shape=(1, 1))
    for _ in range(50):
        params = 2 * torch.randn(1, part.param_channels, 1)
        log_p = part(params.expand(256, -1, -1)).log_prob(LEVELS.reshape(256, 1, 1))
        assert abs(log_p.double().exp().sum().item() - 1) < 1e-6


def test_mixture_is_scipys():
    """One channel, two components, the levels' probabilities as differences of cdfs."""
    part = LogisticMixtureLikelihood(LogisticMixtureConfig(2), shape=(1, 1))
    params = mixture_params([-0.3, 0.4], [raw(-2.0), raw(-3.5)], logits=(0.2, -0.5))
    log_p = part(params.expand(256, -1, -1)).log_prob(LEVELS.reshape(256, 1, 1))
    weights = torch.tensor([0.2, -0.5]).double().softmax(0)
    edges = (torch.arange(257).double() - 0.5) / 127.5 - 1
    edges[0], edges[-1] = -math.inf, math.inf
    expected = sum(
        w.item() * torch.from_numpy(scipy.stats.logistic(m, math.exp(s)).cdf(edges)).diff()
        for w, m, s in zip(weights, (-0.3, 0.4), (-2.0, -3.5), strict=True)
    )
    torch.testing.assert_close(log_p.double().exp(), expected, rtol=1e-4, atol=1e-9)


def test_mixture_channels():
    for channels, params in ((1, 30), (2, 50), (3, 100), (4, 90)):
        config = LogisticMixtureConfig(10)
        assert LogisticMixtureLikelihood(config, shape=(channels, 4)).param_channels == params


def coloured(seed: int, components: int = 3) -> tuple[LogisticMixtureLikelihood, torch.Tensor]:
    torch.manual_seed(seed)
    part = LogisticMixtureLikelihood(LogisticMixtureConfig(components), shape=(3, 1))
    params = torch.randn(1, part.param_channels, 1)
    params[:, components : 4 * components] *= 0.3  # means well inside the range
    params[:, 4 * components : 7 * components] -= 2.5  # scales of some ten levels
    return part, params


def test_coupled_colours_sum_to_one_channel_by_channel():
    """The joint summed over blue is P(r,g), which summed over green is P(r).

    P(r,g) and P(r) come from mixtures of two and one channels, with green's means moved by
    hand; that P(r) sums to one over red has its own test.
    """
    m = 3
    part, params = coloured(0, m)
    logits, means, scales, coefficients = params[0, :, 0].split([m, 3 * m, 3 * m, 3 * m])
    means, scales = means.reshape(m, 3), scales.reshape(m, 3)
    to_green = coefficients.reshape(m, 3)[:, 0].tanh()
    one = LogisticMixtureLikelihood(LogisticMixtureConfig(m), shape=(1, 1))
    two = LogisticMixtureLikelihood(LogisticMixtureConfig(m), shape=(2, 1))
    for r in range(0, 256, 5):
        red = 2 * LEVELS[r] - 1
        # Green's mean given this red, in a mixture of two channels without coupling.
        moved = torch.stack([means[:, 0], means[:, 1] + to_green * red], 1)
        pair = torch.cat([logits, moved.flatten(), scales[:, :2].flatten()]).reshape(1, -1, 1)
        x = torch.stack([LEVELS[r].expand(256), LEVELS], 1)[..., None]
        p_rg = two(pair.expand(256, -1, -1)).log_prob(x).double().exp()
        single = torch.cat([logits, means[:, 0], scales[:, 0]]).reshape(1, -1, 1)
        p_r = one(single).log_prob(LEVELS[r].reshape(1, 1, 1)).double().exp()
        assert p_rg.sum().item() == pytest.approx(p_r.item(), rel=2e-6)
        for g in (0, 60, 127, 200, 255):
            grid = torch.stack([LEVELS[r].expand(256), LEVELS[g].expand(256), LEVELS], 1)
            joint = part(params.expand(256, -1, -1)).log_prob(grid[..., None])
            p = joint.double().exp().sum().item()
            assert p == pytest.approx(p_rg[g].item(), rel=2e-6, abs=1e-12)


def test_coupled_colours_sample_what_they_score():
    """The share of samples in a box of levels is the box's probability.

    The box holds most of the mass; its probability is estimated from uniform points in it.
    """
    part, params = coloured(1)
    n = 40_000
    many = part(params.expand(n, -1, -1))
    draws = many.sample()[..., 0]
    level = draws * 255
    torch.testing.assert_close(level, level.round(), rtol=0, atol=1e-3)
    low = (255 * draws.quantile(0.2, dim=0)).round()
    high = (255 * draws.quantile(0.8, dim=0)).round()
    inside = ((level > low - 0.5) & (level < high + 0.5)).all(1).double().mean().item()
    size = high - low + 1
    uniform = low + (torch.rand(n, 3) * size).floor()
    p = many.log_prob((uniform / 255)[..., None]).double().exp() * size.double().prod()
    noise = math.hypot(p.std().item(), math.sqrt(inside * (1 - inside))) / math.sqrt(n)
    assert abs(p.mean().item() - inside) < 4 * noise
    assert noise < 0.01


@pytest.mark.parametrize("seed", range(3))
def test_mixture_mean_is_that_of_its_samples(seed):
    part, params = coloured(seed)
    draws = part(params.expand(40_000, -1, -1)).sample()
    noise = draws.std(0) / math.sqrt(40_000)
    assert ((part(params).mean[0] - draws.mean(0)).abs() < 4 * noise + 2e-4).all()


def test_mixture_mean_holds_where_the_range_clips():
    part = LogisticMixtureLikelihood(LogisticMixtureConfig(1), shape=(1, 1))
    for mean, log_scale in itertools.product((-2.0, -0.9, 0.5, 1.1), (-3.0, -1.0, 1.0)):
        params = mixture_params([mean], [raw(log_scale)])
        p_levels = part(params.expand(256, -1, -1)).log_prob(LEVELS.reshape(256, 1, 1)).exp()
        expected = (p_levels * LEVELS).sum().item()
        assert part(params).mean.item() == pytest.approx(expected, abs=2e-4)


def test_mixture_survives_extreme_parameters():
    part = LogisticMixtureLikelihood(LogisticMixtureConfig(4), shape=(3, 8))
    torch.manual_seed(0)
    params = (50 * torch.randn(4, part.param_channels, 8)).requires_grad_()
    p = part(params)
    log_p = p.log_prob(torch.rand(4, 3, 8))
    log_p.sum().backward()
    assert log_p.isfinite().all()
    assert params.grad.isfinite().all()
    assert p.mean.isfinite().all()


@pytest.mark.parametrize("name", ["gaussian", "laplace"])
def test_a_scale_for_each_pixel_survives_what_an_exploding_decoder_gives(name: str) -> None:
    """A raw scale beyond 96 was one of infinity, and the loss with it."""
    model = build(f"vae(mlp(8),gaussian(2),mlp(8),likelihood={name}(pixel),input=(1,2,2))")
    x = torch.rand(3, 1, 2, 2)
    for factor in (1e3, -1e3):
        params = (factor * torch.rand(3, 2, 2, 2)).requires_grad_()
        log_p = model.likelihood(params).log_prob(x)
        log_p.sum().backward()
        assert bool(log_p.isfinite().all()) and bool(params.grad.isfinite().all())
