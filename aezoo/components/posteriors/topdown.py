"""A deep top-down hierarchy of latents: the Very Deep VAE.

Child, Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on Images, 2020,
arXiv:2011.10650, section 3 and figure 3: residual blocks, each with latents of its own, and
nearest-neighbour enlargement between resolutions. The last layer of what a block adds to the
path starts scaled by 1/sqrt(N) for N blocks, and p(z|d) as N(0, I).

log sigma is 5 tanh(x / 5), so that neither it nor its gradient is ever cut off (as in the code of
Vahdat and Kautz, NVAE, 2020, arXiv:2007.03898); Child has x itself, and skips steps that explode.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.nd import conv, pointwise
from aezoo.components.posteriors.configs import TopDown
from aezoo.components.posteriors.hierarchy import Pick, level_of
from aezoo.components.posteriors.path import PathPosterior, split_normal
from aezoo.latents import Latent


class TopDownPosterior(PathPosterior):
    """(h_1, ..., h_n) -> d (B, width, *L_1), and z (B, dim, *L_r) of every block.

    ``blocks`` says how many each resolution has, the largest first.
    """

    def __init__(self, config: TopDown, *, in_shape: tuple[Any, ...], cond_dim: int | None = None):
        scale = 1 / math.sqrt(sum(config.blocks))

        def block(shape: tuple[int, ...]) -> nn.Module:
            return _Block(shape, config, scale)

        super().__init__("topdown", config, block, in_shape=in_shape, cond_dim=cond_dim)


class _Block(nn.Module):
    """d (B, width, *L) -> d with what z says, and p(z|d), q(z|d,h), z."""

    def __init__(self, shape: tuple[int, ...], config: TopDown, scale: float):
        super().__init__()
        features, *size = shape
        rank, dim, width = len(size), config.dim, config.width
        hidden = config.hidden or max(1, width // 4)
        kernel = 3 if size and min(size) > 2 else 1  # the authors' code: none over one place
        self.split = [2 * dim, width]
        self.prior = _residual(rank, width, hidden, 2 * dim + width, kernel)
        self.posterior = _residual(rank, width + features, hidden, 2 * dim, kernel)
        self.tell = pointwise(rank, dim, width)
        self.after = _residual(rank, width, hidden, width, kernel)
        _scaled(self.prior[-1], 0.0)
        for layer in (self.tell, self.after[-1]):
            _scaled(layer, scale)

    def forward(self, d: Tensor, h: Tensor | None, pick: Pick, level: int) -> tuple[Tensor, Latent]:
        stats, more = self.prior(d).split(self.split, dim=1)
        p = split_normal(stats)
        q = None if h is None else split_normal(self.posterior(torch.cat([d, h], dim=1)))
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
