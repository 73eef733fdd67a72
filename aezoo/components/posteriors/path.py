"""Hierarchies on a path of states: d goes from the top down, and every block adds a latent.

Child 2020, arXiv:2011.10650; Vahdat and Kautz 2020, arXiv:2007.03898. The path starts as a
learned map and gets one more at every resolution, as in Child's code (the papers do not say);
a map is enlarged by repeating its places.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from aezoo.components.nd import wide
from aezoo.components.posteriors.hierarchy import (
    Hierarchy,
    Pick,
    enlarged,
    enlargement,
    maps,
    normal,
)
from aezoo.latents import Latent


class _Config(Protocol):
    @property
    def blocks(self) -> tuple[int, ...]: ...
    @property
    def dim(self) -> int: ...
    @property
    def width(self) -> int: ...


class PathPosterior(Hierarchy):
    """(h_1, ..., h_n) -> d (B, width, *L_1), and z (B, dim, *L_r) of every block.

    ``blocks`` says how many each resolution has, the largest first; the last block of the
    smallest map, the top, is drawn first. A condition is added to the path at its start.

    Args:
        block: from the encoder's shape at its map to a module, which is called with d, h (None
            without an x), the `Pick` and its level, and gives d and the level's Latent.
    """

    def __init__(
        self,
        name: str,
        config: _Config,
        block: Callable[[tuple[int, ...]], nn.Module],
        *,
        in_shape: tuple[Any, ...],
        cond_dim: int | None,
    ):
        super().__init__()
        shapes = maps(name, in_shape, len(config.blocks))
        self.in_shape = in_shape
        self.out_shape = (config.width, *shapes[0][1:])
        #: Of every block, which map it works on.
        self.at = tuple(r for r, count in enumerate(config.blocks) for _ in range(count))
        self.level_shapes = tuple((config.dim, *shapes[r][1:]) for r in self.at)
        self.sizes = tuple(shape[1:] for shape in shapes)
        self.blocks: Any = nn.ModuleList(block(shapes[r]) for r in self.at)
        self.starts = nn.ParameterList(torch.zeros(1, config.width, *size) for size in self.sizes)
        self.told = None if cond_dim is None else nn.Linear(cond_dim, config.width)

    def walk(self, n: int, h: tuple[Tensor, ...] | None, cond: Tensor | None, pick: Pick) -> Latent:
        above = len(self.sizes) - 1
        d = self.starts[above].repeat(n, *(1 for _ in self.out_shape))
        if self.told is not None:
            assert cond is not None
            told = self.told(cond.to(d.dtype))
            d = d + told.reshape(*told.shape, *[1] * (d.ndim - 2))
        found: list[Latent] = []
        for level in reversed(range(len(self.blocks))):
            here = self.at[level]
            if here != above:
                times = enlargement(self.sizes[above], self.sizes[here])
                d = enlarged(d, times, self.sizes[here]) + self.starts[here]
                above = here
            d, latent = self.blocks[level](d, None if h is None else h[here], pick, level)
            found.insert(0, latent)
        return Latent(z=d, levels=tuple(found))


def soft(x: Tensor) -> Tensor:
    """x between -5 and 5, with a gradient everywhere."""
    return 5 * torch.tanh(x / 5)


def split_normal(stats: Tensor) -> Normal:
    """stats (B, 2 D, *L), mean and what is to be log sigma, as a normal (B, D, *L)."""
    mean, raw = wide(stats).chunk(2, dim=1)
    return normal(mean, soft(raw).exp())
