"""A prior by masked autoregressive flows.

Papamakarios, Pavlakou and Murray, Masked Autoregressive Flow for Density Estimation, 2017,
arXiv:1705.07057. The order of the values is reversed after every step (section 3.1).
"""

from __future__ import annotations

from torch import nn

from aezoo.components.flows.maf import MaskedAutoregressive
from aezoo.components.priors.configs import MAFConfig
from aezoo.components.priors.flow import FlowPrior


class MAFPrior(FlowPrior):
    """log p(z) takes one pass a step, a draw as many as the latent has values."""

    name = "maf"

    def __init__(
        self,
        config: MAFConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__(shape, num_codes, cond_dim)
        self.steps = nn.ModuleList(
            MaskedAutoregressive(self.dim, config.hidden, context=cond_dim, backwards=bool(i % 2))
            for i in range(config.steps)
        )
