"""The arguments of the families, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.records import Capabilities, Component, slot


@dataclass(frozen=True, slots=True)
class AE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("posterior")
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian(sigma=1.0)")
    prior: object = slot("prior", default=None)  # fitted afterwards, on the frozen model
    cond: object = slot("condition", default=None)  # of encoder, decoder and prior
    prior_cond: object = slot("condition", default=None)  # of the prior alone
    corruption: object = slot("corruption", default=None)  # of the encoder's input, in training
    objective: object = slot("objective", default="reconstruction")
    input: tuple[int, ...] = (3, 32, 32)  # (C, *S)

    def __post_init__(self) -> None:
        _input(self.input)


@dataclass(frozen=True, slots=True)
class VAE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("posterior")
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian")
    prior: object = slot("prior", default="normal")
    cond: object = slot("condition", default=None)
    prior_cond: object = slot("condition", default=None)
    corruption: object = slot("corruption", default=None)
    objective: object = slot("objective", default="elbo")
    input: tuple[int, ...] = (3, 32, 32)

    def __post_init__(self) -> None:
        _input(self.input)


@dataclass(frozen=True, slots=True)
class HVAE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("posterior")  # with the prior of every level: topdown, nvae, ladder
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian")
    cond: object = slot("condition", default=None)
    corruption: object = slot("corruption", default=None)
    objective: object = slot("objective", default="elbo")
    input: tuple[int, ...] = (3, 32, 32)

    def __post_init__(self) -> None:
        _input(self.input)


@dataclass(frozen=True, slots=True)
class VQVAE:
    encoder: object = slot("encoder")
    bottleneck: object = slot("quantizer")
    decoder: object = slot("decoder")
    likelihood: object = slot("likelihood", default="gaussian")
    prior: object = slot("prior", default="uniform")  # learned ones are fitted afterwards
    cond: object = slot("condition", default=None)
    prior_cond: object = slot("condition", default=None)
    corruption: object = slot("corruption", default=None)
    objective: object = slot("objective", default="elbo")
    input: tuple[int, ...] = (3, 32, 32)

    def __post_init__(self) -> None:
        _input(self.input)


def _input(shape: tuple[int, ...]) -> None:
    if not 2 <= len(shape) <= 4 or any(n < 1 for n in shape):
        raise ValueError("input is (channels, size) with one to three sizes, each at least 1")


_VQVAE = (
    "van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning, 2017, "
    "arXiv:1711.00937"
)
_VAE = "Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114"

RECORDS = (
    Component(
        "ae",
        config=AE,
        target="aezoo.models.families:AE",
        summary="autoencoder: a point latent, no likelihood bound",
        paper=(
            "Hinton, Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, "
            "2006, doi:10.1126/science.1127647"
        ),
        example="ae(mlp(16),point(4),mlp(16),input=(1,8,12))",
    ),
    Component(
        "vae",
        config=VAE,
        target="aezoo.models.families:VAE",
        summary="variational autoencoder: q(z|x), a prior, the ELBO",
        paper=_VAE,
        example="vae(res(8,depth=1),gaussian(4),unres(8,depth=1),input=(3,8,12))",
    ),
    Component(
        "hvae",
        config=HVAE,
        target="aezoo.models.hvae:HVAE",
        summary="hierarchical variational autoencoder: latents of several levels, drawn top-down",
        paper=(
            "Rezende, Mohamed, Wierstra, Stochastic Backpropagation and Approximate Inference in "
            "Deep Generative Models, 2014, arXiv:1401.4082"
        ),
        example="hvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),"
        "topdown(2,1,dim=3,width=8),unres(8,depth=1),input=(3,8,12))",
    ),
    Component(
        "vqvae",
        config=VQVAE,
        target="aezoo.models.families:VQVAE",
        summary="vector-quantised autoencoder: codes, and a prior fitted on them",
        paper=_VQVAE,
        caps=Capabilities(discrete=True),
        example="vqvae(res(8,depth=1),vq(8,4),unres(8,depth=1),prior=pixelcnn(8,layers=2),input=(3,8,12))",
    ),
)
