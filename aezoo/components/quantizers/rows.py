"""Maps as rows of vectors, one a place, and back."""

from __future__ import annotations

import math

from torch import Tensor


def rows_of(z: Tensor) -> Tensor:
    """z (B, D, *L) -> (N, D), N = B * prod(L): places of the first sample first."""
    return z.movedim(1, -1).reshape(-1, z.shape[1])


def map_of(rows: Tensor, like: Tensor) -> Tensor:
    """rows (N, D) -> (B, D, *L), the places being those of ``like`` (B, ?, *L)."""
    return rows.reshape(len(like), *like.shape[2:], rows.shape[1]).movedim(-1, 1).contiguous()


def codes_of(flat: Tensor, like: Tensor) -> Tensor:
    """(N,) -> (B, *L), the places being those of ``like`` (B, ?, *L)."""
    return flat.reshape(len(like), *like.shape[2:])


def sums_of(rows: Tensor, like: Tensor) -> Tensor:
    """rows (N, D) -> (B,), summed over each sample's places and channels."""
    return rows.reshape(len(like), math.prod(like.shape[2:]) * rows.shape[1]).sum(1)
