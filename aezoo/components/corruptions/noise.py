"""What corruptions draw: numbers for every value, or for every place with all its channels."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def normal(x: Tensor, generator: Generator | None) -> Tensor:
    """N(0, 1) of x's shape (B, C, *S), from the generator or the global one of x's device."""
    where = x.device if generator is None else generator.device
    return torch.randn(x.shape, generator=generator, device=where, dtype=x.dtype).to(x.device)


def uniform_places(x: Tensor, generator: Generator | None) -> Tensor:
    """U(0, 1), (B, 1, *S): one number for all channels of a place."""
    where = x.device if generator is None else generator.device
    shape = (len(x), 1, *x.shape[2:])
    return torch.rand(shape, generator=generator, device=where, dtype=x.dtype).to(x.device)
