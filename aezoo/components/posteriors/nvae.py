"""The Nouveau VAE: q stays near p, for it says but how it differs from it.

Vahdat, Kautz, NVAE: A Deep Hierarchical Variational Autoencoder, 2020, arXiv:2007.03898: section
3.1, residual cells of depthwise convolutions with squeeze and excitation; section 3.2, residual
normal distributions. Group normalisation stands in the place of the batch's, for
then what a sample costs would depend on its neighbours; the spectral regularisation, a price on
weights, is left out. The top level's p is the path's as well, where the paper has N(0, I).

Both log sigma and its change are 5 tanh(x / 5). The authors' code bounds their sum so, and the
mean as well, and adds 0.01 to sigma.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.distributions import Normal

from aezoo.components.nd import conv, group_norm, pointwise, wide
from aezoo.components.posteriors.configs import NVAE
from aezoo.components.posteriors.hierarchy import Pick, level_of, normal
from aezoo.components.posteriors.path import PathPosterior, soft, split_normal
from aezoo.latents import Latent


class NVAEPosterior(PathPosterior):
    """(h_1, ..., h_n) -> d (B, width, *L_1), and z (B, dim, *L_r) of every group.

    ``blocks`` says how many groups each resolution has, the largest first.
    """

    def __init__(self, config: NVAE, *, in_shape: tuple[Any, ...], cond_dim: int | None = None):
        def block(shape: tuple[int, ...]) -> nn.Module:
            return _Group(shape, config)

        super().__init__("nvae", config, block, in_shape=in_shape, cond_dim=cond_dim)


class _Group(nn.Module):
    """d (B, width, *L) -> d with what z says, and p(z|d), q(z|d,h), z."""

    def __init__(self, shape: tuple[int, ...], config: NVAE):
        super().__init__()
        features, *size = shape
        rank, dim, width = len(size), config.dim, config.width
        self.prior = nn.Sequential(nn.ELU(), pointwise(rank, width, 2 * dim))
        self.seen = pointwise(rank, features, width)
        self.change = _conv(rank, width, 2 * dim, 3, size)
        self.combine = pointwise(rank, width + dim, width)
        cells = (_Cell(rank, width, config.expand, size) for _ in range(config.cells))
        self.cells = nn.Sequential(*cells)

    def forward(self, d: Tensor, h: Tensor | None, pick: Pick, level: int) -> tuple[Tensor, Latent]:
        p = split_normal(self.prior(d))
        q = None if h is None else changed(p, self.change(d + self.seen(h)))
        z = pick(level, p, q)
        d = self.combine(torch.cat([d, z.to(d.dtype)], dim=1))
        return self.cells(d), level_of(z, p, q)


def changed(p: Normal, stats: Tensor) -> Normal:
    """N(mu + delta mu, sigma * delta sigma), stats (B, 2 D, *L) being both deltas; 0: p itself."""
    shift, raw = wide(stats).chunk(2, dim=1)
    return normal(p.loc + shift, p.scale * soft(raw).exp())


class _Cell(nn.Module):
    """x + 0.1 f(x): widened, a depthwise convolution, narrowed, squeezed and excited."""

    def __init__(self, rank: int, width: int, expand: int, size: list[int]):
        super().__init__()
        wider = width * expand
        self.layers = nn.Sequential(
            group_norm(width),
            pointwise(rank, width, wider),
            group_norm(wider),
            nn.SiLU(),
            _conv(rank, wider, wider, 5, size, groups=wider),
            group_norm(wider),
            nn.SiLU(),
            pointwise(rank, wider, width),
            group_norm(width),
        )
        hidden = max(width // 16, 4)
        self.excite = nn.Sequential(
            nn.Linear(width, hidden), nn.ReLU(), nn.Linear(hidden, width), nn.Sigmoid()
        )

    def forward(self, x: Tensor) -> Tensor:
        y = self.layers(x)
        share = self.excite(y.flatten(2).mean(2) if y.ndim > 2 else y)
        return x + 0.1 * y * share.reshape(*share.shape, *[1] * (y.ndim - 2))


def _conv(
    rank: int, inputs: int, outputs: int, kernel: int, size: list[int], groups: int = 1
) -> nn.Module:
    """A convolution where there are places to look at; else a map of the channels alone."""
    if size and min(size) > 2:
        return conv(rank, inputs, outputs, kernel, groups)
    return pointwise(rank, inputs, outputs) if groups == 1 else nn.Identity()
