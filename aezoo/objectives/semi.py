"""Semi-supervised learning with labels that few samples have.

Kingma, Rezende, Mohamed, Welling, Semi-supervised Learning with Deep Generative Models, 2014,
arXiv:1406.5298, model M2: equations 6, 7 and 9. The paper weights the mean of -log q(y|x) over
the labelled samples with alpha = 0.1 N; here a labelled sample of a batch counts its own, so
that the paper's is 0.1 times all samples over those with a label.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Semi
from aezoo.objectives.terms import rate_of, terms


class SemiObjective:
    """Minus a bound on log p(x,y) where y is known, -L(x,y), and on log p(x) where it is not,
    sum_y q(y|x) (-L(x,y) - log q(y|x)), exactly over the classes; and -alpha log q(y|x).
    """

    learns_labels = True

    def __init__(self, config: Semi):
        self.alpha = config.alpha

    def attach(self, model: Any) -> None:
        if not hasattr(model.cond, "infer"):
            raise CapabilityError(
                f"{model.spec}: semi learns with labels that may be unknown; the model needs "
                "cond=inferred(10,mlp(64)), say, for 10 classes"
            )

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        rate_of(model, output)
        y = output.label
        assert y is not None
        log_q = model.cond.log_q(x)
        costs, penalty = labelled_costs(model, x)
        known = y >= 0
        at = y.clamp(min=0)[:, None]
        with_label = costs.gather(1, at)[:, 0]
        without = (log_q.exp() * (costs + log_q)).sum(1)
        bound = torch.where(known, with_label, without)
        surprise = torch.where(known, -log_q.gather(1, at)[:, 0], 0.0)
        total = bound + self.alpha * surprise
        if penalty is not None:
            total = total + penalty
        found = terms(output) | {"bound": bound.mean(), "surprise": surprise.mean()}
        return Losses(total.mean(), {name: value.detach() for name, value in found.items()})


def labelled_costs(model: Any, x: Tensor) -> tuple[Tensor, Tensor | None]:
    """L(x, y), minus a bound on log p(x, y), of x (B, C, *S) with each label: (B, K) nats.

    And the penalties (B,), where the model has any: the mean over the labels.
    """
    classes = model.cond.classes
    labels = torch.arange(classes, device=x.device).repeat(len(x))
    output = model(x.repeat_interleave(classes, dim=0), labels)
    costs = (output.distortion + rate_of(model, output)).view(len(x), classes)
    penalty = output.penalty
    if penalty is not None:
        penalty = penalty.view(len(x), classes).mean(1)
    return costs + math.log(classes), penalty
