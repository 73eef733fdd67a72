"""The arguments of the posteriors, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal

from aezoo.checks import at_least
from aezoo.records import Capabilities, Component, rest


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


@dataclass(frozen=True, slots=True)
class Hamiltonian:
    dim: int  # latent channels D
    steps: int = 3  # leapfrog steps K
    step: float = 0.2  # their size epsilon at the start; learned, for every channel its own
    max_step: float = 0.5  # epsilon stays below it
    beta: float = 0.67  # beta_0 at the start, 1 / the first temperature; learned, within (0, 1)

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, steps=self.steps)
        if not 0 < self.step < self.max_step:
            raise ValueError(
                f"step must be above 0 and below max_step = {self.max_step}, not {self.step}"
            )
        if not 0 < self.beta < 1:
            raise ValueError(f"beta must be above 0 and below 1, not {self.beta}")


@dataclass(frozen=True, slots=True)
class TopK:
    dim: int  # latent channels D
    k: int  # values of a sample that are kept

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, k=self.k)


@dataclass(frozen=True, slots=True)
class Dropout:
    dim: int  # latent channels D
    p: float = 0.5  # how probably a value is zero, in training

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim)
        if not 0 <= self.p < 1:
            raise ValueError(f"p must be in [0, 1), not {self.p}")


@dataclass(frozen=True, slots=True)
class Noisy:
    dim: int  # latent channels D
    tau: float = 0.8  # of the noise in training, whose deviation is |N(0, tau^2)|; z's own is 1

    def __post_init__(self) -> None:
        at_least(3, dim=self.dim)  # of two channels normalising leaves a sign
        at_least(0.0, tau=self.tau)


@dataclass(frozen=True, slots=True)
class TopDown:
    blocks: tuple[int, ...] = rest()  # latents one after the other at each map, the largest first
    dim: int = 16  # channels of each block's latent
    width: int = 64  # channels of the path from the top down
    hidden: int | None = None  # channels inside a residual block; none: width / 4

    def __post_init__(self) -> None:
        if not self.blocks or any(n < 1 for n in self.blocks):
            raise ValueError("needs the number of blocks at each map, each at least 1")
        at_least(1, dim=self.dim, width=self.width, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class NVAE:
    blocks: tuple[int, ...] = rest()  # groups of latents at each map, the largest first
    dim: int = 20  # channels of each group's latent
    width: int = 64  # channels of the path from the top down
    cells: int = 2  # residual cells of each group
    expand: int = 6  # how much wider a cell is inside

    def __post_init__(self) -> None:
        if not self.blocks or any(n < 1 for n in self.blocks):
            raise ValueError("needs the number of groups at each map, each at least 1")
        at_least(1, dim=self.dim, cells=self.cells, expand=self.expand)
        at_least(2, width=self.width)


@dataclass(frozen=True, slots=True)
class Ladder:
    dims: tuple[int, ...] = rest()  # latent channels of each level, the largest map first
    hidden: int = 64  # units or channels of the layers between two levels

    def __post_init__(self) -> None:
        if not self.dims or any(n < 1 for n in self.dims):
            raise ValueError("needs the latent channels of each level, each at least 1")
        at_least(1, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class Gumbel:
    n: int  # categorical variables a place
    k: int  # categories of each
    tau: float = 1.0  # temperature of the relaxation, in training
    tau_end: float | None = None  # where it ends, geometrically over the run; none: no change
    straight_through: bool = False  # one-hot in training too, with the relaxed z's gradient

    def __post_init__(self) -> None:
        at_least(1, n=self.n)
        at_least(2, k=self.k)
        for name in ("tau", "tau_end"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")

    @property
    def default_prior(self) -> str:
        """What a vae's prior is where its spec says nothing."""
        return f"categorical({self.k})"


@dataclass(frozen=True, slots=True)
class VMF:
    dim: int  # latent channels D: z lies on the sphere of the unit vectors of R^D
    default_prior: ClassVar[str] = "sphere"

    def __post_init__(self) -> None:
        at_least(2, dim=self.dim)


@dataclass(frozen=True, slots=True)
class Poincare:
    dim: int  # latent channels D: z lies in a ball of R^D
    c: float = 1.0  # the space's curvature is -c, the ball's radius 1 / sqrt(c)

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim)
        if self.c <= 0:
            raise ValueError(f"c must be above 0, not {self.c}")

    @property
    def default_prior(self) -> str:
        """What a vae's prior is where its spec says nothing."""
        return f"poincare({self.c})"


@dataclass(frozen=True, slots=True)
class Bits:
    dim: int  # bits a place
    estimator: Literal["straight_through", "concrete"] = "straight_through"  # of their gradient
    tau: float = 1.0  # concrete: temperature of the relaxation, in training
    tau_end: float | None = None  # where it ends, geometrically over the run; none: no change
    default_prior: ClassVar[str] = "bernoulli"

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim)
        for name in ("tau", "tau_end"):
            value = getattr(self, name)
            if value is not None and value <= 0:
                raise ValueError(f"{name} must be above 0, not {value}")


