"""What the autoregressive priors over codes share: how they draw, and what they check."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Generator, Tensor

from aezoo.errors import ShapeError


def uniforms(
    n: int, shape: Sequence[int], device: torch.device, generator: Generator | None
) -> Tensor:
    """(n,*shape) in [0,1), one for each code that `draw` will draw.

    They are drawn on the generator's device and moved to ``device``.
    """
    where = device if generator is None else generator.device
    return torch.rand((n, *shape), generator=generator, device=where).to(device)


def draw(logits: Tensor, noise: Tensor, temperature: float) -> Tensor:
    """logits (n,K), noise (n,) uniform in [0,1) -> codes (n,), by the inverse of the cdf."""
    if temperature == 0:
        return logits.argmax(1)
    cdf = (logits.float() / temperature).softmax(1).cumsum(1)
    target = noise[:, None].to(cdf.dtype) * cdf[:, -1:]
    return torch.searchsorted(cdf, target, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


def as_map(codes: Tensor) -> Tensor:
    """(B,H,W) as it is; a sequence (B,L) as a map of one row, (B,1,L)."""
    return codes if codes.ndim == 3 else codes.unsqueeze(1)


def check_call(name: str, prior: Any, shape: Sequence[int], cond: Tensor | None) -> None:
    """What a prior is called with: codes of the positions ``shape``, and a condition if it has one.

    ``prior`` has ``shape``, whose number of axes counts, and ``cond_dim``.

    Raises:
        ShapeError: the codes have another number of axes, the condition is missing or not
            taken, or has a vector for each of other positions.
    """
    if len(shape) != len(prior.shape):
        raise ShapeError(
            f"{name} was built for codes of shape {prior.shape}; "
            f"{tuple(shape)} has another number of axes"
        )
    if (cond is None) != (prior.cond_dim is None):
        raise ShapeError(
            f"{name} was built without a condition; leave cond out"
            if prior.cond_dim is None
            else f"{name} was built with a condition; pass cond (B,{prior.cond_dim})"
        )
    if cond is not None and cond.ndim > 2 and tuple(cond.shape[2:]) != tuple(shape):
        raise ShapeError(
            f"cond has positions {tuple(cond.shape[2:])}, the codes {tuple(shape)}; "
            f"pass cond (B,{prior.cond_dim}), or one a position of the codes"
        )
