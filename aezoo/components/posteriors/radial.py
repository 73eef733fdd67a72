"""q(z|x) by radial flows: Rezende and Mohamed 2015, arXiv:1505.05770, equation 14."""

from __future__ import annotations

from aezoo.components.flows.radial import Radial
from aezoo.components.posteriors.configs import RadialFlow
from aezoo.components.posteriors.flow import FlowPosterior


class RadialPosterior(FlowPosterior):
    """The encoder gives the centre, alpha and beta of every step."""

    def __init__(self, config: RadialFlow, *, in_shape: tuple[int, ...]):
        step = Radial(config.dim)
        super().__init__(config.dim, in_shape, [step] * config.steps, step.context)
