"""The built-in components, registered through the hooks that every plugin uses."""

from __future__ import annotations

from collections.abc import Iterator

from aezoo.components import configs
from aezoo.components.corruptions.configs import RECORDS as CORRUPTIONS
from aezoo.components.likelihoods.configs import RECORDS as LIKELIHOODS
from aezoo.components.priors.configs import RECORDS as PRIORS
from aezoo.hookspecs import hookimpl
from aezoo.records import Capabilities, Component

_VQVAE = (
    "van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning, 2017, "
    "arXiv:1711.00937"
)
_VQVAE_2 = (
    "Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with VQ-VAE-2, 2019, "
    "arXiv:1906.00446"
)
_LEVELS = (
    "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
    "unres(8,depth=1),input=(1,8,8))"
)
_VAE = "Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114"


@hookimpl
def aezoo_families() -> Iterator[Component]:
    yield Component(
        "ae",
        config=configs.AE,
        target="aezoo.models.families:AE",
        summary="autoencoder: a point latent, no likelihood bound",
        paper=(
            "Hinton, Salakhutdinov, Reducing the Dimensionality of Data with Neural Networks, "
            "2006, doi:10.1126/science.1127647"
        ),
        example="ae(mlp(16),point(4),mlp(16),input=(1,8,12))",
    )
    yield Component(
        "vae",
        config=configs.VAE,
        target="aezoo.models.families:VAE",
        summary="variational autoencoder: q(z|x), a prior, the ELBO",
        paper=_VAE,
        example="vae(res(8,depth=1),gaussian(4),unres(8,depth=1),input=(3,8,12))",
    )
    yield Component(
        "vqvae",
        config=configs.VQVAE,
        target="aezoo.models.families:VQVAE",
        summary="vector-quantised autoencoder: codes, and a prior fitted on them",
        paper=_VQVAE,
        caps=Capabilities(discrete=True),
        example="vqvae(res(8,depth=1),vq(8,4),unres(8,depth=1),prior=pixelcnn(8,layers=2),input=(3,8,12))",
    )


@hookimpl
def aezoo_encoders() -> Iterator[Component]:
    yield Component(
        "mlp",
        config=configs.MLP,
        target="aezoo.components.encoders.mlp:MLPEncoder",
        summary="dense layers on the flattened input; ends in a vector",
        example="mlp(16)",
    )
    yield Component(
        "conv",
        config=configs.Conv,
        target="aezoo.components.encoders.conv:ConvEncoder",
        summary="stride-2 convolutions and a dense layer; ends in a vector",
        example="conv(8,8,hidden=16)",
    )
    yield Component(
        "res",
        config=configs.Res,
        target="aezoo.components.encoders.res:ResEncoder",
        summary="the VQ-VAE paper's residual network; ends in a map, takes any size",
        paper=_VQVAE,
        example="res(8,depth=1)",
    )
    yield Component(
        "timm",
        config=configs.Timm,
        target="aezoo.components.encoders.timm:TimmEncoder",
        summary="a feature map of any timm backbone",
        paper="Wightman, PyTorch Image Models, 2019, doi:10.5281/zenodo.4414861",
        caps=Capabilities(ranks=(2,)),
        example="timm(resnet10t,stage=1)",
    )
    yield Component(
        "levels",
        config=configs.EncoderLevels,
        target="aezoo.components.encoders.levels:LevelsEncoder",
        summary="encoders one behind the other, for codes of several levels",
        paper=_VQVAE_2,
        example=_LEVELS,
    )


@hookimpl
def aezoo_decoders() -> Iterator[Component]:
    yield Component(
        "mlp",
        config=configs.MLP,
        target="aezoo.components.decoders.mlp:MLPDecoder",
        summary="dense layers from a vector",
        example="mlp(16)",
    )
    yield Component(
        "deconv",
        config=configs.Conv,
        target="aezoo.components.decoders.deconv:DeconvDecoder",
        summary="a dense layer and stride-2 transposed convolutions, from a vector",
        example="deconv(8,8,hidden=16)",
    )
    yield Component(
        "unres",
        config=configs.UnRes,
        target="aezoo.components.decoders.unres:UnResDecoder",
        summary="the VQ-VAE paper's residual network, from a map to any size",
        paper=_VQVAE,
        example="unres(8,depth=1)",
    )


@hookimpl
def aezoo_posteriors() -> Iterator[Component]:
    yield Component(
        "point",
        config=configs.Point,
        target="aezoo.components.posteriors.point:PointPosterior",
        summary="one point: the latent of a plain autoencoder",
        example="point(3)",
    )
    yield Component(
        "gaussian",
        config=configs.Gaussian,
        target="aezoo.components.posteriors.gaussian:GaussianPosterior",
        summary="Gaussian with diagonal covariance",
        paper=_VAE,
        example="gaussian(3)",
    )


@hookimpl
def aezoo_quantizers() -> Iterator[Component]:
    yield Component(
        "vq",
        config=configs.VQ,
        target="aezoo.components.quantizers.vq:VQ",
        summary="nearest vector of a learned codebook",
        paper=_VQVAE,
        caps=Capabilities(discrete=True),
        example="vq(8,4)",
    )
    yield Component(
        "fsq",
        config=configs.FSQ,
        target="aezoo.components.quantizers.fsq:FSQ",
        summary="finite scalar quantization: each channel rounded to a few levels",
        paper=(
            "Mentzer, Minnen, Agustsson, Tschannen, Finite Scalar Quantization: VQ-VAE Made "
            "Simple, 2023, arXiv:2309.15505"
        ),
        caps=Capabilities(discrete=True),
        example="fsq(3,4)",
    )
    yield Component(
        "levels",
        config=configs.QuantizerLevels,
        target="aezoo.components.quantizers.levels:LevelsQuantizer",
        summary="a quantizer a level; the smaller maps condition the larger",
        paper=_VQVAE_2,
        caps=Capabilities(discrete=True),
        example=_LEVELS,
    )


@hookimpl
def aezoo_priors() -> Iterator[Component]:
    yield from PRIORS


@hookimpl
def aezoo_likelihoods() -> Iterator[Component]:
    yield from LIKELIHOODS


@hookimpl
def aezoo_conditions() -> Iterator[Component]:
    yield Component(
        "label",
        config=configs.Label,
        target="aezoo.components.conditions.label:LabelCondition",
        summary="a class label, one-hot or embedded",
        caps=Capabilities(conditional=True),
        example="label(3)",
    )


@hookimpl
def aezoo_corruptions() -> tuple[Component, ...]:
    return CORRUPTIONS


@hookimpl
def aezoo_objectives() -> Iterator[Component]:
    yield Component(
        "elbo",
        config=configs.Elbo,
        target="aezoo.objectives.elbo:ElboObjective",
        summary="the negative ELBO, and the penalties",
        paper=_VAE,
    )
    yield Component(
        "beta",
        config=configs.Beta,
        target="aezoo.objectives.beta:BetaObjective",
        summary="the rate weighted by beta",
        paper="Higgins et al., beta-VAE, 2017, openreview:Sy2fzU9gl",
        example="beta(4.0)",
    )
    yield Component(
        "reconstruction",
        config=configs.Reconstruction,
        target="aezoo.objectives.reconstruction:ReconstructionObjective",
        summary="the distortion and the penalties, no rate",
    )
