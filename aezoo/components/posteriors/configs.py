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


@dataclass(frozen=True, slots=True)
class PlanarFlow:
    dim: int  # latent channels D
    steps: int = 8  # planar maps one after the other

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, steps=self.steps)


@dataclass(frozen=True, slots=True)
class RadialFlow:
    dim: int  # latent channels D
    steps: int = 8  # radial maps one after the other

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, steps=self.steps)


@dataclass(frozen=True, slots=True)
class IAF:
    dim: int  # latent channels D
    steps: int = 4  # autoregressive networks one after the other
    hidden: int = 320  # width of the two hidden layers of each

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, steps=self.steps, hidden=self.hidden)


_VAE = "Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114"
_FLOWS = "Rezende, Mohamed, Variational Inference with Normalizing Flows, 2015, arXiv:1505.05770"

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
    Component(
        "planar",
        config=PlanarFlow,
        target="aezoo.components.posteriors.planar:PlanarPosterior",
        summary="Gaussian bent by planar flows",
        paper=_FLOWS,
        example="planar(3,2)",
    ),
    Component(
        "radial",
        config=RadialFlow,
        target="aezoo.components.posteriors.radial:RadialPosterior",
        summary="Gaussian drawn to and pushed from points by radial flows",
        paper=_FLOWS,
        example="radial(3,2)",
    ),
    Component(
        "iaf",
        config=IAF,
        target="aezoo.components.posteriors.iaf:IAFPosterior",
        summary="Gaussian through inverse autoregressive flows",
        paper="Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, "
        "2016, arXiv:1606.04934",
        example="iaf(3,2,8)",
    ),
)
