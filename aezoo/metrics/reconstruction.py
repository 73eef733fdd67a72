"""How near a reconstruction is to its original. z is at its mode, pixels are in [0,1]."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aezoo.components.ssim import WINDOW, ms_ssim, smallest, ssim
from aezoo.errors import ChecksumError
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.records import Figure

PIXELS = "pixels in [0,1], z at its mode"
WAVES = "values in [-1,1], z at its mode"
_LEAST = 1e-12  # of a mean squared error: an exact reconstruction has 120 dB, not infinity


def mean_squared_error(x: Tensor, y: Tensor) -> Tensor:
    """(B,) float64, the mean over all but the batch's axis."""
    return (x - y).double().square().flatten(1).mean(1)


def decibels(mse: Tensor) -> Tensor:
    """PSNR = -10 log10(mse) of values in [0,1]; 120 dB at most."""
    return -10 * mse.clamp(min=_LEAST).log10()


class Reconstruction(Metric):
    """``reconstruction``: MSE, and PSNR with its two means, which are not the same number.

    PSNR is of the width of the data's range, so that the same wave has the same PSNR in [0,1]
    and in [-1,1], where its MSE is four times as large.
    """

    needs = frozenset({"x_hat"})

    def update(self, batch: Batch) -> None:
        assert batch.x_hat is not None
        mse = mean_squared_error(batch.x_hat, batch.x)
        self.add("mse", mse)
        self.add("psnr", decibels(mse / self._width**2))

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        mse, psnr = sums["mse"] / self.run.n, sums["psnr"] / self.run.n
        said, what = (PIXELS, "images") if self._width == 1 else (WAVES, "recordings")
        whole = decibels(mse / self._width**2)
        up: dict[str, Any] = {"unit": "dB", "higher_is_better": True}
        return [
            self.figure("mse", float(mse), said, higher_is_better=False),
            self.figure("psnr", float(psnr), f"{said}; mean over {what}", **up),
            self.figure("psnr-mean-mse", float(whole), f"{said}; of the mean mse", **up),
        ]

    @property
    def _width(self) -> float:
        low, high = self.run.images.dataset.range
        return high - low


@dataclass
class SSIM(Metric):
    """``ssim``: structural similarity (Wang et al. 2004)."""

    window: int = WINDOW  # pixels a side

    needs = frozenset({"x_hat"})

    def __post_init__(self) -> None:
        _check_window(self.window)

    def missing(self, run: Run) -> str:
        return _too_small("ssim", run, self.window, self.window)

    def update(self, batch: Batch) -> None:
        assert batch.x_hat is not None
        self.add("ssim", ssim(batch.x_hat, batch.x, window=self.window))

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        value = float(sums["ssim"]) / self.run.n
        return [self.figure("ssim", value, _ssim_protocol(self.window), higher_is_better=True)]


@dataclass
class MultiScaleSSIM(Metric):
    """``ms_ssim``: structural similarity at five scales (Wang et al. 2003)."""

    window: int = WINDOW  # pixels a side, at the coarsest scale as well

    needs = frozenset({"x_hat"})

    def __post_init__(self) -> None:
        _check_window(self.window)

    def missing(self, run: Run) -> str:
        return _too_small("ms_ssim", run, self.window, smallest(self.window))

    def update(self, batch: Batch) -> None:
        assert batch.x_hat is not None
        self.add("ms-ssim", ms_ssim(batch.x_hat, batch.x, window=self.window))

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        value = float(sums["ms-ssim"]) / self.run.n
        text = f"{_ssim_protocol(self.window)}; 5 scales"
        return [self.figure("ms-ssim", value, text, higher_is_better=True)]


def _ssim_protocol(window: int) -> str:
    return f"{PIXELS}; Gaussian window {window}, sigma 1.5; mean over channels"


def _check_window(window: int) -> None:
    if window < 3 or window % 2 == 0:
        raise ValueError(f"window must be odd and at least 3, not {window}")


def _too_small(name: str, run: Run, window: int, needed: int) -> str:
    shape = run.images.dataset.shape
    if len(shape) != 3:
        return f"{name} is of images, and a sample has {len(shape) - 1} spatial axes"
    side = min(shape[1:])
    if side >= needed:
        return ""
    fitting = side * window // needed
    fitting -= 1 - fitting % 2
    smaller = f"; {name}(window={fitting}) fits" if fitting >= 3 else ""
    return f"with a window of {window} it needs {needed} pixels a side, and there are {side}" + (
        smaller
    )


@dataclass
class LPIPS(Metric):
    """``lpips``: distance in a network's features (Zhang et al. 2018, arXiv:1801.03924).

    The linear weights come with torchmetrics, the network's own with torchvision, which keeps
    them in torch's cache. Nothing is downloaded here: without them the metric is left out.
    """

    net: str = "alex"  # or "vgg", "squeeze": another network is another number

    needs = frozenset({"x_hat"})

    def __post_init__(self) -> None:
        if self.net not in _BACKBONES:
            raise ValueError(f"net must be one of {', '.join(_BACKBONES)}, not {self.net}")

    def missing(self, run: Run) -> str:
        from importlib.util import find_spec

        shape = run.images.dataset.shape
        if len(shape) != 3 or shape[0] not in (1, 3) or min(shape[1:]) < 32:
            return "lpips is of grey or RGB images with at least 32 pixels a side"
        for package in ("torchmetrics", "torchvision"):
            if find_spec(package) is None:
                return f"it needs {package}, which is not installed"
        if not _backbone(self.net).is_file():
            return (
                f"the network's weights are not at {_backbone(self.net)}; "
                f"torchvision.models.{_BACKBONES[self.net][0]}(weights='IMAGENET1K_V1') fetches "
                "them"
            )
        return ""

    def begin(self, run: Run) -> None:
        super().begin(run)
        _check(_backbone(self.net))
        from torchmetrics.functional.image.lpips import _LPIPS  # type: ignore[import-not-found]

        net: Any = self.net
        self._network = _LPIPS(pretrained=True, net=net, eval_mode=True).to(run.device)

    def update(self, batch: Batch) -> None:
        assert batch.x_hat is not None
        x, y = (t.expand(-1, 3, -1, -1) for t in (batch.x, batch.x_hat))
        self.add("lpips", self._network(x, y, normalize=True).flatten())

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        value = float(sums["lpips"]) / self.run.n
        file = _backbone(self.net).name
        text = f"{PIXELS}; {self.net} v0.1 of torchmetrics over {file}"
        return [self.figure(f"lpips-{self.net}", value, text, higher_is_better=False)]


#: torchvision's function, and its file in torch's cache; 8 digits of the SHA-256 in the name.
_BACKBONES = {
    "alex": ("alexnet", "alexnet-owt-7be5be79.pth"),
    "vgg": ("vgg16", "vgg16-397923af.pth"),
    "squeeze": ("squeezenet1_1", "squeezenet1_1-b8a52dc0.pth"),
}


def _backbone(net: str) -> Path:
    return Path(torch.hub.get_dir()) / "checkpoints" / _BACKBONES[net][1]


def _check(file: Path) -> None:
    """Before anything reads it: its SHA-256 begins as its name says."""
    with file.open("rb") as stream:
        digest = hashlib.file_digest(stream, "sha256").hexdigest()
    expected = file.stem.rpartition("-")[2]
    if not digest.startswith(expected):
        raise ChecksumError(
            f"{file} has SHA-256 {digest}, which should begin with {expected}; remove the file "
            "and fetch it again"
        )
