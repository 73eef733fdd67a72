"""The arguments of the critics, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.checks import at_least, widths_given
from aezoo.records import Component, rest


@dataclass(frozen=True, slots=True)
class MLP:
    widths: tuple[int, ...] = rest()  # of the hidden layers, in order
    slope: float = 0.2  # of the leaky ReLU

    def __post_init__(self) -> None:
        widths_given(self.widths)


@dataclass(frozen=True, slots=True)
class Patch:
    width: int = 64  # channels of the first layer; each layer doubles them, up to 8 times
    layers: int = 3  # of stride 2; a patch is 16 x 16 with one, 34 with two, 70 with three
    slope: float = 0.2  # of the leaky ReLU

    def __post_init__(self) -> None:
        at_least(1, width=self.width, layers=self.layers)


RECORDS = (
    Component(
        "mlp",
        config=MLP,
        target="aezoo.components.critics.mlp:MLPCritic",
        summary="dense layers on the flattened input, one logit",
        example="mlp(8)",
    ),
    Component(
        "patch",
        config=Patch,
        target="aezoo.components.critics.patch:PatchCritic",
        summary="PatchGAN: convolutions, a logit for each patch",
        paper="Isola, Zhu, Zhou, Efros, Image-to-Image Translation with Conditional Adversarial "
        "Networks, 2016, arXiv:1611.07004",
        example="patch(8,layers=1)",
    ),
)
