"""The arguments of the objectives, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.components.checks import at_least
from aezoo.records import Component


@dataclass(frozen=True, slots=True)
class Elbo:
    pass


@dataclass(frozen=True, slots=True)
class Beta:
    beta: float  # weight of the rate

    def __post_init__(self) -> None:
        at_least(0.0, beta=self.beta)


@dataclass(frozen=True, slots=True)
class Reconstruction:
    pass


_VAE = "Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114"

RECORDS = (
    Component(
        "elbo",
        config=Elbo,
        target="aezoo.objectives.elbo:ElboObjective",
        summary="the negative ELBO, and the penalties",
        paper=_VAE,
    ),
    Component(
        "beta",
        config=Beta,
        target="aezoo.objectives.beta:BetaObjective",
        summary="the rate weighted by beta",
        paper="Higgins et al., beta-VAE, 2017, openreview:Sy2fzU9gl",
        example="beta(4.0)",
    ),
    Component(
        "reconstruction",
        config=Reconstruction,
        target="aezoo.objectives.reconstruction:ReconstructionObjective",
        summary="the distortion and the penalties, no rate",
    ),
)
