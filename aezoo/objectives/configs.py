"""The arguments of the objectives, and their records. No torch in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from aezoo.checks import at_least
from aezoo.records import Capabilities, Component, rest, slot


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


@dataclass(frozen=True, slots=True)
class Annealing:
    steps: int = 10_000  # until the rate counts in full

    def __post_init__(self) -> None:
        at_least(1, steps=self.steps)


@dataclass(frozen=True, slots=True)
class Capacity:
    nats: float = 25.0  # C at the end
    gamma: float = 100.0  # price of a nat away from C
    steps: int = 10_000  # until C is at its end

    def __post_init__(self) -> None:
        at_least(0.0, nats=self.nats, gamma=self.gamma)
        at_least(1, steps=self.steps)


@dataclass(frozen=True, slots=True)
class JointCapacity:
    nats: tuple[float, ...] = rest()  # C at the end, of each part of the posterior joint
    gamma: float = 30.0  # price of a nat away from C
    steps: int = 25_000  # until C is at its end

    def __post_init__(self) -> None:
        at_least(0.0, gamma=self.gamma)
        at_least(1, steps=self.steps)
        if any(c < 0 for c in self.nats):
            raise ValueError(f"no capacity may be below 0; nats is {self.nats}")


@dataclass(frozen=True, slots=True)
class FreeBits:
    nats: float = 0.5  # that each latent channel has for nothing

    def __post_init__(self) -> None:
        at_least(0.0, nats=self.nats)


@dataclass(frozen=True, slots=True)
class BTCVAE:
    beta: float  # weight of the total correlation
    alpha: float = 1.0  # of the information about x
    gamma: float = 1.0  # of each dimension's own KL

    def __post_init__(self) -> None:
        at_least(0.0, beta=self.beta, alpha=self.alpha, gamma=self.gamma)


@dataclass(frozen=True, slots=True)
class Factor:
    gamma: float  # weight of the total correlation
    critic: object = slot("critic", default="mlp(256,256,256)")
    critic_lr: float = 1e-4

    def __post_init__(self) -> None:
        at_least(0.0, gamma=self.gamma, critic_lr=self.critic_lr)


@dataclass(frozen=True, slots=True)
class DIP:
    kind: int = 2  # 1: covariance of the means; 2: of z
    off: float = 10.0  # price of a covariance off the diagonal
    diagonal: float = 5.0  # price of a variance that is not 1

    def __post_init__(self) -> None:
        if self.kind not in (1, 2):
            raise ValueError(f"kind is 1 or 2, not {self.kind}")
        at_least(0.0, off=self.off, diagonal=self.diagonal)


@dataclass(frozen=True, slots=True)
class InfoVAE:
    weight: float = 100.0  # lambda
    alpha: float = 0.0  # 1 takes the rate away: MMD-VAE
    kernel: Literal["imq", "rbf"] = "rbf"

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight)


@dataclass(frozen=True, slots=True)
class WAE:
    weight: float = 10.0  # of the MMD
    kernel: Literal["imq", "rbf"] = "imq"

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight)


@dataclass(frozen=True, slots=True)
class AAE:
    weight: float = 1.0  # of the critic's verdict
    critic: object = slot("critic", default="mlp(256,256)")
    critic_lr: float = 1e-4

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight, critic_lr=self.critic_lr)


@dataclass(frozen=True, slots=True)
class IWAE:
    k: int  # draws

    def __post_init__(self) -> None:
        at_least(1, k=self.k)


@dataclass(frozen=True, slots=True)
class MIWAE:
    m: int  # groups
    k: int  # draws of a group

    def __post_init__(self) -> None:
        at_least(1, m=self.m, k=self.k)


@dataclass(frozen=True, slots=True)
class CIWAE:
    k: int  # draws
    beta: float = 0.5  # share of the ELBO

    def __post_init__(self) -> None:
        at_least(1, k=self.k)
        if not 0 <= self.beta <= 1:
            raise ValueError(f"beta is a share, from 0 to 1, not {self.beta}")


@dataclass(frozen=True, slots=True)
class PIWAE:
    m: int  # groups, for the encoder
    k: int  # draws of a group; the decoder learns from m * k

    def __post_init__(self) -> None:
        at_least(1, m=self.m, k=self.k)


@dataclass(frozen=True, slots=True)
class DReG:
    k: int  # draws

    def __post_init__(self) -> None:
        at_least(1, k=self.k)


@dataclass(frozen=True, slots=True)
class L1Sparse:
    weight: float = 1.0  # nats a unit of |z|

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight)


@dataclass(frozen=True, slots=True)
class KLSparse:
    rho: float = 0.05  # mean activation that costs nothing
    weight: float = 1.0  # nats a nat

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight)
        if not 0 < self.rho < 1:
            raise ValueError(f"rho lies between 0 and 1, not {self.rho}")


@dataclass(frozen=True, slots=True)
class Contractive:
    weight: float = 0.1  # of the squared Jacobian

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight)


@dataclass(frozen=True, slots=True)
class RAE:
    beta: float = 1e-2  # of |z|^2 / 2
    gradient: float = 0.0  # of the decoder's squared slope; 0: RAE-L2, with weight_decay

    def __post_init__(self) -> None:
        at_least(0.0, beta=self.beta, gradient=self.gradient)


@dataclass(frozen=True, slots=True)
class VAEGAN:
    gamma: float = 1e-2  # of the feature error in the decoder's loss, against the GAN
    critic: object = slot("critic", default="patch(64,layers=3)")
    layer: int = -2  # of the critic, whose features are compared; -1 is its verdict
    critic_lr: float = 1e-4

    def __post_init__(self) -> None:
        at_least(0.0, gamma=self.gamma, critic_lr=self.critic_lr)


@dataclass(frozen=True, slots=True)
class VQGAN:
    critic: object = slot("critic", default="patch(64,layers=3)")
    weight: float = 1.0  # of the critic's verdict, beside the adaptive one
    start: int = 10_000  # the step from which the critic learns and counts
    perceptual: float = 1.0  # of the perceptual distance
    network: str | None = "vgg16.tv_in1k"  # of timm, whose features it is in; none: no such term
    layers: tuple[int, ...] = (0, 1, 2, 3, 4)  # of the network
    pretrained: bool = True  # false: the network has random weights
    critic_lr: float | None = None  # none: the model's

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight, perceptual=self.perceptual, critic_lr=self.critic_lr)
        at_least(0, start=self.start)
        _layers(self.layers)


@dataclass(frozen=True, slots=True)
class DFC:
    network: str = "vgg19.tv_in1k"  # of timm, whose features are compared
    layers: tuple[int, ...] = (0, 1, 2)  # of the network
    pretrained: bool = True  # false: the network has random weights
    alpha: float = 1.0  # of the rate
    # Of the features' error. The authors' 0.5, of a network that reads pixels from 0 to 255;
    # timm's read them (255 * 0.226)^2 times smaller, in squares.
    beta: float = 1660.0

    def __post_init__(self) -> None:
        at_least(0.0, alpha=self.alpha, beta=self.beta)
        _layers(self.layers)


def _layers(layers: tuple[int, ...]) -> None:
    if not layers or list(layers) != sorted({*layers}) or layers[0] < 0:
        raise ValueError(f"layers are counted from 0, each once and in order, not {layers}")


@dataclass(frozen=True, slots=True)
class MSSSIM:
    weight: float = 1.0  # of 1 - MS-SSIM, for each value of x
    window: int = 11  # pixels a side, at the coarsest scale as well
    weights: tuple[float, ...] = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # finest scale first

    def __post_init__(self) -> None:
        at_least(0.0, weight=self.weight)
        if self.window < 3 or self.window % 2 == 0:
            raise ValueError(f"window must be odd and at least 3, not {self.window}")
        if not self.weights or any(not 0 < w < math.inf for w in self.weights):
            raise ValueError(f"weights, one a scale, must be above 0; they are {self.weights}")


@dataclass(frozen=True, slots=True)
class PCA:
    pass


@dataclass(frozen=True, slots=True)
class PPCA:
    pass


@dataclass(frozen=True, slots=True)
class Semi:
    alpha: float = 1.0  # price of a nat of -log q(y|x), for each sample with a label

    def __post_init__(self) -> None:
        at_least(0.0, alpha=self.alpha)


_HERE = "aezoo.objectives"
_RAINFORTH = (
    "Rainforth et al., Tighter Variational Bounds are Not Necessarily Better, 2018, "
    "arXiv:1802.04537"
)
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
    Component(
        "annealing",
        config=Annealing,
        target=f"{_HERE}.annealing:AnnealingObjective",
        summary="the ELBO, with a rate that comes in slowly",
        paper="Bowman et al., Generating Sentences from a Continuous Space, 2015, arXiv:1511.06349",
    ),
    Component(
        "capacity",
        config=Capacity,
        target=f"{_HERE}.capacity:CapacityObjective",
        summary="the rate held at a capacity that grows",
        paper="Burgess et al., Understanding disentangling in beta-VAE, 2018, arXiv:1804.03599",
    ),
    Component(
        "joint_capacity",
        config=JointCapacity,
        target=f"{_HERE}.joint_capacity:JointCapacityObjective",
        summary="the rate of each part of a joint latent held at a capacity that grows",
        paper="Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018, "
        "arXiv:1804.00104",
        example="vae(mlp(8),joint(gaussian(2),gumbel(1,3)),mlp(8),"
        "objective=joint_capacity(2.0,1.0),input=(1,8,12))",
    ),
    Component(
        "free_bits",
        config=FreeBits,
        target=f"{_HERE}.free_bits:FreeBitsObjective",
        summary="the ELBO, with nats that each channel has for nothing",
        paper="Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, "
        "2016, arXiv:1606.04934",
    ),
    Component(
        "btcvae",
        config=BTCVAE,
        target=f"{_HERE}.tcvae:BTCVAEObjective",
        summary="the ELBO with a weight on the total correlation alone",
        paper="Chen, Li, Grosse, Duvenaud, Isolating Sources of Disentanglement in Variational "
        "Autoencoders, 2018, arXiv:1802.04942",
        example="btcvae(6.0)",
    ),
    Component(
        "factor",
        config=Factor,
        target=f"{_HERE}.factor:FactorObjective",
        summary="FactorVAE: the total correlation, as a critic sees it",
        paper="Kim, Mnih, Disentangling by Factorising, 2018, arXiv:1802.05983",
        example="factor(10.0,critic=mlp(8))",
    ),
    Component(
        "dip",
        config=DIP,
        target=f"{_HERE}.dip:DIPObjective",
        summary="DIP-VAE: the latents' covariance drawn to the identity",
        paper="Kumar, Sattigeri, Balakrishnan, Variational Inference of Disentangled Latent "
        "Concepts from Unlabeled Observations, 2017, arXiv:1711.00848",
    ),
    Component(
        "infovae",
        config=InfoVAE,
        target=f"{_HERE}.mmd:InfoVAEObjective",
        summary="InfoVAE, MMD-VAE: the aggregate posterior's MMD to the prior",
        paper="Zhao, Song, Ermon, InfoVAE: Information Maximizing Variational Autoencoders, 2017, "
        "arXiv:1706.02262",
    ),
    Component(
        "wae",
        config=WAE,
        target=f"{_HERE}.mmd:WAEObjective",
        summary="Wasserstein autoencoder with an MMD to the prior",
        paper="Tolstikhin, Bousquet, Gelly, Schölkopf, Wasserstein Auto-Encoders, 2017, "
        "arXiv:1711.01558",
        example="ae(mlp(8),point(3),mlp(8),prior=normal,objective=wae,input=(1,4,4))",
    ),
    Component(
        "aae",
        config=AAE,
        target=f"{_HERE}.aae:AAEObjective",
        summary="adversarial autoencoder: a critic of the latents",
        paper="Makhzani et al., Adversarial Autoencoders, 2015, arXiv:1511.05644",
        example="ae(mlp(8),point(3),mlp(8),prior=normal,objective=aae(critic=mlp(8)),input=(1,4,4))",
    ),
    Component(
        "iwae",
        config=IWAE,
        target=f"{_HERE}.importance:IWAEObjective",
        summary="the importance-weighted bound",
        paper="Burda, Grosse, Salakhutdinov, Importance Weighted Autoencoders, 2015, "
        "arXiv:1509.00519",
        example="iwae(3)",
    ),
    Component(
        "miwae",
        config=MIWAE,
        target=f"{_HERE}.importance:MIWAEObjective",
        summary="the mean of several importance-weighted bounds",
        paper=_RAINFORTH,
        example="miwae(2,2)",
    ),
    Component(
        "ciwae",
        config=CIWAE,
        target=f"{_HERE}.importance:CIWAEObjective",
        summary="between the ELBO and the importance-weighted bound",
        paper=_RAINFORTH,
        example="ciwae(3)",
    ),
    Component(
        "piwae",
        config=PIWAE,
        target=f"{_HERE}.importance:PIWAEObjective",
        summary="IWAE for the decoder, MIWAE for the encoder",
        paper=_RAINFORTH,
        example="piwae(2,2)",
    ),
    Component(
        "dreg",
        config=DReG,
        target=f"{_HERE}.importance:DReGObjective",
        summary="IWAE with the doubly reparameterised gradient",
        paper="Tucker, Lawson, Gu, Maddison, Doubly Reparameterized Gradient Estimators for "
        "Monte Carlo Objectives, 2018, arXiv:1810.04152",
        example="dreg(3)",
    ),
    Component(
        "l1",
        config=L1Sparse,
        target=f"{_HERE}.sparse:L1Objective",
        summary="sparse autoencoder: a price on |z|",
        paper="Olshausen, Field, Emergence of simple-cell receptive field properties by learning a "
        "sparse code for natural images, 1996, doi:10.1038/381607a0",
    ),
    Component(
        "kl_sparse",
        config=KLSparse,
        target=f"{_HERE}.sparse:KLObjective",
        summary="sparse autoencoder: the units' mean activation held low",
        paper="Ng, Sparse autoencoder, CS294A lecture notes, 2011",
    ),
    Component(
        "contractive",
        config=Contractive,
        target=f"{_HERE}.contractive:ContractiveObjective",
        summary="a price on the encoder's Jacobian",
        paper="Rifai et al., Contractive Auto-Encoders: Explicit Invariance During Feature "
        "Extraction, ICML 2011",
    ),
    Component(
        "rae",
        config=RAE,
        target=f"{_HERE}.rae:RAEObjective",
        summary="regularised autoencoder: prices on z and the decoder's slope",
        paper="Ghosh, Sajjadi, Vergari, Black, Schölkopf, From Variational to Deterministic "
        "Autoencoders, 2019, arXiv:1903.12436",
    ),
    Component(
        "vaegan",
        config=VAEGAN,
        target=f"{_HERE}.vaegan:VAEGANObjective",
        summary="VAE/GAN: reconstruction in the features of a critic",
        paper="Larsen, Sønderby, Larochelle, Winther, Autoencoding beyond pixels using a learned "
        "similarity metric, 2015, arXiv:1512.09300",
        example="vae(res(8,depth=1),gaussian(2),unres(8,depth=1),"
        "objective=vaegan(critic=patch(8,layers=1)),input=(1,8,12))",
    ),
    Component(
        "vqgan",
        config=VQGAN,
        target=f"{_HERE}.vqgan:VQGANObjective",
        summary="VQGAN: a perceptual distance and a critic with an adaptive weight",
        paper="Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, "
        "2020, arXiv:2012.09841",
        example="vqgan(critic=patch(8,layers=1),start=0,network=none)",
    ),
    Component(
        "dfc",
        config=DFC,
        target=f"{_HERE}.dfc:DFCObjective",
        summary="deep feature consistent: reconstruction in the features of a timm network",
        paper="Hou, Shen, Sun, Qiu, Deep Feature Consistent Variational Autoencoder, 2016, "
        "arXiv:1610.00291",
        caps=Capabilities(ranks=(2,)),
        example="dfc(network=resnet10t,layers=(0,1),pretrained=false)",
    ),
    Component(
        "pca",
        config=PCA,
        target=f"{_HERE}.pca:PCAObjective",
        summary="principal components: the best linear autoencoder, solved in closed form",
        paper="Baldi, Hornik, Neural Networks and Principal Component Analysis, 1989, "
        "doi:10.1016/0893-6080(89)90014-2",
        example="ae(flatten,point(3),linear,objective=pca,input=(1,8,12))",
    ),
    Component(
        "ppca",
        config=PPCA,
        target=f"{_HERE}.ppca:PPCAObjective",
        summary="probabilistic PCA: the linear VAE at its maximum likelihood, in closed form",
        paper="Tipping, Bishop, Probabilistic Principal Component Analysis, 1999, "
        "doi:10.1111/1467-9868.00196",
        example="vae(flatten,gaussian(3),linear,likelihood=gaussian(learned),objective=ppca,"
        "input=(1,8,12))",
    ),
    Component(
        "semi",
        config=Semi,
        target=f"{_HERE}.semi:SemiObjective",
        summary="semi-supervised, M2: labels that few samples have, the others' summed out",
        paper="Kingma, Rezende, Mohamed, Welling, Semi-supervised Learning with Deep Generative "
        "Models, 2014, arXiv:1406.5298",
        example="vae(res(8,depth=1),gaussian(2),unres(8,depth=1),cond=inferred(3,res(4,depth=1)),"
        "objective=semi(1.0),input=(3,8,12))",
    ),
    Component(
        "ms_ssim",
        config=MSSSIM,
        target=f"{_HERE}.ms_ssim:MSSSIMObjective",
        summary="MS-SSIM in place of the likelihood's distortion",
        paper="Snell, Ridgeway, Liao et al., Learning to Generate Images with Perceptual "
        "Similarity Metrics, 2015, arXiv:1511.06409",
        caps=Capabilities(ranks=(2,)),
        example="ms_ssim(window=3,weights=(0.5,0.5))",
    ),
)
