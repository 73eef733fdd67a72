"""The neural autoregressive distribution estimator, over codes, bits and one-hot latents.

Larochelle, Murray, The Neural Autoregressive Distribution Estimator, 2011, AISTATS (PMLR 15),
equations 9 and 10: p(v_i = 1 | v_<i) = sigmoid(b_i + V_i h_i), h_i = sigmoid(c + W_<i v_<i), the
columns of W shared. Uria, Cote, Gregor, Murray, Larochelle, Neural Autoregressive Distribution
Estimation, 2016, arXiv:1605.02226, is the longer account. A variable of K values is read as a
one-hot vector and has a softmax where a bit has the sigmoid; a condition is added to c.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from aezoo.components.nd import wide
from aezoo.components.priors.configs import NADEConfig
from aezoo.components.priors.vectors import VectorPrior


class NADEPrior(VectorPrior):
    """log P takes one pass; so does, in all, a draw. Every variable is 1/K at first."""

    name: ClassVar[str] = "nade"

    def __init__(
        self,
        config: NADEConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__(shape, num_codes, cond_dim, config.k)
        self.read = nn.Parameter(torch.randn(self.n, self.each, config.hidden) / self.n**0.5)  # W
        self.first = nn.Parameter(torch.zeros(config.hidden))  # c
        self.tell = nn.Parameter(torch.zeros(self.n, config.hidden, self.each))  # V
        self.bias = nn.Parameter(torch.zeros(self.n, self.each))  # b
        self.reader = None if cond_dim is None else nn.Linear(cond_dim, config.hidden, bias=False)

    def scores(self, x: Tensor, cond: Tensor | None) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):  # sums of many in bfloat16 cost bits
            moved = torch.einsum("bne,neh->bnh", x, wide(self.read))
            before = moved.cumsum(1) - moved
            h = (self.start(cond).unsqueeze(-2) + before).sigmoid()
            return torch.einsum("bnh,nhe->bne", h, wide(self.tell)) + wide(self.bias)

    def start(self, cond: Tensor | None) -> Tensor:
        """c, (H,), or of each condition (B,H)."""
        if self.reader is None or cond is None:
            return wide(self.first)
        return wide(self.first + self.reader(cond.to(self.first.dtype)))

    def steps(self, n: int, cond: Tensor | None) -> _Steps:
        return _Steps(self, n, cond)


class _Steps:
    """c + W_<i v_<i of the variables drawn so far: (n,H)."""

    def __init__(self, prior: NADEPrior, n: int, cond: Tensor | None):
        self.prior, self.a = prior, prior.start(cond).expand(n, -1)

    def scores(self, i: int) -> Tensor:
        return self.a.sigmoid() @ wide(self.prior.tell[i]) + wide(self.prior.bias[i])

    def put(self, i: int, x: Tensor) -> None:
        self.a = self.a + wide(x) @ wide(self.prior.read[i])
