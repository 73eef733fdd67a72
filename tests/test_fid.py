"""fid, rfid, kid, prc: against torch-fidelity on real images, over processes, and in the bench."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from inception_oracle import oracle, weights
from torch import Tensor

import aezoo
from aezoo import registry
from aezoo.bench.run import run as bench
from aezoo.data.sets import load
from aezoo.errors import MetricError, UnknownMetricError, WeightsNotCachedError
from aezoo.metrics import features, frechet, manifest
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.metrics.fid import FID, KID, PRC, ReconstructionFID
from aezoo.metrics.inception import Inception
from aezoo.records import FeatureRecord

CPU = torch.device("cpu")
KNOWN = tomllib.loads((Path(__file__).parent / "known_answers.toml").read_text("utf-8"))
DATA = os.environ.get("AEZOO_DATA", "")
needs_data = pytest.mark.skipif(
    not (Path(DATA) / "uoft-cs" / "cifar10").is_dir(), reason="AEZOO_DATA has no CIFAR-10"
)
METRICS = [FID, ReconstructionFID, KID, PRC]
N = 70  # images, in blocks of 20


class Tiny:
    """Six features by a fixed projection; counts the images that it was shown."""

    dim = 6
    fingerprint = "tiny 1"

    def __init__(self) -> None:
        draws = torch.Generator().manual_seed(0)
        self.projection = torch.randn(64, self.dim, generator=draws)
        self.seen = 0

    def __call__(self, images: Tensor) -> Tensor:
        self.seen += len(images)
        return images.flatten(1) @ self.projection


class Wide(Tiny):
    """More features than there are images."""

    dim = 100
    fingerprint = "wide 1"


def tiny(device: torch.device) -> Tiny:
    return Tiny()


def wide(device: torch.device) -> Wide:
    return Wide()


def shapeless(device: torch.device) -> object:
    return object()


@pytest.fixture(autouse=True)
def networks(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The networks of this file, among the core's."""
    new = tuple(
        FeatureRecord(f.__name__, f"{__name__}:{f.__name__}", "") for f in (tiny, wide, shapeless)
    )
    monkeypatch.setattr(manifest, "_NETWORKS", (*manifest._NETWORKS, *new))
    registry.reset()
    features.network.cache_clear()
    yield
    monkeypatch.undo()
    registry.reset()
    features.network.cache_clear()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A cache with nothing in it."""
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path))
    return tmp_path / "references"


def figures(kind: type[Metric], world: int = 1, spoil: bool = False, **options: Any) -> dict:
    """{metric: figure}, as `world` processes would measure; noisy digits are the images."""
    images = load("digits", f"test[:{N}]")
    draws = torch.Generator().manual_seed(0)
    x = torch.from_numpy(images.images.copy()).float() / 255
    x = (x + 0.2 * torch.rand(x.shape, generator=draws)).clamp(0, 1)
    if spoil:
        x[3, 0, 0, 0] = torch.nan
    sums: dict[str, Tensor] = {}
    rows: dict[str, list[tuple[Tensor, Tensor]]] = {}
    metrics = []
    for rank in range(world):
        metric = kind(**options)
        run = Run(None, images, CPU, seed=5, rank=rank, world=world)
        assert metric.missing(run) == ""
        metric.begin(run)
        there = metric.reference_images
        if there is not None:
            pixels = torch.from_numpy(there.images.copy()).float() / 255
            for block in range(rank, -(-len(pixels) // 100), world):
                numbers = torch.arange(block * 100, min(block * 100 + 100, len(pixels)))
                metric.update_reference(pixels[numbers], numbers)
        for block in range(rank, -(-N // 20), world):
            numbers = torch.arange(block * 20, min(block * 20 + 20, N))
            part = x[numbers]
            if kind is ReconstructionFID:
                metric.update(Batch(part, numbers, numbers, block, run, x_hat=part))
            else:
                metric.update_samples(part, numbers)
        for name, value in metric.sums.items():
            sums[name] = sums[name] + value if name in sums else value
        for name, parts in metric.rows.items():
            rows.setdefault(name, []).extend(parts)
        metrics.append(metric)
    merged = {}
    for name, parts in rows.items():
        numbers, values = (torch.cat(column) for column in zip(*parts, strict=True))
        merged[name] = values[numbers.argsort()]
    return {figure.metric: figure for figure in metrics[0].figures(sums, merged)}


@pytest.mark.parametrize("network", ["tiny", "wide"])
@pytest.mark.parametrize("kind", METRICS)
def test_processes_agree(
    kind: type[Metric], network: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = []
    for world in (1, 2, 3, 5):  # four blocks: the last process has none
        monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / str(world)))
        found.append({k: f.value for k, f in figures(kind, world, network=network).items()})
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-7, abs=1e-9)


def test_value_is_of_these_images(cache: Path) -> None:
    x = torch.from_numpy(load("digits", f"test[:{N}]").images.copy()).float() / 255
    draws = torch.Generator().manual_seed(0)
    noisy = (x + 0.2 * torch.rand(x.shape, generator=draws)).clamp(0, 1)
    train = torch.from_numpy(load("digits", "train").images.copy()).float() / 255
    network = Tiny()
    a, b, c = (frechet.from_rows(network(images)) for images in (noisy, x, train))
    fid = figures(FID, network="tiny")["fd-tiny"]
    assert fid.value == pytest.approx(frechet.distance(a, c), rel=1e-9)
    assert "70 samples against 1437 images of train" in fid.protocol
    assert (fid.n, fid.seed, fid.higher_is_better) == (N, 5, False)
    rfid = figures(ReconstructionFID, network="tiny")["rfd-tiny"]
    assert rfid.value == pytest.approx(frechet.distance(a, b), rel=1e-9)
    assert "70 reconstructions against 70 images of test[:70]" in rfid.protocol
    limited = figures(FID, network="tiny", limit=100)["fd-tiny"]
    d = frechet.from_rows(network(train[:100]))
    assert limited.value == pytest.approx(frechet.distance(a, d), rel=1e-9)
    assert "100 images of train[:100]" in limited.protocol
    singular = figures(FID, network="wide")["fd-wide"]
    assert "singular covariance: N <= 100" in singular.protocol
    assert set(figures(PRC, network="tiny")) == {
        "precision-tiny",
        "recall-tiny",
        "density-tiny",
        "coverage-tiny",
    }


@pytest.mark.parametrize("kind", METRICS)
def test_reference_is_kept(kind: type[Metric], cache: Path) -> None:
    network = features.network("tiny", CPU).extractor
    first = figures(kind, network="tiny")
    once = network.seen
    assert once > N
    assert len(list(cache.iterdir())) == 1  # and nothing half-written
    assert {k: f.value for k, f in figures(kind, network="tiny").items()} == pytest.approx(
        {k: f.value for k, f in first.items()}, rel=1e-12
    )
    assert network.seen == once + N
    # Of other weights it is another reference.
    network.fingerprint = "tiny 2"
    figures(kind, network="tiny")
    assert network.seen == 2 * once + N
    assert len(list(cache.iterdir())) == 2


def test_one_batch_is_seen_once_by_all(cache: Path) -> None:
    shared = features.network("tiny", CPU)
    x = torch.rand(4, 1, 8, 8)
    assert shared(x) is shared(x)
    assert shared.extractor.seen == 4
    shared(x.clone())
    assert shared.extractor.seen == 8


def test_damaged_reference_is_said(cache: Path) -> None:
    figures(FID, network="tiny")
    (path,) = cache.iterdir()
    path.write_bytes(path.read_bytes()[:-8])
    with pytest.raises(MetricError, match="cut off or damaged"):
        figures(FID, network="tiny")


@pytest.mark.parametrize("kind", METRICS)
def test_broken_images_are_said(kind: type[Metric], cache: Path) -> None:
    with pytest.raises(MetricError, match="1 of the images hold NaN"):
        figures(kind, spoil=True, network="tiny")


def test_in_the_bench(cache: Path) -> None:
    model = aezoo.create("vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))").eval()
    asked = ["fid(network=tiny)", "rfid(network=tiny)", "kid(network=tiny)", "prc(network=tiny)"]
    rows = bench(model, data="digits", split="test[:50]", metrics=asked, device="cpu")
    assert {row.metric for row in rows} == {
        *("fd-tiny", "rfd-tiny", "kid-tiny"),
        *("precision-tiny", "recall-tiny", "density-tiny", "coverage-tiny"),
    }
    # Without samples there is still what reconstructions come to.
    plain = aezoo.create("ae(mlp(16),point(4),mlp(16),input=(1,8,8))").eval()
    rows = bench(plain, data="digits", split="test[:50]", metrics=asked, device="cpu")
    assert [row.metric for row in rows] == ["rfd-tiny"]


def test_the_reference_is_seen_once_by_all(cache: Path) -> None:
    model = aezoo.create("vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))").eval()
    asked = ["fid(network=tiny)", "kid(network=tiny)", "prc(network=tiny)"]
    asked += ["fid(network=tiny,limit=300)", "kid(network=tiny,limit=300)"]
    once = bench(model, data="digits", split="test[:50]", metrics=asked, device="cpu")
    network = features.network("tiny", CPU).extractor
    assert network.seen == len(load("digits", "train")) + 300 + 50
    assert len(list(cache.iterdir())) == 4  # with kid's and prc's the same
    # From the cache, and each metric by itself in a cache of its own, the figures are the same.
    again = bench(model, data="digits", split="test[:50]", metrics=asked, device="cpu")
    assert network.seen == len(load("digits", "train")) + 300 + 50 + 50
    for path in cache.iterdir():
        path.unlink()
    alone = [
        row
        for name in asked
        for row in bench(model, data="digits", split="test[:50]", metrics=name, device="cpu")
    ]
    for rows in (again, alone):
        assert [row.value for row in rows] == pytest.approx([row.value for row in once], rel=1e-9)


def test_what_cannot_be_is_said(cache: Path) -> None:
    with pytest.raises(ValueError, match="at least 2"):
        FID(limit=1)
    with pytest.raises(UnknownMetricError, match="inception_tf1"):
        features.network("inception_tf2", CPU)
    with pytest.raises(MetricError, match="dim, fingerprint"):
        features.network("shapeless", CPU)


# -- other networks, through timm


def test_timm_network() -> None:
    made = features.Timm("test_vit", CPU, pretrained=False)
    x = torch.rand(3, 1, 20, 24)
    found = made(x)
    assert found.shape == (3, made.dim)
    assert found.dtype == torch.float32
    torch.testing.assert_close(made(x.expand(-1, 3, -1, -1)), found)
    assert "test_vit" in made.fingerprint
    assert features.Timm("test_vit", CPU, pretrained=False).fingerprint != made.fingerprint


def test_dinov2_without_its_weights(monkeypatch: pytest.MonkeyPatch) -> None:
    import timm

    def offline(name: str, **options: Any) -> None:
        assert (name, options["pretrained"]) == (features.DINOV2, True)
        raise FileNotFoundError("no such entry in the cache, and no Hub")

    assert timm.is_model(features.DINOV2)
    monkeypatch.setattr(timm, "create_model", offline)
    with pytest.raises(WeightsNotCachedError, match=r"(?s)dinov2.*timm\.create_model.*HF_HOME"):
        features.network("dinov2", CPU)


# -- real images


def cifar(split: str) -> Tensor:
    return torch.from_numpy(np.array(load("cifar10", split).images))


def fid_of_torch_fidelity(a: Tensor, b: Tensor) -> float:
    from torch_fidelity.metric_fid import fid_features_to_statistics, fid_statistics_to_metric

    found = [fid_features_to_statistics(oracle()(x)[0].double()) for x in (a, b)]
    return fid_statistics_to_metric(*found, verbose=False)["frechet_inception_distance"]


def fid_of_ours(a: Tensor, b: Tensor) -> float:
    network = Inception(weights())
    return frechet.distance(*(frechet.from_rows(network(x)) for x in (a, b)))


def test_digits_as_torch_fidelity_measures_them() -> None:
    a, b = (torch.from_numpy(load("digits", s).images.copy()) for s in ("train[:6]", "test[:5]"))
    there = fid_of_torch_fidelity(a.expand(-1, 3, -1, -1), b.expand(-1, 3, -1, -1))
    assert fid_of_ours(a, b) == pytest.approx(there, rel=1e-3)


@needs_data
@pytest.mark.data
def test_cifar10_as_torch_fidelity_measures_it() -> None:
    a, b = cifar("train[:16]"), cifar("test[:16]")
    assert fid_of_ours(a, b) == pytest.approx(fid_of_torch_fidelity(a, b), rel=1e-3)


@needs_data
@pytest.mark.data
@pytest.mark.skipif(
    os.environ.get("AEZOO_SLOW") != "1", reason="AEZOO_SLOW=1 measures 6000 images, in minutes"
)
def test_known_answers() -> None:
    device = "cuda" if torch.cuda.is_available() else "cpu"
    network = Inception(weights(), device)
    known = KNOWN["cifar10"]
    found = {split: network(cifar(split)).cpu() for split in ("train[:5000]", "test[:1000]")}
    train = found["train[:5000]"]
    found |= {"train[:2500]": train[:2500], "train[2500:5000]": train[2500:]}
    for pair in known["pairs"]:
        value = frechet.distance(*(frechet.from_rows(found[pair[side]]) for side in "ab"))
        assert value == pytest.approx(pair["value"], abs=known["tolerance"])
