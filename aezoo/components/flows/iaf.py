"""Inverse autoregressive flow.

Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling, Improving Variational Inference with
Inverse Autoregressive Flow, 2016, arXiv:1606.04934, algorithm 1 and equations 12 to 14:
y = sigma x + (1 - sigma) m with sigma = sigmoid(s), and m_i, s_i functions of x before i and
of the context (a MADE). Draws take one pass, the inverse one a value.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.flows.made import MADE

_OPEN = 2.0  # what is added to s: at first most of x passes (section 4: +1 or +2)


class InverseAutoregressive(nn.Module):
    """One step, with the ELU of the paper."""

    def __init__(self, dim: int, hidden: int, *, context: int | None, backwards: bool):
        super().__init__()
        self.made = MADE(dim, hidden, 2, context=context, backwards=backwards, act="elu")

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        m, s = self.made(x, context)
        s = s + _OPEN
        return torch.lerp(m, x, torch.sigmoid(s)), F.logsigmoid(s).sum(1)

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x, place = torch.zeros_like(y), torch.arange(y.shape[1], device=y.device)
        s = x
        for i in self.made.order():
            m, s = self.made(x, context)
            s = s + _OPEN
            x = torch.where(place == i, m + (y - m) / torch.sigmoid(s), x)
        # The last pass saw all but the last value of the order, which nothing depends on.
        return x, F.logsigmoid(s).sum(1)
