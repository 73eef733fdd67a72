"""KL annealing: the rate's weight grows from 0 to 1 (Bowman et al. 2015, arXiv:1511.06349, 3.1)."""

from __future__ import annotations

from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Annealing
from aezoo.objectives.terms import criterion, weighted


class AnnealingObjective:
    """distortion + w * rate + penalties with w = min(1, step / steps); the best weights are
    chosen by the ELBO. Outside training w is 1."""

    def __init__(self, config: Annealing):
        self.steps, self.weight = config.steps, 1.0

    def schedule(self, step: int, total: int) -> None:
        self.weight = min(1.0, step / self.steps)

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, rate=self.weight, penalty=1.0)
        losses.criterion = criterion(output)
        return losses
