"""The beta-VAE objective (Higgins et al. 2017): distortion + beta * rate."""

from __future__ import annotations

from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Beta
from aezoo.objectives.terms import weighted


class BetaObjective:
    """The distortion, beta times the rate and the penalties; nats per sample."""

    def __init__(self, config: Beta):
        self.beta = config.beta

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        return weighted(output, distortion=1.0, rate=self.beta, penalty=1.0)
