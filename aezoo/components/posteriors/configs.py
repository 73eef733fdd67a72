"""The arguments of the posteriors, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.components.checks import at_least
from aezoo.records import Component


@dataclass(frozen=True, slots=True)
class Point:
    dim: int  # latent channels D

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim)


@dataclass(frozen=True, slots=True)
class Gaussian:
    dim: int  # latent channels D

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim)


_VAE = "Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114"

RECORDS = (
    Component(
        "point",
        config=Point,
        target="aezoo.components.posteriors.point:PointPosterior",
        summary="one point: the latent of a plain autoencoder",
        example="point(3)",
    ),
    Component(
        "gaussian",
        config=Gaussian,
        target="aezoo.components.posteriors.gaussian:GaussianPosterior",
        summary="Gaussian with diagonal covariance",
        paper=_VAE,
        example="gaussian(3)",
    ),
)
