"""PSNR, SSIM and MS-SSIM against oracles: torchmetrics, and the papers' formulas written out."""

from __future__ import annotations

import math
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.ndimage import correlate
from torch import Tensor

from aezoo import bench
from aezoo.build import build
from aezoo.components.ssim import WEIGHTS, ms_ssim, smallest, ssim
from aezoo.data.sets import ImageSet, load
from aezoo.errors import ChecksumError, ShapeError
from aezoo.metrics import reconstruction
from aezoo.metrics.base import Run
from aezoo.metrics.reconstruction import (
    LPIPS,
    SSIM,
    MultiScaleSSIM,
    Reconstruction,
    decibels,
    mean_squared_error,
)
from aezoo.records import Dataset


def pictures(*shape: int, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Smooth pictures and noisy copies of them, in [0,1]."""
    torch.manual_seed(0)
    coarse = torch.rand(*shape[:2], 5, 5)
    x = torch.nn.functional.interpolate(coarse, shape[2:], mode="bicubic").clamp(0, 1)
    return x, (x + noise * torch.randn(shape)).clamp(0, 1)


def slow_ssim(x: np.ndarray, y: np.ndarray, window: int) -> tuple[np.ndarray, np.ndarray]:
    """Luminance and structure of two (H,W), float64, by a two-dimensional weighted sum."""
    place = np.arange(window) - window // 2
    weights = np.exp(-(place[:, None] ** 2 + place**2) / (2 * 1.5**2))
    weights /= weights.sum()

    def mean(image: np.ndarray) -> np.ndarray:
        edge = window // 2
        inner = slice(edge, -edge)
        return correlate(image, weights)[inner, inner]

    mx, my = mean(x), mean(y)
    vx, vy, cov = mean(x * x) - mx * mx, mean(y * y) - my * my, mean(x * y) - mx * my
    c1, c2 = 0.01**2, 0.03**2
    return (2 * mx * my + c1) / (mx**2 + my**2 + c1), (2 * cov + c2) / (vx + vy + c2)


def slow_ms_ssim(x: np.ndarray, y: np.ndarray, window: int) -> float:
    product = 1.0
    for scale, weight in enumerate(WEIGHTS):
        luminance, structure = slow_ssim(x, y, window)
        last = scale == len(WEIGHTS) - 1
        product *= max(0.0, (luminance * structure if last else structure).mean()) ** weight
        h, w = (side // 2 * 2 for side in x.shape)
        x, y = (a[:h, :w].reshape(h // 2, 2, w // 2, 2).mean((1, 3)) for a in (x, y))
    return product


def torchmetrics_ssim(x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
    """torchmetrics' SSIM (B,), and without the windows over the border, which it pads."""
    from torchmetrics.functional.image import structural_similarity_index_measure

    padded, full = structural_similarity_index_measure(
        x, y, data_range=1.0, reduction="none", return_full_image=True
    )
    return padded, full[..., 5:-5, 5:-5].flatten(1).mean(1)


# -- SSIM


@pytest.mark.parametrize(("shape", "window"), [((2, 1, 28, 28), 11), ((2, 3, 33, 20), 7)])
def test_ssim_is_the_papers_formula(shape: tuple[int, ...], window: int):
    x, y = pictures(*shape)
    found = ssim(x, y, window=window)
    for b in range(shape[0]):
        planes = []
        for c in range(shape[1]):
            luminance, structure = slow_ssim(x[b, c].double().numpy(), y[b, c].double().numpy(),
                                             window)  # fmt: skip
            planes.append((luminance * structure).mean())
        assert float(found[b]) == pytest.approx(np.mean(planes), abs=2e-6)


@pytest.mark.parametrize("shape", [(3, 1, 28, 28), (3, 3, 32, 32), (2, 3, 64, 48)])
@pytest.mark.parametrize("noise", [0.0, 0.02, 0.5])
def test_ssim_is_torchmetrics(shape: tuple[int, ...], noise: float):
    x, y = pictures(*shape, noise=noise)
    torch.testing.assert_close(ssim(x, y), torchmetrics_ssim(x, y)[1], rtol=0, atol=2e-5)


def test_ssim_of_equal_and_of_opposite_images():
    x, _ = pictures(2, 3, 32, 32)
    torch.testing.assert_close(ssim(x, x), torch.ones(2))
    coin = torch.rand(4, 1, 40, 40).round()
    assert (ssim(coin, 1 - coin) < -0.9).all()
    flat = torch.full((1, 1, 16, 16), 0.5)
    assert float(ssim(flat, flat)) == pytest.approx(1)  # no variance, and no division by it


def test_ssim_in_double_precision_agrees_with_float():
    x, y = pictures(2, 3, 32, 32)
    torch.testing.assert_close(ssim(x.double(), y.double()).float(), ssim(x, y), atol=2e-6, rtol=0)


def test_ssim_says_what_does_not_fit():
    x = torch.rand(1, 1, 8, 8)
    with pytest.raises(ShapeError, match="window of 11"):
        ssim(x, x)
    with pytest.raises(ShapeError, match=r"\(B,C,H,W\)"):
        ssim(x, x[0])
    with pytest.raises(ValueError, match="odd"):
        ssim(x, x, window=4)
    assert float(ssim(x, x, window=7)) == pytest.approx(1)


# -- MS-SSIM


@pytest.mark.parametrize("noise", [0.02, 0.3])
@pytest.mark.parametrize("shape", [(2, 1, 176, 176), (1, 3, 181, 200)])
def test_ms_ssim_is_the_papers_formula_and_torchmetrics(shape: tuple[int, ...], noise: float):
    from torchmetrics.functional.image import multiscale_structural_similarity_index_measure

    x, y = pictures(*shape, noise=noise)
    found = ms_ssim(x, y)
    for b in range(shape[0]):
        planes = [
            slow_ms_ssim(x[b, c].double().numpy(), y[b, c].double().numpy(), 11)
            for c in range(shape[1])
        ]
        assert float(found[b]) == pytest.approx(np.mean(planes), abs=5e-6)
    if shape[1] == 1:  # of several channels it takes the mean before the powers
        theirs = multiscale_structural_similarity_index_measure(
            x, y, data_range=1.0, reduction="none", normalize="relu"
        )
        # Its coarsest scale counts the padded border too.
        padded, inner = torchmetrics_ssim(*(torch.nn.functional.avg_pool2d(a, 16) for a in (x, y)))
        theirs = theirs * (inner / padded) ** WEIGHTS[-1]
        torch.testing.assert_close(found, theirs, rtol=0, atol=5e-5)


def test_ms_ssim_with_a_smaller_window():
    x, y = pictures(1, 1, 64, 64)
    found = float(ms_ssim(x, y, window=3))
    expected = slow_ms_ssim(x[0, 0].double().numpy(), y[0, 0].double().numpy(), 3)
    assert found == pytest.approx(expected, abs=5e-6)


def test_ms_ssim_refuses_small_images_and_never_gives_nan():
    x = torch.rand(1, 1, 175, 400)
    with pytest.raises(ShapeError, match="176"):
        ms_ssim(x, x)
    assert (smallest(), smallest(3)) == (176, 48)
    coin = torch.rand(1, 1, 176, 176).round()
    assert float(ms_ssim(coin, 1 - coin)) == 0  # negative structure has no power


# -- PSNR


def test_psnr_is_torchmetrics_and_has_two_means():
    from torchmetrics.functional.image import peak_signal_noise_ratio

    x, y = pictures(5, 3, 16, 16)
    y[0] = x[0] + 0.01 * (y[0] - x[0])  # one image much better than the others
    mse = mean_squared_error(x, y)
    theirs = peak_signal_noise_ratio(y, x, data_range=1.0, reduction="none", dim=(1, 2, 3))
    torch.testing.assert_close(decibels(mse).float(), theirs, rtol=1e-5, atol=1e-4)
    whole = peak_signal_noise_ratio(y, x, data_range=1.0)
    assert float(decibels(mse.mean())) == pytest.approx(float(whole), abs=1e-4)
    assert float(decibels(mse).mean()) > float(whole) + 1
    assert float(decibels(mean_squared_error(x, x))[0]) == pytest.approx(120)


# -- the metrics


def run_on(shape: tuple[int, ...]) -> Run:
    record = Dataset("tiny", "", shape, (("test", 2),), 0, (), "")
    data = ImageSet(np.zeros((2, *shape), np.uint8), np.zeros(2, np.int64), record, "test")
    return Run(None, data, torch.device("cpu"))


def test_what_does_not_fit_is_said():
    assert SSIM().missing(run_on((1, 28, 28))) == ""
    assert "ssim(window=7) fits" in SSIM().missing(run_on((1, 8, 8)))
    assert SSIM(window=7).missing(run_on((1, 8, 8))) == ""
    assert "ms_ssim(window=3) fits" in MultiScaleSSIM().missing(run_on((1, 64, 64)))
    small = MultiScaleSSIM().missing(run_on((3, 32, 32)))
    assert "176 pixels" in small
    assert "fits" not in small
    assert MultiScaleSSIM(window=3).missing(run_on((1, 64, 64))) == ""
    assert "spatial axes" in SSIM().missing(run_on((1, 100)))
    for window in (2, 4, 1):
        with pytest.raises(ValueError, match="odd"):
            SSIM(window=window)


def test_the_bench_gives_direct_means():
    torch.manual_seed(0)
    model = build("ae(mlp(8),point(2),mlp(8),input=(1,8,8))").eval()
    rows = bench.run(
        [model], data="digits", split="test[:90]", metrics="reconstruction,ssim(window=5)", block=40
    )
    found = {row.metric: row.value for row in rows}
    x = torch.from_numpy(np.array(load("digits", "test[:90]").images)).float() / 255
    with torch.no_grad():
        x_hat = model.reconstruct(x).clamp(0, 1)
    errors = (x - x_hat).double().square().flatten(1).mean(1)
    assert found["mse"] == pytest.approx(float(errors.mean()), rel=1e-6)
    assert found["psnr"] == pytest.approx(float(-10 * errors.log10().mean()), rel=1e-6)
    assert found["psnr-mean-mse"] == pytest.approx(-10 * math.log10(errors.mean()), rel=1e-6)
    assert found["ssim"] == pytest.approx(float(ssim(x, x_hat, window=5).mean()), rel=1e-5)
    means = {row.metric: row.protocol for row in rows}
    assert "mean over images" in means["psnr"]
    assert "of the mean mse" in means["psnr-mean-mse"]


def test_ms_ssim_through_its_metric():
    metric, run = MultiScaleSSIM(window=3), run_on((1, 48, 48))
    metric.begin(run)
    x, y = pictures(2, 1, 48, 48)
    from aezoo.metrics.base import Batch

    metric.update(Batch(x, torch.zeros(2).long(), torch.arange(2), 0, run, x_hat=y))
    (figure,) = metric.figures(metric.sums, {})
    assert figure.value == pytest.approx(float(ms_ssim(x, y, window=3).mean()), rel=1e-6)
    assert "window 3" in figure.protocol
    assert figure.higher_is_better


def test_reconstruction_has_no_options():
    assert Reconstruction().missing(run_on((1, 8, 8))) == ""


# -- LPIPS


def test_lpips_without_its_weights_says_where_they_should_be(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    reason = LPIPS().missing(run_on((3, 32, 32)))
    assert "alexnet-owt-7be5be79.pth" in reason
    assert "torchvision.models.alexnet" in reason
    assert "32 pixels" in LPIPS().missing(run_on((3, 8, 8)))
    with pytest.raises(ValueError, match="alex"):
        LPIPS(net="resnet")


def test_lpips_checks_the_weights_before_anything_reads_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))
    file = reconstruction._backbone("alex")
    file.parent.mkdir()
    file.write_bytes(b"not the weights")
    metric = LPIPS()
    assert metric.missing(run_on((3, 32, 32))) == ""
    with pytest.raises(ChecksumError, match="7be5be79"):
        metric.begin(run_on((3, 32, 32)))


def test_lpips_is_torchmetrics(monkeypatch: pytest.MonkeyPatch):
    """With random weights in the backbone's place: ours feeds the network as it should."""
    import torchmetrics.functional.image.lpips as theirs

    features = theirs._get_tv_model_features
    torch.manual_seed(0)
    monkeypatch.setattr(theirs, "_get_tv_model_features", lambda net, pretrained: features(net))
    monkeypatch.setattr(reconstruction, "_check", lambda file: None)
    run = run_on((1, 64, 64))
    metric = LPIPS()
    metric.begin(run)
    x, y = pictures(2, 1, 64, 64)
    from aezoo.metrics.base import Batch

    with torch.no_grad():
        metric.update(Batch(x, torch.zeros(2).long(), torch.arange(2), 0, run, x_hat=y))
        wide = [t.expand(-1, 3, -1, -1) * 2 - 1 for t in (x, y)]
        expected = float(metric._network(*wide).mean())
    (figure,) = metric.figures(metric.sums, {})
    assert figure.value == pytest.approx(expected, rel=1e-5)
    assert figure.metric == "lpips-alex"
