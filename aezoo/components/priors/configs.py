"""The arguments of the priors, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from aezoo.checks import at_least, several
from aezoo.records import Capabilities, Component, rest


@dataclass(frozen=True, slots=True)
class NormalConfig:
    """No arguments: mean 0, variance 1."""


@dataclass(frozen=True, slots=True)
class UniformConfig:
    """No arguments: every code is equally likely."""


@dataclass(frozen=True, slots=True)
class PixelCNNConfig:
    width: int = 128  # channels of the two stacks
    layers: int = 12  # gated layers; one reaches kernel // 2 positions further
    kernel: int = 3  # side of the unmasked window, odd
    dropout: float = 0.0  # of the gated activations, in training

    def __post_init__(self):
        for name in ("width", "layers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if self.kernel < 3 or self.kernel % 2 == 0:
            raise ValueError(f"kernel must be odd and at least 3, not {self.kernel}")
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class LevelsConfig:
    parts: tuple[Any, ...] = rest("prior")  # one a level, the largest map first
    width: int = 64  # channels of what the levels above tell a level
    depth: int = 2  # residual blocks of the network that tells it

    def __post_init__(self):
        several(self.parts)
        if self.width < 1 or self.depth < 0:
            raise ValueError("width must be at least 1 and depth at least 0")


@dataclass(frozen=True, slots=True)
class MoG:
    k: int  # components
    covariance: Literal["diagonal", "full"] = "diagonal"  # of each; full: N^2 numbers

    def __post_init__(self):
        at_least(1, k=self.k)


@dataclass(frozen=True, slots=True)
class Vamp:
    k: int  # pseudo-inputs

    def __post_init__(self):
        at_least(1, k=self.k)


@dataclass(frozen=True, slots=True)
class RealNVPConfig:
    steps: int = 8  # coupling layers; two in a row move every value
    hidden: int = 256  # width of the two hidden layers of each

    def __post_init__(self):
        at_least(1, steps=self.steps, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class MAFConfig:
    steps: int = 5  # autoregressive networks one after the other
    hidden: int = 256  # width of the two hidden layers of each

    def __post_init__(self):
        at_least(1, steps=self.steps, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class Categorical:
    k: int  # categories of each variable

    def __post_init__(self):
        if self.k < 2:
            raise ValueError(f"k must be at least 2, not {self.k}")


@dataclass(frozen=True, slots=True)
class TransformerConfig:
    width: int = 128  # channels of a code's place
    layers: int = 4  # of attention
    heads: int = 4  # of a layer; each has width / heads channels
    dropout: float = 0.0  # of what a layer adds, in training

    def __post_init__(self):
        at_least(1, width=self.width, layers=self.layers, heads=self.heads)
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must be a multiple of 2 * heads = {2 * self.heads}, not {self.width}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class Sphere:
    """No arguments: every direction is equally likely."""


@dataclass(frozen=True, slots=True)
class PixelSNAILConfig:
    width: int = 128  # channels of the stack
    blocks: int = 4  # each: residual blocks, then attention to all codes before
    layers: int = 4  # residual blocks in each; one reaches two positions further
    keys: int = 16  # channels of a key
    values: int = 128  # channels of what is attended to
    dropout: float = 0.0  # of the activations in a residual block, in training

    def __post_init__(self):
        at_least(1, width=self.width, blocks=self.blocks, layers=self.layers)
        at_least(1, keys=self.keys, values=self.values)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class PixelCNNPPConfig:
    width: int = 128  # channels of the two streams
    layers: int = 2  # residual blocks of each resolution, and as many behind the coarser ones
    down: int = 1  # times the resolution is halved
    dropout: float = 0.0  # of the activations in a residual block, in training

    def __post_init__(self):
        at_least(1, width=self.width, layers=self.layers)
        at_least(0, down=self.down)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class SecondStage:
    dim: int | None = None  # of u; none: as many as z has
    hidden: int = 1024  # width of the hidden layers
    depth: int = 3  # hidden layers of encoder and decoder each

    def __post_init__(self):
        at_least(1, dim=self.dim, hidden=self.hidden)
        at_least(0, depth=self.depth)


@dataclass(frozen=True, slots=True)
class PoincareConfig:
    c: float = 1.0  # the space's curvature is -c, as the posterior's
    sigma: float = 1.0  # standard deviation, in units of distance

    def __post_init__(self):
        for name in ("c", "sigma"):
            if getattr(self, name) <= 0:
                raise ValueError(f"{name} must be above 0, not {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class Bits:
    p: float = 0.5  # that a bit is 1

    def __post_init__(self):
        if not 0 < self.p < 1:
            raise ValueError(f"p must be between 0 and 1, not {self.p}")


@dataclass(frozen=True, slots=True)
class MADEConfig:
    hidden: int = 256  # width of the two hidden layers
    k: int | None = None  # of gumbel(n,k), whose one-hot latents it is over; none: bits, or codes

    def __post_init__(self):
        at_least(1, hidden=self.hidden)
        at_least(2, k=self.k)


@dataclass(frozen=True, slots=True)
class NADEConfig:
    hidden: int = 256  # width of the hidden layer
    k: int | None = None  # of gumbel(n,k), whose one-hot latents it is over; none: bits, or codes

    def __post_init__(self):
        at_least(1, hidden=self.hidden)
        at_least(2, k=self.k)


@dataclass(frozen=True, slots=True)
class RNADEConfig:
    hidden: int = 256  # width of the hidden layer
    k: int = 10  # Gaussians of each value's mixture

    def __post_init__(self):
        at_least(1, hidden=self.hidden, k=self.k)


@dataclass(frozen=True, slots=True)
class JointConfig:
    parts: tuple[Any, ...] = rest("prior")  # one for each part of the posterior joint

    def __post_init__(self):
        if len(self.parts) < 2:
            raise ValueError(f"takes at least two priors, not {len(self.parts)}")


@dataclass(frozen=True, slots=True)
class MaskGITConfig:
    width: int = 128  # channels of a code's place
    layers: int = 4  # of attention
    heads: int = 4  # of a layer; each has width / heads channels
    steps: int = 8  # in which codes are drawn; as many passes of the network
    dropout: float = 0.0  # of what a layer adds, in training

    def __post_init__(self):
        at_least(1, width=self.width, layers=self.layers, heads=self.heads, steps=self.steps)
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width must be a multiple of 2 * heads = {2 * self.heads}, not {self.width}"
            )
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class IAFConfig:
    steps: int = 5  # autoregressive networks one after the other
    hidden: int = 256  # width of the two hidden layers of each

    def __post_init__(self):
        at_least(1, steps=self.steps, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class DiffusionConfig:
    width: int = 128  # channels of the network
    depth: int = 4  # its residual blocks
    steps: int = 100  # T, in which noise is added; as many passes for a draw, and for a bound
    log_snr_max: float = 8.0  # of u_0, whose noise is below the finest scale of the latents
    log_snr_min: float = -6.0  # of u_T, in which nothing of z is to be seen

    def __post_init__(self):
        at_least(1, width=self.width, depth=self.depth, steps=self.steps)
        if not self.log_snr_min < self.log_snr_max:
            raise ValueError(
                f"log_snr_max must be above log_snr_min = {self.log_snr_min}, not "
                f"{self.log_snr_max}"
            )


_HERE = "aezoo.components.priors"

RECORDS = (
    Component(
        "normal",
        config=NormalConfig,
        target=f"{_HERE}.normal:NormalPrior",
        summary="standard normal over continuous latents",
        paper="Kingma, Welling, Auto-Encoding Variational Bayes, 2013, arXiv:1312.6114",
    ),
    Component(
        "uniform",
        config=UniformConfig,
        target=f"{_HERE}.uniform:UniformPrior",
        summary="every code equally likely",
        caps=Capabilities(discrete=True),
    ),
    Component(
        "pixelcnn",
        config=PixelCNNConfig,
        target=f"{_HERE}.pixelcnn:PixelCNNPrior",
        summary="gated PixelCNN over codes, conditional, sampled with cached rows",
        caps=Capabilities(discrete=True, ranks=(1, 2), conditional=True),
        paper="van den Oord et al., Conditional Image Generation with PixelCNN Decoders, "
        "2016, arXiv:1606.05328",
        example="pixelcnn(8,layers=2)",
    ),
    Component(
        "levels",
        config=LevelsConfig,
        target=f"{_HERE}.levels:LevelsPrior",
        summary="a prior a level of codes, each given the levels above",
        caps=Capabilities(discrete=True, conditional=True),
        paper="Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with "
        "VQ-VAE-2, 2019, arXiv:1906.00446",
        example="vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),"
        "levels(vq(4,3),vq(5,2)),unres(8,depth=1),"
        "prior=levels(pixelcnn(8,2),pixelcnn(8,2),width=4),input=(1,8,8))",
    ),
    Component(
        "mog",
        config=MoG,
        target=f"{_HERE}.mog:MoGPrior",
        summary="learned mixture of Gaussians over continuous latents",
        paper="Ghosh et al., From Variational to Deterministic Autoencoders, 2020, "
        "arXiv:1903.12436",
        example="mog(3)",
    ),
    Component(
        "vamp",
        config=Vamp,
        target=f"{_HERE}.vamp:VampPrior",
        summary="VampPrior: the posteriors of learned pseudo-inputs",
        paper="Tomczak, Welling, VAE with a VampPrior, 2017, arXiv:1705.07120",
        example="vae(mlp(8),gaussian(2),mlp(8),prior=vamp(3),input=(1,8,12))",
    ),
    Component(
        "realnvp",
        config=RealNVPConfig,
        target=f"{_HERE}.realnvp:RealNVPPrior",
        summary="affine coupling flows over continuous latents, conditional",
        caps=Capabilities(conditional=True),
        paper="Dinh, Sohl-Dickstein, Bengio, Density Estimation using Real NVP, 2016, "
        "arXiv:1605.08803",
        example="realnvp(2,8)",
    ),
    Component(
        "maf",
        config=MAFConfig,
        target=f"{_HERE}.maf:MAFPrior",
        summary="masked autoregressive flows over continuous latents, conditional",
        caps=Capabilities(conditional=True),
        paper="Papamakarios, Pavlakou, Murray, Masked Autoregressive Flow for Density "
        "Estimation, 2017, arXiv:1705.07057",
        example="maf(2,8)",
    ),
    Component(
        "categorical",
        config=Categorical,
        target=f"{_HERE}.categorical:CategoricalPrior",
        summary="every category equally likely, over one-hot latents",
        paper="Jang, Gu, Poole, Categorical Reparameterization with Gumbel-Softmax, 2016, "
        "arXiv:1611.01144",
        example="vae(mlp(8),gumbel(2,3),mlp(8),prior=categorical(3),input=(1,8,12))",
    ),
    Component(
        "sphere",
        config=Sphere,
        target=f"{_HERE}.sphere:SpherePrior",
        summary="every direction equally likely, over latents of length 1",
        paper="Davidson et al., Hyperspherical Variational Auto-Encoders, 2018, arXiv:1804.00891",
        example="vae(mlp(8),vmf(3),mlp(8),prior=sphere,input=(1,8,12))",
    ),
    Component(
        "poincare",
        config=PoincareConfig,
        target=f"{_HERE}.poincare:PoincarePrior",
        summary="wrapped normal at the origin of the Poincare ball",
        paper="Mathieu et al., Continuous Hierarchical Representations with Poincare Variational "
        "Auto-Encoders, 2019, arXiv:1901.06033",
        example="vae(mlp(8),poincare(3),mlp(8),prior=poincare(sigma=0.5),input=(1,8,12))",
    ),
    Component(
        "bernoulli",
        config=Bits,
        target=f"{_HERE}.bernoulli:BernoulliPrior",
        summary="independent bits, over the latents of the posterior bernoulli",
        paper="Shen et al., NASH: Toward End-to-End Neural Architecture for Generative Semantic "
        "Hashing, 2018, arXiv:1805.05361",
        example="vae(mlp(8),bernoulli(4),mlp(8),prior=bernoulli(0.3),input=(1,8,12))",
    ),
    Component(
        "made",
        config=MADEConfig,
        target=f"{_HERE}.made:MADEPrior",
        summary="masked autoencoder over vectors of codes, bits or one-hot latents, conditional",
        caps=Capabilities(discrete=True, conditional=True),
        paper="Germain, Gregor, Murray, Larochelle, MADE: Masked Autoencoder for Distribution "
        "Estimation, 2015, arXiv:1502.03509",
        example="made(16)",
    ),
    Component(
        "nade",
        config=NADEConfig,
        target=f"{_HERE}.nade:NADEPrior",
        summary="NADE over vectors of codes, bits or one-hot latents, conditional",
        caps=Capabilities(discrete=True, conditional=True),
        paper="Larochelle, Murray, The Neural Autoregressive Distribution Estimator, AISTATS 2011",
        example="nade(16)",
    ),
    Component(
        "rnade",
        config=RNADEConfig,
        target=f"{_HERE}.rnade:RNADEPrior",
        summary="RNADE over continuous latents, a mixture of Gaussians a value, conditional",
        caps=Capabilities(conditional=True),
        paper="Uria, Murray, Larochelle, RNADE: The Real-Valued Neural Autoregressive "
        "Density-Estimator, 2013, arXiv:1306.0186",
        example="rnade(8,3)",
    ),
    Component(
        "joint",
        config=JointConfig,
        target=f"{_HERE}.joint:JointPrior",
        summary="a prior for each part of a joint latent",
        caps=Capabilities(conditional=True),
        paper="Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018, "
        "arXiv:1804.00104",
        example="vae(mlp(8),joint(gaussian(1),gaussian(1)),mlp(8),prior=joint(normal,mog(2)),"
        "input=(1,8,12))",
    ),
    Component(
        "transformer",
        config=TransformerConfig,
        target=f"{_HERE}.transformer:TransformerPrior",
        summary="causal transformer over codes of any size, conditional, sampled with cached keys",
        caps=Capabilities(discrete=True, conditional=True),
        paper="Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, "
        "2020, arXiv:2012.09841",
        example="transformer(16,layers=2,heads=2)",
    ),
    Component(
        "pixelsnail",
        config=PixelSNAILConfig,
        target=f"{_HERE}.pixelsnail:PixelSNAILPrior",
        summary="PixelSNAIL over codes: causal convolutions and attention, conditional",
        caps=Capabilities(discrete=True, ranks=(1, 2), conditional=True),
        paper="Chen et al., PixelSNAIL: An Improved Autoregressive Generative Model, 2017, "
        "arXiv:1712.09763",
        example="pixelsnail(8,blocks=2,layers=1,keys=4,values=8)",
    ),
    Component(
        "vae",
        config=SecondStage,
        target=f"{_HERE}.vae:VAEPrior",
        summary="two-stage VAE: a second VAE over the latents, conditional; its rate is a bound",
        caps=Capabilities(conditional=True),
        paper="Dai, Wipf, Diagnosing and Enhancing VAE Models, 2019, arXiv:1903.05789",
        example="vae(2,8,1)",
    ),
    Component(
        "maskgit",
        config=MaskGITConfig,
        target=f"{_HERE}.maskgit:MaskGITPrior",
        summary="masked transformer over codes, drawn in a few steps; its log_prob is a bound",
        caps=Capabilities(discrete=True, conditional=True),
        paper="Chang et al., MaskGIT: Masked Generative Image Transformer, 2022, arXiv:2202.04200",
        example="maskgit(16,layers=2,heads=2,steps=3)",
    ),
    Component(
        "pixelcnnpp",
        config=PixelCNNPPConfig,
        target=f"{_HERE}.pixelcnnpp:PixelCNNPPPrior",
        summary="PixelCNN++ over codes: two streams, down-sampling and short-cuts, conditional",
        caps=Capabilities(discrete=True, ranks=(2,), conditional=True),
        paper="Salimans et al., PixelCNN++, 2017, arXiv:1701.05517",
        example="pixelcnnpp(8,layers=1,down=1)",
    ),
    Component(
        "iaf",
        config=IAFConfig,
        target=f"{_HERE}.iaf:IAFPrior",
        summary="inverse autoregressive flows over continuous latents, drawn at once, conditional",
        caps=Capabilities(conditional=True),
        paper="Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, "
        "2016, arXiv:1606.04934",
        example="iaf(2,8)",
    ),
    Component(
        "diffusion",
        config=DiffusionConfig,
        target=f"{_HERE}.diffusion:DiffusionPrior",
        summary="diffusion over continuous latents, conditional; its log_prob is a bound",
        caps=Capabilities(conditional=True),
        paper="Kingma, Salimans, Poole, Ho, Variational Diffusion Models, 2021, arXiv:2107.00630",
        example="diffusion(8,1,steps=3)",
    ),
)
