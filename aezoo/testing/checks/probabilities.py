"""Probabilities over domains so small that all of them can be looked at."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aezoo.components.priors.exact import is_exact, log_prob
from aezoo.errors import ShapeError
from aezoo.metrics.likelihood import scored
from aezoo.testing.outcome import NotApplicable, require
from aezoo.testing.subject import Subject, stir

DRAWS = 20_000
BOUNDS = 16  # draws of a bound that are averaged, at each point of a grid
CODE_BOUNDS = 128  # and for each of the codes, of which there are few
DEVIATIONS = 6.0  # that chance is allowed

_SIDE = torch.linspace(-12, 12, 385, dtype=torch.float64)  # the grid of a density in the plane
_LINE = torch.linspace(-20, 21, 400_001, dtype=torch.float64)  # and of one over a single value


@dataclass(frozen=True, slots=True)
class _Small:
    """A distribution over a domain of which every point is known."""

    name: str
    points: Tensor  # (N, *event)
    weight: float  # what a point stands for: 1, or the grid's cell
    log_prob: Callable[[Tensor], Tensor]  # (N, *event) -> (N,) nats
    sample: Callable[[int], Tensor] | None  # n -> (n, *event); None: it cannot
    exact: bool = True  # False: log_prob is a bound from below


def probabilities_sum_to_one(subject: Subject) -> None:
    """The probabilities of all codes, levels or bits sum to one, a density integrates to one.

    Looked at with few positions, so that each outcome can be asked for; a density on a grid.
    Those of a prior that says ``exact = False`` sum to one at most.

    Fix: normalise: log_softmax over the K codes at each position, the whole mass between the
    edges of a level's bin with the outermost ones open, a flow's log-determinant.
    """
    for small in _smalls(subject):
        with torch.no_grad():
            total = float((small.log_prob(small.points).double().exp() * small.weight).sum())
        tolerance = 1e-3 if small.weight == 1 else 2e-2
        require(
            abs(total - 1) < tolerance or (not small.exact and 0 < total < 1),
            f"{small.name}: {len(small.points)} probabilities sum to {total:.6g}",
        )


def samples_follow_log_prob(subject: Subject) -> None:
    """What sample draws has the frequencies that log_prob says.

    Draws from a small domain, and compares their mean log-probability with the entropy; over
    codes also how often each outcome comes, by a chi-square test. Where log_prob is but a
    bound, no part of the domain may come more seldom than it says.

    Fix: draw from the same distribution that log_prob is of, at temperature 1.
    """
    looked = False
    for small in _smalls(subject):
        if small.sample is None:
            continue
        looked = True
        if not small.exact:
            _at_least(small)
            continue
        with torch.no_grad():
            log_p = small.log_prob(small.points).double()
            p = log_p.exp() * small.weight
            drawn = small.sample(DRAWS)
            nats = -small.log_prob(drawn).double()
        entropy = float(-(p * log_p.clamp(min=-1e9)).sum())
        error = float(nats.std()) / math.sqrt(DRAWS)
        off = abs(float(nats.mean()) - entropy)
        slack = 1e-3 if small.weight == 1 else 2e-2
        require(
            off <= DEVIATIONS * error + slack,
            f"{small.name}: -log p of {DRAWS} draws is {float(nats.mean()):.4f} nats on average "
            f"(standard error {error:.4f}), and the entropy is {entropy:.4f}",
        )
        if len(p) <= 1000:
            _chi_square(small, p, drawn)
    if not looked:
        raise NotApplicable("its distributions cannot be drawn from")


def _at_least(small: _Small) -> None:
    """No cell is drawn more seldom than a bound of its probability."""
    assert small.sample is not None
    with torch.no_grad():
        bound = small.log_prob(small.points).double().exp() * small.weight
        drawn = small.sample(DRAWS)
    flat, points = drawn.flatten(1).double(), small.points.flatten(1).double()
    if small.weight == 1:
        cells = torch.arange(len(points))
        index = torch.cdist(flat, points).argmin(1)
    else:
        flat = flat[(flat.abs() <= float(_SIDE[-1])).all(1)]
        cells, index = _coarse(points), _coarse(flat)
    count = int(cells.max()) + 1
    least = torch.zeros(count, dtype=torch.float64).index_add_(0, cells, bound)
    found = torch.bincount(index, minlength=count) / DRAWS
    error = (found.clamp(min=5 / DRAWS) / DRAWS).sqrt()
    off = ((least - found) / error).max()
    require(
        bool(off <= DEVIATIONS),
        f"{small.name}: of {DRAWS} draws a part comes {off:.1f} standard errors more seldom than "
        "the bound of its probability says",
    )


def _coarse(points: Tensor) -> Tensor:
    """Which of 12 x 12 squares of the plane: (N,) int64."""
    side = float(_SIDE[-1])
    at = ((points + side) / (2 * side) * 12).long().clamp(0, 11)
    return at[:, 0] * 12 + at[:, 1]


def _chi_square(small: _Small, p: Tensor, drawn: Tensor) -> None:
    index = torch.cdist(drawn.flatten(1).double(), small.points.flatten(1).double()).argmin(1)
    counts = torch.bincount(index, minlength=len(p)).double()
    expected = p * DRAWS
    rare = expected < 5  # together they are one cell
    cells = torch.cat([expected[~rare], expected[rare].sum()[None]])
    found = torch.cat([counts[~rare], counts[rare].sum()[None]])
    cells, found = cells[cells > 1], found[cells > 1]
    freedom = len(cells) - 1
    if freedom < 1:
        return
    statistic = float(((found - cells).square() / cells).sum())
    limit = freedom + DEVIATIONS * math.sqrt(2 * freedom) + DEVIATIONS**2
    require(
        statistic <= limit,
        f"{small.name}: the frequencies of {DRAWS} draws are not those of log_prob: chi-square "
        f"{statistic:.1f} with {freedom} degrees of freedom",
    )


# -- the small domains


def _smalls(subject: Subject) -> Iterator[_Small]:
    made = (_priors if subject.kind == "prior" else _likelihoods)(subject)
    first = next(made, None)
    if first is None:
        raise NotApplicable("it cannot be made so small that all outcomes can be looked at")
    return itertools.chain([first], made)


def _priors(subject: Subject) -> Iterator[_Small]:
    for rank, bound in subject.bounds().items():
        if hasattr(bound.config.prior.entry.load(), "attach"):  # nothing without its model
            model = subject.build(bound)
            if math.prod(model.latent_shape) == 2 and not model.capabilities.conditional:
                yield _small(model.prior, model.latent_shape, None, None)
            continue
        codes = subject.build(bound, device="meta").capabilities.codes
        shape = {1: (4,), 2: (2, 2), 3: (2, 1, 2)}[rank] if codes else (2, *[1] * rank)
        k = 3 if codes else None
        for width in (None, 3) if subject.record.caps.conditional else (None,):
            try:
                prior = bound.config.prior.build(shape=shape, num_codes=k, cond_dim=width)
            except ShapeError:
                continue  # it wants more places than that
            if getattr(prior, "space", None) not in (None, "bits"):
                continue  # its measure is not the plane's
            yield _small(prior.eval(), shape, k, width)


def _small(prior: Any, shape: tuple[int, ...], k: int | None, width: int | None) -> _Small:
    stir(prior, 0.3)
    cond = None if width is None else torch.randn(1, width)
    bits = k is None and getattr(prior, "space", None) == "bits"
    if k is not None or bits:
        every = itertools.product(range(k or 2), repeat=math.prod(shape))
        points, weight = torch.tensor(list(every)).reshape(-1, *shape), 1.0
        points = points.float() if bits else points
    else:
        # A bound is drawn many times at each point, and asked for no more than a sum.
        side = _SIDE if is_exact(prior) else _SIDE[::4]
        points = torch.cartesian_prod(side, side).float().reshape(-1, *shape)
        weight = float(side[1] - side[0]) ** 2

    def rows(n: int) -> Tensor | None:
        return None if cond is None else cond.expand(n, -1)

    def nats(values: Tensor) -> Tensor:
        draws = 1 if is_exact(prior) else BOUNDS if k is None else CODE_BOUNDS
        generator = torch.Generator().manual_seed(8)
        drawn = (log_prob(prior, values, rows(len(values)), generator) for _ in range(draws))
        return sum(drawn, torch.zeros(())) / draws

    return _Small(
        f"over {'codes' if k else 'latents'} {shape}"
        + (f" of {k} codes" if k else "")
        + (" with a condition" if width else ""),
        points,
        weight,
        nats,
        lambda n: prior.sample(n, cond=rows(n), generator=torch.Generator().manual_seed(7)),
        is_exact(prior),
    )


def _likelihoods(subject: Subject) -> Iterator[_Small]:
    for rank, bound in subject.bounds().items():
        low, high = subject.build(bound, device="meta").input_range
        for shape in ((1, *[1] * (rank - 1), 2), (2, *[1] * rank), (1, *[1] * rank)):
            try:
                likelihood = bound.config.likelihood.build(shape=shape)
            except ShapeError:
                continue
            likelihood.eval()
            stir(likelihood)
            params = torch.randn(1, likelihood.param_channels, *shape[1:])
            made = _repeated(likelihood, params, (low, high))
            over, p = made(1)
            if isinstance(getattr(p, "on_levels", None), str) and not hasattr(p, "levels"):
                continue  # levels of its own, and it does not say which values these are
            size = math.prod(shape)
            if over == "density":
                if size > 1:
                    continue
                values, weight = _LINE, float(_LINE[1] - _LINE[0])
            else:
                values, weight = _levels(p, over, low, high), 1.0
            points = torch.cartesian_prod(*[values] * size).reshape(-1, *shape)
            yield _Small(
                f"p(x|z) of x {shape}",
                points.float(),
                weight,
                lambda x, made=made: torch.cat(
                    [made(len(part))[1].log_prob(part) for part in x.split(1 << 14)]
                ),
                lambda n, made=made: made(n)[1].sample(),
            )


def _repeated(likelihood: Any, params: Tensor, given: tuple[float, float]) -> Callable[[int], Any]:
    """n -> what p(x|z) is over, and p(x|z) for a batch of n that all have these params."""
    return lambda n: scored(likelihood, likelihood(params.expand(n, *params.shape[1:])), given)


def _levels(p: Any, over: str, low: float, high: float) -> Tensor:
    """The values that one x can have; a plugin's distribution may say them as ``levels``."""
    own = getattr(p, "levels", None)
    if isinstance(own, Tensor):
        return own.double()
    count = 2 if over == "bits" else 256
    return torch.linspace(low, high, count, dtype=torch.float64)
