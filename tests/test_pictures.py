"""Pictures: every pixel where it belongs."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
import torch
from PIL import Image

from aezoo import pictures
from aezoo.errors import CapabilityError, DataError


def test_pixels_are_rounded_and_clipped():
    x = torch.tensor([-0.5, 0.0, 0.4999 / 255, 0.5001 / 255, 0.5, 1.0, 1.5, 254.4 / 255])
    got = pictures.pixels(x.reshape(1, 1, 2, 4))
    assert got.dtype == np.uint8
    assert got.shape == (1, 2, 4, 1)
    assert got.ravel().tolist() == [0, 0, 0, 1, 128, 255, 255, 254]


def test_pixels_and_back_are_the_same_for_every_grey_level():
    levels = np.arange(256, dtype=np.uint8).reshape(16, 16, 1)
    assert (pictures.pixels(pictures.tensor(levels))[0] == levels).all()


@pytest.mark.parametrize("shape", [(3, 8, 8), (1, 2, 8, 8), (1, 1, 8), (1, 2, 4, 8, 8)])
def test_what_is_no_picture_is_refused(shape):
    with pytest.raises(CapabilityError, match="pictures are"):
        pictures.pixels(torch.zeros(shape))


def test_a_grid_has_each_picture_in_its_place_and_gaps_between():
    images = np.stack([np.full((2, 3, 1), i, np.uint8) for i in range(5)])
    got = pictures.grid(images, columns=3, gap=1, fill=9)[..., 0]
    assert got.tolist() == [
        [0, 0, 0, 9, 1, 1, 1, 9, 2, 2, 2],
        [0, 0, 0, 9, 1, 1, 1, 9, 2, 2, 2],
        [9, 9, 9, 9, 9, 9, 9, 9, 9, 9, 9],
        [3, 3, 3, 9, 4, 4, 4, 9, 9, 9, 9],
        [3, 3, 3, 9, 4, 4, 4, 9, 9, 9, 9],
    ]


@pytest.mark.parametrize(("n", "size"), [(1, (4, 4)), (64, (46, 46)), (5, (10, 16)), (2, (4, 10))])
def test_a_grid_is_nearly_square(n, size):
    assert pictures.grid(np.zeros((n, 4, 4, 3), np.uint8), gap=2).shape == (*size, 3)


def test_beside_keeps_the_order():
    left, right = np.zeros((2, 2, 3), np.uint8), np.full((2, 2, 3), 200, np.uint8)
    got = pictures.beside([left, right], gap=1)
    assert got.shape == (2, 5, 3)
    assert got[0, :, 0].tolist() == [0, 0, 255, 200, 200]


def test_enlarging_repeats_pixels():
    image = np.arange(4, dtype=np.uint8).reshape(2, 2, 1)
    assert pictures.enlarge(image, 2)[..., 0].tolist() == [
        [0, 0, 1, 1],
        [0, 0, 1, 1],
        [2, 2, 3, 3],
        [2, 2, 3, 3],
    ]
    assert pictures.enlarge_to(np.zeros((5, 28, 14, 1), np.uint8), 64).shape == (5, 84, 42, 1)
    assert pictures.enlarge_to(np.zeros((100, 70, 3), np.uint8), 64).shape == (100, 70, 3)


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_a_png_holds_the_same_pixels(channels):
    image = np.random.default_rng(0).integers(0, 256, (5, 7, channels), dtype=np.uint8)
    data = pictures.png(image)
    assert data == pictures.png(image)
    with Image.open(io.BytesIO(data)) as read:
        assert read.format == "PNG"
        assert (np.asarray(read).reshape(image.shape) == image).all()


def test_reading_turns_a_photograph_upright(tmp_path):
    image = np.zeros((4, 6, 3), np.uint8)
    image[0, 0] = 255
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned by 90 degrees clockwise
    Image.fromarray(image).save(tmp_path / "a.png", exif=exif)
    got = pictures.read(tmp_path / "a.png", 3)
    assert got.shape == (6, 4, 3)
    assert got[0, 3].tolist() == [255, 255, 255]


def test_reading_makes_the_channels_that_are_asked_for(tmp_path):
    Image.new("L", (3, 2), 77).save(tmp_path / "grey.png")
    assert pictures.read(tmp_path / "grey.png", 3).tolist() == [[[77] * 3] * 3] * 2
    assert pictures.read(tmp_path / "grey.png", 1).shape == (2, 3, 1)


def test_what_cannot_be_read_is_named(tmp_path):
    (tmp_path / "a.png").write_bytes(b"not a picture")
    for name in ("a.png", "b.png"):
        with pytest.raises(DataError, match=name):
            pictures.read(tmp_path / name, 3)


def test_scaling_down_keeps_the_whole_picture_and_its_aspect():
    image = np.full((427, 640, 3), 90, np.uint8)
    assert pictures.within(image, 320).shape == (214, 320, 3)
    assert (pictures.within(image, 320) == 90).all()
    assert pictures.within(image, 640) is image
    assert pictures.within(np.zeros((1, 500, 1), np.uint8), 10).shape == (1, 10, 1)


def test_like_codes_have_like_colours():
    codebook = torch.tensor([[0.0, 0.0], [0.1, 0.0], [5.0, 0.0], [5.1, 0.0]])
    colours = pictures.code_map(torch.arange(4)[None], codebook)[0].astype(int)
    assert colours.shape == (4, 3)
    first = colours[:, 0] if colours[0, 0] < colours[3, 0] else colours[::-1, 0]
    assert first.tolist() == sorted(first)
    one = pictures.code_map(torch.zeros(2, 3, dtype=torch.int64), torch.randn(1, 8))
    assert one.shape == (2, 3, 3)


def test_psnr():
    assert pictures.psnr(0.01) == pytest.approx(20)
    assert pictures.psnr(0.0) == math.inf


# -- moving pictures


def film(channels: int = 1, frames: int = 5) -> np.ndarray:
    noise = np.random.default_rng(0).integers(0, 256, (frames, 6, 7, channels), dtype=np.uint8)
    return noise


def test_pixels_and_grids_of_moving_pictures_are_those_of_their_frames():
    x = torch.rand(3, 3, 4, 6, 8)
    got = pictures.grid(pictures.enlarge(pictures.pixels(x), 2), columns=2)
    for t in range(4):
        still = pictures.grid(pictures.enlarge(pictures.pixels(x[:, :, t]), 2), columns=2)
        assert (got[t] == still).all()
    assert torch.equal(pictures.tensor(pictures.pixels(x)[0]).mul(255), x[:1].mul(255).round())


def test_grey_frames_survive_a_gif_and_colours_nearly(tmp_path):
    data, suffix = pictures.encoded(film())
    assert suffix == ".gif"
    assert data == pictures.gif(film())
    (tmp_path / "x.gif").write_bytes(data)
    assert (pictures.read_frames(tmp_path / "x.gif", 1) == film()).all()
    (tmp_path / "c.gif").write_bytes(pictures.gif(film(3)))
    error = pictures.read_frames(tmp_path / "c.gif", 3).astype(int) - film(3)
    assert abs(error).max() <= 16  # 42 colours a frame fit a palette of 256


def test_frames_that_a_writer_joined_come_back_as_many(tmp_path):
    joined = film()[[0, 0, 0, 1, 2, 2]]
    (tmp_path / "x.gif").write_bytes(pictures.gif(joined))
    with Image.open(tmp_path / "x.gif") as image:
        assert image.n_frames == 3  # pyright: ignore[reportAttributeAccessIssue]
    assert (pictures.read_frames(tmp_path / "x.gif", 1) == joined).all()


def test_a_still_picture_is_one_frame(tmp_path):
    (tmp_path / "x.png").write_bytes(pictures.png(film()[0]))
    assert (pictures.read_frames(tmp_path / "x.png", 1) == film()[:1]).all()
    (tmp_path / "bad.gif").write_bytes(b"GIF89a nothing")
    with pytest.raises(DataError, match="cannot be read as a moving picture"):
        pictures.read_frames(tmp_path / "bad.gif", 1)
