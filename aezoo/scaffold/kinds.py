"""The kinds of component that a new plugin can begin with."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Kind:
    """What the templates of one kind need; $part stands for the new component."""

    description: str  # one line about the package
    model: str  # a spec that it is used in
    arguments: str  # of the component in that spec, with brackets


KINDS = {
    "quantizer": Kind(
        "Residual vector quantization for aezoo",
        "vqvae(res(32),$part,unres(32))",
        "(2,64,16)",
    ),
    "encoder": Kind(
        "A ConvNeXt encoder of patches for aezoo",
        "vqvae($part,vq(64,16),unres(32))",
        "(32)",
    ),
    "decoder": Kind(
        "A ConvNeXt decoder to patches for aezoo",
        "vqvae(res(32),vq(64,16),$part)",
        "(32)",
    ),
    "posterior": Kind(
        "A Laplace posterior for aezoo",
        "vae(res(32),$part,unres(32))",
        "(4)",
    ),
    "prior": Kind(
        "A prior over codes, one histogram a place, for aezoo",
        "vqvae(res(32),vq(64,16),unres(32),prior=$part)",
        "",
    ),
    "likelihood": Kind(
        "A Student-t likelihood for aezoo",
        "vae(res(32),gaussian(4),unres(32),likelihood=$part)",
        "",
    ),
    "objective": Kind(
        "A capacity-controlled objective for aezoo",
        "vae(res(32),gaussian(4),unres(32),objective=$part)",
        "(25.0)",
    ),
}
