"""A masked autoencoder as a prior over codes, bits and one-hot latents.

Germain, Gregor, Murray, Larochelle, MADE: Masked Autoencoder for Distribution Estimation, 2015,
arXiv:1502.03509. In one order, the raster's, with two hidden layers; the paper's bits become
variables of K values, each read as a one-hot vector.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from aezoo.components.flows.made import MADE, MADESteps
from aezoo.components.priors.configs import MADEConfig
from aezoo.components.priors.vectors import VectorPrior


class MADEPrior(VectorPrior):
    """log P takes one pass; so does, in all, a draw."""

    name: ClassVar[str] = "made"

    def __init__(
        self,
        config: MADEConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__(shape, num_codes, cond_dim, config.k)
        self.net = MADE(
            self.n, config.hidden, self.each, context=cond_dim, act="relu", each=self.each
        )

    def scores(self, x: Tensor, cond: Tensor | None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # logits in bfloat16 cost bits
            return torch.stack(self.net(x.flatten(1), cond), 2)

    def steps(self, n: int, cond: Tensor | None) -> MADESteps:
        return MADESteps(self.net, n, cond)
