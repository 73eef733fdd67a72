"""What every prior asks of its arguments."""

from __future__ import annotations

import math
from typing import TypeVar

import torch
from torch import Generator, Tensor

from aezoo.errors import ShapeError

N = TypeVar("N")  # of codes: one count, or a tuple of one a level


def over_latents(name: str, num_codes: object) -> None:
    """Raises ShapeError for codes: the prior is over continuous latents."""
    if num_codes is not None:
        raise ShapeError(
            f"{name} is a prior over continuous latents, but the quantizer gives codes; "
            "use prior=uniform or prior=pixelcnn"
        )


def over_codes(name: str, num_codes: N | None) -> N:
    """``num_codes``; raises ShapeError for continuous latents: the prior is over codes."""
    if num_codes is None:
        raise ShapeError(
            f"{name} is a prior over codes, but the latents are continuous; "
            "use prior=normal, or a quantizer"
        )
    return num_codes


def check_temperature(temperature: float) -> None:
    """Raises ValueError unless it is a finite number that is not negative."""
    if not (math.isfinite(temperature) and temperature >= 0):
        raise ValueError(f"temperature must be 0 or more, not {temperature}")


def drawing_device(generator: Generator | None, cond: Tensor | None) -> torch.device:
    """Where a prior without parameters draws: the generator's device, else the condition's,
    else torch's default."""
    if generator is not None:
        return generator.device
    return cond.device if cond is not None else torch.get_default_device()
