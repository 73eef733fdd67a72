"""What the latents carry: units and codes in use, nats a dimension, information about x.

Letters as in `aezoo.latents`; N rows, D all dimensions of a latent, spatial axes included.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from aezoo.components.log_joint import stand_in
from aezoo.components.quantizers.nearest import perplexity, usage
from aezoo.latents import Latent, mean_of, normals
from aezoo.metrics.base import Batch, Metric, Run, wide
from aezoo.records import Figure

ACTIVE = 0.01  # Burda et al. 2015, arXiv:1509.00519, section 5.2: variance of an active unit
#: Lucas et al., Don't Blame the ELBO!, 2019, arXiv:1911.02469, definition 1: a dimension is
#: (epsilon, delta)-collapsed if its KL is below epsilon nats for all but delta of the data.
EPSILON, DELTA = 0.01, 0.01
_VALUES = 2**24  # of a matrix of the mutual information: 128 MB


def active_units(sums: Tensor, squares: Tensor, n: int) -> Tensor:
    """(D,) bool: the posterior's mean varies over n rows by more than `ACTIVE`.

    ``sums`` and ``squares`` (D,) are over the rows' means and their squares, float64.
    """
    mean = sums / n
    return squares / n - mean.square() > ACTIVE


def collapsed(idle: Tensor, n: int) -> Tensor:
    """(D,) bool: of n rows at least 1 - `DELTA` had a KL below `EPSILON`; ``idle`` counts them."""
    return idle >= (1 - DELTA) * n


def verdict(share: float) -> str:
    """In a word, from the ``share`` of collapsed dimensions: "none", "partial" or "complete"."""
    return {0.0: "none", 1.0: "complete"}.get(share, "partial")


def mutual_information(mean: Tensor, scale: Tensor, z: Tensor) -> float:
    """I(x;z) in nats under q, estimated.

    The information about which of the N rows z came from: E log q(z|x_n) - E log q(z) with
    q(z) = 1/N sum_m q(z|x_m), and one draw z_n a row (Hoffman and Johnson, ELBO surgery, 2016;
    Alemi et al., Fixing a Broken ELBO, 2018, arXiv:1711.00464). It is at most log N.

    Args:
        mean, scale: (N,D), of the normal q(z|x_n).
        z: (N,D), drawn from them.
    """
    mean, scale, z = mean.double(), scale.double(), z.double()
    mean, z = mean - mean.mean(0), z - mean.mean(0)  # squares of small numbers lose less
    precision = scale.square().reciprocal()
    constant = -scale.log().sum(1) - 0.5 * (mean.square() * precision).sum(1)
    weighted = mean * precision
    own = -0.5 * ((z - mean) / scale).square().sum(1) - scale.log().sum(1)
    log_q: list[Tensor] = []
    for rows in torch.arange(len(z)).split(max(1, _VALUES // len(z))):
        # log q(z_n|x_m) for all n, m as two matrix products; (2 pi)^D cancels in I.
        logs = z[rows] @ weighted.T - 0.5 * z[rows].square() @ precision.T + constant
        # A row's own, the greatest, to the last bit: products of great numbers lose some.
        logs[torch.arange(len(rows)), rows] = own[rows]
        log_q.append(logs.logsumexp(1) - math.log(len(z)))
    return float((own - torch.cat(log_q)).mean())


def code_figures(counts: Tensor, q: int = 1) -> dict[str, float]:
    """usage, dead codes and perplexity exp(H) of the total ``counts`` (q * K,) of all codes.

    The q codes of a place count alike, so H of all together is log(q) more than the mean of H.
    """
    return {
        "usage": float(usage(counts)),
        "dead-codes": float((counts == 0).sum()),
        "perplexity": float(perplexity(counts)) / q,
    }


@dataclass
class Posterior(Metric):
    """``posterior``: active units, KL per dimension, mutual information, collapse.

    A hierarchy has a KL for each level and dimension, given the z drawn above it, and neither
    active units nor a mutual information: a lower level's mean moves with the draws above.
    """

    rows_kept: int = 4096  # rows among which the mutual information is estimated
    each: bool = False  # the KL of every single dimension as well

    needs = frozenset({"output"})

    def __post_init__(self) -> None:
        if self.rows_kept < 2:
            raise ValueError(f"rows_kept must be at least 2, not {self.rows_kept}")

    def missing(self, run: Run) -> str:
        point = getattr(run.model.bottleneck, "deterministic", False)
        if run.model.bound_name != "elbo" or point:
            return "the model has no posterior q(z|x), its z is a function of x"
        if getattr(run.model.bottleneck, "own_prior", False):
            return ""
        h = torch.zeros(1, *run.model.encoder.out_shape, device=run.model.device)
        with torch.no_grad():
            q = run.model.bottleneck(h, **stand_in(run.model.bottleneck)).q
        if mean_of(q) is None:
            return "the posterior has no closed mean, as a flow; likelihood measures its rate"
        return ""

    def begin(self, run: Run) -> None:
        super().begin(run)
        self._block = 0

    def update(self, batch: Batch) -> None:
        assert batch.output is not None
        if batch.output.latents[0].p is not None:
            return self._update_levels(batch.output.latents)
        latent = batch.output.latents[0]
        q, z = latent.q, latent.z.flatten(1)
        assert q is not None
        mean, scale = q.mean.flatten(1), q.stddev.flatten(1)
        self.accumulate("mean", wide(mean).sum(0))
        self.accumulate("square", wide(mean).square().sum(0))
        kl = kl_per_dimension(q, batch.model.prior.distribution(latent.z))
        if kl is not None:
            self.accumulate("kl", wide(kl).sum(0))
            self.accumulate("idle", (kl < EPSILON).sum(0))
        # Blocks have one size but for the last; a superset of the first rows is kept.
        self._block = max(self._block, len(z))
        if batch.block * self._block < self.rows_kept and normals(q) is not None:
            self.keep("q", batch.rows, torch.stack([mean, scale, z], 1))

    def _update_levels(self, latents: tuple[Latent, ...]) -> None:
        for number, latent in enumerate(latents, 1):
            assert latent.rate is not None
            self.accumulate(f"rate/{number}", wide(latent.rate).sum())
            kl = kl_per_dimension(latent.q, latent.p)
            if kl is not None:
                self.accumulate(f"kl/{number}", wide(kl).sum(0))
                self.accumulate(f"idle/{number}", (kl < EPSILON).sum(0))

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        if "mean" not in sums:
            return self._figures_of_levels(sums)
        n, dims = self.run.n, len(sums["mean"])
        active = active_units(sums["mean"], sums["square"], n)
        text = f"variance of the posterior's mean over {ACTIVE}, of {dims} dimensions"
        figures = [
            self.figure("active-units", int(active.sum()), text, higher_is_better=True),
        ]
        if "kl" in sums:
            text = f"mean KL(q(z_i|x) | p(z_i)), of {dims} dimensions"
            figures += self._kl(sums["kl"] / n, text)
            figures.append(self._collapse(sums["idle"]))
        if "q" in rows:
            mean, scale, z = rows["q"][: self.rows_kept].unbind(1)
            information = mutual_information(mean, scale, z)
            kept = len(z)
            more: dict[str, Any] = {"unit": "nats", "n": kept, "seed": self.run.seed}
            text = f"which of {kept} rows, one draw of z each; at most log N = {math.log(kept):.4g}"
            figures.append(self.figure("mutual-information", information, text, **more))
        return figures

    def _figures_of_levels(self, sums: dict[str, Tensor]) -> list[Figure]:
        """Level 1 is drawn last, of the largest map; the highest number is the top."""
        n, figures = self.run.n, []
        numbers = range(1, 1 + sum(name.startswith("rate/") for name in sums))
        given = "given the z drawn above"
        for number in numbers:
            value = float(sums[f"rate/{number}"]) / n
            text = f"mean KL(q | p) of level {number} of {len(numbers)}, {given}"
            more: dict[str, Any] = {"unit": "nats", "seed": self.run.seed}
            figures.append(self.figure(f"kl-level-{number}", value, text, **more))
            if f"idle/{number}" in sums:
                figures.append(self._collapse(sums[f"idle/{number}"], f"-level-{number}"))
        kls = [sums[f"kl/{number}"] for number in numbers if f"kl/{number}" in sums]
        if len(kls) == len(numbers):
            each = torch.cat(kls) / n
            text = f"mean KL(q | p), of {len(each)} dimensions of all levels, {given}"
            figures += self._kl(each, text)
            figures.append(self._collapse(torch.cat([sums[f"idle/{i}"] for i in numbers])))
        return figures

    def _kl(self, each: Tensor, text: str) -> list[Figure]:
        """Of the mean KL (D,) of every dimension."""
        found = {"min": each.min(), "median": each.quantile(0.5), "max": each.max()}
        figures = [
            self.figure(f"kl-per-dim-{name}", float(value), text, unit="nats")
            for name, value in found.items()
        ]
        for i, value in enumerate(each.tolist() if self.each else ()):
            figures.append(self.figure(f"kl-dim-{i}", value, text, unit="nats"))
        return figures

    def _collapse(self, idle: Tensor, suffix: str = "") -> Figure:
        gone = float(collapsed(idle, self.run.n).double().mean())
        text = (
            f"share of {len(idle)} dimensions with a KL under {EPSILON} nats for "
            f"{1 - DELTA:.0%} of the rows; 0 is none, 1 complete"
        )
        return self.figure(f"posterior-collapse{suffix}", gone, text, higher_is_better=False)


def kl_per_dimension(q: Distribution | None, p: Distribution | None) -> Tensor | None:
    """(B,D) nats, or None where the posterior or the prior is not normal in each dimension."""
    mine, theirs = normals(q), normals(p)
    if mine is None or theirs is None:
        return None
    return kl_divergence(mine, theirs).flatten(1)


class Codes(Metric):
    """``codes``: how many codes the whole split uses, and how evenly."""

    needs = frozenset({"latent"})

    def missing(self, run: Run) -> str:
        return "" if run.model.capabilities.codes else "the model has no codes"

    def update(self, batch: Batch) -> None:
        assert batch.latent is not None
        for level, counts in enumerate(batch.model.count_codes(batch.latent.codes), 1):
            self.accumulate(f"counts/{level}", counts)

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        """Of each level; level 1 is the largest map."""
        better = {"usage": True, "dead-codes": False, "perplexity": True}
        books, found = self.run.model.codebooks, []
        for level, (k, q) in enumerate(books, 1):
            text = f"codes of all images counted together, of {k}"
            if q > 1:
                text += f" for each of {q} a place; perplexity is exp of their mean entropy"
            suffix = f"-level-{level}" if len(books) > 1 else ""
            for name, value in code_figures(sums[f"counts/{level}"], q).items():
                figure = self.figure(name + suffix, value, text, higher_is_better=better[name])
                found.append(figure)
        return found
