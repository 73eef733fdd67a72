"""What the flow posteriors share: q(z|x) is a Gaussian sent through steps.

Rezende and Mohamed, Variational Inference with Normalizing Flows, 2015, arXiv:1505.05770,
section 4: the encoder gives the Gaussian and what the steps need.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from aezoo.components.flows.chain import Step
from aezoo.components.flows.distribution import FlowDistribution, rows
from aezoo.components.nd import pointwise, wide
from aezoo.components.posteriors.gaussian import LOG_VARIANCE
from aezoo.latents import Latent


class FlowPosterior(nn.Module):
    """h (B,F,*L) -> z (B,D,*L), a draw, or with sample=False where the Gaussian's mean goes.

    That point is no mean and no mode of q, but depends on nothing random. In a map the D
    channels of a place are one vector: the steps mix these, with what h has there.

    A subclass gives `contexts`.
    """

    steps: Sequence[Step]  # or a ModuleList of them

    def __init__(self, dim: int, in_shape: tuple[int, ...], *, extra: int = 0):
        super().__init__()
        self.dim, self.extra = dim, extra
        self.in_shape = in_shape
        self.out_shape = (dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], 2 * dim + extra)

    def contexts(self, h: Tensor, extra: Tensor) -> Sequence[Tensor]:
        """Of each step, (B * places, E), from h (B,F,*L) and ``extra`` channels of its own."""
        raise NotImplementedError

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        found = wide(self.project(h)).split((self.dim, self.dim, self.extra), dim=1)
        mu, log_variance, extra = found
        sigma = (0.5 * log_variance.clamp(*LOG_VARIANCE)).exp()
        q = FlowDistribution(mu, sigma, self.steps, self.contexts(h, extra))
        if not sample:
            return Latent(z=q.push(torch.zeros_like(mu)), q=q)
        where = mu.device if generator is None else generator.device
        epsilon = torch.randn(mu.shape, generator=generator, device=where, dtype=mu.dtype)
        return Latent(z=q.push(epsilon.to(mu.device)), q=q)


class AmortisedFlow(FlowPosterior):
    """All that the steps need comes from h, for each place its own."""

    def __init__(self, dim: int, in_shape: tuple[int, ...], steps: Sequence[Step], context: int):
        super().__init__(dim, in_shape, extra=len(steps) * context)
        self.steps = steps

    def contexts(self, h: Tensor, extra: Tensor) -> Sequence[Tensor]:
        return rows(extra).chunk(len(self.steps), dim=1)
