"""Recordings made by the tests, in the layout of the collection's own repository."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import soundfile

from aezoo_audio.datasets import FSDD, SPEAKERS

TAKES = (0, 5, 6, 7, 8, 9)


@pytest.fixture(scope="session")
def takes() -> tuple[int, ...]:
    return TAKES


@pytest.fixture(scope="session")
def recording() -> Callable[[int, int, int], np.ndarray]:
    return _recording


def _recording(digit: int, speaker: int, take: int) -> np.ndarray:
    """A tone as high as the digit says, with overtones as the speaker says; int16 (T,)."""
    t = np.arange(1_500 + 50 * take) / FSDD.rate
    f = 150 * 1.15**digit
    tones = np.sin(2 * np.pi * f * t) + 0.3 * speaker * np.sin(2 * np.pi * 4 * f * t)
    return (4_000 * tones / (1 + 0.3 * speaker)).astype(np.int16)


@pytest.fixture
def recordings(tmp_path, monkeypatch) -> Path:
    """A folder of 360 WAV files under AEZOO_DATA; the cache is the test's own."""
    folder = tmp_path / "data" / FSDD.repo / "recordings"
    folder.mkdir(parents=True)
    for digit in range(10):
        for number, name in enumerate(SPEAKERS):
            for take in TAKES:
                wave = _recording(digit, number, take)
                soundfile.write(folder / f"{digit}_{name}_{take}.wav", wave, FSDD.rate)
    monkeypatch.setenv("AEZOO_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    return folder
