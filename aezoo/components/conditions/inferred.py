"""A class label that few samples have: the model infers it where it is unknown.

Kingma, Rezende, Mohamed, Welling, Semi-supervised Learning with Deep Generative Models, 2014,
arXiv:1406.5298, section 2, model M2: p(x|y,z) p(y) p(z) with q(z|x,y) q(y|x). The family has
p(x|y,z), p(z) and q(z|x,y); this is p(y), uniform, and the classifier q(y|x). It learns with the
objective semi: a draw of y has no gradient to it.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.conditions.configs import Inferred, Label
from aezoo.components.conditions.label import LabelCondition
from aezoo.components.nd import wide
from aezoo.errors import ShapeError


class InferredLabel(nn.Module):
    """y (B,) int64 in [0, classes), -1 where unknown.

    q(y|x) is an encoder, the mean over its places, and a linear map to the classes.
    """

    def __init__(self, config: Inferred, in_shape: tuple[int, ...]):
        super().__init__()
        self.classes = config.classes
        self.label = LabelCondition(Label(config.classes, config.dim))
        self.dim = self.label.dim
        part: Any = config.encoder
        self.encoder = part.build(in_shape=in_shape)
        features = self.encoder.out_shape[0]
        if isinstance(features, tuple):
            raise ShapeError(f"inferred takes an encoder of one level, not {config.encoder}")
        self.head = nn.Linear(features, config.classes)

    def forward(self, y: Tensor) -> Tensor:
        """y (B,), all known -> (B, E)."""
        return self.label(y)

    def draw(
        self, n: int, *, device: torch.device, generator: torch.Generator | None = None
    ) -> Tensor:
        """``n`` labels from p(y): (n,) int64."""
        return self.label.draw(n, device=device, generator=generator)

    def log_q(self, x: Tensor) -> Tensor:
        """log q(y|x) of x (B, C, *S): (B, classes), nats."""
        h = self.encoder(x)
        return wide(self.head(h.flatten(2).mean(2) if h.ndim > 2 else h)).log_softmax(1)

    def of(self, x: Tensor) -> Tensor:
        """The likeliest label of x (B, C, *S): (B,) int64."""
        return self.log_q(x).argmax(1)

    def infer(
        self, x: Tensor, y: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> tuple[Tensor, Tensor]:
        """y with draws from q(y|x) where it is -1, everywhere without y; and their nats.

        These are log q(y|x) - log p(y) where y was drawn and 0 where it was known, (B,).
        """
        if y is not None and (y.is_floating_point() or y.shape != x.shape[:1]):
            raise ShapeError(
                f"the condition is one label a sample, int64 ({len(x)},), -1 where it is unknown, "
                f"not {y.dtype} {tuple(y.shape)}"
            )
        log_q = self.log_q(x)
        # The first of exponential clocks with rates q(y|x): a draw that waits for no device.
        where = x.device if generator is None else generator.device
        clocks = torch.empty(log_q.shape, device=where).exponential_(generator=generator)
        drawn = (log_q - clocks.to(x.device).log()).argmax(1)
        nats = log_q.gather(1, drawn[:, None])[:, 0] + math.log(self.classes)
        if y is None:
            return drawn, nats
        return torch.where(y < 0, drawn, y), torch.where(y < 0, nats, 0.0)
