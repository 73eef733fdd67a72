"""The arguments of the conditions, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.checks import at_least
from aezoo.records import Capabilities, Component


@dataclass(frozen=True, slots=True)
class Label:
    classes: int
    dim: int | None = None  # of a learned embedding; none: one-hot

    def __post_init__(self) -> None:
        at_least(1, classes=self.classes, dim=self.dim)


@dataclass(frozen=True, slots=True)
class Continuous:
    values: int  # k numbers a sample
    dim: int | None = None  # of a learned embedding; none: the numbers as they are
    low: float | tuple[float, ...] = 0.0  # a sample without a condition draws its own, uniformly
    high: float | tuple[float, ...] = 1.0  # between low and high: for all numbers, or for each

    def __post_init__(self) -> None:
        at_least(1, values=self.values, dim=self.dim)
        for name, bound in (("low", self.low), ("high", self.high)):
            if isinstance(bound, tuple) and len(bound) != self.values:
                raise ValueError(f"{name} is one number, or one for each of {self.values} values")
        if any(low > high for low, high in zip(*self.bounds, strict=True)):
            raise ValueError("low is above high")

    @property
    def bounds(self) -> tuple[tuple[float, ...], tuple[float, ...]]:
        """Low and high of each number."""
        low, high = (
            b if isinstance(b, tuple) else (b,) * self.values for b in (self.low, self.high)
        )
        return low, high


_SOHN = (
    "Sohn, Lee, Yan, Learning Structured Output Representation using Deep Conditional "
    "Generative Models, NIPS 2015"
)

RECORDS = (
    Component(
        "label",
        config=Label,
        target="aezoo.components.conditions.label:LabelCondition",
        summary="a class label, one-hot or embedded",
        caps=Capabilities(conditional=True),
        example="label(3)",
    ),
    Component(
        "continuous",
        config=Continuous,
        target="aezoo.components.conditions.continuous:ContinuousCondition",
        summary="numbers, such as factors that are known, as they are or embedded",
        paper=_SOHN,
        caps=Capabilities(conditional=True),
        example="continuous(3,dim=4)",
    ),
)
