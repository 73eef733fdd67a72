"""Sound files to tensors and back, by soundfile (libsndfile) and scipy: ``aezoo[audio]``."""

from __future__ import annotations

import io
import math
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from aezoo.errors import DataError

SUFFIXES = (".wav", ".flac")  # written; what libsndfile knows is read


def read(path: Path, rate: int, channels: int = 1) -> Tensor:
    """A sound file as x float32 (1, channels, T) in [-1,1], at ``rate`` samples a second.

    Another rate is resampled (a polyphase filter); mono is the mean of what a file has, and a
    mono file serves every channel.

    Raises:
        DataError: it is not there, no sound, or empty; or soundfile is not installed.
    """
    soundfile, signal = _imports()
    if not path.is_file():
        raise DataError(f"there is no file {path}")
    try:
        samples, found = soundfile.read(path, dtype="float32", always_2d=True)
    except (soundfile.LibsndfileError, OSError) as error:
        raise DataError(f"{path} is no sound that can be read: {error}") from error
    if not len(samples):
        raise DataError(f"{path} holds no sound: it has 0 samples")
    if samples.shape[1] != channels:
        if channels > 1 and samples.shape[1] > 1:
            raise DataError(f"{path} has {samples.shape[1]} channels, and {channels} are expected")
        samples = samples.mean(1, keepdims=True).repeat(channels, 1)
    if found != rate:
        common = math.gcd(found, rate)
        samples = signal.resample_poly(samples, rate // common, found // common, axis=0)
    samples = np.ascontiguousarray(samples.T, np.float32).clip(-1, 1)
    return torch.from_numpy(samples)[None]


def encoded(x: Tensor, rate: int, suffix: str = ".wav") -> bytes:
    """x (C, T) in [-1,1] as the bytes of a 16-bit file: WAV or FLAC. Values beyond are cut."""
    soundfile, _ = _imports()
    whole = (x.detach().float().cpu() * 32768).round().clamp(-32768, 32767).to(torch.int16)
    out = io.BytesIO()
    soundfile.write(out, whole.T.numpy(), rate, format=suffix[1:].upper(), subtype="PCM_16")
    return out.getvalue()


def _imports() -> tuple[Any, Any]:
    try:
        import soundfile
        from scipy import signal
    except ImportError as error:
        raise DataError(f"sound needs {error.name}: pip install 'aezoo[audio]'") from error
    return soundfile, signal
