"""Data sets by name and split, and batches of them on a device.

    train = load("cifar10", "fit")                 # decoded once, mapped into memory
    resident = Resident(train, "cuda", flip=True)  # whole on the device, uint8
    rows = order(len(train), epoch=3, seed=0, device="cuda")
    x, y = resident.batch(rows[:256])              # x float32 in [0,1] (256, 3, 32, 32)

Stored values are uint8 pixels, x = v/255 in [0,1], or int16 audio, x = v/32768 in [-1,1).
Letters: N rows of a set, B rows of a batch, C channels, *S spatial axes.
"""

from __future__ import annotations

import hashlib
import importlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from aezoo.data import folder
from aezoo.data.cache import cached
from aezoo.errors import DataError, PluginMissingError, UnknownDatasetError
from aezoo.records import Dataset

SPLIT = re.compile(r"([A-Za-z0-9_-]+)(?:\[(\d*):(\d*)\])?")
CHUNK = 4_096  # rows binarised at a time


@dataclass(frozen=True, slots=True, eq=False)
class ImageSet:
    """One split of a data set, decoded."""

    images: np.ndarray  # (N, C, *S) as stored, mapped into memory, read-only
    labels: np.ndarray  # (N,) int64, or float32 (N, k) where the record names k factors
    dataset: Dataset
    split: str  # canonical: "test", "test[:1000]"
    start: int = 0  # where row 0 stands in its official split

    def __len__(self) -> int:
        """N, the rows there are; the record's number is what the official split has."""
        return len(self.images)


def load(
    name: str | Path | Dataset, split: str = "train", *, size: tuple[int, ...] | None = None
) -> ImageSet:
    """One split of a data set, from the cache or decoded into it.

    ``name`` is a registered data set's (``aezoo.registry.datasets``), a `Dataset` record, or a
    folder of pictures, for which ``size`` = (C, H, W) says what to cut them to. A registered
    name wins over a folder in the working directory; ``./name`` is always the folder.

    ``split`` is ``NAME`` or ``NAME[a:b]``, rows counted from 0, a and b optional. NAME is an
    official split of the data set, "validation" (the last ``dataset.validation`` rows of
    "train"), or "fit" (the rows of "train" before those). A folder's one official split is
    "train", and its validation is the last tenth of it.

    UnknownDatasetError for a name that is neither; DataError for a split that is not there or
    has fewer rows than asked for, and for files that are missing or damaged.
    """
    dataset, root = _find(name, size)
    given, start, stop = _parse(split, dataset)
    base = given if given in dict(dataset.splits) else "train"
    images, labels = _whole(dataset, base, root)
    first, last = _bounds(given, base, len(images), dataset)
    rows = last - first
    end = rows if stop is None else stop
    if not start < end <= rows:
        raise DataError(
            f"{dataset.name}: split {split!r} asks for rows that are not there, or for none; "
            f"{given!r} has {rows} rows here"
        )
    place = slice(first + start, first + end)
    whole = start == 0 and stop is None
    text = given if whole else f"{given}[{start or ''}:{stop or ''}]"
    return ImageSet(images[place], labels[place], dataset, text, place.start)


def scaled(stored: Tensor) -> Tensor:
    """Stored values as float32 x: uint8 pixels v/255 in [0,1], int16 audio v/32768 in [-1,1)."""
    return stored.float().div_(_SCALES[stored.dtype])


_SCALES = {torch.uint8: 255.0, torch.int16: 32768.0}


