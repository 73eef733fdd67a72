"""Codes: integers in range, which decode to what the quantizer itself gave."""

from __future__ import annotations

from typing import Any

import torch

from aezoo.latents import Latent, levels
from aezoo.resolve import Bound
from aezoo.testing.outcome import NotApplicable, require
from aezoo.testing.subject import Subject, batch, by_level


def codes_round_trip(subject: Subject) -> None:
    """Codes are int64 in [0, K), and lookup(codes) is the z that came with them.

    Fix: let lookup make z as forward does, from the codes alone; number the codes from 0 to
    num_codes - 1, for wild inputs too.
    """
    for bound in subject.bounds().values():
        model = subject.build(bound)
        if not model.capabilities.codes:
            raise NotApplicable("the model has no codes")
        quantizer = model.bottleneck
        require(
            all(type(k) is int and k > 1 for k in levels(quantizer.num_codes)),
            f"num_codes is {quantizer.num_codes!r}, expected an int above 1",
        )
        x, cond = batch(model, 6)
        with torch.no_grad():
            h = model.features(x, cond)
            for scale in (1.0, 10.0, 1000.0):
                scaled = tuple(scale * level for level in levels(h))
                for sample in (False, True):
                    latent = quantizer(scaled if isinstance(h, tuple) else scaled[0], sample=sample)
                    _compare(bound, quantizer, latent)
            if isinstance(quantizer.num_codes, int):
                _look_up(bound, quantizer, model.code_shape)


def _compare(bound: Bound, quantizer: Any, latent: Latent) -> None:
    require(latent.codes is not None, f"{bound}: the latent has no codes")
    for (name, codes), k in zip(
        by_level("codes", latent.codes).items(), levels(quantizer.num_codes), strict=True
    ):
        require(codes.dtype == torch.int64, f"{bound}: {name}: {codes.dtype}, not torch.int64")
        low, high = int(codes.min()), int(codes.max())
        require(low >= 0 and high < k, f"{bound}: {name} from {low} to {high}, but K is {k}")
    again = quantizer.lookup(latent.codes)
    require(
        again.shape == latent.z.shape and torch.allclose(again, latent.z, atol=1e-5, rtol=1e-5),
        f"{bound}: lookup(codes) is not the z that was given with them",
    )


def _look_up(bound: Bound, quantizer: Any, shape: tuple[int, ...]) -> None:
    """Every code there is, or the first of many."""
    codes = torch.arange(min(quantizer.num_codes, 4096)).reshape(-1, *[1] * len(shape))
    z = quantizer.lookup(codes.expand(-1, *shape))
    require(
        tuple(z.shape[1:]) == tuple(quantizer.out_shape) and bool(torch.isfinite(z).all()),
        f"{bound}: lookup of all codes gives shape {tuple(z.shape)}, or numbers not finite",
    )
    require(len(torch.unique(z.flatten(1), dim=0)) > 1, f"{bound}: all codes look up the same z")
