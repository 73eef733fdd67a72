"""Priors whose ``log_prob`` is exact, and those that draw a bound of it (``exact = False``)."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor


def is_exact(prior: Any) -> bool:
    """Whether ``log_prob`` is the density; else it is a bound from below that is drawn."""
    return getattr(prior, "exact", True)


def log_prob(
    prior: Any, given: Any, cond: Tensor | None = None, generator: Generator | None = None
) -> Tensor:
    """(B,) nats of latents or codes; ``generator`` is of a bound's draws alone."""
    if is_exact(prior):
        return prior.log_prob(given, cond)
    return prior.log_prob(given, cond, generator=generator)
