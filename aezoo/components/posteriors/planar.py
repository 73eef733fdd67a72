"""q(z|x) by planar flows: Rezende and Mohamed 2015, arXiv:1505.05770, equations 10 to 13."""

from __future__ import annotations

from aezoo.components.flows.planar import Planar
from aezoo.components.posteriors.configs import PlanarFlow
from aezoo.components.posteriors.flow import FlowPosterior


class PlanarPosterior(FlowPosterior):
    """The encoder gives u, w and b of every step."""

    def __init__(self, config: PlanarFlow, *, in_shape: tuple[int, ...]):
        step = Planar(config.dim)
        super().__init__(config.dim, in_shape, [step] * config.steps, step.context)
