"""Sprites: binary 64x64 pictures of one shape each, made from five independent factors.

After the factors of dSprites (Matthey, Higgins, Hassabis and Lerchner, 2017; first used by
Higgins et al., beta-VAE, 2017): 3 shapes x 6 scales x 40 orientations x 32 x 32 positions =
737,280 pictures, one for each combination. The pictures are our own, and a function of the
factors alone: a pixel is 1 where its centre lies in the shape. A step in position is one pixel,
so all of them are made of the 720 pictures of a shape in the middle of 33x33 pixels. Nothing
is stored: a picture is drawn when it is asked for.

As in dSprites a square looks the same after a quarter of a turn and an ellipse after half of
one, so 430,080 of the pictures differ.

The official splits are ours: the pictures in an order drawn once (raw numbers of Philox 4x64,
key 0, sorted), the first nine tenths "train", the rest "test".
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from aezoo.records import Dataset

FACTORS = ("shape", "scale", "orientation", "x", "y")
SIZES = (3, 6, 40, 32, 32)  # values of each factor
SHAPES = ("square", "ellipse", "heart")
COUNT = math.prod(SIZES)
TRAIN = COUNT * 9 // 10

SIDE = 64
_PATCH = SIDE - SIZES[3] + 1  # 33: the sprite's middle is the patch's middle pixel
_SCALES = (0.5, 0.6, 0.7, 0.8, 0.9, 1.0)
#: Sizes in pixels at scale 1; so chosen that no pixel's centre lies on an outline.
_SQUARE = 11.4  # half a side
_ELLIPSE = (15.9, 8.3)  # semi-axes
_HEART = 12.2  # pixels a unit of the heart's equation
_HEART_MIDDLE = 0.12  # of its height, in these units

Images = NDArray[np.uint8]
Numbers = NDArray[np.int64]


class Sprites:
    """Pictures uint8 0 or 255, (N,1,64,64), drawn when asked for; sliced like an array.

    ``numbers`` (N,) int64 in [0, 737280) says which: the factors' values, in the order of
    `FACTORS`, are its digits, the last one counting fastest.
    """

    dtype = np.dtype(np.uint8)
    ndim = 4

    def __init__(self, numbers: Numbers):
        self.numbers = numbers

    @property
    def shape(self) -> tuple[int, int, int, int]:
        return (len(self.numbers), 1, SIDE, SIDE)

    def __len__(self) -> int:
        return len(self.numbers)

    def __getitem__(self, rows: Any) -> Sprites | Images:
        """A slice or an array of row numbers: these pictures; one number: its pixels."""
        if isinstance(rows, int | np.integer):
            return draw(self.numbers[[int(rows)]])[0]
        return Sprites(self.numbers[rows])

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        if copy is False:
            raise ValueError("sprites are drawn when they are asked for; there is nothing to share")
        return draw(self.numbers).astype(dtype or np.uint8, copy=False)

    def copy(self) -> Images:
        """The pixels."""
        return draw(self.numbers)

    def factors(self, rows: Any = slice(None)) -> Numbers:
        """(N,5) int64: the value of each of `FACTORS`, from 0 on."""
        return np.stack(np.unravel_index(self.numbers[rows], SIZES), 1).astype(np.int64)


def draw(numbers: Numbers) -> Images:
    """Pictures ``numbers`` (N,): uint8 0 or 255, (N,1,64,64)."""
    patches = _patches()
    out = np.zeros((len(numbers), 1, SIDE, SIDE), np.uint8)
    values = np.stack(np.unravel_index(numbers, SIZES), 1).tolist()
    for picture, (shape, scale, turn, x, y) in zip(out[:, 0], values, strict=True):
        picture[y : y + _PATCH, x : x + _PATCH] = patches[shape, scale, turn]
    return out


def load(dataset: Dataset, split: str) -> tuple[Sprites, Numbers]:
    """All pictures of a split, undrawn, and the shape of each, (N,) int64."""
    rows = slice(None, TRAIN) if split == "train" else slice(TRAIN, None)
    images = Sprites(_order()[rows])
    return images, images.factors()[:, 0]


def load_pose(dataset: Dataset, split: str) -> tuple[Sprites, NDArray[np.float32]]:
    """All pictures of a split, undrawn, and the pose of each, float32 (N,4).

    Scale, orientation, x and y in [0, 1]: from the smallest to the largest and from the first
    place to the last; the orientation in turns, so that 1 would be 0 again.
    """
    images, _ = load(dataset, split)
    last = np.array([SIZES[1] - 1, SIZES[2], SIZES[3] - 1, SIZES[4] - 1])
    return images, (images.factors()[:, 1:] / last).astype(np.float32)


@lru_cache(1)
def _order() -> Numbers:
    """All numbers, in the splits' order. Philox' raw stream is the same in every numpy."""
    raw = np.random.Philox(key=0).random_raw(COUNT)
    order = np.argsort(raw, kind="stable").astype(np.int64)
    order.setflags(write=False)
    return order


@lru_cache(1)
def _patches() -> Images:
    """(3,6,40,33,33) uint8 0 or 255: each shape, scale and orientation, in the middle."""
    return (inside() < 0).astype(np.uint8) * np.uint8(255)


def inside(side: int = _PATCH) -> NDArray[np.float64]:
    """(3,6,40,side,side): below zero where a pixel's centre lies in the shape, else above."""
    middle = np.arange(side) - (side - 1) / 2
    scale = np.array(_SCALES)[:, None, None, None]
    turn = np.arange(SIZES[2])[:, None, None] * (2 * math.pi / SIZES[2])
    right, up = middle[None, None, None, :], -middle[None, None, :, None]
    u = (np.cos(turn) * right + np.sin(turn) * up) / scale  # the sprite's own axes
    v = (np.cos(turn) * up - np.sin(turn) * right) / scale
    square = np.maximum(abs(u), abs(v)) - _SQUARE
    ellipse = (u / _ELLIPSE[0]) ** 2 + (v / _ELLIPSE[1]) ** 2 - 1
    p, q = u / _HEART, v / _HEART + _HEART_MIDDLE
    heart = (p**2 + q**2 - 1) ** 3 - p**2 * q**3
    return np.stack([square, ellipse, heart])
