"""Radial flow: Rezende and Mohamed 2015, arXiv:1505.05770, equation 14, appendix A.2.

f(x) = x + beta h (x - x0) with h = 1 / (alpha + r), r = |x - x0|, alpha > 0; beta is at least
-alpha, where f is invertible. The paper's determinant is [1 + beta h]^(D-1) [1 + beta h +
beta h'(r) r], and its last factor is 1 + beta alpha h^2.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor


class Radial:
    """Rows (N,D) and their own x0 (N,D), alpha and beta (N,1), side by side in the context."""

    def __init__(self, dim: int):
        self.dim = dim
        self.context = dim + 2

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x0, alpha, beta = self._read(context)
        away = x - x0
        h = 1 / (alpha + _norm(away))
        return x + beta * h * away, self._log_det(alpha, beta, h)

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        """x lies on y's ray from x0, at the r > 0 with r (1 + beta h) = |y - x0|: a quadratic."""
        x0, alpha, beta = self._read(context)
        away = y - x0
        far = _norm(away)
        # r^2 + p r - alpha far = 0; of its two forms the one that subtracts nothing.
        p, last = alpha + beta - far, alpha * far
        root = (p.square() + 4 * last).sqrt()
        r = torch.where(p > 0, 2 * last / (p + root), 0.5 * (root - p))
        h = 1 / (alpha + r)
        return x0 + away / (1 + beta * h), self._log_det(alpha, beta, h)

    def _read(self, context: Tensor | None) -> tuple[Tensor, Tensor, Tensor]:
        assert context is not None
        x0, alpha, beta = context.split((self.dim, 1, 1), dim=1)
        alpha = F.softplus(alpha)
        return x0, alpha, F.softplus(beta) - alpha  # appendix A.2

    def _log_det(self, alpha: Tensor, beta: Tensor, h: Tensor) -> Tensor:
        across = torch.log1p(beta * h)
        along = torch.log1p(beta * alpha * h.square())
        return ((self.dim - 1) * across + along).squeeze(1)


def _norm(away: Tensor) -> Tensor:
    """(N,1), with a gradient at the centre too."""
    tiny = torch.finfo(away.dtype).tiny
    return away.square().sum(1, keepdim=True).clamp(min=tiny).sqrt()
