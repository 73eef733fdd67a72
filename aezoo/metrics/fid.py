"""FID and its kin: how far a set of images is from the reference, by a network's features.

    fid(network=inception_tf1,reference=train,limit=none)    samples against a split
    rfid(...)                                                reconstructions against originals
    kid(...), prc(...)                                       by other distances

Any other network gives ``fd-NAME`` for ``fid`` and ``rfd-NAME`` for ``rfid``.

What the reference's images come to is kept in the cache, by data, split, rows, network and
weights. Where it is not there yet, all processes share the work, as they do for the images, and
metrics of one network and split share its features.
"""

from __future__ import annotations

import hashlib
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from aezoo.data.sets import ImageSet, load
from aezoo.errors import MetricError
from aezoo.folders import cache_dir
from aezoo.metrics import features, frechet, kid, precision_recall
from aezoo.metrics.base import Batch, Metric, Run, generator
from aezoo.records import Figure

FORMAT = 1  # raised when the same images would give other statistics
_FID = ("inception_tf1", "inception_tf1_bf16")  # whose distance is called FID


@dataclass
class _Compared(Metric):
    """Images of the model and a reference, each as features or as what they come to."""

    network: str = "inception_tf1"  # or another feature network's name
    reference: str = "train"  # the split that samples are held against
    limit: int | None = None  # the first so many rows of it; none: all

    needs = frozenset({"samples"})
    moments: ClassVar[bool] = False  # sums are enough, where they are smaller than the features

    def __post_init__(self) -> None:
        if self.limit is not None and self.limit < 2:
            raise ValueError(f"limit must be at least 2 images, or none, not {self.limit}")

    def missing(self, run: Run) -> str:
        shape = run.images.dataset.shape
        if len(shape) != 3 or shape[0] not in (1, 3):
            return f"its networks see pictures of 1 or 3 channels, and samples are {shape}"
        return ""

    def begin(self, run: Run) -> None:
        super().begin(run)
        self.extract = features.network(self.network, run.device)
        self.against = self._against(run)
        if not self.cached.is_file():
            self.reference_images = self.against

    def update_reference(self, x: Tensor, rows: Tensor) -> None:
        self._take("reference", x, rows, len(self.against))

    def update_samples(self, x: Tensor, rows: Tensor) -> None:
        self._take("images", x, rows, self.run.n)

    def _take(self, kind: str, x: Tensor, rows: Tensor, n: int) -> None:
        # A network may turn NaN into a number, so it is the images that are looked at.
        broken = (~torch.isfinite(x)).flatten(1).any(1)
        self.add(f"{kind}/broken", broken)
        self.add(f"{kind}/count", torch.ones_like(broken))
        found = self.extract(x)
        if self.moments and n > self.extract.dim:
            total, outer = frechet.moments(found)
            self.accumulate(f"{kind}/total", total)
            self.accumulate(f"{kind}/outer", outer)
        else:
            self.keep(kind, rows, found)

    # -- the reference

    def _against(self, run: Run) -> ImageSet:
        return load(run.images.dataset, self._split())

    def _split(self) -> str:
        return self.reference if self.limit is None else f"{self.reference}[:{self.limit}]"

    @property
    def cached(self) -> Path:
        """Where the reference's features or moments are, or will be."""
        images = self.against
        dataset = images.dataset
        key = {
            "format": FORMAT,
            "data": [dataset.name, dataset.repo, dataset.revision, dataset.shape],
            "content": _fingerprint(images),
            "bits": self.run.seed if dataset.binary else None,
            "network": [self.network, self.extract.fingerprint],
            "device": self.run.device.type,  # convolutions differ in their last digits
            "moments": self.moments and len(images) > self.extract.dim,
        }
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        split = "".join(c if c.isalnum() else "-" for c in images.split).strip("-")
        name = self.network.replace("/", "-")
        return cache_dir() / "references" / f"{dataset.name}-{split}-{name}-{digest}.safetensors"

    def _merged(
        self, sums: dict[str, Tensor], rows: dict[str, Tensor], kind: str, n: int
    ) -> dict[str, Tensor]:
        """Of n images of one kind: their features (N, D), or their total and outer moments."""
        broken, count = int(sums[f"{kind}/broken"]), int(sums[f"{kind}/count"])
        if broken:
            raise MetricError(f"{broken} of the {kind} hold NaN or infinite values")
        if count != n:
            raise MetricError(
                f"{count} of {n} images were seen as {kind}: the processes do not share "
                f"{cache_dir()}, and some had the reference there; set AEZOO_CACHE to a folder "
                "that all have"
            )
        if kind in rows:
            return {"features": rows[kind]}
        return {part: sums[f"{kind}/{part}"] for part in ("total", "outer")}

    def _referred(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> dict[str, Tensor]:
        """The reference's, from the cache or into it."""
        from safetensors import SafetensorError
        from safetensors.torch import load_file

        if "reference/count" not in sums:
            try:
                return load_file(self.cached)
            except SafetensorError as error:
                raise MetricError(
                    f"{self.cached} is cut off or damaged: {error}; remove it and measure again"
                ) from error
        found = self._merged(sums, rows, "reference", len(self.against))
        _save(self.cached, found)
        return found

    # -- what is said with a figure

    def _name(self, metric: str) -> str:
        return f"{metric}-{self.network.replace('_', '-')}"

    def _said(self, what: str) -> str:
        return (
            f"{self.run.n} {what} against {len(self.against)} images of {self.against.split}, "
            f"{self.extract.dim} features, 8-bit images"
        )


class FID(_Compared):
    """``fid``: the Fréchet distance of samples to the reference split."""

    moments = True
    what: ClassVar[tuple[str, str]] = ("samples", "")  # of what images; before the metric's name

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        n = len(self.against)
        found = _gaussian(self.run.n, self._merged(sums, rows, "images", self.run.n))
        there = _gaussian(n, self._referred(sums, rows))
        said = self._said(self.what[0])
        if found.singular or there.singular:
            said += f", singular covariance: N <= {found.dim}"
        name = self.what[1] + ("fid" if self.network in _FID else "fd")
        value = frechet.distance(found, there)
        return [self.figure(self._name(name), value, said, **_drawn(self.run, self.what[0]))]


class ReconstructionFID(FID):
    """``rfid``: the Fréchet distance of reconstructions to their originals."""

    needs = frozenset({"x_hat"})
    what = ("reconstructions", "r")

    def update(self, batch: Batch) -> None:
        assert batch.x_hat is not None
        self._take("images", batch.x_hat, batch.rows, self.run.n)

    def _against(self, run: Run) -> ImageSet:
        return run.images


class KID(_Compared):
    """``kid``: the kernel distance of samples to the reference split."""

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        found = self._merged(sums, rows, "images", self.run.n)["features"]
        there = self._referred(sums, rows)["features"]
        draws = generator(torch.device("cpu"), self.run.seed, "kid")
        mean, spread = kid.kid(found, there, generator=draws)
        said = f"{self._said('samples')}, mean of 100 subsets of 1000 or less, sd {spread:.2g}"
        return [self.figure(self._name("kid"), mean, said, **_drawn(self.run, "samples"))]


class PRC(_Compared):
    """``prc``: precision, recall, density and coverage of samples in the reference split."""

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        found = self._merged(sums, rows, "images", self.run.n)["features"].to(self.run.device)
        there = self._referred(sums, rows)["features"].to(self.run.device)
        said = self._said("samples")
        values = {}
        for k, function, names in (
            (3, precision_recall.precision_recall, ("precision", "recall")),
            (5, precision_recall.density_coverage, ("density", "coverage")),
        ):
            for name, value in zip(names, function(found, there, k), strict=True):
                values[name] = value, f"{said}, k={k}"
        more = _drawn(self.run, "samples") | {"higher_is_better": True}
        return [self.figure(self._name(m), v, said, **more) for m, (v, said) in values.items()]


def _gaussian(n: int, found: dict[str, Tensor]) -> frechet.Gaussian:
    if "features" in found:
        return frechet.from_rows(found["features"])
    return frechet.from_moments(n, found["total"], found["outer"])


def _drawn(run: Run, what: str) -> dict[str, Any]:
    return {"higher_is_better": False, "seed": run.seed if what == "samples" else None}


def _fingerprint(images: ImageSet) -> str:
    """Of the pixels themselves: names of splits, and folders, may come to hold other rows."""
    found = hashlib.sha256(f"{images.start} {images.images.shape}".encode())
    for first in range(0, len(images), 4096):
        found.update(images.images[first : first + 4096].tobytes())
    return found.hexdigest()


def _save(path: Path, tensors: dict[str, Tensor]) -> None:
    """Under a temporary name in the same folder first."""
    from safetensors.torch import save_file

    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        save_file({name: t.cpu().contiguous() for name, t in tensors.items()}, temporary)
        temporary.replace(path)
    except OSError as error:
        raise MetricError(
            f"cannot write the reference's statistics to {path.parent}: {error}. "
            "Set AEZOO_CACHE to a folder with room that you may write to."
        ) from error
    finally:
        temporary.unlink(missing_ok=True)
