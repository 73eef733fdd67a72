"""A capacity for each part of a joint latent.

Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018,
arXiv:1804.00104, equation 7.
"""

from __future__ import annotations

from typing import Any

from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import JointCapacity
from aezoo.objectives.terms import weighted


class JointCapacityObjective:
    """distortion + gamma * sum_i |mean rate of part i - C_i| + penalties.

    C_i = nats_i * min(1, step / steps); outside training it is at its end, and by that the best
    weights are chosen. A part of n variables with k categories carries n log k nats at most: of
    it no more may be asked.
    """

    def __init__(self, config: JointCapacity):
        self.config, self.share = config, 1.0

    def schedule(self, step: int, total: int) -> None:
        self.share = min(1.0, step / self.config.steps)

    def __call__(self, model: Any, x: object, output: Output) -> Losses:
        rates, nats = output.latents[0].rates, self.config.nats
        if len(rates) != len(nats):
            raise CapabilityError(
                f"{model.spec}: joint_capacity has {len(nats)} capacities, and the latent "
                f"{len(rates) or 'no'} parts; take a vae with joint(...) of as many posteriors"
            )
        losses = weighted(output, distortion=1.0, penalty=1.0)

        def price(share: float) -> Any:
            apart = (r.mean() - share * c for r, c in zip(rates, nats, strict=True))
            return self.config.gamma * sum(a.abs() for a in apart)

        losses.criterion = (output.distortion.mean() + price(1.0)).detach()
        losses.total = losses.total + price(self.share)
        return losses