@dataclass(frozen=True, slots=True)
class JointConfig:
    parts: tuple[Any, ...] = rest("posterior")  # in the order of their channels

    def __post_init__(self) -> None:
        if len(self.parts) < 2:
            raise ValueError(f"takes at least two posteriors, not {len(self.parts)}")

    @property
    def default_prior(self) -> str:
        """What a vae's prior is where its spec says nothing: each part's own."""
        own = (getattr(part.config, "default_prior", "normal") for part in self.parts)
        return f"joint({','.join(own)})"


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
    Component(
        "topk",
        config=TopK,
        target="aezoo.components.posteriors.topk:TopKPosterior",
        summary="a point of which the k largest values are kept",
        paper="Makhzani, Frey, k-Sparse Autoencoders, 2013, arXiv:1312.5663",
        example="topk(4,2)",
    ),
    Component(
        "dropout",
        config=Dropout,
        target="aezoo.components.posteriors.dropout:DropoutPosterior",
        summary="a point with dropout in training",
        paper="Srivastava, Hinton, Krizhevsky, Sutskever, Salakhutdinov, Dropout: A Simple Way to "
        "Prevent Neural Networks from Overfitting, JMLR 15, 2014",
        example="dropout(4)",
    ),
    Component(
        "gumbel",
        config=Gumbel,
        target="aezoo.components.posteriors.gumbel:GumbelPosterior",
        summary="categorical variables, relaxed by Gumbel-softmax in training",
        paper="Jang, Gu, Poole, Categorical Reparameterization with Gumbel-Softmax, 2016, "
        "arXiv:1611.01144",
        example="gumbel(2,3)",
    ),
    Component(
        "vmf",
        config=VMF,
        target="aezoo.components.posteriors.vmf:VMFPosterior",
        summary="von Mises-Fisher distribution on the unit sphere",
        paper="Davidson et al., Hyperspherical Variational Auto-Encoders, 2018, arXiv:1804.00891",
        example="vmf(3)",
    ),
    Component(
        "poincare",
        config=Poincare,
        target="aezoo.components.posteriors.poincare:PoincarePosterior",
        summary="wrapped normal on the Poincare ball",
        paper="Mathieu et al., Continuous Hierarchical Representations with Poincare Variational "
        "Auto-Encoders, 2019, arXiv:1901.06033",
        example="poincare(3)",
    ),
    Component(
        "bernoulli",
        config=Bits,
        target="aezoo.components.posteriors.bernoulli:BernoulliPosterior",
        summary="bits, for semantic hashing; straight-through or relaxed in training",
        paper="Shen et al., NASH: Toward End-to-End Neural Architecture for Generative Semantic "
        "Hashing, 2018, arXiv:1805.05361",
        example="bernoulli(4)",
    ),
    Component(
        "joint",
        config=JointConfig,
        target="aezoo.components.posteriors.joint:JointPosterior",
        summary="several posteriors side by side on the channels",
        paper="Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018, "
        "arXiv:1804.00104",
        example="joint(gaussian(2),gumbel(1,3))",
    ),
    Component(
        "topdown",
        config=TopDown,
        target="aezoo.components.posteriors.topdown:TopDownPosterior",
        summary="a deep hierarchy on a path of residual blocks, with its prior in it: VDVAE",
        caps=Capabilities(conditional=True),
        paper="Child, Very Deep VAEs Generalize Autoregressive Models and Can Outperform Them on "
        "Images, 2020, arXiv:2011.10650",
        example="hvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),"
        "topdown(2,1,dim=3,width=8),unres(8,depth=1),input=(1,8,8))",
    ),
    Component(
        "nvae",
        config=NVAE,
        target="aezoo.components.posteriors.nvae:NVAEPosterior",
        summary="a deep hierarchy whose q says how it differs from its prior: NVAE",
        caps=Capabilities(conditional=True),
        paper="Vahdat, Kautz, NVAE: A Deep Hierarchical Variational Autoencoder, 2020, "
        "arXiv:2007.03898",
        example="hvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),"
        "nvae(2,1,dim=3,width=8,cells=1,expand=2),unres(8,depth=1),input=(1,8,8))",
    ),
    Component(
        "ladder",
        config=Ladder,
        target="aezoo.components.posteriors.ladder:LadderPosterior",
        summary="a hierarchy whose q corrects its prior at every level: ladder VAE",
        caps=Capabilities(conditional=True),
        paper="Sønderby, Raiko, Maaløe, Sønderby, Winther, Ladder Variational Autoencoders, 2016, "
        "arXiv:1602.02282",
        example="hvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),ladder(2,3,hidden=8),"
        "unres(8,depth=1),input=(1,8,8))",
    ),
    Component(
        "hamiltonian",
        config=Hamiltonian,
        target="aezoo.components.posteriors.hamiltonian:HamiltonianPosterior",
        summary="Gaussian moved by leapfrog steps along the model's own p(x, z)",
        paper="Caterini, Doucet, Sejdinovic, Hamiltonian Variational Auto-Encoder, 2018, "
        "arXiv:1805.11328",
        example="hamiltonian(3,2)",
    ),
    Component(
        "noisy",
        config=Noisy,
        target="aezoo.components.posteriors.noisy:NoisyPosterior",
        summary="a normalised point with Gaussian noise in training, for decoders of samples",
        paper="Zheng, Ma, Tong, Xie, Diffusion Transformers with Representation Autoencoders, "
        "2025, arXiv:2510.11690",
        example="noisy(4)",
    ),
)
