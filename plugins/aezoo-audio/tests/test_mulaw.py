"""Mu-law levels and the likelihood over them, against enumeration and closed forms."""

from __future__ import annotations

import itertools

import pytest
import torch

from aezoo_audio.configs import MuLawConfig
from aezoo_audio.likelihoods.mulaw import MuLawLikelihood
from aezoo_audio.mulaw import compand, every_level, expand, from_levels, to_levels


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_companding_keeps_the_ends_and_is_undone_by_expanding():
    x = torch.linspace(-1, 1, 4001, dtype=torch.float64)
    y = compand(x)
    assert y[[0, 2000, 4000]].tolist() == pytest.approx([-1, 0, 1], abs=1e-12)
    assert (y.diff() > 0).all()
    torch.testing.assert_close(expand(y), x)
    assert compand(torch.tensor(0.01)) > 0.2  # a quiet sample is far from zero


@pytest.mark.parametrize("levels", [2, 3, 16, 255, 256, 1024])
def test_a_level_is_its_own_nearest(levels):
    every = torch.arange(levels)
    x = from_levels(every, levels)
    assert x.abs().max() == 1
    assert (x.diff() > 0).all()
    assert torch.equal(to_levels(x, levels), every)
    assert torch.equal(x, every_level(levels))


def test_an_amplitude_goes_to_the_level_that_is_nearest_by_ear():
    x = torch.rand(1000, generator=seeded()) * 2 - 1
    heard = compand(from_levels(torch.arange(16), 16), 15)
    nearest = (compand(x, 15)[:, None] - heard).abs().argmin(1)
    assert torch.equal(to_levels(x, 16), nearest)
    assert to_levels(torch.tensor([-9.0, 9.0]), 16).tolist() == [0, 15]


def test_eight_bits_are_within_half_a_level_of_the_waveform():
    x = torch.rand(10_000, generator=seeded()) * 2 - 1
    error = (compand(from_levels(to_levels(x, 256), 256)) - compand(x)).abs()
    assert error.max() <= 1 / 255 + 1e-6


@pytest.fixture
def p():
    likelihood = MuLawLikelihood(MuLawConfig(levels=3), shape=(2, 2))
    assert likelihood.param_channels == 6
    return likelihood(torch.randn(2, 6, 2, generator=seeded()))


def everything() -> torch.Tensor:
    """All 81 waveforms (81, 2, 2) on three levels."""
    return from_levels(torch.tensor(list(itertools.product(range(3), repeat=4))), 3).view(-1, 2, 2)


def test_the_probabilities_sum_to_one(p):
    assert p.batch_shape == (2,)
    assert p.event_shape == (2, 2)
    total = torch.zeros(2)
    for x in everything():
        total += p.log_prob(x.expand(2, 2, 2)).exp()
    torch.testing.assert_close(total, torch.ones(2))


def test_the_mean_is_that_of_the_amplitudes(p):
    mean = torch.zeros(2, 2, 2)
    for x in everything():
        mean += p.log_prob(x.expand(2, 2, 2)).exp()[:, None, None] * x
    torch.testing.assert_close(p.mean, mean)


def test_draws_follow_the_probabilities(p):
    torch.manual_seed(0)
    draws = p.sample((20_000,))
    assert draws.shape == (20_000, 2, 2, 2)
    seen = torch.stack([(draws == v).float().mean(0) for v in from_levels(torch.arange(3), 3)])
    torch.testing.assert_close(seen, p.logits.softmax(1).transpose(0, 1), atol=0.02, rtol=0)
    assert p.sample().shape == (2, 2, 2)


def test_log_prob_is_the_cross_entropy_of_the_logits():
    logits = torch.randn(1, 5, 1, 3, requires_grad=True)
    likelihood = MuLawLikelihood(MuLawConfig(levels=5), shape=(1, 3))
    p = likelihood(logits.flatten(1, 2))
    x = from_levels(torch.tensor([[[4, 0, 2]]]), 5)
    expected = sum(logits.log_softmax(1)[0, k, 0, t] for t, k in enumerate((4, 0, 2)))
    torch.testing.assert_close(p.log_prob(x)[0], expected)
    (slope,) = torch.autograd.grad(p.log_prob(x).sum(), logits)
    torch.testing.assert_close(slope.sum(1), torch.zeros(1, 1, 3))


def test_levels_are_at_least_two():
    with pytest.raises(ValueError, match="levels must be at least 2, not 1"):
        MuLawConfig(levels=1)
