"""How the embedding of a condition joins what it conditions.

An embedding is a vector (B, E), the same at every place, or a map (B, E, *S'). A map joins data
of any size at that size; it joins latents at theirs, with all that it says: the values of the
places that fall on one latent place are channels there, and those of all places where the latent
is a vector. Letters as in `aezoo.latents`.
"""

from __future__ import annotations

import math
from typing import Any

import torch.nn.functional as F
from torch import Tensor

Shape = tuple[int, ...]


def embedding_shape(condition: Any) -> Shape:
    """(E,), or (E, *S') of a condition whose embedding is a map."""
    return tuple(getattr(condition, "out_shape", None) or (condition.dim,))


def fold_of(embedding: Shape, places: Shape) -> Shape:
    """How many of a map's places fall on one of the latent's, along each axis; () of a vector."""
    size = embedding[1:]
    if not places:
        return size
    return tuple(max(1, -(-n // m)) for n, m in zip(size, places, strict=False))


def joined_channels(embedding: Shape, places: Shape) -> int:
    """How many channels join a latent with ``places``."""
    return embedding[0] * math.prod(fold_of(embedding, places))


def spread(c: Tensor, size: Shape) -> Tensor:
    """An embedding at every place of data with this size: (B, E, *size)."""
    if c.ndim > 2:
        return resized(c, size)
    return c.reshape(*c.shape, *[1] * len(size)).expand(-1, -1, *size)


def folded(c: Tensor, places: Shape, fold: Shape) -> Tensor:
    """An embedding as channels of a latent: (B, E * prod(fold), *places)."""
    if c.ndim == 2:
        return spread(c, places)
    if not places:
        return resized(c, fold).flatten(1)
    c = resized(c, tuple(n * r for n, r in zip(places, fold, strict=True)))
    rank = len(places)
    split = [n for pair in zip(places, fold, strict=True) for n in pair]
    within = [3 + 2 * axis for axis in range(rank)]
    across = [2 + 2 * axis for axis in range(rank)]
    return c.reshape(*c.shape[:2], *split).permute(0, 1, *within, *across).flatten(1, 1 + rank)


def resized(c: Tensor, size: Shape) -> Tensor:
    """A map (B, E, *S') at another size: means of what falls together, repeats of what does not."""
    return c if tuple(c.shape[2:]) == tuple(size) else F.interpolate(c, size, mode="area")
