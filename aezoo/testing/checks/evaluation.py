"""In eval mode a sample's result is its own, and random numbers come from where they should."""

from __future__ import annotations

import random
from typing import Any

import torch

from aezoo.components.priors.exact import log_prob
from aezoo.testing.checks.weights import outputs
from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject, batch, by_level


def batch_independence(subject: Subject) -> None:
    """In eval mode, what comes out for a sample does not depend on the others in its batch.

    Fix: in eval mode use no statistics of the batch (batch normalisation does it right) and
    update nothing; compute penalties for each sample, summed over its own dimensions.
    """
    model = subject.build()
    x, cond = batch(model, 4)
    other = x.clone()
    low, high = x.min(), x.max()
    other[1:] = low + high - x[1:].flip(0)
    other[3] = high  # one that is far from the others
    (mine, theirs) = (_each(model, rows, cond) for rows in (x, other))
    for name, value in mine.items():
        require(
            torch.allclose(value[:1], theirs[name][:1], atol=1e-5, rtol=1e-4),
            f"{model.spec}: with other batch-mates the {name} of the same sample differs by up to "
            f"{(value[:1].double() - theirs[name][:1].double()).abs().max():.3g}",
        )
    again = _each(model, x, cond)
    changed = [name for name, value in mine.items() if not torch.equal(value, again[name])]
    require(
        not changed,
        f"{model.spec}: a second call on the same batch gives other {', '.join(changed)}",
        "change no state in eval mode",
    )


def _each(model: Any, x: torch.Tensor, cond: torch.Tensor | None) -> dict[str, torch.Tensor]:
    with torch.no_grad():
        latent = model.encode(x, cond)
        p = model.p(latent.z, cond if model.cond is not None else None, size=tuple(x.shape[2:]))
        found = {"z": latent.z, "distortion": -p.log_prob(x)}
        rate = model.rate(latent, cond, generator=torch.Generator().manual_seed(1))
        for name, value in (("codes", latent.codes), ("penalty", latent.penalty), ("rate", rate)):
            if value is not None:
                found |= by_level(name, value)
        if model.prior is not None:
            value = latent.codes if latent.codes is not None else latent.z
            embedded, generator = model.embed_for_prior(cond), torch.Generator().manual_seed(1)
            found["prior's log_prob"] = log_prob(model.prior, value, embedded, generator)
    return found


def seed_determinism(subject: Subject) -> None:
    """With a generator given, its seed decides every draw, and no global generator is touched.

    Fix: pass `generator=generator` to every function that draws, and draw with the functions
    that take one (torch.randn, not randn_like or Distribution.sample).
    """
    model = subject.build()
    state, python = torch.get_rng_state(), random.getstate()
    first, second = outputs(model, seed=5), outputs(model, seed=5)
    touched = not torch.equal(torch.get_rng_state(), state) or random.getstate() != python
    torch.manual_seed(123)  # another global state: it must not matter
    third = outputs(model, seed=5)
    for name, value in first.items():
        require(
            torch.equal(value, second[name]) and torch.equal(value, third[name]),
            f"{model.spec}: with the generator's seed the same, the {name} differs",
        )
    require(not touched, f"{model.spec}: with a generator given, a global one moved on")
