"""Affine coupling of Real NVP.

Dinh, Sohl-Dickstein and Bengio, Density Estimation using Real NVP, 2016, arXiv:1605.08803,
equations 7 to 9: y = b x + (1 - b) (x exp(s(b x)) + t(b x)), the mask b every other value.
s is a tanh times learned scales (section 4.1).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.nd import wide


class AffineCoupling(nn.Module):
    """One step; the identity at first. ``kept``: 0 leaves the even places as they are, 1 the odd.

    s and t are the outputs of one dense network with two hidden layers.
    """

    def __init__(self, dim: int, hidden: int, *, context: int | None, kept: int):
        super().__init__()
        self.kept = kept
        self.net = nn.Sequential(
            nn.Linear(dim + (context or 0), hidden),
            nn.ReLU(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Linear(hidden, 2 * dim),
        )
        self.scale = nn.Parameter(torch.ones(dim))
        for parameter in self.net[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        s, t = self._s_and_t(x, context)
        return x * torch.exp(s) + t, s.sum(1)

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        s, t = self._s_and_t(y, context)
        return (y - t) * torch.exp(-s), s.sum(1)

    def _s_and_t(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """(N,D) each, of the values that are kept; zero in their own places."""
        keep = torch.arange(x.shape[1], device=x.device) % 2 == self.kept
        given = torch.where(keep, x, 0)
        if context is not None:
            given = torch.cat([given, context.to(given.dtype)], dim=1)
        s, t = wide(self.net(given.to(self.scale.dtype))).chunk(2, dim=1)
        s = torch.tanh(s) * self.scale
        return torch.where(keep, 0, s), torch.where(keep, 0, t)
