"""Vector quantization on the unit sphere.

Yu, Li, Koh et al., Vector-quantized Image Modeling with Improved VQGAN, 2021, arXiv:2110.04627,
section 3.2: encoder outputs and codebook are l2-normalized, so that the nearest code is the one
of the largest cosine. As there the codebook starts from a normal distribution and learns by
gradient; the "factorized codes" of the same section, few channels to look codes up in, are ``dim``.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import CosineVQ as Config
from aezoo.components.quantizers.learned import quantized
from aezoo.latents import Latent


class CosineVQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L) of length one at each place, codes (B, *L) in [0, K)."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(in_shape=in_shape, dim=config.dim, codes=config.codes)
        self.beta = config.beta
        self.codebook = nn.Parameter(torch.randn(config.codes, config.dim))

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        return quantized(F.normalize(z_e, dim=1), self.vectors(), self.beta)

    def vectors(self) -> Tensor:
        """The code vectors (K, D), of length one."""
        return F.normalize(self.codebook, dim=1)

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) int64 -> z (B, D, *L)."""
        return self.vectors()[codes].movedim(-1, 1).contiguous()
