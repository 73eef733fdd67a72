"""``audio/conversion``: who is asked about what, and what the figures say."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
import torch

import aezoo
from aezoo.data.sets import ImageSet
from aezoo.metrics.base import Batch, Run
from aezoo_audio import conversion, judge
from aezoo_audio.conversion import Conversion
from aezoo_audio.datasets import FSDD, FSDD_SPEAKERS

SPEC = (
    "vqvae(audio/dilated(8,(8,8),depth=1,narrow=4),vq(8,4),audio/dilated(8,(8,8),depth=1,narrow=4),"
    "likelihood=gaussian,{}input=(1,8192))"
)


def recordings(n: int = 12) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x whose first value is the digit and whose second is the speaker, in sixteenths."""
    digits, speakers = torch.arange(n) % 10, torch.arange(n) % 6
    x = torch.zeros(n, 1, 8)
    x[:, 0, 0], x[:, 0, 1] = digits / 16, speakers / 16
    return x, digits, speakers


def reader(place: int):
    """A judge of what `recordings` writes there."""
    return lambda x: torch.eye(16)[(x[:, 0, place] * 16).round().long()]


@pytest.fixture
def measure(monkeypatch):
    """The figures by name, given what converting does and what is reconstructed."""

    def measured(convert, reconstruct):
        x, digits, speakers = recordings()
        monkeypatch.setattr(conversion, "convert", convert)
        monkeypatch.setattr(
            judge, "judge", lambda dataset, device: reader(int(dataset is FSDD_SPEAKERS))
        )
        monkeypatch.setattr(
            conversion, "load", lambda *given: SimpleNamespace(labels=digits.numpy())
        )
        rows = np.zeros((len(x), 1, 8), np.int16)
        images = ImageSet(rows, speakers.numpy(), FSDD_SPEAKERS, "test")
        run = Run(SimpleNamespace(), images, torch.device("cpu"))
        metric = Conversion()
        metric.begin(run)
        for b, part in enumerate(torch.arange(len(x)).split(5)):
            batch = Batch(x[part], speakers[part], part, b, run, x_hat=reconstruct(x[part]))
            metric.update(batch)
        return {figure.metric: figure for figure in metric.figures(metric.sums, {})}

    return measured


def spoken_by(model, x, target, source, *, generator):
    out = x.clone()
    out[:, 0, 1] = target / 16
    return out


def test_perfect_conversion_has_all_six_figures_at_one(measure):
    found = measure(spoken_by, lambda x: x)
    kinds = ("original", "reconstructed", "converted")
    assert set(found) == {f"{a}-accuracy-{b}" for a in ("digit", "speaker") for b in kinds}
    assert {figure.value for figure in found.values()} == {1.0}
    assert {found[f"digit-accuracy-{kind}"].n for kind in kinds} == {12, 60}
    assert found["speaker-accuracy-converted"].n == 60
    assert "each of the 5 other speakers" in found["speaker-accuracy-converted"].protocol
    assert "its target" in found["speaker-accuracy-converted"].protocol
    assert "its speaker" in found["speaker-accuracy-original"].protocol


def test_what_converts_nothing_keeps_the_digit_and_misses_every_target(measure):
    found = measure(lambda model, x, target, source, *, generator: x, lambda x: 0 * x)
    assert found["speaker-accuracy-converted"].value == 0
    assert found["digit-accuracy-converted"].value == 1
    assert found["digit-accuracy-reconstructed"].value == 2 / 12  # of digit 0
    assert found["speaker-accuracy-reconstructed"].value == 2 / 12
    assert found["digit-accuracy-original"].value == 1


@pytest.mark.parametrize(
    ("condition", "dataset", "reason"),
    [
        ("cond=label(6),", FSDD_SPEAKERS, ""),
        ("cond=label(6),", FSDD, "its judges know the recordings of audio/fsdd-speakers"),
        ("cond=label(10),", FSDD_SPEAKERS, "the model is not conditioned on the speaker"),
        ("", FSDD_SPEAKERS, "the model is not conditioned on the speaker"),
    ],
)
def test_it_says_whom_it_cannot_judge(condition, dataset, reason):
    images = ImageSet(np.zeros((1, 1, 8192), np.int16), np.zeros(1), dataset, "test")
    run = Run(aezoo.create(SPEC.format(condition)), images, torch.device("cpu"))
    assert Conversion().missing(run).startswith(reason)
    assert bool(Conversion().missing(run)) == bool(reason)


@pytest.mark.aezoo_data("audio/fsdd-speakers")
def test_the_bench_measures_it():
    from aezoo.bench import run

    model = aezoo.create(SPEC.format("cond=label(6),"))
    model.input_range = (-1.0, 1.0)
    options = {"data": "audio/fsdd-speakers", "split": "test[:24]", "device": "cpu"}
    rows = run(model, metrics="audio/conversion", **options)
    found = {row.metric: row for row in rows}
    assert found["digit-accuracy-original"].value >= 0.95
    assert found["speaker-accuracy-original"].value >= 0.95
    assert found["speaker-accuracy-converted"].value < 0.5  # of a model that learnt nothing
    assert found["speaker-accuracy-converted"].n == 120
