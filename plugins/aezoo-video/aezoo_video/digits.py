"""Moving digits: videos of one or two MNIST digits that fly straight on and bounce off the walls.

After Moving MNIST (Srivastava, Mansimov and Salakhutdinov, Unsupervised Learning of Video
Representations using LSTMs, 2015, arXiv:1502.04681, section 4.1), in a size that trains on a
CPU: digits at half size (the mean of 2x2 pixels, 14x14) in 13 frames of 32x32. Where two
overlap, the brighter pixel shows, as there.

A row is a function of its split and its number alone. It takes twelve raw numbers of Philox
4x64 (the same in every numpy; key 0 for "train", 1 for "test", three blocks a row): whether
there are two digits, and of each digit which one it is, where it starts and how fast it goes
along each axis, up to 2.5 pixels a frame. Positions are counted in 1/256 of a pixel and shown
at the nearest whole one, so a frame holds the digit's own pixels.

The rows that a validation split keeps are made of digits that MNIST's validation keeps, the
others of train of MNIST's other digits, and "test" of its test digits: no split sees another's.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from aezoo.data.parquet import fingerprint as fingerprint_of_files
from aezoo.data.sets import load as load_images
from aezoo.records import Dataset
from aezoo.registry import dataset as record

FRAMES, SIDE, DIGIT = 13, 32, 14

_UNIT = 256  # a pixel
_ROOM = (SIDE - DIGIT) * _UNIT  # how far a digit's corner can go
_FASTEST = 5 * _UNIT // 2  # a frame
_KEYS = {"train": 0, "test": 1}
_CHUNK = 1_000  # rows drawn at a time

Bytes = NDArray[np.uint8]
Numbers = NDArray[np.int64]


def load(dataset: Dataset, split: str) -> tuple[Bytes, Numbers]:
    """All rows of a split: uint8 (N,1,13,32,32), and int64 (N,), places in ``dataset.classes``."""
    rows = dict(dataset.splits)[split]
    if split == "test":
        return make("test", 0, rows, *_digits("test"))
    edge = rows - dataset.validation
    parts = (
        make("train", 0, edge, *_digits("fit")),
        make("train", edge, rows, *_digits("validation")),
    )
    return np.concatenate([p[0] for p in parts]), np.concatenate([p[1] for p in parts])


def fingerprint(dataset: Dataset, split: str) -> str:
    """Of MNIST's files, which the rows are made of, and of how many rows there are."""
    mnist = fingerprint_of_files(record("mnist"), split)
    return f"moving digits 1\n{dataset.splits} {dataset.validation}\n{mnist}"


def make(
    split: str, first: int, stop: int, digits: Bytes, labels: Numbers
) -> tuple[Bytes, Numbers]:
    """Rows ``first`` to ``stop`` of a split, of ``digits`` (M,14,14) and their ``labels`` (M,)."""
    out = np.zeros((stop - first, 1, FRAMES, SIDE, SIDE), np.uint8)
    kinds = np.empty(stop - first, np.int64)
    for begin in range(first, stop, _CHUNK):
        end = min(begin + _CHUNK, stop)
        which, corners = paths(split, begin, end, len(digits))
        place = slice(begin - first, end - first)
        _draw(out[place, 0], digits, which, corners)
        names = np.where(which >= 0, labels[which], -1)
        kinds[place] = kind(names[:, 0], names[:, 1])
    return out, kinds


def paths(split: str, first: int, stop: int, count: int) -> tuple[Numbers, Numbers]:
    """Which digits rows show and where: (N,2) in [0, count), and the top left corners.

    The second digit is -1 where there is one digit alone. The corners are (N,2,13,2): of each
    digit and frame, y and x in whole pixels.
    """
    stream = np.random.Philox(key=_KEYS[split])
    stream.advance(first * 3)
    raw = stream.random_raw((stop - first) * 12).reshape(stop - first, 12)
    two, words = raw[:, 0] % 2 == 1, raw[:, 1:11].reshape(-1, 2, 5)
    which = (words[:, :, 0] % np.uint64(count)).astype(np.int64)
    which[~two, 1] = -1
    start = (words[:, :, 1:3] % np.uint64(_ROOM + 1)).astype(np.int64)  # (N,2,2)
    speed = (words[:, :, 3:5] % np.uint64(2 * _FASTEST + 1)).astype(np.int64) - _FASTEST
    time = np.arange(FRAMES)[:, None]
    way = (start[:, :, None] + speed[:, :, None] * time) % (2 * _ROOM)
    corners = np.minimum(way, 2 * _ROOM - way)  # a walk to the wall and back again, for ever
    return which, (corners + _UNIT // 2) // _UNIT


def kind(one: Numbers, other: Numbers) -> Numbers:
    """0 to 9 of one digit, 10 to 64 of two in any order (0+0, 0+1, ... 9+9); -1 is no digit."""
    low, high = np.minimum(one, other), np.maximum(one, other)
    pair = 10 + low * 10 - low * (low - 1) // 2 + high - low
    return np.where(low < 0, high, pair)


def _draw(video: Bytes, digits: Bytes, which: Numbers, corners: Numbers) -> None:
    """Digits into black ``video`` (N,13,32,32)."""
    frames = np.arange(FRAMES)[:, None, None]
    side = np.arange(DIGIT)
    for row, chosen, ways in zip(video, which, corners, strict=True):
        for digit, way in zip(chosen, ways, strict=True):
            if digit >= 0:
                y = way[:, 0, None, None] + side[:, None]
                x = way[:, 1, None, None] + side
                row[frames, y, x] = np.maximum(row[frames, y, x], digits[digit])


def _digits(split: str) -> tuple[Bytes, Numbers]:
    """MNIST at half size, (M,14,14): the mean of 2x2 pixels, a half rounded up; and labels."""
    mnist = load_images("mnist", split)
    quarters = mnist.images[:, 0].reshape(-1, DIGIT, 2, DIGIT, 2).astype(np.uint16)
    return ((quarters.sum((2, 4), dtype=np.uint16) + 2) // 4).astype(np.uint8), mnist.labels
