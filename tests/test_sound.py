"""Sound: 16-bit data sets, the range they bring, files, and `aezoo convert`."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from plugin_packages import installed_in, lay_out
from typer.testing import CliRunner

from aezoo import registry, sound
from aezoo.bench.run import _block
from aezoo.bench.subject import Subject, rows_of
from aezoo.build import build
from aezoo.cli.app import app
from aezoo.data.sets import ImageSet, Resident, batches, load
from aezoo.errors import CapabilityError, DataError, MetricError, PluginLoadError, TrainingError
from aezoo.hub.load import load_folder
from aezoo.metrics.base import Batch, Run
from aezoo.metrics.likelihood import scored
from aezoo.metrics.reconstruction import Reconstruction
from aezoo.records import Dataset
from aezoo.tasks.convert import convert, likeliest
from aezoo.train.recipe import Recipe, Size, Stage
from aezoo.train.run import TRAINING, train

VOICES = f"""
@hookimpl
def aezoo_datasets():
    yield Dataset("voices", summary="made by the test", shape=(1, 64),
                  splits=(("train", 20), ("test", 6)), validation=4, classes=("ann", "bob", "cy"),
                  license="cc0-1.0", target="{__name__}:voices", dtype="int16", rate=8000)
    yield Dataset("pictures", summary="made by the test", shape=(1, 64), splits=(("test", 6),),
                  validation=0, classes=(), license="cc0-1.0", target="{__name__}:pictures")
"""
MODEL = "vqvae(res(8,depth=1),vq(8,4),unres(8,depth=1),cond=label(3),input=(1,64)"


def voices(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Sines of three heights, the first two rows as loud as 16 bits can be."""
    labels = np.arange(dict(dataset.splits)[split]) % 3
    waves = np.sin(np.arange(64) * (1 + labels[:, None]) / 5)
    waves[:2] = np.array([[-1.0], [32767 / 32768]])
    return (waves * 32768).clip(-32768, 32767).astype(np.int16)[:, None], labels


def pictures(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    return np.zeros((6, 1, 64), np.uint8), np.zeros(6, np.int64)


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    folder = tmp_path / "site"
    folder.mkdir()
    lay_out(folder, "acme", VOICES)
    with installed_in(folder, monkeypatch):
        yield


def recipe(spec: str) -> Recipe:
    return Recipe("tiny", spec, "acme/voices", {"cpu": Size(Stage(steps=2, batch=4))})


@pytest.fixture
def folder(tmp_path) -> Path:
    """A model of two training steps, in its folder."""
    found = train(recipe(f"{MODEL},likelihood=gaussian)"), run_dir=tmp_path / "run", quiet=True)
    return found.folder / "final"


# -- data


def test_stored_values_become_x_in_one_way_everywhere():
    rows = load("acme/voices", "test")
    assert rows.images.dtype == np.int16
    assert rows.dataset.range == (-1.0, 1.0)
    expected = torch.from_numpy(rows.images.astype(np.float32)) / 32768
    assert expected.min() == -1
    assert expected.max() == 32767 / 32768
    for x in (
        Resident(rows).batch(torch.arange(6))[0],
        torch.cat([x for x, _ in batches(rows, 4)]),
        _block(rows, torch.device("cpu"), seed=0)[0],
    ):
        assert x.dtype == torch.float32
        assert torch.equal(x, expected)


def test_rows_of_another_type_than_the_record_says_are_refused():
    wrong = dataclasses.replace(registry.dataset("acme/voices"), dtype="uint8")
    with pytest.raises(DataError, match=r"gave int16 \(6, 1, 64\).*expected uint8"):
        load(wrong, "test")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ('dtype="float32"', "dtype is 'float32'; expected uint8 or int16"),
        ('dtype="int16"', "int16 is of audio, shape (C, T) with its rate"),
        ('dtype="int16", rate=8000, shape=(1, 8, 8)', "has shape (1, 8, 8)"),
    ],
)
def test_a_record_of_sound_is_checked(tmp_path, monkeypatch, change, message):
    from aezoo import plugins

    other = tmp_path / "other"
    other.mkdir()
    body = f"""
@hookimpl
def aezoo_datasets():
    given = dict(name="x", summary="", shape=(1, 64), splits=(("train", 2),), validation=0,
                 classes=(), license="", target="a:b")
    yield Dataset(**given | dict({change}))
"""
    lay_out(other, "beta", body)
    with installed_in(other, monkeypatch):
        with pytest.raises(PluginLoadError) as caught:
            plugins.require("beta")
        assert message in f"{caught.value} {caught.value.__cause__}"


