"""What configs check of their values; each raises ValueError. No torch in here."""

from __future__ import annotations

from typing import Any, Literal

Activation = Literal["relu", "gelu", "silu", "elu", "tanh", "softplus"]


def at_least(lowest: int | float, **values: int | float | None) -> None:
    for name, value in values.items():
        if value is not None and value < lowest:
            raise ValueError(f"{name} must be at least {lowest}, not {value}")


def widths_given(widths: tuple[int, ...], least: int = 1) -> None:
    if len(widths) < least or any(w < 1 for w in widths):
        raise ValueError(f"needs at least {least} width(s), each at least 1")


def several(parts: tuple[Any, ...]) -> None:
    if len(parts) < 2:
        raise ValueError(f"takes at least two parts, one a level, not {len(parts)}")
