"""Who speaks, and which digit: two small networks that judge converted speech.

They learn from real recordings alone, the training rows of `fsdd`, and are asked about what a
model made of the test rows. What they hear is a spectrogram relative to the recording's
loudest moment, so that neither loudness nor the zeros behind a recording tell anything; the
speakers of `fsdd` were recorded at very different levels, and would be known by that alone.

A judge is learnt within half a minute on one core, and kept in aezoo's cache.
"""

from __future__ import annotations

import functools
import hashlib
import json
import os
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.data.cache import cache_dir
from aezoo.data.sets import Resident, load, order
from aezoo.errors import MetricError
from aezoo.records import Dataset

FORMAT = 1  # raised when the same rows and numbers would give another judge
BANDS = 40
WINDOW, HOP = 256, 128  # samples: 32 ms every 16 ms
RANGE = 6.0  # what lies so many powers of ten (60 dB) below the loudest is silence
EPOCHS, BATCH, RATE = 12, 32, 5e-3
LOWEST = 0.95  # the accuracy on held-out recordings without which nobody may judge


class Judge(nn.Module):
    """x (B, 1, T) float32 in [-1,1] at 8 kHz -> logits (B, classes).

    Convolutions over time, then mean and deviation of what they found, after the x-vectors of
    Snyder et al., X-Vectors: Robust DNN Embeddings for Speaker Recognition, 2018.
    """

    def __init__(self, classes: int, width: int = 64):
        super().__init__()

        def layer(channels: int, kernel: int, dilation: int = 1) -> nn.Sequential:
            reach = dilation * (kernel // 2)
            conv = nn.Conv1d(channels, width, kernel, 1, reach, dilation, bias=False)
            return nn.Sequential(conv, nn.BatchNorm1d(width), nn.ReLU())

        self.layers = nn.Sequential(layer(BANDS, 5), layer(width, 3, 2), layer(width, 3, 4))
        self.head = nn.Linear(2 * width, classes)

    def forward(self, x: Tensor) -> Tensor:
        return self.classify(spectrogram(x))

    def classify(self, h: Tensor) -> Tensor:
        """Spectrograms (B, BANDS, frames) -> logits (B, classes)."""
        h = self.layers(h)
        return self.head(torch.cat([h.mean(2), (h.var(2) + 1e-5).sqrt()], 1))


def spectrogram(x: Tensor, rate: int = 8_000) -> Tensor:
    """x (B, 1, T) -> powers of ten in BANDS mel bands, (B, BANDS, 1 + T // HOP) in [0, 1].

    1 is the loudest place of the recording, 0 is 60 dB below it and everything under that.
    """
    window = torch.hann_window(WINDOW, device=x.device)
    spectrum = torch.stft(x[:, 0].float(), WINDOW, HOP, window=window, return_complex=True)
    power = _mel(rate).to(x.device) @ spectrum.abs().square()
    level = power.clamp(min=1e-12).log10()
    return (1 + (level - level.amax((1, 2), keepdim=True)) / RANGE).clamp(min=0)


@functools.cache
def _mel(rate: int) -> Tensor:
    """Triangles (BANDS, 1 + WINDOW // 2), equally wide in mel = 2595 log10(1 + f/700)."""
    top = 2595 * torch.log10(torch.tensor(1 + rate / 2 / 700))
    edges = 700 * (10 ** (torch.linspace(0, float(top), BANDS + 2) / 2595) - 1)
    f = torch.linspace(0, rate / 2, 1 + WINDOW // 2)
    low, middle, high = edges[:-2, None], edges[1:-1, None], edges[2:, None]
    return torch.minimum((f - low) / (middle - low), (high - f) / (high - middle)).clamp(min=0)


def judge(dataset: Dataset, device: torch.device | str = "cpu", *, seed: int = 0) -> Judge:
    """The judge of a data set's classes, in eval mode: from the cache, else learnt now.

    It learns from "fit" and must know "validation".

    Raises:
        MetricError: it does not, or the cache cannot be written.
        DataError: the recordings are not to be had.
    """
    from filelock import FileLock
    from safetensors.torch import load_file, save_file

    path = _path(dataset, seed)
    if not path.is_file():
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            with FileLock(path.with_suffix(".lock")):
                if not path.is_file():
                    learnt = _learn(dataset, seed)
                    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
                    try:
                        save_file(learnt.state_dict(), temporary)
                        temporary.replace(path)
                    finally:
                        temporary.unlink(missing_ok=True)
        except OSError as error:
            raise MetricError(
                f"cannot write the judge to {path.parent}: {error}. "
                "Set AEZOO_CACHE to a folder with room that you may write to."
            ) from error
    with torch.device("meta"):
        found = Judge(len(dataset.classes))
    found.load_state_dict(load_file(path), assign=True)
    return found.to(device).eval()


@torch.no_grad()
def accuracy(judge: Judge, x: Tensor, y: Tensor) -> float:
    """Share of the recordings x (B, 1, T) that are taken for their class y (B,)."""
    hits = [judge(a).argmax(1).eq(b).sum() for a, b in zip(x.split(100), y.split(100), strict=True)]
    return float(torch.stack(hits).sum()) / len(y)


def _path(dataset: Dataset, seed: int) -> Path:
    from aezoo_audio.fsdd import fingerprint

    heard = [BANDS, WINDOW, HOP, RANGE, EPOCHS, BATCH, RATE]
    key = [FORMAT, heard, fingerprint(dataset, "train"), dataset.label, dataset.validation, seed]
    digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
    return cache_dir() / "judges" / f"{dataset.name.replace('/', '-')}-{digest}.safetensors"


def _learn(dataset: Dataset, seed: int) -> Judge:
    """Adam on varied spectrograms of "fit"; the same every time on a machine."""
    rows = Resident(load(dataset, "fit"))
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        judge = Judge(len(dataset.classes))
        x = torch.cat([spectrogram(rows.batch(i)[0]) for i in torch.arange(len(rows)).split(100)])
        steps = EPOCHS * (len(rows) // BATCH)
        adam = torch.optim.Adam(judge.parameters(), RATE, weight_decay=1e-4)
        schedule = torch.optim.lr_scheduler.OneCycleLR(adam, RATE, steps)
        for epoch in range(EPOCHS):
            for i in order(len(rows), epoch, seed).split(BATCH)[: len(rows) // BATCH]:
                loss = F.cross_entropy(judge.classify(_varied(x[i])), rows.labels[i])
                adam.zero_grad(set_to_none=True)
                loss.backward()
                adam.step()
                schedule.step()
    judge.eval()
    held_out = Resident(load(dataset, "validation"))
    known = accuracy(judge, *held_out.batch(torch.arange(len(held_out))))
    if known < LOWEST:
        raise MetricError(
            f"the judge of {dataset.name} knows {known:.1%} of the validation recordings; below "
            f"{LOWEST:.0%} it may not judge"
        )
    return judge


def _varied(h: Tensor) -> Tensor:
    """Spectrograms (B, BANDS, frames) with a floor of noise, and a hidden band and stretch.

    So a judge does not hang on what codecs change: hiss in silence, and single bands. The
    hiding is that of Park et al., SpecAugment, 2019, arXiv:1904.08779.
    """
    floor = 0.5 * torch.rand(len(h), 1, 1)  # down to 30 dB below the loudest
    h = torch.maximum(h, floor + 0.05 * torch.randn_like(h))
    for axis, widest in ((1, 8), (2, 10)):
        first = torch.randint(0, h.shape[axis], (len(h), 1))
        place = torch.arange(h.shape[axis])
        hidden = (place >= first) & (place < first + torch.randint(0, widest + 1, (len(h), 1)))
        h = h.masked_fill(hidden.unsqueeze(3 - axis), 0)
    return h
