"""One thing as another: encode under the condition that it has, decode under another.

A conditional autoencoder need not put into its latent what the condition says already. What is
left of a spoken word is the word, and decoded as another speaker it is said by that one: voice
conversion as in van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning,
2017, arXiv:1711.00937, section 4.3.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aezoo.errors import CapabilityError
from aezoo.latents import point


@torch.no_grad()
def convert(
    model: Any,
    x: Tensor,
    target: Tensor,
    source: Tensor | None = None,
    *,
    generator: torch.Generator | None = None,
) -> Tensor:
    """x (B, C, *S) of the conditions ``source`` (B,) -> as ``target`` (B,), same shape.

    Args:
        source: None: what the model knows from x, else the labels that x is `likeliest` of.
        generator: of the draw, where the likelihood has no closed mean.

    Raises:
        CapabilityError: the model's decoder takes no condition.
        ShapeError: x does not have the model's shape.
    """
    _check(model)
    if source is None:
        source = model.condition(x)
    z = model.encode(x, likeliest(model, x) if source is None else source).z
    p = model.p(z, target, size=tuple(x.shape[2:]))
    return point(p, generator).clamp(*model.input_range)


@torch.no_grad()
def likeliest(model: Any, x: Tensor) -> Tensor:
    """(B,) int64: the label under which each x (B, C, *S) has the smallest loss.

    The loss is that of the model's own objective, which for many is minus a bound on
    log p(x). Every label is tried with the same draw of z.

    Raises:
        CapabilityError: the model's condition is no label.
    """
    _check(model)
    classes = getattr(model.cond, "classes", None)
    if classes is None:
        raise CapabilityError(
            f"{model.spec} is not conditioned on labels, which could be tried one by one; say of "
            "which condition x is"
        )

    def loss(row: Tensor, label: int) -> Tensor:
        generator = torch.Generator(x.device).manual_seed(0)
        cond = torch.tensor([label], device=x.device)
        losses = model.loss(row, cond, generator=generator)
        return losses.total if losses.criterion is None else losses.criterion

    # One by one: a loss is the mean over its batch.
    rows = [torch.stack([loss(row, label) for label in range(classes)]) for row in x.split(1)]
    return torch.stack(rows).argmin(1)


def _check(model: Any) -> None:
    if model.cond is None:
        raise CapabilityError(
            f"{model.spec} takes no condition, so there is nothing to convert to; a spec with "
            "cond=label(10) does"
        )
