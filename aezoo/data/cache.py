"""Decoded data sets on disk: each official split once, as two ``.npy`` files mapped into memory.

The cache is ``AEZOO_CACHE``, else ``$XDG_CACHE_HOME/aezoo``, else ``~/.cache/aezoo``. A file
appears under its name only when it is whole, so a killed process leaves nothing that looks
finished; one process decodes while the others wait for it.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from aezoo.errors import DataError
from aezoo.folders import cache_dir
from aezoo.records import RANGES

FORMAT = 1  # raised when the same source files would be decoded to other arrays

Arrays = tuple[np.ndarray, np.ndarray]


def cached(name: str, key: str, make: Callable[[], Arrays]) -> Arrays:
    """``make()`` or what it gave when it was last called for this ``name`` and ``key``.

    ``name`` is for people who look into the folder, ``key`` says everything that the arrays
    depend on. Returns rows (N, C, *S), read-only and mapped, and labels int64 (N,)
    or float32 (N, k). A file that was cut short or holds something else is made again.
    """
    from filelock import FileLock

    digest = hashlib.sha256(f"{FORMAT}\n{name}\n{key}".encode()).hexdigest()[:16]
    stem = re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-") + "-" + digest
    folder = cache_dir() / "datasets"
    images, labels = folder / f"{stem}.images.npy", folder / f"{stem}.labels.npy"
    if (found := _open(images, labels)) is not None:
        return found
    with _writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
        lock = FileLock(folder / f"{stem}.lock")
        lock.acquire()
    try:
        if _open(images, labels) is None:  # else another process made it while we waited
            made = make()
            with _writing(folder):
                for left_over in folder.glob(f"{stem}.*.tmp"):  # of a process that was killed
                    left_over.unlink()
                _write(labels, made[1])
                _write(images, made[0])
    finally:
        lock.release()
    found = _open(images, labels)
    if found is None:
        raise DataError(f"{images} was written and cannot be read back; remove it and try again")
    return found


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"cannot write the decoded data to {folder}: {error}. "
            "Set AEZOO_CACHE to a folder with room that you may write to."
        ) from error


def _open(images: Path, labels: Path) -> Arrays | None:
    """The two arrays, or None where they are not there, not whole, or not what we write."""
    try:
        x = np.load(images, mmap_mode="r", allow_pickle=False)
        y = np.load(labels, allow_pickle=False)
    except (OSError, ValueError, EOFError):  # not there; a bad header or cut short; empty
        return None
    classes = y.dtype == np.int64 and y.ndim == 1
    factors = y.dtype == np.float32 and y.ndim == 2
    whole = x.dtype.name in RANGES and (classes or factors) and y.shape[:1] == x.shape[:1]
    return (x, y) if whole else None


def _write(path: Path, array: np.ndarray) -> None:
    """Save under a temporary name beside ``path``, then move it there in one step."""
    temporary = path.with_name(f"{path.name}.{os.getpid()}.tmp")
    try:
        with temporary.open("wb") as file:
            np.save(file, np.ascontiguousarray(array), allow_pickle=False)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
