"""``audio/conversion``: is a converted voice taken for the target's, and its digit still heard?"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aezoo.data.sets import load
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.records import Figure
from aezoo.tasks.convert import convert
from aezoo_audio.datasets import FSDD, FSDD_SPEAKERS, SPEAKERS

JUDGED = "judged by a network that learnt from the real recordings of fit"
OTHERS = len(SPEAKERS) - 1
_HEARD = {
    "original": "the originals",
    "reconstructed": "after reconstruction",
    "converted": f"each recording converted to each of the {OTHERS} other speakers, "
    "its own speaker given",
}


class Conversion(Metric):
    """Accuracies in [0,1] of the two judges of `aezoo_audio.judge`.

    Each is given for the originals, for their reconstructions, and for their conversions to
    every other speaker. The right digit is always the one that was said; the right speaker of a
    conversion is its target.
    """

    needs = frozenset({"x_hat"})

    def missing(self, run: Run) -> str:
        dataset = run.images.dataset
        if (dataset.target, dataset.label) != (FSDD_SPEAKERS.target, FSDD_SPEAKERS.label):
            return "its judges know the recordings of audio/fsdd-speakers"
        if getattr(run.model.cond, "classes", None) != len(SPEAKERS):
            return f"the model is not conditioned on the speaker, cond=label({len(SPEAKERS)})"
        return ""

    def begin(self, run: Run) -> None:
        super().begin(run)
        from aezoo_audio.judge import judge

        self._digit = judge(FSDD, run.device)
        self._speaker = judge(FSDD_SPEAKERS, run.device)
        # The two data sets have the same rows, in the same order.
        self._digits = torch.from_numpy(load(FSDD, run.split).labels.copy()).to(run.device)

    def update(self, batch: Batch) -> None:
        assert batch.x_hat is not None
        digits = self._digits[batch.rows]
        self._hear("original", batch.x, digits, batch.y)
        self._hear("reconstructed", batch.x_hat, digits, batch.y)
        for step in range(1, len(SPEAKERS)):
            target = (batch.y + step) % len(SPEAKERS)
            generator = batch.generator(f"convert by {step}")
            x = convert(batch.model, batch.x, target, batch.y, generator=generator)
            self._hear("converted", x, digits, target)

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        found = []
        for what in ("digit", "speaker"):
            for heard, text in _HEARD.items():
                n = self.run.n * (OTHERS if heard == "converted" else 1)
                right = {"digit": "the digit said", "speaker": "its speaker"}[what]
                right = "its target" if (what, heard) == ("speaker", "converted") else right
                more: dict[str, Any] = {"n": n, "seed": self.run.seed, "higher_is_better": True}
                found.append(
                    self.figure(
                        f"{what}-accuracy-{heard}",
                        float(sums[f"{what} {heard}"]) / n,
                        f"{text}; share taken for {right}, {JUDGED}",
                        **more,
                    )
                )
        return found

    def _hear(self, heard: str, x: Tensor, digits: Tensor, speakers: Tensor) -> None:
        self.add(f"digit {heard}", self._digit(x).argmax(1) == digits)
        self.add(f"speaker {heard}", self._speaker(x).argmax(1) == speakers)
