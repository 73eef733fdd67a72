"""What the plugin gives: records only. The library is imported when a part is built."""

from __future__ import annotations

from collections.abc import Iterator

import aezoo
from aezoo_vqp import configs


@aezoo.hookimpl
def aezoo_quantizers() -> Iterator[aezoo.Component]:
    yield _quantizer(
        "vq",
        configs.VQ,
        "vq(16,4)",
        "VectorQuantize: one codebook, by moving averages or gradients",
        "van den Oord, Vinyals, Kavukcuoglu, Neural Discrete Representation Learning, 2017, "
        "arXiv:1711.00937",
    )
    yield _quantizer(
        "rvq",
        configs.RVQ,
        "rvq(3,16,4)",
        "ResidualVQ: each codebook quantizes what the ones before left over",
        "Zeghidour et al., SoundStream: An End-to-End Neural Audio Codec, 2021, arXiv:2107.03312",
    )
    yield _quantizer(
        "grvq",
        configs.GRVQ,
        "grvq(2,2,16,4)",
        "GroupedResidualVQ: residual codebooks for each group of channels",
        "Yang et al., HiFi-Codec: Group-residual Vector quantization for High Fidelity Audio "
        "Codec, 2023, arXiv:2305.02765",
    )
    yield _quantizer(
        "fsq",
        configs.FSQ,
        "fsq(5,4,3)",
        "FSQ: each channel rounded to a few levels",
        "Mentzer, Minnen, Agustsson, Tschannen, Finite Scalar Quantization: VQ-VAE Made Simple, "
        "2023, arXiv:2309.15505",
    )
    yield _quantizer(
        "rfsq",
        configs.RFSQ,
        "rfsq(2,(5,4,3))",
        "ResidualFSQ: what rounding left over is rounded again, more finely",
        "Parker et al., Scaling Transformers for Low-Bitrate High-Quality Speech Coding, 2024, "
        "arXiv:2411.19842",
    )
    yield _quantizer(
        "lfq",
        configs.LFQ,
        "lfq(4)",
        "LFQ: the sign of each channel, with an entropy loss",
        "Yu et al., Language Model Beats Diffusion: Tokenizer is Key to Visual Generation, 2023, "
        "arXiv:2310.05737",
    )
    yield _quantizer(
        "rlfq",
        configs.RLFQ,
        "rlfq(3,4)",
        "ResidualLFQ: signs of what the signs before left over",
        "Yu et al., Language Model Beats Diffusion: Tokenizer is Key to Visual Generation, 2023, "
        "arXiv:2310.05737",
    )
    yield _quantizer(
        "simvq",
        configs.SimVQ,
        "simvq(16,4)",
        "SimVQ: a frozen codebook behind one learned linear map",
        "Zhu et al., Addressing Representation Collapse in Vector Quantized Models with One "
        "Linear Layer, 2024, arXiv:2411.02038",
    )
    yield _quantizer(
        "rsimvq",
        configs.RSimVQ,
        "rsimvq(2,16,4)",
        "ResidualSimVQ: each SimVQ quantizes what the ones before left over",
        "Zhu et al., Addressing Representation Collapse in Vector Quantized Models with One "
        "Linear Layer, 2024, arXiv:2411.02038",
    )


def _quantizer(name: str, config: type, example: str, summary: str, paper: str) -> aezoo.Component:
    return aezoo.Component(
        name,
        config=config,
        target=f"aezoo_vqp.quantizers:{config.__name__}",
        summary=summary,
        example=example,
        caps=aezoo.Capabilities(discrete=True),
        paper=paper,
    )