class Resident:
    """A whole image set on a device as it is stored; batches are gathered there, without a sync.

    ``flip`` mirrors each row of a batch from left to right with probability 1/2.

    A binary set (``dataset.binary``) gives pixels 0.0 and 1.0. ``binary`` says how they are
    drawn: "dynamic" draws Bernoulli(pixel) anew in every batch, for training; "fixed" draws once
    with `binarise`, so that every run on every device evaluates the same bits. Say which with
    every figure. Sets that are not binary ignore it.
    """

    def __init__(
        self,
        image_set: ImageSet,
        device: torch.device | str = "cpu",
        *,
        flip: bool = False,
        binary: str = "dynamic",
        seed: int = 0,
    ) -> None:
        if binary not in ("dynamic", "fixed"):
            raise ValueError(f"binary={binary!r}: expected 'dynamic' or 'fixed'")
        draws = image_set.dataset.binary
        pixels = binarise(image_set, seed) if draws and binary == "fixed" else image_set.images
        self.image_set = image_set
        self.flip = flip
        self.dynamic = draws and binary == "dynamic"
        self.images = _tensor(pixels).to(device)  # (N, C, *S) as stored
        self.labels = _tensor(image_set.labels).to(device)  # (N,) int64, or float32 (N, k)
        self.device = self.images.device

    def __len__(self) -> int:
        return len(self.labels)

    def batch(
        self, index: Tensor, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """Rows ``index`` (B,) int64: x float32 (B, C, *S) in the set's range, and their labels.

        Flips and dynamic bits come from ``generator`` (of the set's device), else from the
        device's global one.
        """
        index = index.to(self.device, non_blocking=True)
        x = self.images.index_select(0, index)
        if self.flip:
            coin = torch.rand(len(index), generator=generator, device=self.device) < 0.5
            x = torch.where(coin.view(-1, *[1] * (x.ndim - 1)), x.flip(-1), x)
        x = scaled(x)
        if self.dynamic:
            x = torch.bernoulli(x, generator=generator)
        return x, self.labels.index_select(0, index)


def batches(
    image_set: ImageSet, size: int, device: torch.device | str = "cpu", *, seed: int = 0
) -> Iterator[tuple[Tensor, Tensor]]:
    """The rows in order, ``size`` at a time (the last batch may be smaller), for evaluation.

    Yields x float32 (B, C, *S) in the set's range and their labels on ``device``, where only one
    batch lies at a time. A binary set gives the fixed bits of `binarise` for ``seed``.
    """
    if size < 1:
        raise ValueError(f"size={size}: expected at least 1")
    for first in range(0, len(image_set), size):
        rows = slice(first, min(first + size, len(image_set)))
        pixels = image_set.images[rows]
        if image_set.dataset.binary:
            pixels = binarise(image_set, seed, rows)
        yield scaled(_tensor(pixels).to(device)), _tensor(image_set.labels[rows]).to(device)


def binarise(image_set: ImageSet, seed: int = 0, rows: slice = slice(None)) -> np.ndarray:
    """Bernoulli(pixel / 255) for each pixel, as uint8 0 or 255, (N, C, *S).

    The bits are a function of the seed, the row's place in its official split and the pixel's
    place in the row, on any machine and whatever slice was loaded: they come from the raw
    stream of Philox 4x64 (Salmon et al., Parallel random numbers: as easy as 1, 2, 3, 2011),
    which can begin at any row. A bit is 1 where u < pixel/255, compared in whole numbers.
    """
    first, stop, _ = rows.indices(len(image_set))
    pixels = image_set.images[first:stop]
    per_row = int(np.prod(pixels.shape[1:]))
    blocks = -(-per_row // 8)  # a block of Philox is 4 x 64 bits: 8 numbers of 32 bits
    out = np.empty(pixels.shape, np.uint8)
    for begin in range(0, len(pixels), CHUNK):
        part = pixels[begin : begin + CHUNK].reshape(-1, per_row)
        stream = np.random.Philox(key=seed)
        stream.advance((image_set.start + first + begin) * blocks)
        raw = stream.random_raw(len(part) * blocks * 4).astype("<u8", copy=False)
        u = raw.view("<u4").reshape(len(part), blocks * 8)[:, :per_row].astype(np.uint64)
        one = u * np.uint64(255) < part.astype(np.uint64) << np.uint64(32)
        out[begin : begin + CHUNK] = one.reshape(-1, *pixels.shape[1:]) * np.uint8(255)
    return out


def order(n: int, epoch: int, seed: int, device: torch.device | str = "cpu") -> Tensor:
    """A permutation of range(n), int64 (n,): a pure function of (n, epoch, seed).

    Drawn on the CPU, so that it is the same for every device; a resumed run goes on with the
    very rows that it would have seen.
    """
    digest = hashlib.sha256(f"{seed} {epoch}".encode()).digest()
    generator = torch.Generator().manual_seed(int.from_bytes(digest[:7], "little"))
    return torch.randperm(n, generator=generator).to(device)


def _find(name: str | Path | Dataset, size: tuple[int, ...] | None) -> tuple[Dataset, Path | None]:
    """The record, and the root where it is a folder of pictures."""
    try:
        dataset = name if isinstance(name, Dataset) else _registered(name)
    except (UnknownDatasetError, PluginMissingError):  # "photos/cats" reads like a plugin's
        root = Path(name)  # type: ignore[arg-type]
        if not root.is_dir():
            raise
        if size is None or len(size) != 3:
            raise DataError(
                f"{root} is a folder of pictures: say what to cut them to, size=(C, H, W), "
                "such as size=(3, 32, 32)"
            ) from None
        return folder.describe(root, (size[0], size[1], size[2])), root
    if size is not None and tuple(size) != dataset.shape:
        raise DataError(
            f"data set {dataset.name!r} has shape {dataset.shape}; size={size} is for folders"
        )
    return dataset, None


def _registered(name: str | Path) -> Dataset:
    if isinstance(name, Path) or name.startswith((".", "/")):
        raise UnknownDatasetError(f"no folder {str(name)!r}")
    from aezoo.registry import dataset

    return dataset(name)


def _parse(split: str, dataset: Dataset) -> tuple[str, int, int | None]:
    """(NAME, a, b or None) of ``NAME[a:b]``; DataError unless the data set has that NAME."""
    names = [name for name, _ in dataset.splits]
    if "train" in names and dataset.validation:
        names += [name for name in ("fit", "validation") if name not in names]
    match = SPLIT.fullmatch(split)
    if not match or match[1] not in names:
        raise DataError(
            f"{dataset.name} has no split {split!r}: expected one of {', '.join(names)}, "
            "or a part of one such as 'test[:1000]'"
        )
    return match[1], int(match[2] or 0), int(match[3]) if match[3] else None


def _bounds(given: str, base: str, rows: int, dataset: Dataset) -> tuple[int, int]:
    """Where the split ``given`` begins and ends in the ``rows`` rows of ``base``."""
    if given == base:
        return 0, rows
    edge = rows - dataset.validation
    if edge <= 0:
        raise DataError(
            f"{dataset.name}: {base!r} has {rows} rows here, too few to keep "
            f"{dataset.validation} of them for validation"
        )
    return (0, edge) if given == "fit" else (edge, rows)


def _whole(dataset: Dataset, split: str, root: Path | None) -> tuple[np.ndarray, np.ndarray]:
    """A whole official split, through the cache where its source has a fingerprint."""
    # Two records over the same files share what is decoded where they read the same columns.
    shape = f"{dataset.shape} {dataset.dtype} {dataset.image} {dataset.label}\n{dataset.target}"
    if dataset.factors:
        shape += f" {' '.join(dataset.factors)}"
    if root is not None:
        name, key = f"folder-{dataset.name}", f"{shape}\n{folder.fingerprint(root)}"
        return cached(name, key, lambda: folder.read(root, dataset))
    module_name, _, function = dataset.target.partition(":")
    module = importlib.import_module(module_name)

    def make() -> tuple[np.ndarray, np.ndarray]:
        images, labels = getattr(module, function)(dataset, split)
        if images.dtype != dataset.dtype or images.shape != (len(labels), *dataset.shape):
            raise DataError(
                f"{dataset.target} gave {images.dtype} {images.shape} for {dataset.name} {split}, "
                f"expected {dataset.dtype} ({len(labels)}, {', '.join(map(str, dataset.shape))})"
            )
        kind, wide = (np.float32, (len(dataset.factors),)) if dataset.factors else (np.int64, ())
        if labels.shape[1:] != wide:
            raise DataError(
                f"{dataset.target} gave labels {labels.shape} for {dataset.name} {split}, "
                f"expected {(len(labels), *wide)}"
            )
        return images, labels.astype(kind, copy=False)

    if not hasattr(module, "fingerprint"):
        return make()
    name = "-".join(part for part in (dataset.repo or dataset.name, dataset.config, split) if part)
    return cached(name, f"{shape}\n{module.fingerprint(dataset, split)}", make)


def _tensor(array: np.ndarray) -> Tensor:
    """A copy as a tensor: torch cannot hold a read-only map, and warns when it is given one."""
    return torch.from_numpy(np.array(array))
