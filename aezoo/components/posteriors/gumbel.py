"""Categorical latents, relaxed in training.

Jang, Gu, Poole, Categorical Reparameterization with Gumbel-Softmax, 2016, arXiv:1611.01144,
equation 2 and section 2.2 (straight-through).
Maddison, Mnih, Teh, The Concrete Distribution, 2016, arXiv:1611.00712.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.nd import pointwise, wide
from aezoo.components.one_hot import OneHots, annealed, gumbel, one_hot
from aezoo.components.posteriors.configs import Gumbel
from aezoo.latents import Latent


class GumbelPosterior(nn.Module):
    """h (B, F, *L) -> z (B, n*k, *L): in each of n blocks of channels one of k categories.

    In training z = softmax((log pi + g) / tau) with Gumbel noise g; with ``straight_through``
    it is that one-hot, with the relaxed z's gradient. In eval mode z is an exact one-hot draw,
    whatever tau is. The rate is the KL of the categorical variables, not of the relaxed ones
    (Jang et al., as in their experiments); under a prior without a closed form, made or nade, it
    is log q(z) - log p(z), which of a relaxed z, in training, is no bound's.
    """

    def __init__(self, config: Gumbel, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.config, self.in_shape = config, in_shape
        self.out_shape = (config.n * config.k, *in_shape[1:])
        self.one_hot_of = config.k
        self.project = pointwise(len(in_shape) - 1, in_shape[0], config.n * config.k)
        self.tau = config.tau

    def schedule(self, step: int, total: int) -> None:
        """tau falls geometrically from ``tau`` to ``tau_end`` over the run: of the step alone."""
        self.tau = annealed(self.config.tau, self.config.tau_end, step, total)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        logits = wide(self.project(h)).unflatten(1, (self.config.n, self.config.k))
        q = OneHots(logits, 1)
        if not sample:
            return Latent(z=q.mode, q=q)
        scores = q.log_pi + gumbel(logits, generator)
        if not self.training:
            return Latent(z=one_hot(scores, 2).flatten(1, 2), q=q)
        z = (scores / self.tau).softmax(2)
        if self.config.straight_through:
            z = one_hot(z, 2) + (z - z.detach())
        return Latent(z=z.flatten(1, 2), q=q)
