"""Codes: integers in range, which decode to what the quantizer itself gave."""

from __future__ import annotations

from typing import Any

import torch

from aezoo.latents import Latent
from aezoo.resolve import Bound
from aezoo.testing.outcome import NotApplicable, require
from aezoo.testing.subject import Subject, batch


def codes_round_trip(subject: Subject) -> None:
    """Codes are int64 in [0, K), and lookup(codes) is the z that came with them.

    Fix: let lookup make z as forward does, from the codes alone; number the codes from 0 to
    num_codes - 1, for wild inputs too.
    """
    for bound in subject.bounds().values():
        model = subject.build(bound)
        if not model.capabilities.codes:
            raise NotApplicable("the model has no codes")
        quantizer, k = model.bottleneck, model.bottleneck.num_codes
        require(type(k) is int and k > 1, f"num_codes is {k!r}, expected an int above 1")
        x, cond = batch(model, 6)
        with torch.no_grad():
            h = model.features(x, cond)
            for scale in (1.0, 10.0, 1000.0):
                for sample in (False, True):
                    _compare(bound, quantizer, quantizer(scale * h, sample=sample))
            every = torch.arange(min(k, 4096)).reshape(-1, *[1] * len(model.code_shape))
            every = every.expand(-1, *model.code_shape)
            z = quantizer.lookup(every)
        require(
            tuple(z.shape[1:]) == tuple(quantizer.out_shape) and bool(torch.isfinite(z).all()),
            f"{bound}: lookup of codes gives shape {tuple(z.shape)}, or numbers not finite",
        )
        require(
            len(torch.unique(z.flatten(1), dim=0)) > 1, f"{bound}: all codes look up the same z"
        )


def _compare(bound: Bound, quantizer: Any, latent: Latent) -> None:
    codes = latent.codes
    require(
        codes is not None and codes.dtype == torch.int64,
        f"{bound}: the codes are {getattr(codes, 'dtype', None)}, expected torch.int64",
    )
    assert codes is not None
    low, high, k = int(codes.min()), int(codes.max()), quantizer.num_codes
    require(low >= 0 and high < k, f"{bound}: codes from {low} to {high}, but K is {k}")
    again = quantizer.lookup(codes)
    require(
        again.shape == latent.z.shape and torch.allclose(again, latent.z, atol=1e-5, rtol=1e-5),
        f"{bound}: lookup(codes) is not the z that was given with them",
    )
