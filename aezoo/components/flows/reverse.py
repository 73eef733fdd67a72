"""A step the other way round: what was its inverse is the way from noise to z.

Kingma, Salimans, Jozefowicz, Chen, Sutskever and Welling, Improving Variational Inference with
Inverse Autoregressive Flow, 2016, arXiv:1606.04934, section 3: the inverse of an autoregressive
map, e = (y - mu(y)) / sigma(y), has all its values at once.
"""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from aezoo.components.flows.chain import Step


class Reversed(nn.Module):
    """The inverse of ``step``, as a step; of its log-determinants the sign is another."""

    def __init__(self, step: Step):
        super().__init__()
        self.step: Any = step

    def forward(self, x: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        y, log_det = self.step.inverse(x, context)
        return y, -log_det

    def inverse(self, y: Tensor, context: Tensor | None) -> tuple[Tensor, Tensor]:
        x, log_det = self.step.forward(y, context)
        return x, -log_det
