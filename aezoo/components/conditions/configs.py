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


RECORDS = (
    Component(
        "label",
        config=Label,
        target="aezoo.components.conditions.label:LabelCondition",
        summary="a class label, one-hot or embedded",
        caps=Capabilities(conditional=True),
        example="label(3)",
    ),
)
