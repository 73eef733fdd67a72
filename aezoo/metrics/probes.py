"""What simple readers find in the latents: classes by a line, by neighbours, by clusters.

z at its mode, flattened to (N,D); for codes their vectors. Readers that learn from labels
learn from rows the model was fitted on, ``fit[:5000]``, and are judged on the split; clusters
are found in the split itself, without labels. scikit-learn does the reading (`aezoo[bench]`).
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from aezoo.data.sets import ImageSet, batches, load
from aezoo.latents import vector
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.records import Figure

Array = NDArray[np.float64]
Labels = NDArray[np.int64]

BLOCK = 100  # rows encoded at a time


def linear_probe(z: Array, y: Labels, z_test: Array, y_test: Labels) -> float:
    """Accuracy on the test rows of multinomial logistic regression (C = 1) on scaled z (N,D)."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    reader = make_pipeline(StandardScaler(), LogisticRegression(C=1.0, max_iter=5000))
    return float(reader.fit(z, y).score(z_test, y_test))


def nearest_neighbours(z: Array, y: Labels, z_test: Array, y_test: Labels, k: int = 5) -> float:
    """Accuracy on the test rows of the majority among the k nearest rows of z (N,D)."""
    from sklearn.neighbors import KNeighborsClassifier

    return float(KNeighborsClassifier(k).fit(z, y).score(z_test, y_test))


def silhouette(z: Array, y: Labels) -> float:
    """Mean of (b - a) / max(a, b) in [-1,1]: how much nearer rows (N,D) are to their own class."""
    from sklearn.metrics import silhouette_score

    return float(silhouette_score(z, y))


def clustering_accuracy(z: Array, y: Labels, clusters: int, seed: int = 0) -> float:
    """Share of rows in the right class when k-means' clusters are best matched to classes.

    z (N,D) with fewer different rows than ``clusters`` has that many clusters.
    """
    from sklearn.cluster import KMeans

    clusters = min(clusters, len(np.unique(z, axis=0)))
    options: dict[str, Any] = {"n_init": 10, "random_state": seed}
    found = KMeans(clusters, **options).fit_predict(z)
    return matched_accuracy(found, y)


def matched_accuracy(found: Labels, y: Labels) -> float:
    """Share of rows in the right class under the best one-to-one matching (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    size = int(max(found.max(), y.max())) + 1
    table = np.zeros((size, size), np.int64)
    np.add.at(table, (found, y), 1)
    rows, columns = linear_sum_assignment(table, maximize=True)
    return float(table[rows, columns].sum() / len(y))


@dataclass
class Probes(Metric):
    """``probes``: linear probe, nearest neighbours, silhouette, clustering accuracy."""

    learn: int = 5_000  # rows of "fit" that the readers learn from
    k: int = 5  # neighbours
    judge: int = 5_000  # rows of the split for the silhouette, whose cost is quadratic

    needs = frozenset({"latent"})

    def __post_init__(self) -> None:
        for name in ("learn", "k", "judge"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")

    def missing(self, run: Run) -> str:
        from importlib.util import find_spec

        dataset = run.images.dataset
        if len(dataset.classes) < 2:
            return f"{dataset.name} has no classes"
        if "train" not in dict(dataset.splits) or run.split.partition("[")[0] in ("train", "fit"):
            return "the readers learn from the training rows, so they are judged on another split"
        if dataset.target.startswith("aezoo.data.folder:"):
            return "the readers learn from training rows, and a folder's are not registered"
        if run.model.capabilities.conditional:
            return "the model is given what the readers are to find"
        for package in ("sklearn", "scipy"):
            if find_spec(package) is None:
                return "it needs scikit-learn and scipy: pip install 'aezoo[bench]'"
        return ""

    def begin(self, run: Run) -> None:
        super().begin(run)
        # The rows to learn from are shared out and gathered as those of the split are.
        images = _to_learn_from(run, self.learn)
        mine = range(run.rank * BLOCK, len(images), run.world * BLOCK)
        for first in mine:
            part = _part(images, first, first + BLOCK)
            for x, y in batches(part, BLOCK, run.device, seed=run.seed):
                numbers = torch.arange(first, first + len(x), device=run.device)
                with torch.no_grad():
                    self.keep("learn z", numbers, vector(run.model.encode(x)))
                self.keep("learn y", numbers, y)

    def update(self, batch: Batch) -> None:
        assert batch.latent is not None
        self.keep("z", batch.rows, vector(batch.latent))
        self.keep("y", batch.rows, batch.y)

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        z, z_test = rows["learn z"].double().numpy(), rows["z"].double().numpy()
        y, y_test = rows["learn y"].numpy(), rows["y"].numpy()
        learnt = f"z at its mode, learnt from {len(y)} rows of fit"
        classes = len(self.run.images.dataset.classes)
        seed = self.run.seed
        up = {"higher_is_better": True}
        near = min(self.k, len(y))
        figures = [
            self.figure(
                "linear-probe",
                linear_probe(z, y, z_test, y_test),
                f"{learnt}; logistic regression, C = 1, scaled",
                **up,
            ),
            self.figure(
                f"knn-{near}",
                nearest_neighbours(z, y, z_test, y_test, near),
                f"{learnt}; majority of {near}, Euclidean",
                **up,
            ),
        ]
        judged = min(self.judge, len(y_test))
        present = len(np.unique(y_test[:judged]))
        if 1 < present < judged:  # a silhouette needs a second class, and company in one
            figures.append(
                self.figure(
                    "silhouette",
                    silhouette(z_test[:judged], y_test[:judged]),
                    f"z at its mode, Euclidean, the classes of {judged} rows",
                    n=judged,
                    **up,
                )
            )
        if len(y_test) >= classes:
            figures.append(
                self.figure(
                    "clustering-accuracy",
                    clustering_accuracy(z_test, y_test, classes, seed),
                    f"z at its mode, k-means with {classes} clusters, best of 10; best matching",
                    seed=seed,
                    **up,
                )
            )
        return figures


def _to_learn_from(run: Run, rows: int) -> ImageSet:
    dataset = run.images.dataset
    images = load(dataset, "fit" if dataset.validation else "train")
    return _part(images, 0, rows)


def _part(images: ImageSet, first: int, last: int) -> ImageSet:
    return dataclasses.replace(
        images,
        images=images.images[first:last],
        labels=images.labels[first:last],
        start=images.start + first,
    )
