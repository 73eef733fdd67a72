"""What components check of their arguments; plugins may. No torch in here."""

from __future__ import annotations

import math
import operator
from typing import Any, Literal, TypeVar

from aezoo.errors import CapabilityError, ShapeError

N = TypeVar("N")  # of codes: one count, or a tuple of one a level

Activation = Literal["relu", "gelu", "silu", "elu", "tanh", "softplus"]


def at_least(lowest: int | float, **values: int | float | None) -> None:
    """Raises ValueError for a value below ``lowest``, under its name; None is left out."""
    for name, value in values.items():
        if value is not None and value < lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")


def whole(lowest: int, **values: Any) -> None:
    """Raises TypeError for what is no whole number, ValueError for one below ``lowest``."""
    for name, value in values.items():
        try:
            number = operator.index(value)
        except TypeError:
            raise TypeError(f"{name} must be a whole number, not {value!r}") from None
        at_least(lowest, **{name: number})


def widths_given(widths: tuple[int, ...], least: int = 1) -> None:
    """Raises ValueError unless there are ``least`` widths, each at least 1."""
    if len(widths) < least or any(w < 1 for w in widths):
        raise ValueError(f"needs at least {least} width(s), each at least 1")


def heads_fit(heads: int, width: int) -> None:
    """Raises ValueError unless ``width`` channels split evenly over ``heads`` of attention."""
    if heads < 1 or width % heads:
        raise ValueError(f"width = {width} must split evenly over heads, and heads = {heads}")


def several(parts: tuple[Any, ...]) -> None:
    """Raises ValueError unless there are two parts or more, one a level."""
    if len(parts) < 2:
        raise ValueError(f"takes at least two parts, one a level, not {len(parts)}")


def over_latents(name: str, num_codes: object) -> None:
    """Raises ShapeError for codes: the prior is over continuous latents."""
    if num_codes is not None:
        raise ShapeError(
            f"{name} is a prior over continuous latents, but the quantizer gives codes; "
            "use prior=uniform or prior=pixelcnn"
        )


def told_as_built(name: str, cond: object, cond_dim: int | None) -> None:
    """Raises CapabilityError where a prior that reads a condition has none, or another has one."""
    if cond is None and cond_dim is not None:
        raise CapabilityError(
            f"{name} was built with a condition, and is given none; pass cond (B,{cond_dim})"
        )
    if cond is not None and cond_dim is None:
        raise CapabilityError(
            f"{name} was built without a condition, and is given one; leave cond out"
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
