"""The ladder VAE: q corrects the generative model's own guess at every level.

Sønderby, Raiko, Maaløe, Sønderby, Winther, Ladder Variational Autoencoders, 2016,
arXiv:1602.02282, equations 17 to 19. Its two remedies for many levels: a rate that comes in
slowly is ``objective=annealing``; batch normalisation is left out, for then what a sample costs
would depend on its neighbours. Equation 18 is of sigma^2: its square is missing in the paper.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Normal

from aezoo.components.nd import conv, pointwise, wide
from aezoo.components.posteriors.configs import Ladder
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

SMALLEST = 1e-6  # variance; the paper's softplus alone may underflow to 0


class LadderPosterior(Hierarchy):
    """(h_1, ..., h_n) -> z_1 (B, D_1, *L_1), and z (B, D_l, *L_l) of every level.

    p(z_n) = N(0, I), and p(z_l | z_l+1) is a network's of z_l+1 alone. q(z_n|x) is the encoder's,
    and q(z_l | z_l+1, x) its product with p. A condition is joined to what each p reads.
    """

    def __init__(self, config: Ladder, *, in_shape: tuple[Any, ...], cond_dim: int | None = None):
        super().__init__()
        shapes = maps("ladder", in_shape, len(config.dims))
        rank = len(shapes[0]) - 1
        self.in_shape = in_shape
        self.level_shapes = tuple(
            (dim, *shape[1:]) for dim, shape in zip(config.dims, shapes, strict=True)
        )
        self.out_shape = self.level_shapes[0]
        self.up = nn.ModuleList(
            pointwise(rank, shape[0], 2 * dim)
            for dim, shape in zip(config.dims, shapes, strict=True)
        )
        self.down = nn.ModuleList(
            _Down(above, here, config.hidden, cond_dim or 0)
            for here, above in pairwise(self.level_shapes)
        )
        self.conditional = cond_dim is not None

    def walk(self, n: int, h: tuple[Tensor, ...] | None, cond: Tensor | None, pick: Pick) -> Latent:
        found: list[Latent] = []
        for level in reversed(range(len(self.level_shapes))):
            q = None if h is None else _normal(self.up[level](h[level]))
            if found:
                p = _normal(self.down[level](self._joined(found[0].z, cond)))
                q = None if q is None else combined(q, p)
            else:
                like: Any = self.up[level].weight
                mean = wide(like.new_zeros(n, *self.level_shapes[level]))
                p = normal(mean, mean + 1)
            z = pick(level, p, q)
            found.insert(0, level_of(z, p, q))
        return Latent(z=found[0].z, levels=tuple(found))

    def _joined(self, z: Tensor, cond: Tensor | None) -> Tensor:
        if not self.conditional:
            return z
        assert cond is not None
        everywhere = cond.to(z.dtype).reshape(*cond.shape, *[1] * (z.ndim - 2))
        return torch.cat([z, everywhere.expand(-1, -1, *z.shape[2:])], dim=1)


class _Down(nn.Module):
    """z_l+1 -> mean and variance of p(z_l | z_l+1) as (B, 2 D_l, *L_l); leaky rectifiers."""

    def __init__(self, above: tuple[int, ...], here: tuple[int, ...], hidden: int, cond_dim: int):
        super().__init__()
        rank = len(here) - 1
        self.size, self.times = here[1:], enlargement(above[1:], here[1:])
        self.first = _layer(rank, above[0] + cond_dim, hidden)
        self.second = _layer(rank, hidden, hidden)
        self.project = pointwise(rank, hidden, 2 * here[0])

    def forward(self, z: Tensor) -> Tensor:
        hidden = enlarged(F.leaky_relu(self.first(z), 0.1), self.times, self.size)
        return self.project(F.leaky_relu(self.second(hidden), 0.1))


def combined(estimate: Normal, p: Normal) -> Normal:
    """The two densities' product, normalised (equations 18 and 19), without a reciprocal.

    The estimate's share in the mean is w = v_p / (v + v_p), the variance w v.
    """
    v, v_p = estimate.scale.square(), p.scale.square()
    w = v_p / (v + v_p)
    return normal(w * estimate.loc + (1 - w) * p.loc, (w * v).sqrt())


def _layer(rank: int, inputs: int, outputs: int) -> nn.Module:
    return conv(rank, inputs, outputs, 3) if rank else pointwise(rank, inputs, outputs)


def _normal(stats: Tensor) -> Normal:
    mean, raw = wide(stats).chunk(2, dim=1)
    return normal(mean, (F.softplus(raw) + SMALLEST).sqrt())
