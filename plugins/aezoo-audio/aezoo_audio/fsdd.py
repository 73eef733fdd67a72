"""Spoken digits: 3,000 recordings of six speakers, 8,000 samples a second.

Free Spoken Digit Dataset (Jackson et al.): each of ten digits said 50 times ("takes") by each
speaker. By its own rule takes 0 to 4 are the test set (300 recordings), the others are for
training (2,700). The name of a file says everything: ``7_jackson_32`` is digit 7 by jackson,
take 32.

Found under ``AEZOO_DATA/Jakobovski/free-spoken-digit-dataset``, either as the Hub packs data sets
(``data/train-00000-of-0000N.parquet``, column ``audio`` of ``{bytes, path}``), or as the
collection's own repository, whose files are in ``recordings``; else the Hub is asked.

Every recording becomes 8,192 samples, 1.024 s: zeros follow a shorter one, and a longer one is
cut (15 of the 2,700, and 2 of the 300). Loudness is left as it was recorded: between the loudest
speaker and the quietest lie 18 dB of root mean square.
"""

from __future__ import annotations

import hashlib
import io
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from aezoo.data import parquet
from aezoo.errors import DataError
from aezoo.records import Dataset
from aezoo_audio.datasets import FSDD_SPEAKERS, LENGTH, SPEAKERS

TEST = range(5)  # takes
_NAME = re.compile(r"(\d)_([a-z]+)_(\d+)\.(?:wav|flac)")


@dataclass(frozen=True, slots=True, order=True)
class Recording:
    """What the name of a file says. Sorted by take first: the last takes are all speakers'."""

    take: int
    digit: int
    speaker: int


def load(dataset: Dataset, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Recordings int16 (N, 1, 8192), ordered by take, digit and speaker, and labels int64 (N,).

    The label is the record's: the digit, or the speaker's place in the alphabet. DataError where
    the files cannot be had, or are not what their names and the record say.
    """
    found: dict[Recording, np.ndarray] = {}
    for name, data in _files(dataset, split):
        recording = _parse(name)
        if (recording.take in TEST) == (split == "test"):
            found[recording] = _decode(name, data, dataset)
    if not found:
        raise DataError(f"{dataset.name}: there are no recordings for {split!r}")
    order = sorted(found)
    labels = [r.speaker if dataset.label == FSDD_SPEAKERS.label else r.digit for r in order]
    return np.stack([found[r] for r in order]), np.array(labels, np.int64)


def fingerprint(dataset: Dataset, split: str) -> str:
    """A text that changes when the files do."""
    waves = _recordings(dataset)
    if not waves:
        with _told_where(dataset):
            return parquet.fingerprint(dataset, split)
    lines = [f"{p.name} {p.stat().st_size} {p.stat().st_mtime_ns}" for p in waves]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()


def _files(dataset: Dataset, split: str) -> Iterator[tuple[str, bytes]]:
    """Name and content of each file."""
    if waves := _recordings(dataset):
        yield from ((path.name, path.read_bytes()) for path in waves)
        return
    with _told_where(dataset):
        paths = parquet.files(dataset, split)
    for path in paths:
        yield from _packed(path, dataset)


@contextmanager
def _told_where(dataset: Dataset) -> Iterator[None]:
    """An error of files that are not to be had says the other way to get them."""
    try:
        yield
    except DataError as error:
        raise DataError(
            f"{error} Or clone the collection itself to where AEZOO_DATA is: git clone "
            f"https://github.com/{dataset.repo} $AEZOO_DATA/{dataset.repo}"
        ) from error


def _recordings(dataset: Dataset) -> list[Path]:
    """The files of the collection's own repository under ``AEZOO_DATA``; [] where it is not."""
    root = os.environ.get("AEZOO_DATA")
    folder = Path(root, dataset.repo, "recordings") if root else None
    return sorted(folder.glob("*.wav")) if folder is not None and folder.is_dir() else []


def _packed(path: Path, dataset: Dataset) -> Iterator[tuple[str, bytes]]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        rows = pq.read_table(path, columns=[dataset.image])[dataset.image].to_pylist()
    except (pa.ArrowException, OSError) as error:
        raise DataError(f"{path} is damaged or has no column {dataset.image!r}: {error}") from error
    for number, row in enumerate(rows):
        if not isinstance(row, dict) or not row.get("bytes") or not row.get("path"):
            raise DataError(
                f"{path}, row {number}: {dataset.image!r} should be a struct {{bytes, path}}, the "
                "content of a file and its name"
            )
        yield row["path"].rpartition("/")[2], row["bytes"]


def _parse(name: str) -> Recording:
    match = _NAME.fullmatch(name)
    if match is None or match[2] not in SPEAKERS:
        raise DataError(
            f"{name!r} is not the name of a recording, such as 7_jackson_32.wav; the speakers are "
            f"{', '.join(SPEAKERS)}"
        )
    return Recording(int(match[3]), int(match[1]), SPEAKERS.index(match[2]))


def _decode(name: str, data: bytes, dataset: Dataset) -> np.ndarray:
    """A file as int16 (1, 8192)."""
    import soundfile

    try:
        samples, rate = soundfile.read(io.BytesIO(data), dtype="int16", always_2d=True)
    except soundfile.LibsndfileError as error:
        raise DataError(f"{name} cannot be decoded: {error}") from error
    if rate != dataset.rate or samples.shape[1] != 1:
        raise DataError(
            f"{name} has {samples.shape[1]} channels at {rate} samples a second, expected one at "
            f"{dataset.rate}"
        )
    out = np.zeros((1, LENGTH), np.int16)
    out[0, : len(samples)] = samples[:LENGTH, 0]
    return out
