"""The plain autoencoder's objective: -log p(x|z), squared error under a Gaussian."""

from __future__ import annotations

from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Reconstruction
from aezoo.objectives.terms import weighted


class ReconstructionObjective:
    """The distortion and the penalties; nats per sample."""

    def __init__(self, config: Reconstruction):
        pass

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        return weighted(output, distortion=1.0, penalty=1.0)
