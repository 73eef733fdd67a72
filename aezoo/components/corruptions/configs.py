"""The arguments of the corruptions, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.records import Component


def _share(name: str, value: float) -> None:
    if not 0 <= value <= 1:
        raise ValueError(f"{name} is a share of the places, from 0 to 1, not {value}")


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"{name} must be positive, not {value}")


@dataclass(frozen=True, slots=True)
class Gaussian:
    sigma: float = 0.3  # standard deviation of the noise, in units of x

    def __post_init__(self) -> None:
        _positive("sigma", self.sigma)


@dataclass(frozen=True, slots=True)
class Speckle:
    sigma: float = 0.3  # standard deviation of the noise, as a share of x

    def __post_init__(self) -> None:
        _positive("sigma", self.sigma)


@dataclass(frozen=True, slots=True)
class Masking:
    share: float = 0.25  # of the places that are set to zero

    def __post_init__(self) -> None:
        _share("share", self.share)


@dataclass(frozen=True, slots=True)
class SaltAndPepper:
    share: float = 0.25  # of the places that are set to the lowest or the highest value
    low: float = 0.0
    high: float = 1.0

    def __post_init__(self) -> None:
        _share("share", self.share)
        if not self.low < self.high:
            raise ValueError(f"low must be below high, not {self.low} and {self.high}")


_HERE = "aezoo.components.corruptions"
_DENOISING = (
    "Vincent et al., Stacked Denoising Autoencoders: Learning Useful Representations in a Deep "
    "Network with a Local Denoising Criterion, JMLR 11, 2010"
)

RECORDS = (
    Component(
        "gaussian",
        config=Gaussian,
        target=f"{_HERE}.gaussian:GaussianCorruption",
        summary="additive Gaussian noise",
        paper=_DENOISING,
    ),
    Component(
        "masking",
        config=Masking,
        target=f"{_HERE}.masking:MaskingCorruption",
        summary="a random share of the places is set to zero",
        paper="Vincent et al., Extracting and Composing Robust Features with Denoising "
        "Autoencoders, 2008, doi:10.1145/1390156.1390294",
    ),
    Component(
        "salt_and_pepper",
        config=SaltAndPepper,
        target=f"{_HERE}.salt_and_pepper:SaltAndPepperCorruption",
        summary="a random share of the places is set to the lowest or the highest value",
        paper=_DENOISING,
    ),
    Component(
        "speckle",
        config=Speckle,
        target=f"{_HERE}.speckle:SpeckleCorruption",
        summary="multiplicative Gaussian noise",
        paper="Poole, Sohl-Dickstein, Ganguli, Analyzing noise in autoencoders and deep networks, "
        "2014, arXiv:1406.1831",
    ),
)
