"""The arguments of the quantizers, and their records. No torch in here."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Literal

from aezoo.checks import at_least, several
from aezoo.records import Capabilities, Component, rest


@dataclass(frozen=True, slots=True)
class VQ:
    codes: int  # K
    dim: int  # D
    beta: float = 0.25  # weight of the commitment penalty
    update: Literal["ema", "gradient"] = "ema"  # how the codebook learns
    decay: float = 0.99  # of the moving averages
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    revive: float = 0.03  # codes used less than this part of 1/K move to the data; 0: never

    def __post_init__(self) -> None:
        at_least(2, codes=self.codes)
        at_least(1, dim=self.dim)
        at_least(0.0, beta=self.beta, revive=self.revive)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {self.decay}")


@dataclass(frozen=True, slots=True)
class FSQ:
    levels: tuple[int, ...] = rest()  # L_i of each latent channel

    def __post_init__(self) -> None:
        if not self.levels or any(not 2 <= n <= 1000 for n in self.levels):
            raise ValueError("needs at least one level count, each from 2 to 1000")
        if math.prod(self.levels) > 1 << 24:
            raise ValueError(f"makes {math.prod(self.levels):,} codes; at most 2^24 are counted")


@dataclass(frozen=True, slots=True)
class RVQ:
    q: int  # levels, codes a place
    codes: int  # K of each level
    dim: int  # D
    beta: float = 0.25  # of each level, as in vq: weight of the commitment penalty
    update: Literal["ema", "gradient"] = "ema"  # how the codebooks learn
    decay: float = 0.99  # of the moving averages
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    revive: float = 0.03  # codes used less than this part of 1/K move to the data; 0: never

    def __post_init__(self) -> None:
        at_least(1, q=self.q)
        assert self.level  # its own arguments are checked there

    @property
    def level(self) -> VQ:
        """The arguments of one level; its gradient passes straight, or not at all."""
        return VQ(self.codes, self.dim, self.beta, self.update, self.decay, revive=self.revive)


@dataclass(frozen=True, slots=True)
class PQ:
    groups: int  # g, parts of the channels; codes a place
    codes: int  # K of each group
    dim: int  # D, all groups' channels
    beta: float = 0.25  # of each group, as in vq: weight of the commitment penalty
    update: Literal["ema", "gradient"] = "ema"  # how the codebooks learn
    decay: float = 0.99  # of the moving averages
    estimator: Literal["straight_through", "rotation"] = "straight_through"
    revive: float = 0.03  # codes used less than this part of 1/K move to the data; 0: never

    def __post_init__(self) -> None:
        at_least(1, groups=self.groups)
        if self.dim % self.groups:
            raise ValueError(f"dim {self.dim} cannot be cut into {self.groups} equal groups")
        assert self.group  # its own arguments are checked there

    @property
    def group(self) -> VQ:
        """The arguments of one group."""
        part = self.dim // self.groups
        return VQ(self.codes, part, self.beta, self.update, self.decay, self.estimator, self.revive)


@dataclass(frozen=True, slots=True)
class DiVeQ:
    codes: int  # K
    dim: int  # D
    variance: float = 1e-3  # sigma^2 of the noise beside the way to a code, in training
    decay: float = 0.99  # of the moving averages of the codes' visits
    revive: float = 0.03  # codes used less than this part of 1/K move to the data; 0: never

    def __post_init__(self) -> None:
        at_least(2, codes=self.codes)
        at_least(1, dim=self.dim)
        at_least(0.0, variance=self.variance, revive=self.revive)
        if not 0 <= self.decay < 1:
            raise ValueError(f"decay must be in [0, 1), not {self.decay}")


@dataclass(frozen=True, slots=True)
class CosineVQ:
    codes: int  # K
    dim: int  # D
    beta: float = 0.25  # weight of the commitment, against the codebook's own term

    def __post_init__(self) -> None:
        _learned(self)


@dataclass(frozen=True, slots=True)
class SimVQ:
    codes: int  # K
    dim: int  # D
    beta: float = 0.25  # weight of the commitment, against the codebook's own term

    def __post_init__(self) -> None:
        _learned(self)


def _learned(config: CosineVQ | SimVQ | QLAE) -> None:
    at_least(2, codes=config.codes)
    at_least(1, dim=config.dim)
    at_least(0.0, beta=config.beta)


@dataclass(frozen=True, slots=True)
class SQVAE:
    codes: int  # K
    dim: int  # D
    sigma: float = 1.0  # s at the start; it is learned
    tau: float = 1.0  # temperature of the Gumbel-softmax, at the start
    tau_end: float | None = 0.25  # and at the end of training; none: the same

    def __post_init__(self) -> None:
        at_least(2, codes=self.codes)
        at_least(1, dim=self.dim)
        for name in ("sigma", "tau", "tau_end"):
            value = getattr(self, name)
            if value is not None and not (math.isfinite(value) and value > 0):
                raise ValueError(f"{name} must be above 0, not {value}")


@dataclass(frozen=True, slots=True)
class Bits:
    """Arguments of `LFQ` and `BSQ`. Nothing is as large as 2^dim, but for counts of the codes."""

    dim: int  # D, bits a place
    q: int = 1  # codes a place, each of dim/q bits
    entropy: float = 0.1  # weight of the entropy penalty
    gamma: float = 1.0  # of the batch's entropy, against that of each place
    joint: int = 18  # bits whose entropy over the batch is exact; of more it is an upper bound

    def __post_init__(self) -> None:
        at_least(1, dim=self.dim, q=self.q, joint=self.joint)
        at_least(0.0, entropy=self.entropy, gamma=self.gamma)
        if self.dim % self.q:
            raise ValueError(f"dim {self.dim} cannot be cut into {self.q} codes of as many bits")
        if self.dim // self.q > 24:
            raise ValueError(
                f"makes 2^{self.dim // self.q} codes; at most 2^24 are counted, so give "
                f"q={-(-self.dim // 24)} or more codes a place"
            )
        if self.joint > 20:
            raise ValueError(
                f"joint must be at most 20, not {self.joint}: 2^joint numbers are held"
            )

    @property
    def codes(self) -> int:
        """K of each code."""
        return 1 << (self.dim // self.q)

    @property
    def several(self) -> tuple[int, ...]:
        """(q,), or () for one code a place."""
        return (self.q,) if self.q > 1 else ()


@dataclass(frozen=True, slots=True)
class LFQ(Bits):
    temperature: float = 0.01  # of the soft assignments in the entropies
    beta: float = 0.25  # weight of the commitment penalty

    def __post_init__(self) -> None:
        Bits.__post_init__(self)
        at_least(0.0, beta=self.beta)
        if not self.temperature > 0:
            raise ValueError(f"temperature must be above 0, not {self.temperature}")


@dataclass(frozen=True, slots=True)
class BSQ(Bits):
    tau: float = 100.0  # sharpness of the soft assignments in the entropies

    def __post_init__(self) -> None:
        Bits.__post_init__(self)
        at_least(0.0, tau=self.tau)


@dataclass(frozen=True, slots=True)
class RFSQ:
    q: int  # steps, codes a place
    levels: tuple[int, ...] = rest()  # L_i of each latent channel, the same in every step

    def __post_init__(self) -> None:
        at_least(1, q=self.q)
        if not self.levels or any(not 3 <= n <= 1000 for n in self.levels):
            raise ValueError("needs at least one level count, each from 3 to 1000")
        if math.prod(self.levels) > 1 << 24:
            raise ValueError(f"makes {math.prod(self.levels):,} codes; at most 2^24 are counted")


@dataclass(frozen=True, slots=True)
class QLAE:
    codes: int  # K, values of each channel
    dim: int  # D
    beta: float = 1.0  # weight of the commitment, against the values' own term

    def __post_init__(self) -> None:
        _learned(self)


@dataclass(frozen=True, slots=True)
class RLFQ:
    q: int  # steps, codes a place
    dim: int  # D, bits a step
    entropy: float = 0.1  # of each step, as in lfq: weight of the entropy penalty
    gamma: float = 1.0  # of the batch's entropy, against that of each place
    joint: int = 18  # bits whose entropy over the batch is exact; of more it is an upper bound
    temperature: float = 0.01  # of the soft assignments in the entropies, in each step's own size
    beta: float = 0.25  # of each step: weight of the commitment penalty

    def __post_init__(self) -> None:
        at_least(1, q=self.q)
        assert self.step  # its own arguments are checked there

    @property
    def step(self) -> LFQ:
        """The arguments of one step."""
        return LFQ(
            self.dim,
            entropy=self.entropy,
            gamma=self.gamma,
            joint=self.joint,
            temperature=self.temperature,
            beta=self.beta,
        )


@dataclass(frozen=True, slots=True)
class Levels:
    parts: tuple[Any, ...] = rest("quantizer")  # the largest map first
    depth: int = 2  # residual blocks between a level and the one below

    def __post_init__(self) -> None:
        several(self.parts)
        at_least(0, depth=self.depth)


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

RECORDS = (
    Component(
        "vq",
        config=VQ,
        target="aezoo.components.quantizers.vq:VQ",
        summary="nearest vector of a learned codebook",
        paper=_VQVAE,
        caps=Capabilities(discrete=True),
        example="vq(8,4)",
    ),
    Component(
        "fsq",
        config=FSQ,
        target="aezoo.components.quantizers.fsq:FSQ",
        summary="finite scalar quantization: each channel rounded to a few levels",
        paper=(
            "Mentzer, Minnen, Agustsson, Tschannen, Finite Scalar Quantization: VQ-VAE Made "
            "Simple, 2023, arXiv:2309.15505"
        ),
        caps=Capabilities(discrete=True),
        example="fsq(3,4)",
    ),
    Component(
        "levels",
        config=Levels,
        target="aezoo.components.quantizers.levels:LevelsQuantizer",
        summary="a quantizer a level; the smaller maps condition the larger",
        paper=_VQVAE_2,
        caps=Capabilities(discrete=True),
        example=_LEVELS,
    ),
    Component(
        "rvq",
        config=RVQ,
        target="aezoo.components.quantizers.rvq:RVQ",
        summary="residual: each codebook quantizes what those before it left over",
        paper=(
            "Zeghidour, Luebs, Omran, Skoglund, Tagliasacchi, SoundStream: An End-to-End Neural "
            "Audio Codec, 2021, arXiv:2107.03312"
        ),
        caps=Capabilities(discrete=True),
        example="rvq(2,8,4)",
    ),
    Component(
        "pq",
        config=PQ,
        target="aezoo.components.quantizers.pq:PQ",
        summary="product: the channels in groups, each with a codebook of its own",
        paper=(
            "Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, 2011, "
            "doi:10.1109/TPAMI.2010.57"
        ),
        caps=Capabilities(discrete=True),
        example="pq(2,8,4)",
    ),
    Component(
        "cosine_vq",
        config=CosineVQ,
        target="aezoo.components.quantizers.cosine_vq:CosineVQ",
        summary="vectors and codebook on the unit sphere: the code of largest cosine",
        paper=(
            "Yu, Li, Koh et al., Vector-quantized Image Modeling with Improved VQGAN, 2021, "
            "arXiv:2110.04627"
        ),
        caps=Capabilities(discrete=True),
        example="cosine_vq(8,4)",
    ),
    Component(
        "simvq",
        config=SimVQ,
        target="aezoo.components.quantizers.simvq:SimVQ",
        summary="a frozen codebook behind one learned linear map",
        paper=(
            "Zhu, Li, Xin, Xia, Xu, Addressing Representation Collapse in Vector Quantized Models "
            "with One Linear Layer, 2024, arXiv:2411.02038"
        ),
        caps=Capabilities(discrete=True),
        example="simvq(8,4)",
    ),
    Component(
        "lfq",
        config=LFQ,
        target="aezoo.components.quantizers.lfq:LFQ",
        summary="lookup-free: the signs of the channels, with an entropy penalty",
        paper=(
            "Yu, Lezama, Gundavarapu et al., Language Model Beats Diffusion: Tokenizer is Key to "
            "Visual Generation, 2023, arXiv:2310.05737"
        ),
        caps=Capabilities(discrete=True),
        example="lfq(4)",
    ),
    Component(
        "bsq",
        config=BSQ,
        target="aezoo.components.quantizers.bsq:BSQ",
        summary="binary spherical: the signs of a vector on the unit sphere",
        paper=(
            "Zhao, Xiong, Krähenbühl, Image and Video Tokenization with Binary Spherical "
            "Quantization, 2024, arXiv:2406.07548"
        ),
        caps=Capabilities(discrete=True),
        example="bsq(4)",
    ),
    Component(
        "rfsq",
        config=RFSQ,
        target="aezoo.components.quantizers.rfsq:RFSQ",
        summary="residual FSQ: what rounding left over is rounded again, more finely",
        paper=(
            "Parker, Smirnov, Pons et al., Scaling Transformers for Low-Bitrate High-Quality "
            "Speech Coding, 2024, arXiv:2411.19842"
        ),
        caps=Capabilities(discrete=True),
        example="rfsq(2,3,4)",
    ),
    Component(
        "sqvae",
        config=SQVAE,
        target="aezoo.components.quantizers.sqvae:SQVAE",
        summary="stochastic: codes drawn by their distance, with a learned variance",
        paper=(
            "Takida, Shibuya, Liao et al., SQ-VAE: Variational Bayes on Discrete Representation "
            "with Self-annealed Stochastic Quantization, 2022, arXiv:2205.07547"
        ),
        caps=Capabilities(discrete=True),
        example="sqvae(8,4)",
    ),
    Component(
        "diveq",
        config=DiVeQ,
        target="aezoo.components.quantizers.diveq:DiVeQ",
        summary="a step to the nearest code vector, through which the gradient passes to both",
        paper=(
            "Vali, Bäckström, Solin, DiVeQ: Differentiable Vector Quantization Using the "
            "Reparameterization Trick, 2025, arXiv:2509.26469"
        ),
        caps=Capabilities(discrete=True),
        example="diveq(8,4)",
    ),
    Component(
        "qlae",
        config=QLAE,
        target="aezoo.components.quantizers.qlae:QLAE",
        summary="latent quantization: each channel to the nearest of a few learned values",
        paper=(
            "Hsu, Dorrell, Whittington, Wu, Finn, Disentanglement via Latent Quantization, 2023, "
            "arXiv:2305.18378"
        ),
        caps=Capabilities(discrete=True),
        example="qlae(5,4)",
    ),
    Component(
        "rlfq",
        config=RLFQ,
        target="aezoo.components.quantizers.rlfq:RLFQ",
        summary="residual LFQ: the signs of what the signs before left over, at half the size",
        paper=(
            "Yu, Lezama, Gundavarapu et al., Language Model Beats Diffusion: Tokenizer is Key to "
            "Visual Generation, 2023, arXiv:2310.05737"
        ),
        caps=Capabilities(discrete=True),
        example="rlfq(2,4)",
    ),
)
