"""A prior by inverse autoregressive flows.

Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling, Improving Variational Inference with
Inverse Autoregressive Flow, 2016, arXiv:1606.04934. The order of the values is reversed after
every step. A step is that of section 3, y = (x - mu(x)) / sigma(x), the masked autoregressive one
the other way round: the gate of algorithm 1, whose sigma is below 1, only takes volume away, and a
prior of such steps would have less entropy than its noise.
"""

from __future__ import annotations

from torch import nn

from aezoo.components.flows.maf import MaskedAutoregressive
from aezoo.components.flows.reverse import Reversed
from aezoo.components.priors.configs import IAFConfig
from aezoo.components.priors.flow import FlowPrior


class IAFPrior(FlowPrior):
    """A draw takes one pass a step, log p(z) as many as the latent has values."""

    name = "iaf"

    def __init__(
        self,
        config: IAFConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__(shape, num_codes, cond_dim)
        self.steps = nn.ModuleList(
            Reversed(
                MaskedAutoregressive(
                    self.dim, config.hidden, context=cond_dim, backwards=bool(i % 2)
                )
            )
            for i in range(config.steps)
        )
