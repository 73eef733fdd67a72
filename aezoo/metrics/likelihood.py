"""How likely a model finds the data: the ELBO and its two parts, and tighter bounds.

All figures are -log p(x), so that smaller is better and a bound on log p(x) from below is a
"≤" here. What is scored is said with every figure:

- *256 levels*: P(x) of an 8-bit image. A mixture of logistics is one as it is; a density
  (gaussian, laplace) is integrated over each level's bin. Only these nats become bits/dim.
- *bits*: P(x) of binary pixels under Bernoulli variables. The bits of ``mnist-binary`` are
  drawn once, from the seed and the pixel's place (`aezoo.data.sets.binarise`), the
  "fixed-seed" protocol. Grey pixels may be scored as well: the cross-entropy is linear in x
  and the bounds convex in it, so they bound the mean of -log P over bits drawn anew from the
  pixels, the "dynamic" protocol with its expectation taken exactly. The "static" protocol
  means the bits of one file, Larochelle's binarized_mnist (Larochelle and Murray, The Neural
  Autoregressive Distribution Estimator, 2011; Salakhutdinov and Murray, 2008): these bits are
  a fixed draw too, but another one, and no figure from other bits may be called static.
- *density*: p(x) of the density itself, in nats that depend on the units of x and may have
  either sign. Never bits/dim.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Bernoulli, Distribution, Independent

from aezoo.components.likelihoods.location_scale import DiscretizedLocationScale, LocationScale
from aezoo.components.likelihoods.logistic_mixture import LogisticMixture
from aezoo.components.priors.exact import is_exact
from aezoo.errors import CapabilityError
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.metrics.bounds import Bound
from aezoo.records import Figure

ELEMENTS = 2**21  # values of x that the draws of one step hold: memory does not grow with k

_SCORED = {
    "levels": "P(x) on 256 levels",
    "bits": "P(x) of binary pixels",
    "density": "a density's nats in pixels of [0,1]",
}


def scored(
    likelihood: Any, p: Distribution, range: tuple[float, float] = (0.0, 1.0)
) -> tuple[str, Distribution]:
    """What p(x|z) is a probability of, "levels", "bits" or "density", and P(x|z) over it.

    ``p`` is what ``likelihood`` made. A density comes back integrated over the levels, in
    float64, where its likelihood is a `LocationScale` and x, in ``range``, is of pixels. A
    plugin's distribution over levels says so with an attribute ``on_levels``: True for the 256
    of a pixel, a text such as "256 mu-law levels" for others.
    """
    base = p.base_dist if isinstance(p, Independent) else p
    if isinstance(base, Bernoulli):
        return "bits", p
    if isinstance(p, LogisticMixture) or getattr(p, "on_levels", False):
        return "levels", p
    if isinstance(likelihood, LocationScale) and range == (0, 1):
        location, scale = base.loc.double(), base.scale.double()  # type: ignore[union-attr]
        family = type(likelihood)
        return "levels", DiscretizedLocationScale(family.family, family.log_cdf, location, scale)
    return "density", p


@torch.no_grad()
def importance_bound(
    model: Any,
    x: Tensor,
    cond: Tensor | None = None,
    *,
    k: int,
    generator: torch.Generator | None = None,
    elements: int = ELEMENTS,
) -> Tensor:
    """(B,) float64: log (1/k) sum_i p(x|z_i) p(z_i) / q(z_i|x) in nats, z_i from q(z|x).

    The importance-weighted bound (Burda, Grosse and Salakhutdinov, Importance Weighted
    Autoencoders, 2015, arXiv:1509.00519, equation 8); x (B,C,*S) is scored as `scored` says.
    The encoder runs once; draws are made as many at a time as fit into ``elements`` values of
    x and only a running log-sum is kept.

    Raises:
        CapabilityError: the model has no posterior to draw from.
        ValueError: k is below 1.
    """
    if k < 1:
        raise ValueError(f"k must be at least 1, not {k}")
    if model.capabilities.bound != "elbo":
        raise CapabilityError(f"{model.spec} has no q(z|x) to draw {k} samples from; a vae has")
    total = torch.full((len(x),), -math.inf, dtype=torch.float64, device=x.device)
    for part in _log_weights(model, x, cond, k, generator, max(1, elements // x.numel())):
        total = torch.logaddexp(total, part.logsumexp(0))
    return total - math.log(k)


def _log_weights(
    model: Any,
    x: Tensor,
    cond: Tensor | None,
    k: int,
    generator: torch.Generator | None,
    at_once: int,
) -> Iterator[Tensor]:
    """log p(x,z) - log q(z|x) of k draws, float64 (n,B), ``at_once`` draws at a time."""
    h = model.features(x, cond)
    for first in range(0, k, at_once):
        n = min(at_once, k - first)
        xs, hs = _repeated(x, n), _repeated(h, n)
        conds = None if cond is None else _repeated(cond, n)
        latent = model.infer(hs, conds, x=xs, sample=True, generator=generator)
        p = model.p(latent.z, conds, size=tuple(x.shape[2:]))
        log_p = scored(model.likelihood, p, model.input_range)[1].log_prob(xs)
        ratio = model.log_ratio(latent.levels or (latent,), conds, generator)
        yield (log_p.double() - ratio.double()).view(n, len(x))


def _repeated(x: Any, n: int) -> Any:
    """(B,...) -> (n*B,...), draw by draw; of a tuple, each."""
    if isinstance(x, tuple):
        return tuple(_repeated(part, n) for part in x)
    return x if n == 1 else x.repeat(n, *[1] * (x.ndim - 1))


@dataclass
class Likelihood(Metric):
    """``likelihood``: the bound, its rate and distortion, bits/dim; with ``k`` a tighter bound.

    The ELBO has one draw of z an image. For codes z is a function of x, and the bound is the
    nats of the codes under the prior and the decoder's -log P(x|codes); k changes nothing.
    """

    k: int = 0  # draws of the importance-weighted bound; 0: none

    needs = frozenset({"output"})

    def __post_init__(self) -> None:
        if self.k < 0:
            raise ValueError(f"k must be at least 1, or 0 for no such bound, not {self.k}")

    def missing(self, run: Run) -> str:
        if not run.model.has_density:
            return "the model's likelihood is no density of the data, so it has no likelihood bound"
        if run.model.capabilities.bound is None:
            return "a plain autoencoder charges nothing for z, so it has no likelihood bound"
        return ""

    def begin(self, run: Run) -> None:
        super().begin(run)
        self._over, self._levels = "density", True

    def update(self, batch: Batch) -> None:
        output = batch.output
        assert output is not None
        assert output.rate is not None
        self.add("rate", output.rate)
        self.add("distortion", output.distortion)
        self._over, p = scored(batch.model.likelihood, output.p, batch.model.input_range)
        self._levels = getattr(p, "on_levels", True)
        if p is not output.p:
            self.add("distortion on levels", -p.log_prob(batch.x))
        if self._over == "bits":
            self.add("grey", ((batch.x > 0) & (batch.x < 1)).flatten(1).any(1))
        if self.k and batch.model.capabilities.bound == "elbo":
            generator = batch.generator("iwae")
            bound = importance_bound(
                batch.model, batch.x, batch.cond, k=self.k, generator=generator
            )
            self.add("iwae", -bound)

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        means = {name: float(total) / self.run.n for name, total in sums.items()}
        model, over = self.run.model, self._over
        kind = model.capabilities.bound
        integrated = "distortion on levels" in means
        # A density's own bound, and beside it what the same draws give on the levels.
        natural = "density" if integrated else over
        rate, distortion = means["rate"], means["distortion"]
        z = "one draw of z" if kind == "elbo" else _code_protocol(model)

        def bound(nats: float, kind: str, over: str) -> Bound:
            return Bound(nats, kind, over, math.prod(self.run.images.dataset.shape))

        def row(metric: str, value: float, text: str, **more: Any) -> Figure:
            return self.figure(
                metric, value, text, seed=self.run.seed, higher_is_better=False, **more
            )

        def stated(metric: str, given: Bound, draws: str) -> list[Figure]:
            text = f"{self._what(given.over, means)}, {draws}"
            typed = {"kind": given.kind, "bound": given.sign}
            found = [row(metric, given.nats, text, unit="nats", **typed)]
            if given.over == "levels":
                name = "bits/dim" if given.kind == kind else f"bits/dim-{given.kind}"
                found.append(row(name, given.bits_per_dim, text, unit="bits", **typed))
            return found

        figures = stated(f"-{kind}", bound(rate + distortion, kind, natural), z)
        figures.append(row("rate", rate, z, unit="nats"))
        text = f"{self._what(natural, means)}, {z}"
        figures.append(row("distortion", distortion, text, unit="nats"))
        if kind == "vq-bound":
            figures.append(row("code-bits", rate / math.log(2), z, unit="bits"))
        if integrated:
            discrete = bound(rate + means["distortion on levels"], kind, "levels")
            figures += stated(f"-{kind}-on-levels", discrete, z)
        if "iwae" in means:
            tight = bound(means["iwae"], f"iwae-{self.k}", over)
            figures += stated(f"nll-iwae-{self.k}", tight, f"{self.k} draws of z")
        return figures

    def _what(self, over: str, means: dict[str, float]) -> str:
        if over == "bits" and means["grey"]:
            return "grey pixels: the mean over bits drawn from them (dynamic)"
        if over == "levels" and isinstance(self._levels, str):
            return f"P(x) on {self._levels}"
        if over == "density" and self.run.model.input_range != (0, 1):
            return "a density's nats in values of [-1,1]"
        return _SCORED[over]


def _code_protocol(model: Any) -> str:
    if model.capabilities.sample and any(True for _ in model.prior.parameters()):
        name = model.bound.config.prior.entry.component.name
        drawn = "" if is_exact(model.prior) else ", a bound of it drawn"
        return f"codes under the fitted {name}{drawn}"
    counts = " and ".join(f"log2 {k}" for k, _ in model.codebooks)
    return f"codes under a uniform prior, {counts} bits each"
