"""The encoder of ViT-VQGAN: patches, and a transformer over them.

Yu et al., Vector-quantized Image Modeling with Improved VQGAN, 2021, arXiv:2110.04627, section
3.1; what projects to the codes is the quantizer's.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.encoders.configs import ViT
from aezoo.components.nd import patches
from aezoo.components.vit import MapTransformer


class ViTEncoder(nn.Module):
    """x (B, C, *S) -> h (B, width, *ceil(S/patch))."""

    any_size = True

    def __init__(self, config: ViT, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *size = in_shape
        self.patch, rank = config.patch, len(size)
        self.in_shape = in_shape
        self.out_shape = (config.width, *(-(-n // config.patch) for n in size))
        self.embed = patches(rank, channels, config.width, config.patch)
        self.transformer = MapTransformer(rank, config.width, config.depth, config.heads)

    def forward(self, x: Tensor) -> Tensor:
        short = [-n % self.patch for n in x.shape[2:]]
        if any(short):
            x = F.pad(x, [p for n in reversed(short) for p in (0, n)])
        return self.transformer(self.embed(x))
