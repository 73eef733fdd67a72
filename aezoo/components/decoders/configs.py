"""The arguments of the decoders, and their records. No torch in here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.checks import at_least, heads_fit
from aezoo.components.encoders.configs import CONVNEXT, MLP, VIT_VQGAN, VQGAN, Conv
from aezoo.records import Component


@dataclass(frozen=True, slots=True)
class UnRes:
    width: int
    depth: int = 2
    hidden: int | None = None

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth)
        at_least(1, hidden=self.hidden)


@dataclass(frozen=True, slots=True)
class UnConvNeXt:
    width: int  # channels at the latents' resolution; half of it at twice the size, 16 at least
    depth: int = 2  # blocks at each resolution
    scale: float = 1e-6  # of what a block adds, at the start

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth, scale=self.scale)


@dataclass(frozen=True, slots=True)
class UnViT:
    width: int
    depth: int = 4  # layers of the transformer
    heads: int = 4  # of the attention
    patch: int = 4  # that each place of the latents becomes

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth)
        at_least(1, patch=self.patch)
        heads_fit(self.heads, self.width)


@dataclass(frozen=True, slots=True)
class UnResAttn:
    width: int  # channels at the latents' resolution; half of it at twice the size, 16 at least
    depth: int = 2  # residual blocks at each resolution
    heads: int = 1  # of the attention

    def __post_init__(self) -> None:
        at_least(2, width=self.width)
        at_least(0, depth=self.depth)
        heads_fit(self.heads, self.width)


@dataclass(frozen=True, slots=True)
class Linear:
    pass


_VQVAE = (
    "van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning, 2017, "
    "arXiv:1711.00937"
)

RECORDS = (
    Component(
        "mlp",
        config=MLP,
        target="aezoo.components.decoders.mlp:MLPDecoder",
        summary="dense layers from a vector",
        example="mlp(16)",
    ),
    Component(
        "deconv",
        config=Conv,
        target="aezoo.components.decoders.deconv:DeconvDecoder",
        summary="a dense layer and stride-2 transposed convolutions, from a vector",
        example="deconv(8,8,hidden=16)",
    ),
    Component(
        "unres",
        config=UnRes,
        target="aezoo.components.decoders.unres:UnResDecoder",
        summary="the VQ-VAE paper's residual network, from a map to any size",
        paper=_VQVAE,
        example="unres(8,depth=1)",
    ),
    Component(
        "unconvnext",
        config=UnConvNeXt,
        target="aezoo.components.decoders.unconvnext:UnConvNeXtDecoder",
        summary="ConvNeXt blocks, from a map to any size",
        paper=CONVNEXT,
        example="unconvnext(8,depth=1)",
    ),
    Component(
        "unresattn",
        config=UnResAttn,
        target="aezoo.components.decoders.unresattn:UnResAttnDecoder",
        summary="VQGAN's network, with attention at the smallest map, from a map to any size",
        paper=VQGAN,
        example="unresattn(8,depth=1)",
    ),
    Component(
        "unvit",
        config=UnViT,
        target="aezoo.components.decoders.unvit:UnViTDecoder",
        summary="ViT-VQGAN's transformer, from a map to patches",
        paper=VIT_VQGAN,
        example="unvit(8,depth=1,heads=2)",
    ),
    Component(
        "linear",
        config=Linear,
        target="aezoo.components.decoders.linear:LinearDecoder",
        summary="one matrix and a bias, from a vector",
    ),
)
