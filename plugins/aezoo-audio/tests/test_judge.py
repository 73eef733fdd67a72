"""The judges: what they hear, that they learn the same twice, and how well they judge."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from aezoo.data.sets import Resident, load
from aezoo.errors import MetricError
from aezoo_audio import judge as judges
from aezoo_audio.datasets import FSDD, FSDD_SPEAKERS
from aezoo_audio.judge import BANDS, HOP, Judge, accuracy, judge, spectrogram

DIGITS = dataclasses.replace(FSDD, validation=60)  # of what the tests record


def tone(f: float, length: int = 4_000) -> torch.Tensor:
    return 0.5 * torch.sin(2 * torch.pi * f * torch.arange(length) / FSDD.rate)[None, None]


def test_a_tone_lies_in_the_band_of_its_height():
    h = spectrogram(torch.cat([tone(200), tone(1_000), tone(3_000)]))
    assert h.shape == (3, BANDS, 1 + 4_000 // HOP)
    assert h.min() == 0
    assert h.max() == 1
    mel = 2595 * torch.log10(1 + torch.tensor([200.0, 1_000.0, 3_000.0]) / 700)
    expected = mel / (2595 * torch.log10(torch.tensor(1 + 4_000 / 700)) / (BANDS + 1)) - 1
    assert (h.mean(2).argmax(1) - expected).abs().max() <= 1


def test_neither_loudness_nor_silence_behind_tells_anything():
    x = tone(440) + 0.1 * tone(1_200)
    h = spectrogram(x)
    torch.testing.assert_close(spectrogram(0.01 * x), h, atol=1e-5, rtol=0)
    longer = spectrogram(torch.nn.functional.pad(x, (0, 20 * HOP)))
    same = 4_000 // HOP - 1
    torch.testing.assert_close(longer[..., :same], h[..., :same])
    assert not longer[..., same + 5 :].any()
    assert torch.isfinite(spectrogram(torch.zeros(1, 1, 4_000))).all()


def test_a_judgement_does_not_depend_on_batch_mates():
    found = Judge(10).eval()
    x = torch.randn(3, 1, 4_000)
    torch.testing.assert_close(found(x)[1:2], found(x[1:2]), atol=1e-5, rtol=1e-5)


@pytest.fixture
def quick(monkeypatch):
    monkeypatch.setattr(judges, "EPOCHS", 2)
    monkeypatch.setattr(judges, "LOWEST", 0.0)


def test_a_judge_is_learnt_once_and_twice_the_same(recordings, quick, tmp_path, monkeypatch):
    state = torch.get_rng_state()
    first = judge(DIGITS).state_dict()
    assert torch.equal(torch.get_rng_state(), state)  # nobody else's draws are moved
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "elsewhere"))
    second = judge(DIGITS).state_dict()
    assert all(torch.equal(first[name], second[name]) for name in first)
    other = judge(DIGITS, seed=1).state_dict()
    assert not torch.equal(first["head.weight"], other["head.weight"])
    monkeypatch.setattr(judges, "_learn", lambda dataset, seed: pytest.fail("learnt again"))
    assert not judge(DIGITS).training
    assert not list((tmp_path / "elsewhere" / "judges").glob(".*"))


def test_who_does_not_know_may_not_judge(recordings, quick, monkeypatch):
    monkeypatch.setattr(judges, "LOWEST", 1.1)
    with pytest.raises(MetricError, match=r"the judge of fsdd knows .*% of the validation"):
        judge(DIGITS)


@pytest.mark.aezoo_data("audio/fsdd")
@pytest.mark.parametrize("dataset", [FSDD, FSDD_SPEAKERS], ids=lambda d: d.name)
def test_the_judges_know_the_test_recordings(dataset):
    rows = Resident(load(dataset, "test"))
    x, y = rows.batch(torch.arange(len(rows)))
    assert accuracy(judge(dataset), x, y) >= 0.97
