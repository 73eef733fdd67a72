"""Pictures of a model for the page: reconstructions, samples, and how often each code is used."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor

from aezoo.metrics.base import Batch, Metric, Run
from aezoo.records import Figure

SHOWN = 16  # reconstructions, from the beginning of the split
SAMPLES = 64
SIDE = 64  # pixels that a small picture is enlarged to


@dataclass
class Gallery(Metric):
    """Gives no figures: writes PNG files, GIF of video, and says in ``content`` which."""

    needs: ClassVar[frozenset[str]] = frozenset({"latent", "x_hat"})

    folder: Path | None = None
    name: str = "model"  # how the files begin
    content: dict[str, Any] = field(init=False, default_factory=dict)

    def missing(self, run: Run) -> str:
        shape = run.model.input_shape
        if len(shape) not in (3, 4) or shape[0] not in (1, 3):
            return f"its samples of shape {shape} are no pictures"
        return ""

    def update(self, batch: Batch) -> None:
        assert batch.latent is not None
        assert batch.x_hat is not None
        if batch.block == 0:
            self.keep("x", batch.rows[:SHOWN], batch.x[:SHOWN])
            self.keep("x_hat", batch.rows[:SHOWN], batch.x_hat[:SHOWN])
        codes = batch.latent.codes
        if codes is not None:
            self.accumulate("codes", torch.cat(batch.model.count_codes(codes)))

    @torch.no_grad()
    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        assert self.folder is not None
        if "codes" in sums:
            self.content["codes"] = [int(count) for count in sums["codes"].tolist()]
        # The originals above, what came out below.
        self._save("reconstructions", torch.cat([rows["x"], rows["x_hat"]]), len(rows["x"]))
        model, able = self.run.model, self.run.model.capabilities
        if able.sample:
            # Where conditions cannot be drawn, those of the pictures above.
            cond = None if able.draws_cond else model.condition(rows["x"].to(self.run.device))
            n = SAMPLES if cond is None else len(cond)
            x = model.sample(n, cond, generator=self.run.generator("gallery", "samples"))
            self._save("samples", x, 16)
        return []

    def _save(self, what: str, x: Tensor, columns: int) -> None:
        from aezoo import pictures
        from aezoo.train.checkpoint import write_atomic

        image = pictures.grid(pictures.enlarge_to(pictures.pixels(x), SIDE), columns)
        data, suffix = pictures.encoded(image)
        file = f"pictures/{self.name}-{what}{suffix}"
        assert self.folder is not None
        write_atomic(self.folder / file, data)
        self.content[what] = file
