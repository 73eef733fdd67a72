"""The arguments of the conditions, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aezoo.checks import at_least
from aezoo.records import Capabilities, Component, slot


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


@dataclass(frozen=True, slots=True)
class Half:
    side: Literal["left", "right", "top", "bottom"]  # which is given


@dataclass(frozen=True, slots=True)
class Quadrants:
    given: int = 1  # of four: the lower left one, then the upper left, then the lower right

    def __post_init__(self) -> None:
        if not 1 <= self.given <= 3:
            raise ValueError(f"given is 1, 2 or 3 quadrants, not {self.given}")


@dataclass(frozen=True, slots=True)
class Lowres:
    factor: int = 4  # how many places along each axis make one

    def __post_init__(self) -> None:
        at_least(2, factor=self.factor)


@dataclass(frozen=True, slots=True)
class Grey:
    pass


@dataclass(frozen=True, slots=True)
class Inferred:
    classes: int
    encoder: object = slot("encoder")  # of q(y|x), the classifier
    dim: int | None = None  # of a learned embedding; none: one-hot

    def __post_init__(self) -> None:
        at_least(2, classes=self.classes)
        at_least(1, dim=self.dim)


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
    Component(
        "half",
        config=Half,
        target="aezoo.components.conditions.half:HalfCondition",
        summary="one half of x: the model knows it and tells the other",
        paper=_SOHN,
        caps=Capabilities(conditional=True),
        example="half(left)",
    ),
    Component(
        "quadrants",
        config=Quadrants,
        target="aezoo.components.conditions.quadrants:QuadrantsCondition",
        summary="one to three quadrants of x: the model knows them and tells the others",
        paper=_SOHN,
        caps=Capabilities(conditional=True, ranks=(2, 3)),
    ),
    Component(
        "lowres",
        config=Lowres,
        target="aezoo.components.conditions.lowres:LowresCondition",
        summary="x at a lower resolution: super-resolution",
        paper=(
            "Gatopoulos, Stol, Tomczak, Super-resolution Variational Auto-Encoders, 2020, "
            "arXiv:2006.05218"
        ),
        caps=Capabilities(conditional=True),
    ),
    Component(
        "grey",
        config=Grey,
        target="aezoo.components.conditions.grey:GreyCondition",
        summary="x without its colours: colourisation",
        paper=(
            "Deshpande, Lu, Yeh, Chong, Forsyth, Learning Diverse Image Colorization, 2017, "
            "arXiv:1612.01958"
        ),
        caps=Capabilities(conditional=True, ranks=(2, 3)),
    ),
    Component(
        "inferred",
        config=Inferred,
        target="aezoo.components.conditions.inferred:InferredLabel",
        summary="a class label that may be unknown, and the classifier that infers it: M2",
        paper=(
            "Kingma, Rezende, Mohamed, Welling, Semi-supervised Learning with Deep Generative "
            "Models, 2014, arXiv:1406.5298"
        ),
        caps=Capabilities(conditional=True),
        example="vae(res(8,depth=1),gaussian(2),unres(8,depth=1),cond=inferred(3,res(4,depth=1)),"
        "objective=semi(1.0),input=(3,8,12))",
    ),
)
