"""The rate is what the draws say it is."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from aezoo.components.priors.exact import log_prob
from aezoo.testing.outcome import NotApplicable, require
from aezoo.testing.subject import Subject, batch

DRAWS = 4000
ERRORS = 5.0  # standard errors that chance is allowed


def rate_is_monte_carlo(subject: Subject) -> None:
    """The rate is the mean of log q(z|x) - log p(z) over the draws of z (a code's: -log p).

    Fix: let q be the distribution that the bottleneck draws z from, its event all of (D,*L);
    let the prior's distribution() and log_prob be of the same density, in nats summed over
    all dimensions.
    """
    model: Any = subject.build()
    if model.capabilities.bound is None:
        raise NotApplicable("a plain autoencoder has no rate")
    x, cond = batch(model, 3)
    with torch.no_grad():
        output = model(x, cond, generator=torch.Generator().manual_seed(1))
        reads = model.embed_for_prior(cond)
        latent = model.encode(x, cond)
        require(
            output.rate.shape == (3,) and bool(torch.isfinite(output.rate).all()),
            f"{model.spec}: the rate is {output.rate}",
        )
        if latent.codes is not None:
            alike = (torch.Generator().manual_seed(3) for _ in range(2))
            rate = model.rate(latent, cond, generator=next(alike))
            cost = -log_prob(model.prior, latent.codes, reads, next(alike))
            require(
                torch.allclose(rate, cost, rtol=1e-5),
                f"{model.spec}: the rate is {rate.tolist()}, but -log p(codes) {cost.tolist()}",
            )
            return
        if latent.levels:
            _hierarchy(model, x, cond)
            return
        require(latent.q is not None, f"{model.spec}: the latent has no q, so there is no rate")
        assert latent.q is not None
        h = model.features(x, cond).repeat_interleave(DRAWS, 0)
        xs = x.repeat_interleave(DRAWS, 0)
        conds = None if cond is None else cond.repeat_interleave(DRAWS, 0)
        generator = torch.Generator().manual_seed(2)
        drawn = model.infer(h, conds, x=xs, sample=True, generator=generator)
        if reads is not None:
            reads = reads.repeat_interleave(DRAWS, 0)
        log_ratio = drawn.q.log_prob(drawn.z) - log_prob(model.prior, drawn.z, reads)
        log_ratio = log_ratio.double().reshape(3, DRAWS)
        p = model.prior.distribution(latent.z)
        if p is None or not _closed(latent.q, p):
            single = output.rate.double()  # one draw's: it must be one of that distribution
            off = (single - log_ratio.mean(1)).abs() / log_ratio.std(1).clamp(min=1e-6)
            require(off.max() < 8, f"{model.spec}: the rate is {off.max():.1f} deviations off")
            return
    mean, error = log_ratio.mean(1), log_ratio.std(1) / math.sqrt(DRAWS)
    off = (output.rate.double() - mean).abs()
    require(
        (off <= ERRORS * error + 1e-4 * mean.abs() + 1e-4).all(),
        f"{model.spec}: the rate is {[round(r, 4) for r in output.rate.tolist()]} nats, and "
        f"{[round(m, 4) for m in mean.tolist()]} by {DRAWS} draws "
        f"(standard errors {[round(e, 4) for e in error.tolist()]})",
    )


def _hierarchy(model: Any, x: Tensor, cond: Tensor | None) -> None:
    """Rates are given the z drawn above: their mean over the draws is that of log q - log p."""
    h = model.features(x, cond)
    h = tuple(part.repeat_interleave(DRAWS, 0) for part in (h if isinstance(h, tuple) else (h,)))
    conds = None if cond is None else cond.repeat_interleave(DRAWS, 0)
    drawn = model.infer(h, conds, sample=True, generator=torch.Generator().manual_seed(2))
    each = [level.q.log_prob(level.z) - level.p.log_prob(level.z) for level in drawn.levels]
    off = (model.rate(drawn, conds) - sum(each)).double().reshape(3, DRAWS)
    allowed = ERRORS * off.std(1) / math.sqrt(DRAWS) + 1e-4
    require(
        (off.mean(1).abs() <= allowed).all(),
        f"{model.spec}: the mean rate is {off.mean(1).tolist()} nats away from that of log q - "
        f"log p over {DRAWS} draws, and chance allows {allowed.tolist()}",
    )


def _closed(q: torch.distributions.Distribution, p: torch.distributions.Distribution) -> bool:
    try:
        kl_divergence(q, p)
    except NotImplementedError:
        return False
    return True
