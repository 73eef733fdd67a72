"""Priors whose ``log_prob`` is exact, and those that draw a bound of it (``exact = False``)."""

from __future__ import annotations

from typing import Any

from torch import Generator, Tensor
from torch.distributions import Distribution, kl_divergence

from aezoo.errors import CapabilityError


def is_exact(prior: Any) -> bool:
    """Whether ``log_prob`` is the density; else it is a bound from below that is drawn."""
    return getattr(prior, "exact", True)


def weighs_in_training(prior: Any) -> bool:
    """Whether exp(``log_prob``) is at most the density on average in training too, as a weight."""
    return getattr(prior, "weighs_in_training", True)


def check_weights(model: Any) -> None:
    """Raises CapabilityError in training, where the prior says that p(z) is no weight there."""
    if model.training and not weighs_in_training(model.prior):
        raise CapabilityError(
            f"{model.spec}: importance weights need the prior's density, or draws whose mean it "
            f"is, and {model.bound.config.prior} gives these in evaluation alone: call model.eval()"
            "; to train, take objective=elbo, or prior=vae"
        )


def log_prob(
    prior: Any, given: Any, cond: Tensor | None = None, generator: Generator | None = None
) -> Tensor:
    """(B,) nats of latents or codes; ``generator`` is of a bound's draws alone."""
    if is_exact(prior):
        return prior.log_prob(given, cond)
    return prior.log_prob(given, cond, generator=generator)


def level_log_probs(
    prior: Any,
    codes: tuple[Tensor, ...],
    cond: Tensor | None = None,
    generator: Generator | None = None,
) -> tuple[Tensor, ...]:
    """The same of a prior over codes of several levels: (B,) nats of each level's."""
    if is_exact(prior):
        return prior.log_probs(codes, cond)
    return prior.log_probs(codes, cond, generator=generator)


def closed_kl(prior: Any, q: Distribution, z: Tensor) -> Tensor | None:
    """KL(q | p) in nats, (B,), or None where the pair has no closed form; z (B,D,*L) is of q."""
    p = prior.distribution(z)
    if p is None:
        return None
    try:
        return kl_divergence(q, p)
    except NotImplementedError:  # what torch says of an unknown pair
        return None
