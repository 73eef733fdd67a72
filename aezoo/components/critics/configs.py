"""The arguments of the critics, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.checks import widths_given
from aezoo.records import Component, rest


@dataclass(frozen=True, slots=True)
class MLP:
    widths: tuple[int, ...] = rest()  # of the hidden layers, in order
    slope: float = 0.2  # of the leaky ReLU

    def __post_init__(self) -> None:
        widths_given(self.widths)


RECORDS = (
    Component(
        "mlp",
        config=MLP,
        target="aezoo.components.critics.mlp:MLPCritic",
        summary="dense layers on the flattened input, one logit",
        example="mlp(8)",
    ),
)
