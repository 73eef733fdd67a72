"""The negative evidence lower bound (Kingma & Welling 2013, arXiv:1312.6114, eq. 3).

-ELBO = distortion + rate. Penalties (a quantizer's commitment, say) are minimised along
with it but are no part of it.
"""

from __future__ import annotations

from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Elbo
from aezoo.objectives.terms import weighted


class ElboObjective:
    """The negative ELBO and the penalties, as a mean over the batch in nats per sample."""

    def __init__(self, config: Elbo):
        pass

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        return weighted(output, distortion=1.0, rate=1.0, penalty=1.0)