# -- the range


def test_a_model_takes_the_range_of_its_data_and_keeps_it(folder):
    config = json.loads((folder / "config.json").read_text())
    assert config["input"]["range"] == [-1.0, 1.0]
    model = load_folder(folder)
    assert model.input_range == (-1.0, 1.0)
    with pytest.raises(TypeError, match=r"in \[-1, 1\].*x.float\(\) / 32768"):
        model.reconstruct(torch.zeros(1, 1, 64, dtype=torch.int16))
    with pytest.raises(MetricError, match=r"values in \(-1.0, 1.0\), and those of .* \(0.0, 1.0\)"):
        rows_of(Subject("m", model, "", ""), "acme/pictures", "test", None)


def test_a_likelihood_of_pixels_learns_no_sound(tmp_path):
    with pytest.raises(TrainingError, match=r"is of values in .* choose another likelihood"):
        train(recipe(f"{MODEL},likelihood=bernoulli)"), run_dir=tmp_path / "run", quiet=True)


def test_psnr_does_not_change_with_the_range():
    x, y = torch.rand(4, 1, 64), torch.rand(4, 1, 64)

    def measured(dtype: str, x: torch.Tensor, y: torch.Tensor) -> list[float]:
        record = dataclasses.replace(registry.dataset("acme/voices"), dtype=dtype)
        none = np.zeros((4, 1, 64), dtype)
        run = Run(None, ImageSet(none, np.zeros(4), record, "test"), torch.device("cpu"))
        metric = Reconstruction()
        metric.begin(run)
        rows = torch.arange(4)
        metric.update(Batch(x, rows, rows, 0, run, x_hat=y))
        return [figure.value for figure in metric.figures(metric.sums, {})]

    mse, *decibels = measured("uint8", x, y)
    wide_mse, *wide_decibels = measured("int16", 2 * x - 1, 2 * y - 1)
    assert wide_mse == pytest.approx(4 * mse, rel=1e-5)
    assert wide_decibels == pytest.approx(decibels, rel=1e-5)


def test_a_density_of_sound_is_not_put_on_the_levels_of_pixels():
    model = build(f"{MODEL},likelihood=gaussian)")
    p = model.likelihood(torch.zeros(2, 1, 64))
    assert scored(model.likelihood, p)[0] == "levels"
    assert scored(model.likelihood, p, (-1.0, 1.0)) == ("density", p)


# -- files


@pytest.mark.parametrize("suffix", sound.SUFFIXES)
def test_what_is_written_is_read_again(tmp_path, suffix):
    x = torch.tensor([[-1.0, -0.5, 0.0, 1 / 32768, 32767 / 32768]])
    path = tmp_path / f"x{suffix}"
    path.write_bytes(sound.encoded(x, 8000, suffix))
    assert torch.equal(sound.read(path, 8000), x[None])
    assert soundfile.info(path).subtype == "PCM_16"
    path.write_bytes(sound.encoded(torch.tensor([[-3.0, 3.0]]), 8000, suffix))
    assert sound.read(path, 8000).tolist() == [[[-1.0, 32767 / 32768]]]


def test_a_file_of_another_rate_is_resampled_and_stereo_is_mixed(tmp_path):
    t = np.arange(44_100) / 44_100
    path = tmp_path / "tone.wav"
    soundfile.write(path, np.stack([np.sin(880 * np.pi * t), np.zeros_like(t)], 1), 44_100)
    x = sound.read(path, 8000)
    assert x.shape == (1, 1, 8000)
    expected = torch.sin(880 * torch.pi * torch.arange(8000) / 8000) / 2
    assert (x[0, 0] - expected)[200:-200].abs().max() < 1e-3
    assert sound.read(path, 8000, channels=2).shape == (1, 2, 8000)


def test_files_that_are_no_sound_are_said_to_be_none(tmp_path):
    with pytest.raises(DataError, match=r"no file .*none.wav"):
        sound.read(tmp_path / "none.wav", 8000)
    (tmp_path / "text.wav").write_text("no sound")
    with pytest.raises(DataError, match=r"text.wav is no sound that can be read"):
        sound.read(tmp_path / "text.wav", 8000)
    soundfile.write(tmp_path / "empty.wav", np.zeros(0), 8000)
    with pytest.raises(DataError, match="0 samples"):
        sound.read(tmp_path / "empty.wav", 8000)


