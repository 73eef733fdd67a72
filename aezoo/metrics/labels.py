"""How many labels a semi-supervised model infers as they are in the data.

Kingma, Rezende, Mohamed, Welling, Semi-supervised Learning with Deep Generative Models, 2014,
arXiv:1406.5298, table 1, which has the error: one minus this.
"""

from __future__ import annotations

from torch import Tensor

from aezoo.metrics.base import Batch, Metric, Run
from aezoo.records import Figure


class Labels(Metric):
    """The share of rows whose likeliest label under q(y|x) is their class."""

    def missing(self, run: Run) -> str:
        if not hasattr(getattr(run.model, "cond", None), "log_q"):
            return "the model infers no labels; one with cond=inferred(...) does"
        if len(run.images.dataset.classes) < 2:
            return f"{run.data} has no classes"
        return ""

    def update(self, batch: Batch) -> None:
        self.add("right", batch.model.cond.log_q(batch.x).argmax(1) == batch.y)

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        share = float(sums["right"]) / self.run.n
        protocol = "the likeliest class under q(y|x)"
        return [self.figure("label-accuracy", share, protocol, higher_is_better=True)]
