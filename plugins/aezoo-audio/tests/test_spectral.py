"""The spectral objective, against scipy's STFT and by what it must and must not tell apart."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from aezoo.build import build
from aezoo.latents import Latent, Output
from aezoo_audio.configs import SpectralConfig
from aezoo_audio.objectives.spectral import DEPTH, SpectralObjective, magnitudes


def tone(hertz: float, *, phase: float = 0.0, amplitude: float = 0.5, length: int = 4096):
    t = torch.arange(length) / 8000
    return amplitude * torch.sin(2 * math.pi * hertz * t + phase).view(1, 1, -1)


def noise(n: int = 3, length: int = 2000) -> torch.Tensor:
    return torch.randn(n, 1, length, generator=torch.Generator().manual_seed(0)) * 0.1


@pytest.mark.parametrize("window", [64, 256, 1024])
@pytest.mark.parametrize("length", [2000, 2048])
def test_magnitudes_are_scipys(window, length):
    signal = pytest.importorskip("scipy.signal")
    x = noise(2, length)
    _, _, theirs = signal.stft(
        x[:, 0].numpy(), window="hann", nperseg=window, noverlap=window - window // 4, padded=False
    )
    found = magnitudes(x, window)
    assert found.shape == (2, 1, *theirs.shape[1:])
    # scipy divides by the window's sum, N/2: half of a tone's amplitude
    np.testing.assert_allclose(found[:, 0], 2 * np.abs(theirs), atol=2e-6)


def test_a_steady_tone_has_its_amplitude():
    found = magnitudes(tone(1000.0, amplitude=0.25), 256)
    assert found[..., 5:-5].amax(2).flatten().tolist() == pytest.approx([0.25] * 55, rel=1e-3)


@pytest.fixture
def objective():
    return SpectralObjective(SpectralConfig())


def test_a_waveform_is_at_no_distance_from_itself(objective):
    x = noise()
    assert objective.distance(x, x).tolist() == pytest.approx([0, 0, 0], abs=2e-2)


def test_what_is_not_heard_counts_little_and_what_is_heard_counts_much(objective):
    x = tone(440.0)
    shifted = float(objective.distance(x, tone(440.0, phase=1.5)))
    higher = float(objective.distance(x, tone(880.0)))
    silent = float(objective.distance(x, torch.zeros_like(x)))
    assert shifted < 0.2 * higher
    assert shifted < 0.2 * silent


def test_the_distance_is_the_same_at_any_loudness(objective):
    x, y = noise(), noise().roll(1, 0)
    loud, quiet = objective.distance(x, y), objective.distance(0.01 * x, 0.01 * y)
    torch.testing.assert_close(loud, quiet, rtol=2e-3, atol=0)


def test_one_window_by_hand():
    objective = SpectralObjective(SpectralConfig(windows=(64,)))
    x, y = noise(1), noise(2)[1:]
    a, b = magnitudes(x, 64), magnitudes(y, 64)
    floor = DEPTH * a.max()
    logs = ((a + floor).log() - (b + floor).log()).abs().mean()
    convergence = (a - b).norm() / a.norm()
    torch.testing.assert_close(objective.distance(x, y)[0], logs + convergence, rtol=1e-4, atol=0)


def test_several_windows_are_averaged():
    x, y = noise(), noise().flip(0)
    each = [SpectralObjective(SpectralConfig(windows=(w,))).distance(x, y) for w in (64, 512)]
    both = SpectralObjective(SpectralConfig(windows=(64, 512))).distance(x, y)
    torch.testing.assert_close(both, (each[0] + each[1]) / 2)


@pytest.mark.parametrize("waveform", [0.0, 0.5])
def test_the_losses_are_the_weighted_parts_and_do_not_know_the_batch(waveform):
    torch.manual_seed(0)
    model = build(
        "vqvae(audio/dilated(8,(4,2),narrow=4),vq(8,4),audio/dilated(8,(4,2),narrow=4),"
        f"objective=audio/spectral(windows=(64,256),waveform={waveform}),input=(1,800))"
    )
    model.bottleneck.started.fill_(True)
    model.eval()
    x = noise(4, 800)
    output = model(x)
    losses = model.objective(model, x, output)
    distance = model.objective.distance(x, output.x_hat)
    expected = 800 * distance + waveform * output.distortion + output.penalty
    torch.testing.assert_close(losses.total, expected.mean())
    assert set(losses.terms) == {"spectral", "distortion", "penalty"}
    assert not any(term.requires_grad for term in losses.terms.values())
    singles = torch.stack([model.loss(x[i : i + 1]).total for i in range(4)])
    torch.testing.assert_close(losses.total, singles.mean())


@pytest.mark.parametrize("x", [torch.zeros(1, 1, 500), noise(1, 500), tone(300.0, length=500)])
def test_the_slope_is_finite_where_nothing_sounds(objective, x):
    for start in (torch.zeros_like(x), x.clone(), 1e-6 * torch.ones_like(x)):
        y = start.requires_grad_()
        objective.distance(x, y).sum().backward()
        assert y.grad is not None
        assert torch.isfinite(y.grad).all()


def test_descent_brings_a_noise_to_the_tone():
    objective = SpectralObjective(SpectralConfig(windows=(64, 256)))
    x, y = tone(500.0, length=1024), noise(1, 1024).requires_grad_()
    before = float(objective.distance(x, y.detach()))
    adam = torch.optim.Adam([y], 1e-2)
    for _ in range(200):
        loss = objective.distance(x, y).sum()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert float(loss.detach()) < 0.4 * before
    peak = magnitudes(y.detach(), 256).mean(3).argmax()
    assert abs(float(peak) * 8000 / 256 - 500) < 32


def test_without_penalties_the_total_is_the_spectrum(objective):
    class Still:
        mean = noise(2)

    p = Still()
    out = Output(p, (Latent(torch.zeros(2, 1)),), torch.ones(2), None)
    losses = objective(None, noise(2) * 0.5, out)
    torch.testing.assert_close(losses.total, losses.terms["spectral"])


def test_windows_are_checked():
    with pytest.raises(ValueError, match="multiples of 4"):
        SpectralConfig(windows=(50,))
    with pytest.raises(ValueError, match="waveform must be at least"):
        SpectralConfig(waveform=-1.0)
