"""Moving digits: every row a function of its number, made of its own split's digits."""

from __future__ import annotations

import os

import numpy as np
import pytest

from aezoo import registry
from aezoo.data.sets import load
from aezoo_video import digits

needs_data = pytest.mark.skipif(
    not os.environ.get("AEZOO_DATA"), reason="AEZOO_DATA is not set: it names the folder with MNIST"
)

SHAPES = np.random.default_rng(0).integers(1, 256, (50, 14, 14), dtype=np.uint8)
LABELS = np.arange(50) % 10


def by_hand(split: str, row: int, shapes: np.ndarray, labels: np.ndarray):
    """One video and its class, written anew: floats, a step at a time, no shared line."""
    words = np.random.Philox(key={"train": 0, "test": 1}[split]).random_raw((row + 1) * 12)[-12:]
    words = [int(w) for w in words]
    video = np.zeros((13, 32, 32), np.uint8)
    names = []
    for i in range(1 + words[0] % 2):
        which, y, x, down, right = words[1 + 5 * i : 6 + 5 * i]
        which %= len(shapes)
        names.append(int(labels[which]))
        place = [y % (18 * 256 + 1) / 256, x % (18 * 256 + 1) / 256]
        speed = [down % 1281 / 256 - 2.5, right % 1281 / 256 - 2.5]
        for frame in video:
            top, left = (int(np.floor(p + 0.5)) for p in place)
            part = frame[top : top + 14, left : left + 14]
            assert part.shape == (14, 14)  # within the frame
            np.maximum(part, shapes[which], out=part)
            for axis in (0, 1):
                place[axis] += speed[axis]
                if not 0 <= place[axis] <= 18:  # off the wall
                    place[axis] = -place[axis] if place[axis] < 0 else 36 - place[axis]
                    speed[axis] = -speed[axis]
    return video, "+".join(map(str, sorted(names)))


@pytest.mark.parametrize("split", ["train", "test"])
def test_rows_are_what_the_description_says(split):
    videos, kinds = digits.make(split, 0, 40, SHAPES, LABELS)
    classes = registry.dataset("video/moving-digits").classes
    assert len(classes) == len(set(classes)) == 65
    for row in range(40):
        video, name = by_hand(split, row, SHAPES, LABELS)
        assert (videos[row, 0] == video).all(), row
        assert classes[kinds[row]] == name


def test_a_row_does_not_depend_on_which_others_are_made():
    whole, kinds = digits.make("train", 0, 1_200, SHAPES, LABELS)  # more than a chunk
    part, some = digits.make("train", 990, 1_010, SHAPES, LABELS)
    assert (whole[990:1_010] == part).all()
    assert (kinds[990:1_010] == some).all()
    assert (digits.make("test", 0, 5, SHAPES, LABELS)[0] != whole[:5]).any()


def test_digits_stay_within_the_frame_and_go_straight_on_but_for_walls():
    which, corners = digits.paths("train", 0, 2_000, 50)
    assert corners.min() == 0
    assert corners.max() == 18  # the last place where 14 pixels fit into 32
    assert 0 <= which[:, 0].min() <= which[:, 0].max() < 50
    assert 0.45 < (which[:, 1] >= 0).mean() < 0.55
    steps = np.diff(corners, axis=2)
    assert abs(steps).max() == 3  # 2.5 pixels, shown at whole ones
    middle = ((corners > 3) & (corners < 15)).all(2)  # never near a wall
    assert middle.any()
    assert (np.ptp(steps, axis=2)[middle] <= 1).all()


def test_every_class_has_its_number():
    classes = registry.dataset("video/moving-digits").classes
    one, other = np.meshgrid(np.arange(10), np.arange(-1, 10))
    one, other = one.ravel(), other.ravel()
    for a, b, number in zip(one, other, digits.kind(one, other), strict=True):
        want = str(a) if b < 0 else "+".join(sorted(f"{a}{b}"))
        assert classes[number] == want


@needs_data
def test_the_data_set_is_made_of_its_own_splits_digits():
    record = registry.dataset("video/moving-digits")
    test = load(record, "test")
    assert test.images.shape == (2_000, 1, 13, 32, 32)
    assert test.images.nbytes + 20_000 * 13 * 32 * 32 < 300e6
    for split, parts in (("test", ["test"]), ("train", ["fit", "validation"])):
        for part in parts:
            mnist = load("mnist", part)
            halves = mnist.images[:, 0].astype(float).reshape(-1, 14, 2, 14, 2).mean((2, 4))
            halves = np.floor(halves + 0.5).astype(np.uint8)
            given = load(record, part)
            for i in (0, len(given) // 2, len(given) - 1):
                video, name = by_hand(split, given.start + i, halves, mnist.labels)
                assert (given.images[i, 0] == video).all()
                assert record.classes[given.labels[i]] == name


@needs_data
def test_it_is_decoded_once():
    images = load("video/moving-digits", "test[:10]").images
    assert isinstance(images.base, np.memmap)
    assert not images.flags.writeable
