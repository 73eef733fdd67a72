"""Controlled capacity: the rate is held at C nats, and C grows.

Burgess et al., Understanding disentangling in beta-VAE, 2018, arXiv:1804.03599, equation 8.
"""

from __future__ import annotations

from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Capacity
from aezoo.objectives.terms import rate_of, weighted


class CapacityObjective:
    """distortion + gamma * |mean rate - C| + penalties, with C = nats * min(1, step / steps).

    Outside training C is at its end; by that the best weights are chosen.
    """

    def __init__(self, config: Capacity):
        self.config, self.share = config, 1.0

    def schedule(self, step: int, total: int) -> None:
        self.share = min(1.0, step / self.config.steps)

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        rate, distortion = rate_of(model, output).mean(), output.distortion.mean()
        nats, gamma = self.config.nats, self.config.gamma
        losses.criterion = (distortion + gamma * (rate - nats).abs()).detach()
        losses.total = losses.total + gamma * (rate - nats * self.share).abs()
        return losses
