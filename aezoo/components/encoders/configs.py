"""The arguments of the encoders, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from aezoo.checks import Activation, at_least, heads_fit, several, widths_given
from aezoo.records import Capabilities, Component, rest


@dataclass(frozen=True, slots=True)
class MLP:
    widths: tuple[int, ...] = rest()  # of the hidden layers, in order
    act: Activation = "relu"

    def __post_init__(self) -> None:
        widths_given(self.widths)


@dataclass(frozen=True, slots=True)
class Conv:
    widths: tuple[int, ...] = rest()  # channels of the stride-2 layers, in order
    hidden: int = 256  # units of the dense layer next to the latent vector
    act: Activation = "relu"

    def __post_init__(self) -> None:
        widths_given(self.widths)
        at_least(1, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class Res:
    width: int  # channels at the latents' resolution
    depth: int = 2  # residual blocks
    hidden: int | None = None  # channels inside a block; none: width / 4
    down: int = 4  # how much smaller the latents' map is, a power of two

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth)
        at_least(1, hidden=self.hidden)
        _halvings(self.down)


@dataclass(frozen=True, slots=True)
class ConvNeXt:
    width: int  # channels at the latents' resolution; half of it at twice the size, 16 at least
    depth: int = 2  # blocks at each resolution
    down: int = 4  # how much smaller the latents' map is, a power of two
    scale: float = 1e-6  # of what a block adds, at the start

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth, scale=self.scale)
        _halvings(self.down)


@dataclass(frozen=True, slots=True)
class ResAttn:
    width: int  # channels at the latents' resolution; half of it at twice the size, 16 at least
    depth: int = 2  # residual blocks at each resolution
    heads: int = 1  # of the attention
    down: int = 4  # how much smaller the latents' map is, a power of two

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth)
        heads_fit(self.heads, self.width)
        _halvings(self.down)


@dataclass(frozen=True, slots=True)
class ViT:
    width: int
    depth: int = 4  # layers of the transformer
    heads: int = 4  # of the attention
    patch: int = 4  # how much smaller the latents' map is

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth)
        at_least(1, patch=self.patch)
        heads_fit(self.heads, self.width)


def _halvings(down: int) -> None:
    if down < 1 or down & (down - 1):
        raise ValueError(f"down must be a power of two, not {down}")


@dataclass(frozen=True, slots=True)
class Timm:
    name: str  # as in timm.list_models()
    stage: int = -1  # which of its feature maps
    pretrained: bool = False  # start from timm's weights


@dataclass(frozen=True, slots=True)
class Flatten:
    pass


@dataclass(frozen=True, slots=True)
class Levels:
    parts: tuple[Any, ...] = rest("encoder")  # each reads the one before; the largest map first

    def __post_init__(self) -> None:
        several(self.parts)


_VQVAE = (
    "van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning, 2017, "
    "arXiv:1711.00937"
)
CONVNEXT = (
    "Liu, Mao, Wu, Feichtenhofer, Darrell, Xie, A ConvNet for the 2020s, 2022, arXiv:2201.03545"
)
VQGAN = (
    "Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, 2020, "
    "arXiv:2012.09841"
)
VIT_VQGAN = "Yu et al., Vector-quantized Image Modeling with Improved VQGAN, 2021, arXiv:2110.04627"
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
        "mlp",
        config=MLP,
        target="aezoo.components.encoders.mlp:MLPEncoder",
        summary="dense layers on the flattened input; ends in a vector",
        example="mlp(16)",
    ),
    Component(
        "conv",
        config=Conv,
        target="aezoo.components.encoders.conv:ConvEncoder",
        summary="stride-2 convolutions and a dense layer; ends in a vector",
        example="conv(8,8,hidden=16)",
    ),
    Component(
        "res",
        config=Res,
        target="aezoo.components.encoders.res:ResEncoder",
        summary="the VQ-VAE paper's residual network; ends in a map, takes any size",
        paper=_VQVAE,
        example="res(8,depth=1)",
    ),
    Component(
        "timm",
        config=Timm,
        target="aezoo.components.encoders.timm:TimmEncoder",
        summary="a feature map of any timm backbone",
        paper="Wightman, PyTorch Image Models, 2019, doi:10.5281/zenodo.4414861",
        caps=Capabilities(ranks=(2,)),
        example="timm(resnet10t,stage=1)",
    ),
    Component(
        "convnext",
        config=ConvNeXt,
        target="aezoo.components.encoders.convnext:ConvNeXtEncoder",
        summary="ConvNeXt blocks; ends in a map, takes any size",
        paper=CONVNEXT,
        example="convnext(8,depth=1)",
    ),
    Component(
        "resattn",
        config=ResAttn,
        target="aezoo.components.encoders.resattn:ResAttnEncoder",
        summary="VQGAN's network, with attention at the smallest map; takes any size",
        paper=VQGAN,
        example="resattn(8,depth=1)",
    ),
    Component(
        "vit",
        config=ViT,
        target="aezoo.components.encoders.vit:ViTEncoder",
        summary="ViT-VQGAN's transformer over patches; ends in a map, takes any size",
        paper=VIT_VQGAN,
        example="vit(8,depth=1,heads=2)",
    ),
    Component(
        "levels",
        config=Levels,
        target="aezoo.components.encoders.levels:LevelsEncoder",
        summary="encoders one behind the other, for codes or latents of several levels",
        paper=_VQVAE_2,
        example=_LEVELS,
    ),
    Component(
        "flatten",
        config=Flatten,
        target="aezoo.components.encoders.flatten:FlattenEncoder",
        summary="no encoder: the input as one vector, for linear models",
    ),
)
