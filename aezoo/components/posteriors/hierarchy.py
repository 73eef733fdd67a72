"""What hierarchical bottlenecks share: z of several levels, each given all above it.

p(z) = p(z_L) p(z_L-1 | z_L) ... p(z_1 | z_2, ..., z_L) and a q(z|x) that is drawn in the same
order, from the top down (Sønderby et al. 2016, arXiv:1602.02282, equation 17). Every p and q is
of independent normals. Level 1 is the last one drawn, of the largest map, and stands first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Independent, Normal

from aezoo.components import draws
from aezoo.components.nd import crop, doublings
from aezoo.errors import ShapeError
from aezoo.latents import Latent

#: (level, p(z_l | above), q(z_l | x, above), or None without an x) -> z_l
Pick = Callable[[int, Normal, Normal | None], Tensor]


class Hierarchy(nn.Module, ABC):
    """(h_1, ..., h_n), or one h, to z of every level and what the decoder reads.

    ``level_shapes`` are those of z, (D_l, *L_l), without the batch.
    """

    own_prior: ClassVar[bool] = True
    several_levels: ClassVar[bool] = True

    in_shape: tuple
    out_shape: tuple[int, ...]
    level_shapes: tuple[tuple[int, ...], ...]

    def forward(
        self,
        h: Tensor | tuple[Tensor, ...],
        *,
        cond: Tensor | None = None,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        """Every z_l drawn from its q, or with sample=False the mean of it, from the top down."""
        features = h if isinstance(h, tuple) else (h,)

        def pick(level: int, p: Normal, q: Normal | None) -> Tensor:
            assert q is not None
            return _drawn(q, generator) if sample else q.loc

        return self.walk(len(features[0]), features, cond, pick)

    def descend(self, noise: Sequence[Tensor], cond: Tensor | None = None) -> Latent:
        """noise (B, D_l, *L_l) of every level -> the z that p makes of it: mean + sigma * noise."""

        def pick(level: int, p: Normal, q: Normal | None) -> Tensor:
            return p.loc + p.scale * noise[level]

        return self.walk(len(noise[0]), None, cond, pick)

    @abstractmethod
    def walk(self, n: int, h: tuple[Tensor, ...] | None, cond: Tensor | None, pick: Pick) -> Latent:
        """From the top down: n rows, each level's z chosen by ``pick``; cond (n, E) or None."""


def normal(mean: Tensor, scale: Tensor) -> Normal:
    return Normal(mean, scale, validate_args=False)


def level_of(z: Tensor, p: Normal, q: Normal | None) -> Latent:
    """One level's Latent."""

    def joint(each: Normal) -> Independent:
        return Independent(each, z.ndim - 1, validate_args=False)

    return Latent(z=z, q=None if q is None else joint(q), p=joint(p))


def maps(name: str, in_shape: tuple, levels: int) -> tuple[tuple[int, ...], ...]:
    """The encoder's shapes, one a level, the largest map first.

    Raises:
        ShapeError: they are not as many, or no number of doublings leads from one to the next.
    """
    shapes = in_shape if isinstance(in_shape[0], tuple) else (in_shape,)
    if len(shapes) != levels:
        raise ShapeError(
            f"{name} is given {levels} level(s) and the encoder has {len(shapes)}, {in_shape}; "
            "give as many: levels(...) has one for each of its parts"
        )
    for large, small in pairwise(shapes):
        enlargement(small[1:], large[1:])
    return shapes


def enlargement(small: tuple[int, ...], large: tuple[int, ...]) -> int:
    """How many times larger a map is, a power of two; 1 for vectors."""
    if len(small) != len(large):
        raise ShapeError(
            f"a level of size {small} does not lead to one of size {large}: take vectors alone, "
            "levels(mlp(64),mlp(64)), or maps alone, levels(res(64),res(64))"
        )
    return 2 ** doublings(small, large)


def enlarged(x: Tensor, times: int, size: tuple[int, ...]) -> Tensor:
    """Each place of x (B, C, *L) repeated ``times`` along every axis, cropped to ``size``."""
    if times > 1:
        for axis in range(2, x.ndim):
            x = x.repeat_interleave(times, dim=axis)
    return crop(x, size)


def _drawn(q: Normal, generator: torch.Generator | None) -> Tensor:
    return q.loc + q.scale * draws.normal(q.loc.shape, q.loc, generator)