# -- converting


def test_converting_encodes_as_the_source_and_decodes_as_the_target():
    model = build(f"{MODEL},likelihood=gaussian)").eval()
    model.input_range = (-1.0, 1.0)
    x, source, target = torch.rand(2, 1, 64), torch.tensor([0, 2]), torch.tensor([1, 0])
    codes = model.encode_codes(x, source)
    expected = model.decode_codes(codes, target).clamp(-1, 1)
    torch.testing.assert_close(convert(model, x, target, source), expected)
    assert convert(model, torch.rand(1, 1, 96), target[:1], source[:1]).shape == (1, 1, 96)


@pytest.mark.parametrize("spec", [MODEL, MODEL.replace("vqvae", "vae").replace("vq(", "gaussian(")])
def test_the_source_not_told_is_the_one_with_the_smallest_loss(spec):
    spec = spec.replace("gaussian(8,4)", "gaussian(8)") + ",likelihood=gaussian(sigma=0.5))"
    model = build(spec).eval()
    x, target = torch.rand(5, 1, 64), torch.zeros(5, dtype=torch.int64)

    def loss(row: int, label: int) -> float:
        generator = torch.Generator().manual_seed(0)
        cond = torch.tensor([label])
        return float(model.loss(x[row : row + 1], cond, generator=generator).total.detach())

    expected = [min(range(3), key=lambda label: loss(row, label)) for row in range(5)]
    assert likeliest(model, x).tolist() == expected
    assert torch.equal(convert(model, x, target), convert(model, x, target, likeliest(model, x)))


def test_a_model_without_a_condition_converts_nothing():
    model = build("vae(mlp(8),gaussian(2),mlp(8),input=(1,64))")
    with pytest.raises(CapabilityError, match=r"takes no condition.*cond=label"):
        convert(model, torch.zeros(1, 1, 64), torch.tensor([0]))


def command(*args: object):
    return CliRunner().invoke(app, ["convert", *map(str, args), "--device", "cpu"])


def test_the_command_converts_a_recording_of_any_length(folder, tmp_path):
    recording, out = tmp_path / "in.flac", tmp_path / "there" / "out.wav"
    soundfile.write(recording, np.sin(np.arange(500) / 5) * 0.5, 16_000)
    told = ["--to", "cy", "--model", folder, "--out", out]
    shown = command(recording, *told, "--from", "ann")
    assert shown.exit_code == 0, shown.output
    assert "ann -> cy" in shown.output
    model = load_folder(folder)
    x = sound.read(recording, 8000)
    assert x.shape == (1, 1, 250)
    expected = convert(model, x, torch.tensor([2]), torch.tensor([0]))
    assert soundfile.info(out).samplerate == 8000
    assert (sound.read(out, 8000) - expected).abs().max() <= 0.51 / 32768 + 1e-6
    first = out.read_bytes()
    assert "taken for " in command(recording, *told).output
    assert command(recording, *told, "--from", 0).exit_code == 0  # numbers serve as well
    assert out.read_bytes() == first
    assert not list(out.parent.glob(".*"))


def test_the_command_says_which_voices_there_are(folder, tmp_path):
    recording = tmp_path / "in.wav"
    soundfile.write(recording, np.zeros(64), 8000)
    shown = command(recording, "--to", "dora", "--model", folder, "--out", tmp_path / "out.wav")
    assert shown.exit_code == 2
    assert "ann, bob, cy" in " ".join(shown.output.split())
    assert not (tmp_path / "out.wav").exists()


def test_the_command_refuses_what_cannot_be_meant(folder, tmp_path):
    recording = tmp_path / "in.wav"
    soundfile.write(recording, np.zeros(64), 8000)
    assert "to be read" in command(recording, "--to", "ann", "--out", recording).output
    assert "written as .wav" in command(recording, "--to", "ann", "--out", "x.mp3").output
    (folder / TRAINING).unlink()
    asked = command(recording, "--to", "ann", "--model", folder, "--out", tmp_path / "x.wav")
    assert "--data audio/fsdd-speakers" in asked.output
    told = ["--model", folder, "--out", tmp_path / "x.wav", "--data", "acme/voices"]
    assert command(recording, "--to", "ann", *told).exit_code == 0
    digits = ["--model", folder, "--out", tmp_path / "x.wav", "--data", "digits"]
    assert "no data set of sound" in command(recording, "--to", "ann", *digits).output
