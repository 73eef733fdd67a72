"""What the flow posteriors share: q(z|x) is a Gaussian sent through steps.

Rezende and Mohamed, Variational Inference with Normalizing Flows, 2015, arXiv:1505.05770,
section 4: the encoder gives the Gaussian and what the steps need.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components import draws
from aezoo.components.flows.chain import Step
from aezoo.components.flows.distribution import FlowDistribution, rows
from aezoo.components.nd import pointwise, wide
from aezoo.components.posteriors.gaussian import LOG_VARIANCE
from aezoo.latents import Latent


class FlowPosterior(nn.Module):
    """h (B,F,*L) -> z (B,D,*L), a draw, or with sample=False where the Gaussian's mean goes.

    That point is no mean and no mode of q, but depends on nothing random. In a map the D
    channels of a place are one vector: the steps mix these, with what h has there.

    Args:
        steps: one after the other; a ModuleList where they learn.
        context: so many values, for each place its own, are made of h for every step; with 0
            every step reads h itself.
    """

    def __init__(
        self,
        dim: int,
        in_shape: tuple[int, ...],
        steps: Sequence[Step] | nn.ModuleList,
        context: int,
    ):
        super().__init__()
        self.steps: Any = steps
        self.dim, self.extra = dim, len(self.steps) * context
        self.in_shape = in_shape
        self.out_shape = (dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], 2 * dim + self.extra)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        found = wide(self.project(h)).split((self.dim, self.dim, self.extra), dim=1)
        mu, log_variance, extra = found
        sigma = (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp()
        n = len(self.steps)
        contexts = rows(extra).chunk(n, dim=1) if self.extra else [rows(h)] * n
        q = FlowDistribution(mu, sigma, self.steps, contexts)
        if not sample:
            return Latent(z=q.push(torch.zeros_like(mu)), q=q)
        return Latent(z=q.push(draws.normal(mu.shape, mu, generator)), q=q)
