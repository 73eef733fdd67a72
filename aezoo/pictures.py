"""Tensors to pictures: uint8 pixels, grids, side by side, PNG and GIF bytes. Pure functions.

Pixels are numpy uint8 arrays (H, W, C), stacks of them (N, H, W, C); C is 1 or 3. Tensors are
float32 in [0, 1], (B, C, H, W). Moving pictures have a further axis of T frames in front of
their rows: (T, H, W, C), (N, T, H, W, C) and (B, C, T, H, W).
"""

from __future__ import annotations

import io
import math
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aezoo.data.pictures import MODES, chw, convert
from aezoo.errors import CapabilityError, DataError

WHITE = 255
RATE = 8  # frames a second of a moving picture


def pixels(x: Tensor) -> np.ndarray:
    """x (B, C, H, W) in [0, 1], values beyond are clipped -> uint8 (B, H, W, C).

    Of moving pictures (B, C, T, H, W) -> (B, T, H, W, C).

    Raises:
        CapabilityError: x holds no pictures, which have 1, 3 or 4 channels and two spatial
            axes, or three where they move.
    """
    if x.ndim not in (4, 5) or x.shape[1] not in MODES:
        raise CapabilityError(
            "pictures are (B, C, H, W), moving ones (B, C, T, H, W), with 1, 3 or 4 channels, "
            f"not {tuple(x.shape)}"
        )
    scaled = x.detach().float().clamp(0, 1).mul(255).round().to(torch.uint8)
    return scaled.movedim(1, -1).cpu().numpy()


def tensor(image: np.ndarray) -> Tensor:
    """uint8 (H, W, C) -> float32 (1, C, H, W) in [0, 1]; (T, H, W, C) -> (1, C, T, H, W)."""
    return torch.from_numpy(np.array(image)).movedim(-1, 0)[None].float().div_(255)


def enlarge(images: np.ndarray, factor: int) -> np.ndarray:
    """Each pixel as ``factor`` x ``factor`` pixels: (..., H, W, C) -> (..., fH, fW, C)."""
    return images.repeat(factor, axis=-3).repeat(factor, axis=-2)


def enlarge_to(images: np.ndarray, side: int) -> np.ndarray:
    """Enlarged by the least whole factor that makes the longer side ``side`` or more."""
    return enlarge(images, max(1, math.ceil(side / max(images.shape[-3:-1]))))


def grid(
    images: np.ndarray, columns: int | None = None, gap: int = 2, fill: int = WHITE
) -> np.ndarray:
    """(N, H, W, C) -> one picture, row by row; nearly square unless ``columns`` is given.

    ``gap`` pixels of grey level ``fill`` lie between pictures, none around them. Of moving
    pictures (N, T, H, W, C) one moving picture.
    """
    n, *frames, height, width, channels = images.shape
    across = min(n, columns or math.ceil(math.sqrt(n)))
    down = math.ceil(n / across)
    size = (down * (height + gap) - gap, across * (width + gap) - gap, channels)
    canvas = np.full((*frames, *size), fill, np.uint8)
    for i, image in enumerate(images):
        top, left = i // across * (height + gap), i % across * (width + gap)
        canvas[..., top : top + height, left : left + width, :] = image
    return canvas


def beside(images: Sequence[np.ndarray], gap: int = 4, fill: int = WHITE) -> np.ndarray:
    """Pictures (H, W, C) of one size, from left to right; or moving ones (T, H, W, C)."""
    return grid(np.stack(images), columns=len(images), gap=gap, fill=fill)


def png(image: np.ndarray) -> bytes:
    """uint8 (H, W, C) with C of 1, 3 or 4 -> the bytes of a PNG file. The same every time."""
    from PIL import Image

    buffer = io.BytesIO()
    squeezed = image[..., 0] if image.shape[-1] == 1 else image
    Image.fromarray(np.ascontiguousarray(squeezed)).save(buffer, "PNG")
    return buffer.getvalue()


