"""SimVQ: all code vectors move together, by one linear map of a frozen codebook.

Zhu, Li, Xin, Xia, Xu, Addressing Representation Collapse in Vector Quantized Models with One
Linear Layer, 2024, arXiv:2411.02038: e = C W with C drawn once and W learned, so that every
step moves every code, taken or not. W is a matrix, as in the paper.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import SimVQ as Config
from aezoo.components.quantizers.learned import quantized
from aezoo.latents import Latent


class SimVQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, *L) in [0, K)."""

    codebook: Tensor  # sqrt(D) C, (K, D), frozen

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(in_shape=in_shape, dim=config.dim, codes=config.codes)
        self.beta = config.beta
        self.register_buffer("codebook", torch.randn(config.codes, config.dim))
        self.basis = nn.Linear(config.dim, config.dim, bias=False)  # W

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        return quantized(z_e, self.vectors(), self.beta)

    def vectors(self) -> Tensor:
        """The code vectors C W, (K, D)."""
        # The product lies in memory of its own: a mapped file's is not aligned, and BLAS would
        # then add in another order.
        with torch.autocast(self.codebook.device.type, enabled=False):  # looked up as encoded
            return self.basis(self.codebook * self.out_shape[0] ** -0.5)

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) int64 -> z (B, D, *L)."""
        return self.vectors()[codes].movedim(-1, 1).contiguous()
