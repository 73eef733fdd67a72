"""A deep top-down hierarchy of latents: the Very Deep VAE.

Child, Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images, 2020,
arXiv:2011.10650, section 3 and figure 3: residual blocks, each with latents of its own, and
nearest-neighbour enlargement between resolutions. The last layer of what a block adds to the
path starts scaled by 1/sqrt(N) for N blocks, and p(z|d) as N(0, I). The path starts as a learned
map, and gets one more at every resolution (the authors' code; the paper does not say).

log sigma is 5 tanh(x / 5), so that neither it nor its gradient is ever cut off (as in the code of
Vahdat and Kautz, NVAE, 2020, arXiv:2007.03898); Child has x itself, and skips steps that explode.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from aezoo.components.nd import conv, pointwise, wide
from aezoo.components.posteriors.configs import TopDown
from aezoo.components.posteriors.hierarchy import (
    Hierarchy,
    Pick,
    enlarged,
    enlargement,
    level_of,
    maps,
    normal,
)
from aezoo.latents import Latent


class TopDownPosterior(Hierarchy):
    """(h_1, ..., h_n) -> d (B, width, *L_1), and z (B, dim, *L_r) of every block.

    ``blocks`` says how many each resolution has, the largest first; the last block of the
    smallest map, the top, is drawn first. A condition is added to the path at its start.
    """

    def __init__(self, config: TopDown, *, in_shape: tuple[Any, ...], cond_dim: int | None = None):
        super().__init__()
        shapes = maps("topdown", in_shape, len(config.blocks))
        width, rank = config.width, len(shapes[0]) - 1
        self.in_shape = in_shape
        self.out_shape = (width, *shapes[0][1:])
        #: Of every block, which map it works on.
        self.at = tuple(r for r, count in enumerate(config.blocks) for _ in range(count))
        self.level_shapes = tuple((config.dim, *shapes[r][1:]) for r in self.at)
        self.sizes = tuple(shape[1:] for shape in shapes)
        scale = 1 / math.sqrt(len(self.at))
        hidden = config.hidden or max(1, width // 4)
        self.blocks: Any = nn.ModuleList(
            _Block(rank, shapes[r], width, config.dim, hidden, scale) for r in self.at
        )
        self.starts = nn.ParameterList(torch.zeros(1, width, *size) for size in self.sizes)
        self.told = None if cond_dim is None else nn.Linear(cond_dim, width)

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


class _Block(nn.Module):
    """d (B, width, *L) -> p(z|d), q(z|d,h), a z, and d with what z says."""

    def __init__(
        self, rank: int, shape: tuple[int, ...], width: int, dim: int, hidden: int, scale: float
    ):
        super().__init__()
        self.dim, self.width = dim, width
        features, *size = shape
        kernel = 3 if size and min(size) > 2 else 1  # the authors' code: none over one place
        self.prior = _residual(rank, width, hidden, 2 * dim + width, kernel)
        self.posterior = _residual(rank, width + features, hidden, 2 * dim, kernel)
        self.tell = pointwise(rank, dim, width)
        self.after = _residual(rank, width, hidden, width, kernel)
        _scaled(self.prior[-1], 0.0)
        for layer in (self.tell, self.after[-1]):
            _scaled(layer, scale)

    def forward(self, d: Tensor, h: Tensor | None, pick: Pick, level: int) -> tuple[Tensor, Latent]:
        *stats, more = self.prior(d).split((self.dim, self.dim, self.width), dim=1)
        p, q = _normal(*stats), None
        if h is not None:
            q = _normal(*self.posterior(torch.cat([d, h], dim=1)).chunk(2, dim=1))
        z = pick(level, p, q)
        d = d + more + self.tell(z.to(d.dtype))
        return d + self.after(d), level_of(z, p, q)


def _residual(rank: int, inputs: int, hidden: int, outputs: int, kernel: int) -> nn.Sequential:
    """Four times GELU and a convolution: 1, k, k and 1 wide, ``hidden`` channels between."""
    return nn.Sequential(
        nn.GELU(),
        pointwise(rank, inputs, hidden),
        nn.GELU(),
        _conv(rank, hidden, kernel),
        nn.GELU(),
        _conv(rank, hidden, kernel),
        nn.GELU(),
        pointwise(rank, hidden, outputs),
    )


def _conv(rank: int, width: int, kernel: int) -> nn.Module:
    return pointwise(rank, width, width) if kernel == 1 else conv(rank, width, width, kernel)


def _scaled(layer: Any, factor: float) -> None:
    with torch.no_grad():
        layer.weight.mul_(factor)
        layer.bias.zero_()


def _normal(mean: Tensor, raw: Tensor) -> Normal:
    return normal(wide(mean), (5 * torch.tanh(wide(raw) / 5)).exp())
