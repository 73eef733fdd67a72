"""What corruptions draw: numbers for every value, or for every place with all its channels."""

from __future__ import annotations

from torch import Generator, Tensor

from aezoo.components import draws


def normal(x: Tensor, generator: Generator | None) -> Tensor:
    """N(0, 1) of x's shape (B, C, *S), from the generator or the global one of x's device."""
    return draws.normal(x.shape, x, generator)


def uniform_places(x: Tensor, generator: Generator | None) -> Tensor:
    """U(0, 1), (B, 1, *S): one number for all channels of a place."""
    return draws.uniform((len(x), 1, *x.shape[2:]), x, generator)
