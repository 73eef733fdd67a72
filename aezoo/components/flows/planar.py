"""Planar flow: Rezende and Mohamed 2015, arXiv:1505.05770, equations 10 to 12, appendix A.1.

f(x) = x + u tanh(w.x + b); u is moved along w until w.u > -1, where f is invertible.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

#: Halvings of the interval that holds w.x; a Newton step follows.
_HALVINGS = 60


class Planar:
    """Rows (N,D) and their own u, w (N,D) and b (N,1), side by side in the context."""

    def __init__(self, dim: int):
        self.dim = dim
        self.context = 2 * dim + 1

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        u, w, b, wu = self._read(context)
        bent = torch.tanh((w * x).sum(1, keepdim=True) + b)
        return x + u * bent, _log_det(wu, bent)

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """By its one unknown a = w.x, the root of a + w.u tanh(a + b) = w.y, which rises in a."""
        u, w, b, wu = self._read(context)
        wy = (w * y).sum(1, keepdim=True)
        with torch.no_grad():
            low, high = wy - wu.abs(), wy + wu.abs()
            for _ in range(_HALVINGS):
                a = 0.5 * (low + high)
                above = a + wu * torch.tanh(a + b) > wy
                low, high = torch.where(above, low, a), torch.where(above, a, high)
            a = 0.5 * (low + high)
            slope = 1 + wu * (1 - torch.tanh(a + b).square())
        # A Newton step from the root: it adds nothing to its value but the derivative.
        a = a - (a + wu * torch.tanh(a + b) - wy) / slope
        bent = torch.tanh(a + b)
        return y - u * bent, _log_det(wu, bent)

    def _read(self, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """u as it is used, w, b, and w.u > -1."""
        assert context is not None
        u, w, b = context.split((self.dim, self.dim, 1), dim=1)
        given = (w * u).sum(1, keepdim=True)
        norm = w.square().sum(1, keepdim=True)
        tiny = torch.finfo(norm.dtype).tiny
        # m(w.u) = -1 + log(1 + exp(w.u)), appendix A.1.
        u = u + (F.softplus(given) - 1 - given) * w / norm.clamp(min=tiny)
        return u, w, b, (w * u).sum(1, keepdim=True)


def _log_det(wu: Tensor, bent: Tensor) -> Tensor:
    return (1 + wu * (1 - bent.square())).clamp(min=torch.finfo(wu.dtype).tiny).log().squeeze(1)
