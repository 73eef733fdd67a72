"""The spoken digits: what is decoded, in which order, with which labels, from where."""

from __future__ import annotations

import collections
import dataclasses
import hashlib
import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from aezoo.data import parquet
from aezoo.data.sets import load
from aezoo.errors import DataError
from aezoo_audio import fsdd
from aezoo_audio.datasets import FSDD, FSDD_SPEAKERS, LENGTH, SPEAKERS


def pack(path: Path, files: dict[str, bytes], **columns: list) -> None:
    """Files as the Hub packs them."""
    path.parent.mkdir(parents=True, exist_ok=True)
    audio = [{"bytes": data, "path": name} for name, data in files.items()]
    pq.write_table(pa.table({"audio": audio} | columns), path)


def flac(wave: np.ndarray, rate: int = 8_000) -> bytes:
    out = io.BytesIO()
    soundfile.write(out, wave, rate, format="FLAC")
    return out.getvalue()


def test_rows_are_ordered_by_take_digit_and_speaker(recordings, takes, recording):
    digits, speakers = fsdd.load(FSDD, "train"), fsdd.load(FSDD_SPEAKERS, "train")
    assert np.array_equal(digits[0], speakers[0])
    expected = [(t, d, s) for t in takes[1:] for d in range(10) for s in range(6)]
    assert digits[1].tolist() == [d for _, d, _ in expected]
    assert speakers[1].tolist() == [s for _, _, s in expected]
    for row, (take, digit, speaker) in zip(digits[0], expected, strict=True):
        wave = recording(digit, speaker, take)
        assert np.array_equal(row[0, : len(wave)], wave)
        assert not row[0, len(wave) :].any()


def test_takes_0_to_4_are_the_test_set(recordings):
    assert len(fsdd.load(FSDD, "test")[0]) == 60
    assert fsdd.load(FSDD, "test")[0].shape == (60, 1, LENGTH)
    assert fsdd.load(FSDD, "test")[0].dtype == np.int16


def test_the_two_records_are_kept_apart_in_the_cache(recordings):
    assert load(FSDD, "test").labels.max() == 9
    assert load(FSDD_SPEAKERS, "test").labels.max() == 5
    assert load(FSDD, "test").labels.max() == 9


def test_packed_files_give_the_same_rows(recordings, takes, tmp_path, monkeypatch):
    expected = fsdd.load(FSDD_SPEAKERS, "train")
    names = [f"{d}_{s}_{t}" for d in range(10) for s in SPEAKERS for t in takes[1:]]
    waves = {n: soundfile.read(recordings / f"{n}.wav", dtype="int16")[0] for n in names}
    files = {f"{name}.flac": flac(wave) for name, wave in waves.items()}
    pack(tmp_path / "hub" / FSDD.repo / "data" / "train-00000-of-00001.parquet", files)
    monkeypatch.setenv("AEZOO_DATA", str(tmp_path / "hub"))
    found = fsdd.load(FSDD_SPEAKERS, "train")
    assert all(np.array_equal(a, b) for a, b in zip(found, expected, strict=True))


def test_a_long_recording_is_cut(tmp_path, monkeypatch):
    wave = np.arange(9_000, dtype=np.int16)
    pack(
        tmp_path / FSDD.repo / "data" / "test-00000-of-00001.parquet",
        {"recordings/3_theo_2.flac": flac(wave)},
    )
    monkeypatch.setenv("AEZOO_DATA", str(tmp_path))
    rows, labels = fsdd.load(FSDD, "test")
    assert np.array_equal(rows[0, 0], wave[:LENGTH])
    assert labels.tolist() == [3]


def test_a_changed_file_changes_the_fingerprint(recordings):
    before = fsdd.fingerprint(FSDD, "test")
    assert fsdd.fingerprint(FSDD, "test") == before
    soundfile.write(recordings / "0_theo_0.wav", np.zeros(10), FSDD.rate)
    assert fsdd.fingerprint(FSDD, "test") != before


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("3_nobody_2.flac", flac(np.zeros(9)), "is not the name of a recording.*george, jackson"),
        ("3_theo_2.mp3", flac(np.zeros(9)), "is not the name of a recording"),
        ("3_theo_2.flac", b"no sound", "3_theo_2.flac cannot be decoded"),
        ("3_theo_2.flac", flac(np.zeros(9), 16_000), "1 channels at 16000.*expected one at 8000"),
        ("3_theo_2.flac", flac(np.zeros((9, 2))), "2 channels at 8000"),
        ("3_theo_2.flac", b"", r"row 0: 'audio' should be a struct \{bytes, path\}"),
        ("3_theo_7.flac", flac(np.zeros(9)), "no recordings for 'test'"),
    ],
)
def test_files_that_are_not_what_they_should_be(tmp_path, monkeypatch, name, data, message):
    pack(tmp_path / FSDD.repo / "data" / "test-00000-of-00001.parquet", {name: data})
    monkeypatch.setenv("AEZOO_DATA", str(tmp_path))
    with pytest.raises(DataError, match=message):
        fsdd.load(FSDD, "test")


def test_without_files_both_ways_to_get_them_are_said(monkeypatch):
    def nowhere(dataset, split):
        raise DataError("it is not here.")

    monkeypatch.delenv("AEZOO_DATA", raising=False)
    monkeypatch.setattr(parquet, "files", nowhere)
    with pytest.raises(DataError, match=r"^it is not here\. Or clone .* git clone https://github"):
        fsdd.load(FSDD, "test")


# -- the real recordings


@pytest.mark.aezoo_data("audio/fsdd")
def test_the_collection_is_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path))
    for dataset in (FSDD, FSDD_SPEAKERS):
        for split, rows in dataset.splits:
            found = load(dataset, split)
            assert len(found) == rows
            counts = np.bincount(found.labels)
            assert counts.tolist() == [rows // len(dataset.classes)] * len(dataset.classes)
            cut = (found.images[:, 0, -1] != 0).sum()
            assert cut <= {"train": 15, "test": 2}[split]
    digits, speakers = load(FSDD, "validation").labels, load(FSDD_SPEAKERS, "validation").labels
    pairs = collections.Counter(zip(digits.tolist(), speakers.tolist(), strict=True))
    assert set(pairs.values()) == {5}
    assert len(pairs) == 60


@pytest.mark.aezoo_data("audio/fsdd")
def test_the_test_recordings_are_exactly_these():
    rows, labels = fsdd.load(FSDD_SPEAKERS, "test")
    digest = hashlib.sha256(rows.astype("<i2").tobytes() + labels.astype("<i8").tobytes())
    assert digest.hexdigest()[:16] == "8414a3f04d96c061"


@pytest.mark.aezoo_data("audio/fsdd")
def test_names_and_columns_say_the_same():
    path = Path(os.environ["AEZOO_DATA"], FSDD.repo, FSDD.config)
    for file in path.glob("*.parquet"):
        table = pq.read_table(file, columns=["audio", "label", "speaker"]).to_pydict()
        for audio, digit, speaker in zip(*table.values(), strict=True):
            found = fsdd._parse(audio["path"])
            assert (found.digit, SPEAKERS[found.speaker]) == (digit, speaker)


def test_the_records_differ_in_their_label_alone():
    changed = {"name", "summary", "classes", "label"}
    for field in dataclasses.fields(FSDD):
        same = getattr(FSDD, field.name) == getattr(FSDD_SPEAKERS, field.name)
        assert same == (field.name not in changed)
