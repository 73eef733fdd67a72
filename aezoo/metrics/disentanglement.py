"""How far each known factor of the data stands in a dimension of its own.

All five scores are computed from one table: z (N,D), a latent's mode of each of N pictures,
and the factors (N,F) that made them, whole numbers. Where a paper draws pairs or groups of
pictures that share the value of a factor, they are drawn from the table's rows. Each score is
in [0,1], higher is better, and comes from a seed alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from aezoo.latents import vector
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.metrics.latents import ACTIVE
from aezoo.records import Figure

Array = NDArray[np.float64]
Factors = NDArray[np.int64]

WIDEST = 256  # dimensions: more would take hours, and "one dimension a factor" means little


def beta_vae_score(
    z: Array,
    factors: Factors,
    *,
    group: int = 64,
    train: int = 2000,
    test: int = 1000,
    seed: int = 0,
) -> float:
    """Accuracy of a linear classifier that tells which factor was held fixed.

    Higgins et al., beta-VAE, 2017, section 3: of ``group`` pairs that share one factor's value
    the mean |z1 - z2| is one point; ``train`` points teach the classifier, ``test`` judge it.
    """
    from sklearn.linear_model import LogisticRegression

    rng = _generator(seed, "beta-vae")
    groups = _Groups(factors)

    def points(count: int) -> tuple[Array, Factors]:
        fixed = rng.integers(factors.shape[1], size=count)
        found = [groups.pairs(rng, k, group) for k in fixed]
        return np.stack([abs(z[a] - z[b]).mean(0) for a, b in found]), fixed

    x, y = points(train)
    scale = x.std(0)
    scale[scale == 0] = 1
    reader = LogisticRegression(C=1e3, max_iter=5000).fit(x / scale, y)
    x, y = points(test)
    return float(reader.score(x / scale, y))


def factor_vae_score(
    z: Array,
    factors: Factors,
    *,
    dead: float = 0.0,
    group: int = 64,
    train: int = 2000,
    test: int = 1000,
    seed: int = 0,
) -> float:
    """Accuracy of a majority vote that tells which factor was held fixed.

    Kim and Mnih, Disentangling by Factorising, 2018, arXiv:1802.05983, section 3.1: of
    ``group`` rows that share one factor's value the dimension with the least variance, each
    divided by its variance over all rows, is a vote for that factor. Dimensions whose variance
    is ``dead`` at most, collapsed to the prior, have no vote.
    """
    rng = _generator(seed, "factor-vae")
    groups = _Groups(factors)
    variance = z.var(0)
    alive = (variance > dead) & (np.ptp(z, axis=0) > 0)
    if not alive.any():
        return 0.0
    scaled = z[:, alive] / np.sqrt(variance[alive])

    def votes(count: int) -> Factors:
        """How often each dimension was the stillest for each fixed factor: (D',F)."""
        table = np.zeros((scaled.shape[1], factors.shape[1]), np.int64)
        for k in rng.integers(factors.shape[1], size=count):
            table[scaled[groups.alike(rng, k, group)].var(0).argmin(), k] += 1
        return table

    majority = votes(train).argmax(1)
    judged = votes(test)
    return float(judged[np.arange(len(majority)), majority].sum() / judged.sum())


def mutual_informations(z: Array, factors: Factors, bins: int = 20) -> tuple[Array, Array]:
    """I(z_j; factor k) (D,F) and the entropies of the factors (F,), in nats.

    Each z_j is cut into ``bins`` of equal width between its least and its greatest value
    (Locatello et al. 2019, arXiv:1811.12359, appendix C). Fewer bins than a factor has values
    tell at most log ``bins`` nats: the factors of `sprites` themselves have a gap of 0.90.
    """
    counts = np.stack([_binned(column, bins) for column in z.T], 1)
    information = np.array([[_information(a, b) for b in factors.T] for a in counts.T])
    entropy = np.array([_entropy(np.bincount(column)) for column in factors.T])
    return information, entropy


def mutual_information_gap(z: Array, factors: Factors, bins: int = 20) -> float:
    """MIG: the mean over factors of (the largest I - the second largest) / H(factor).

    Chen et al., Isolating Sources of Disentanglement, 2018, arXiv:1802.04942, equation 6.
    """
    information, entropy = mutual_informations(z, factors, bins)
    ranked = np.sort(np.vstack([information, np.zeros((1, factors.shape[1]))]), axis=0)
    return float(((ranked[-1] - ranked[-2]) / entropy).mean())


@dataclass(frozen=True, slots=True)
class DCI:
    disentanglement: float  # each dimension is about one factor
    completeness: float  # each factor is in one dimension
    informativeness: float  # mean accuracy of the factors' classifiers on held-out rows


def dci(z: Array, factors: Factors, *, trees: int = 50, seed: int = 0) -> DCI:
    """Eastwood and Williams, A Framework for the Quantitative Evaluation of Disentangled
    Representations, 2018, section 2.

    A random forest a factor gives the importances R (D,F), learnt from half of the rows; the
    other half judges its accuracy. Dimensions are weighted by their importance.
    """
    from sklearn.ensemble import RandomForestClassifier

    order = _generator(seed, "dci").permutation(len(z))
    learn, judge = order[: len(z) // 2], order[len(z) // 2 :]
    importances, accuracies = [], []
    for column in factors.T:
        options: dict[str, Any] = {"max_features": None, "min_samples_leaf": 2}  # every dimension
        forest = RandomForestClassifier(trees, random_state=seed, **options)
        forest.fit(z[learn], column[learn])
        importances.append(forest.feature_importances_)
        accuracies.append(forest.score(z[judge], column[judge]))
    importance = np.stack(importances, 1)
    return DCI(*importance_scores(importance), float(np.mean(accuracies)))


def importance_scores(importance: Array) -> tuple[float, float]:
    """Disentanglement and completeness of importances R (D,F), both in [0,1]."""
    total = importance.sum()
    if total == 0:
        return 0.0, 0.0

    def kept(rows: Array) -> tuple[Array, Array]:
        """1 - entropy of each row, in units of its largest; and the row's share of all."""
        sums = rows.sum(1, keepdims=True)
        share = np.divide(rows, sums, out=np.full_like(rows, 1 / rows.shape[1]), where=sums > 0)
        logs = np.log(share, out=np.zeros_like(share), where=share > 0)
        most = np.log(rows.shape[1]) if rows.shape[1] > 1 else 1.0
        return 1 + (share * logs).sum(1) / most, sums[:, 0] / total

    by_dimension, dimension_weight = kept(importance)
    by_factor, factor_weight = kept(np.ascontiguousarray(importance.T))
    return float(by_dimension @ dimension_weight), float(by_factor @ factor_weight)


def separated_attribute_predictability(
    z: Array, factors: Factors, categories: tuple[int, ...] = ()
) -> float:
    """SAP: the mean over factors of how much better the best dimension tells it than the next.

    Kumar, Sattigeri and Balakrishnan, Variational Inference of Disentangled Latent Concepts,
    2018, arXiv:1711.00848, section 3.2: by R² of a line for a factor whose values have an
    order, by the balanced accuracy of a linear classifier for those in ``categories``.
    """
    scores = np.zeros((z.shape[1] + 1, factors.shape[1]))  # and one that tells nothing
    deviation = z.std(0)
    alive = np.ptp(z, axis=0) > 0
    centred = z - z.mean(0)
    for k, column in enumerate(factors.T):
        if k in categories:
            for j in np.flatnonzero(alive):
                scores[j, k] = _line_accuracy(centred[:, j] / deviation[j], column)
            scores[-1, k] = 1 / len(np.unique(column))
        else:
            target = column - column.mean()
            covariance = centred[:, alive].T @ target / len(z)
            scores[:-1][alive, k] = (covariance / (deviation[alive] * target.std())) ** 2
    ranked = np.sort(scores, axis=0)
    return float((ranked[-1] - ranked[-2]).mean())


class Disentanglement(Metric):
    """``disentanglement``: the five scores, on a data set whose factors are known (`sprites`)."""

    needs = frozenset({"latent"})

    def missing(self, run: Run) -> str:
        from importlib.util import find_spec

        if not hasattr(run.images.images, "factors"):
            return f"the factors of {run.data} are not known; those of sprites are"
        shapes = getattr(run.model.bottleneck, "level_shapes", (run.model.latent_shape,))
        if (dims := sum(math.prod(shape) for shape in shapes)) > WIDEST:
            return f"the latent has {dims} dimensions, and the scores are for {WIDEST} at most"
        if run.n < 1000:
            return f"the scores need 1000 pictures at least, and the split has {run.n}"
        if find_spec("sklearn") is None:
            return "it needs scikit-learn: pip install 'aezoo[bench]'"
        return ""

    def update(self, batch: Batch) -> None:
        assert batch.latent is not None
        self.keep("z", batch.rows, vector(batch.latent))

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        z = rows["z"].double().numpy()
        images = self.run.images.images
        factors: Factors = images.factors()  # type: ignore[attr-defined]
        seed = self.run.seed
        dead = ACTIVE if self.run.model.bound_name == "elbo" else 0.0
        parts = dci(z, factors, seed=seed)
        text = f"z at its mode, {factors.shape[1]} factors"
        pairs = "groups of 64 rows alike in one factor, 2000 learnt from, 1000 judged"
        forest = f"{text}; random forests of 50 trees, half of the rows judged"
        given = [
            ("beta-vae-score", beta_vae_score(z, factors, seed=seed), f"{text}; {pairs}"),
            (
                "factor-vae-score",
                factor_vae_score(z, factors, dead=dead, seed=seed),
                f"{text}; {pairs}; dimensions of a variance over {dead:g}",
            ),
            ("mig", mutual_information_gap(z, factors), f"{text}; 20 bins of equal width"),
            ("dci-disentanglement", parts.disentanglement, forest),
            ("dci-completeness", parts.completeness, forest),
            ("dci-informativeness", parts.informativeness, forest),
            (
                "sap",
                separated_attribute_predictability(z, factors, categories=(0,)),
                f"{text}; R² of a line, for the shape a linear classifier's balanced accuracy",
            ),
        ]
        return [
            self.figure(name, value, what, seed=seed, higher_is_better=True)
            for name, value, what in given
        ]


class _Groups:
    """The rows of a table by the value of each factor, to draw rows that share one."""

    def __init__(self, factors: Factors):
        self.rows = [
            [np.flatnonzero(column == value) for value in np.unique(column)] for column in factors.T
        ]

    def alike(self, rng: np.random.Generator, factor: int, size: int) -> Factors:
        """``size`` rows with one value of the factor, itself drawn."""
        values = self.rows[factor]
        rows = values[rng.integers(len(values))]
        return rows[rng.integers(len(rows), size=size)]

    def pairs(self, rng: np.random.Generator, factor: int, size: int) -> tuple[Factors, Factors]:
        """``size`` pairs of rows, each with a drawn value of the factor that both share."""
        values = self.rows[factor]
        chosen = [values[v] for v in rng.integers(len(values), size=size)]
        place = rng.random((2, size))
        counts = np.array([len(rows) for rows in chosen])
        first, second = (place * counts).astype(np.int64)
        return (
            np.array([rows[i] for rows, i in zip(chosen, first, strict=True)]),
            np.array([rows[i] for rows, i in zip(chosen, second, strict=True)]),
        )


def _generator(seed: int, purpose: str) -> np.random.Generator:
    return np.random.default_rng([seed, *purpose.encode()])


def _binned(column: Array, bins: int) -> Factors:
    least, width = column.min(), np.ptp(column)
    if width == 0:
        return np.zeros(len(column), np.int64)
    return np.minimum(((column - least) / width * bins).astype(np.int64), bins - 1)


def _entropy(counts: Factors) -> float:
    share = counts[counts > 0] / counts.sum()
    return float(-(share * np.log(share)).sum())


def _information(a: Factors, b: Factors) -> float:
    """I(a;b) = H(a) + H(b) - H(a,b) in nats, of whole numbers from 0 on."""
    both = np.bincount(a * (int(b.max()) + 1) + b)
    return max(0.0, _entropy(np.bincount(a)) + _entropy(np.bincount(b)) - _entropy(both))


def _line_accuracy(x: Array, y: Factors) -> float:
    """Balanced accuracy of a linear classifier of one number."""
    from sklearn.linear_model import LogisticRegression
    from sklearn.metrics import balanced_accuracy_score

    reader = LogisticRegression(class_weight="balanced", max_iter=5000).fit(x[:, None], y)
    return float(balanced_accuracy_score(y, reader.predict(x[:, None])))
