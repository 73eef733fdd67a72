"""q(z|x) by inverse autoregressive flows: Kingma et al. 2016, arXiv:1606.04934, algorithm 1.

The order of the values is reversed after every step. In a map the steps are autoregressive in
the channels of a place, where the paper's are masked convolutions that look around as well.
"""

from __future__ import annotations

from torch import nn

from aezoo.components.flows.iaf import InverseAutoregressive
from aezoo.components.posteriors.configs import IAF
from aezoo.components.posteriors.flow import FlowPosterior


class IAFPosterior(FlowPosterior):
    """The encoder's features are every step's context."""

    def __init__(self, config: IAF, *, in_shape: tuple[int, ...]):
        steps = nn.ModuleList(
            InverseAutoregressive(
                config.dim, config.hidden, context=in_shape[0], backwards=bool(i % 2)
            )
            for i in range(config.steps)
        )
        super().__init__(config.dim, in_shape, steps, context=0)
