"""Autoregressive priors: those with `logits(codes, cond) -> (B,K,*L)`, in raster order."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aezoo.errors import ShapeError
from aezoo.testing.outcome import NotApplicable, require
from aezoo.testing.subject import Subject, stir

_SHAPES = {1: (7,), 2: (3, 4), 3: (2, 2, 3)}
_CODES = 5


def causality(subject: Subject) -> None:
    """The logits of a position depend on codes before it in raster order, and on no others.

    One code is changed at a time, and every logit that moves must stand behind it.

    Fix: cut the present and the future off: shift the input by one position, and mask or pad
    every layer on the side of the past.
    """
    for prior, shape, cond in _autoregressive(subject):
        n = math.prod(shape)
        for _ in range(4):
            codes = torch.randint(_CODES, (1, n)).expand(n + 1, n).clone()
            codes[range(n), range(n)] = (codes[range(n), range(n)] + 1) % _CODES
            rows = None if cond is None else cond[:1].expand(n + 1, -1)
            with torch.no_grad():
                logits = prior.logits(codes.reshape(-1, *shape), rows).flatten(2)
            moved = (logits[:n] - logits[n]).abs().amax(1) > 1e-4  # (changed, read)
            ahead = moved.tril()  # read at or before what was changed
            if ahead.any():
                changed, read = ahead.nonzero()[0].tolist()
                require(
                    False,
                    f"codes {shape}: the logits of position {read} move with the code of "
                    f"position {changed}",
                )
            require(moved.any(), f"codes {shape}: no logits depend on any code")


def incremental_sampling_equals_naive(subject: Subject) -> None:
    """The cached sampler draws what the whole network says, position by position.

    log_prob is the sum of log_softmax(logits) at the codes; and at temperature 0, where the
    likeliest code is taken each time, sample gives what argmax of logits gives when all
    positions are computed anew for each code.

    Fix: keep in the sampler's cache exactly what the network would compute from the codes so
    far, with the condition; `python -c` with one layer shows which layer differs.
    """
    for prior, shape, cond in _autoregressive(subject):
        n = 3
        codes = torch.randint(_CODES, (n, *shape))
        rows = None if cond is None else cond[:n]
        with torch.no_grad():
            logits = prior.logits(codes, rows)
            require(
                tuple(logits.shape) == (n, _CODES, *shape),
                f"logits of codes {tuple(codes.shape)} have shape {tuple(logits.shape)}",
                "give logits (B,K,*L)",
            )
            by_chain = -F.cross_entropy(logits, codes, reduction="none").flatten(1).sum(1)
            found = prior.log_prob(codes, rows)
            require(
                torch.allclose(found, by_chain, atol=1e-4, rtol=1e-4),
                f"codes {shape}: log_prob is {found.tolist()}, and by logits {by_chain.tolist()}",
            )
            sampled = prior.sample(n, cond=rows, temperature=0.0)
            naive = _greedy(prior, n, shape, rows)
        other = (sampled != naive).flatten(1).any(0).nonzero().flatten().tolist()
        require(
            not other,
            f"codes {shape}: at temperature 0 sample is not the argmax of logits at {other[:1]}",
        )


def _greedy(prior: Any, n: int, shape: tuple[int, ...], cond: Tensor | None) -> Tensor:
    codes = torch.zeros(n, *shape, dtype=torch.int64)
    for position in itertools.product(*map(range, shape)):
        at = (slice(None), *position)
        codes[at] = prior.logits(codes, cond)[(slice(None), *at)].argmax(1)
    return codes


def _autoregressive(subject: Subject) -> Iterator[tuple[Any, tuple[int, ...], Tensor | None]]:
    """Small priors with other weights each: (prior, shape of the codes, conditions (3,E)).

    In float64: what rounding alone moves is no dependence.
    """
    found = False
    for rank, bound in subject.bounds().items():
        if not hasattr(bound.config.prior.entry.load(), "logits"):
            continue
        shape = _SHAPES[rank]
        for width, amount in itertools.product(
            (None, 4) if subject.record.caps.conditional else (None,), (0.1, 0.4)
        ):
            try:
                prior = bound.config.prior.build(shape=shape, num_codes=_CODES, cond_dim=width)
            except ShapeError:
                continue
            found = True
            stir(prior.double().eval(), amount)
            yield prior, shape, None if width is None else torch.randn(3, width).double()
    if not found:
        raise NotApplicable("it has no method logits(codes, cond): it is not autoregressive")
