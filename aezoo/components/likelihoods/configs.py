"""The arguments of the likelihoods, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from aezoo.checks import at_least
from aezoo.records import Capabilities, Component


@dataclass(frozen=True, slots=True)
class BernoulliConfig:
    """No arguments: the decoder gives one logit a pixel."""


@dataclass(frozen=True, slots=True)
class GaussianConfig:
    # Standard deviation of a pixel ([0,1] scale): a number; one learned scalar for all
    # pixels; or one a pixel, from the decoder.
    sigma: float | Literal["learned", "pixel"] = "learned"

    def __post_init__(self):
        _check_scale("sigma", self.sigma)


@dataclass(frozen=True, slots=True)
class LaplaceConfig:
    # Scale b of a pixel ([0,1] scale), the mean absolute error: as for gaussian.
    scale: float | Literal["learned", "pixel"] = "learned"

    def __post_init__(self):
        _check_scale("scale", self.scale)


@dataclass(frozen=True, slots=True)
class LogisticMixtureConfig:
    components: int = 10  # logistics in a pixel's mixture

    def __post_init__(self):
        if self.components < 1:
            raise ValueError(f"components must be at least 1, not {self.components}")


@dataclass(frozen=True, slots=True)
class PixelCNNConfig:
    features: int = 16  # channels of the decoder's output, what each pixel is told of z
    width: int = 64  # channels of the two stacks
    layers: int = 4  # gated layers; one reaches kernel // 2 pixels further
    kernel: int = 3  # side of the unmasked window, odd
    levels: int = 256  # values that x has, from 0 to 1: 2 for binary pixels
    dropout: float = 0.0  # of the gated activations, in training

    def __post_init__(self):
        at_least(1, features=self.features, width=self.width, layers=self.layers)
        at_least(2, levels=self.levels)
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and at least 3, not {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class PixelCNNPPConfig:
    features: int = 16  # channels of the decoder's output, what each pixel is told of z
    width: int = 64  # channels of the two stacks
    layers: int = 2  # residual blocks of each resolution, and as many behind the coarser ones
    down: int = 0  # times the resolution is halved
    components: int = 10  # logistics in a pixel's mixture
    dropout: float = 0.0  # of the activations in a residual block, in training

    def __post_init__(self):
        at_least(1, features=self.features, width=self.width, layers=self.layers)
        at_least(0, down=self.down)
        at_least(1, components=self.components)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


def _check_scale(name: str, value: float | str) -> None:
    if isinstance(value, str):
        if value not in ("learned", "pixel"):
            raise ValueError(f"{name} must be a number, learned or pixel, not {value}")
    elif not 1e-3 <= value <= 1e3:  # also refuses nan
        raise ValueError(f"{name} must be between 0.001 and 1000, not {value}")


_HERE = "aezoo.components.likelihoods"

RECORDS = (
    Component(
        "bernoulli",
        config=BernoulliConfig,
        target=f"{_HERE}.bernoulli:BernoulliLikelihood",
        summary="binary pixels (cross-entropy)",
        paper="Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114",
    ),
    Component(
        "gaussian",
        config=GaussianConfig,
        target=f"{_HERE}.gaussian:GaussianLikelihood",
        summary="squared error with a fixed or learned standard deviation",
        paper="Rybkin et al., Simple and Effective VAE Training with Calibrated Decoders, "
        "2020, arXiv:2006.13202",
    ),
    Component(
        "laplace",
        config=LaplaceConfig,
        target=f"{_HERE}.laplace:LaplaceLikelihood",
        summary="absolute error with a fixed or learned scale",
        paper="Laplace, Memoir on the Probability of the Causes of Events, 1774, "
        "doi:10.1214/ss/1177013621",
    ),
    Component(
        "logistic_mixture",
        config=LogisticMixtureConfig,
        target=f"{_HERE}.logistic_mixture:LogisticMixtureLikelihood",
        summary="mixture of logistics on the 256 levels of a pixel",
        paper="Salimans et al., PixelCNN++, 2017, arXiv:1701.05517",
    ),
    Component(
        "pixelcnn",
        config=PixelCNNConfig,
        target=f"{_HERE}.pixelcnn:PixelCNNLikelihood",
        summary="pixel after pixel by a gated PixelCNN, a softmax over the levels",
        caps=Capabilities(ranks=(2,)),
        paper="Gulrajani et al., PixelVAE: A Latent Variable Model for Natural Images, 2016, "
        "arXiv:1611.05013",
        example="pixelcnn(3,width=8,layers=2,levels=5)",
    ),
    Component(
        "pixelcnnpp",
        config=PixelCNNPPConfig,
        target=f"{_HERE}.pixelcnnpp:PixelCNNPPLikelihood",
        summary="pixel after pixel by a PixelCNN++, a mixture of logistics on 256 levels",
        caps=Capabilities(ranks=(2,)),
        paper="Salimans et al., PixelCNN++, 2017, arXiv:1701.05517",
        example="pixelcnnpp(3,width=8,layers=1,down=1,components=2)",
    ),
)
