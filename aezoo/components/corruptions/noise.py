"""What corruptions draw for every place with all its channels."""

from __future__ import annotations

from torch import Generator, Tensor

from aezoo.components import draws


def uniform_places(x: Tensor, generator: Generator | None) -> Tensor:
    """U(0, 1), (B, 1, *S): one number for all channels of a place."""
    return draws.uniform((len(x), 1, *x.shape[2:]), x, generator)
