"""The sampler that every cached one is held against."""

from __future__ import annotations

import itertools

import torch

from aezoo.components.priors.raster import draw


def naive_sample(prior, n, *, shape, cond=None, generator=None, temperature=1.0):
    """(n,*shape) codes: one pass of the whole network a position."""
    noise = torch.rand((n, *shape), generator=generator)
    codes = torch.zeros(n, *shape, dtype=torch.int64)
    for position in itertools.product(*map(range, shape)):
        at = (slice(None), *position)
        with torch.no_grad():
            logits = prior.logits(codes, cond)[(slice(None), *at)]
        codes[at] = draw(logits, noise[at], temperature)
    return codes
