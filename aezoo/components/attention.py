"""Residual blocks with group normalisation, and attention between the places of a map.

Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, 2020, arXiv:2006.11239, appendix B,
without the time; as in VQGAN: Esser, Rombach, Ommer, 2020, arXiv:2012.09841, appendix A.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.nd import conv, group_norm, pointwise


class SmoothBlock(nn.Module):
    """x + (group norm, SiLU, 3x3 convolution, twice)(x): (B, inputs, *S) to (B, outputs, *S)."""

    def __init__(self, rank: int, inputs: int, outputs: int):
        super().__init__()
        self.layers = nn.Sequential(
            group_norm(inputs),
            nn.SiLU(),
            conv(rank, inputs, outputs, 3),
            group_norm(outputs),
            nn.SiLU(),
            conv(rank, outputs, outputs, 3),
        )
        self.skip = nn.Identity() if inputs == outputs else pointwise(rank, inputs, outputs)

    def forward(self, x: Tensor) -> Tensor:
        return self.skip(x) + self.layers(x)


class MapAttention(nn.Module):
    """x + what each place sees in all the others: (B, width, *S), of any size S."""

    def __init__(self, rank: int, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.norm = group_norm(width)
        self.qkv = pointwise(rank, width, 3 * width)
        self.project = pointwise(rank, width, width)

    def forward(self, x: Tensor) -> Tensor:
        qkv = self.qkv(self.norm(x)).flatten(2)  # (B, 3 width, places)
        q, k, v = qkv.unflatten(1, (3, self.heads, -1)).transpose(-1, -2).unbind(1)
        seen = F.scaled_dot_product_attention(q, k, v)
        return x + self.project(seen.transpose(-1, -2).reshape(x.shape))


def middle(rank: int, width: int, heads: int) -> list[nn.Module]:
    """What VQGAN has at the smallest map: attention between two blocks."""
    block, again = (SmoothBlock(rank, width, width) for _ in range(2))
    return [block, MapAttention(rank, width, heads), again]
