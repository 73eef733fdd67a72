"""Masked autoregressive flow.

Papamakarios, Pavlakou and Murray, Masked Autoregressive Flow for Density Estimation, 2017,
arXiv:1705.07057, equations 2 to 6. y_i = x_i exp(alpha_i) + mu_i, and mu_i, alpha_i are
functions of y before i (a MADE). Densities take one pass, draws one a value.

The batch normalisation between the paper's steps is left out: a density does not depend on
what else is in the batch.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.flows.made import MADE


class MaskedAutoregressive(nn.Module):
    """One step; the identity at first."""

    def __init__(self, dim: int, hidden: int, *, context: int | None, backwards: bool):
        super().__init__()
        self.made = MADE(dim, hidden, 2, context=context, backwards=backwards)

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        mu, alpha = self.made(y, context)
        return (y - mu) * torch.exp(-alpha), alpha.sum(1)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y, place = torch.zeros_like(x), torch.arange(x.shape[1], device=x.device)
        alpha = y
        for i in self.made.order():
            mu, alpha = self.made(y, context)
            y = torch.where(place == i, x * torch.exp(alpha) + mu, y)
        # The last pass saw all but the last value of the order, which nothing depends on.
        return y, alpha.sum(1)