def gif(frames: np.ndarray, rate: int = RATE) -> bytes:
    """uint8 (T, H, W, C) with C of 1 or 3 -> the bytes of a GIF that repeats for ever.

    The same every time. Grey levels stay as they are; colours become at most 256 a frame.
    """
    from PIL import Image

    squeezed = np.ascontiguousarray(frames[..., 0] if frames.shape[-1] == 1 else frames)
    first, *others = (Image.fromarray(frame) for frame in squeezed)
    buffer = io.BytesIO()
    first.save(
        buffer, "GIF", save_all=True, append_images=others, duration=round(1000 / rate), loop=0
    )
    return buffer.getvalue()


def encoded(image: np.ndarray) -> tuple[bytes, str]:
    """A picture's file and its suffix: (H, W, C) as ".png", (T, H, W, C) as ".gif"."""
    return (gif(image), ".gif") if image.ndim == 4 else (png(image), ".png")


def read_frames(path: str | Path, channels: int) -> np.ndarray:
    """A moving picture (GIF, WebP, APNG) as uint8 (T, H, W, channels); a still one has T = 1.

    One that is shown for k times as long as the shortest stands for k frames: writers join
    frames that are alike.

    Raises:
        DataError: the file is not there or is no picture that can be read; says which.
    """
    from PIL import Image, ImageSequence

    _check_file(path)
    frames: list[np.ndarray] = []
    times: list[float] = []
    try:
        with Image.open(path) as image:
            for frame in ImageSequence.Iterator(image):
                frames.append(chw(convert(frame, channels)).transpose(1, 2, 0))
                times.append(frame.info.get("duration", 0))
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a moving picture: {error}") from error
    shortest = min(times)
    counts = [max(1, round(t / shortest)) if shortest else 1 for t in times]
    return np.repeat(np.stack(frames), counts, axis=0)


def _check_file(path: str | Path) -> None:
    if Path(path).is_dir():
        raise DataError(f"{path} is a folder; name the pictures in it, as {Path(path) / '*.png'}")
    if not Path(path).exists():
        raise DataError(f"there is no file {path}")


def read(path: str | Path, channels: int) -> np.ndarray:
    """A picture file as uint8 (H, W, channels), upright by its EXIF tag.

    Raises:
        DataError: the file is not there or is no picture that can be read; says which.
    """
    from PIL import Image, ImageOps

    _check_file(path)
    try:
        with Image.open(path) as image:
            return chw(convert(ImageOps.exif_transpose(image), channels)).transpose(1, 2, 0)
    except (OSError, ValueError, Image.DecompressionBombError) as error:
        raise DataError(f"{path}: cannot be read as a picture: {error}") from error


def resized(image: np.ndarray, width: int, height: int) -> np.ndarray:
    """uint8 (H, W, C) in another size, by a Lanczos filter."""
    from PIL import Image

    channels = image.shape[-1]
    squeezed = np.ascontiguousarray(image[..., 0] if channels == 1 else image)
    small = Image.fromarray(squeezed).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(small).reshape(height, width, channels)


def within(image: np.ndarray, side: int) -> np.ndarray:
    """Scaled down, whole, so that no side is longer than ``side``; smaller ones stay as is."""
    height, width = image.shape[:2]
    longest = max(height, width)
    if longest <= side:
        return image
    return resized(
        image, max(1, round(width * side / longest)), max(1, round(height * side / longest))
    )


def code_map(codes: Tensor, codebook: Tensor) -> np.ndarray:
    """codes (h, w) in [0, K), their vectors (K, D) -> uint8 (h, w, 3): like codes, like colours.

    Red, green and blue are the codebook's first three principal components, each by its rank,
    so that every codebook fills the whole range of colours; the darkest and lightest are left out.
    """
    vectors = codebook.detach().double().cpu()
    centred = vectors - vectors.mean(0)
    _, _, axes = torch.linalg.svd(centred, full_matrices=False)
    scores = centred @ axes[:3].T
    scores = torch.nn.functional.pad(scores, (0, 3 - scores.shape[1]))
    ranks = scores.argsort(0).argsort(0).double() / max(1, len(vectors) - 1)
    return ranks.mul(200).add(30).round().to(torch.uint8)[codes.cpu()].numpy()


def psnr(mse: float) -> float:
    """Peak signal-to-noise ratio in dB of a mean squared error on the [0, 1] scale."""
    return math.inf if mse == 0 else -10 * math.log10(mse)
