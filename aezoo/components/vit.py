"""A transformer over the places of a map, for one, two or three spatial axes.

Dosovitskiy et al., An Image is Worth 16x16 Words, 2020, arXiv:2010.11929, section 3.1, with the
norms before each branch; without a class token. Positions are sines and cosines along each axis
(Vaswani et al. 2017, arXiv:1706.03762, section 3.5), which other sizes have too.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.errors import ShapeError

WIDER = 4  # times: the channels inside the MLP
LONGEST = 10_000.0  # the slowest wave is 2 pi times as long, in places


class TransformerBlock(nn.Module):
    """x + attention(norm(x)), then x + MLP(norm(x)): tokens (B, N, width)."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.heads = heads
        self.before = nn.LayerNorm(width)
        self.qkv = nn.Linear(width, 3 * width)
        self.project = nn.Linear(width, width)
        self.mlp = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, WIDER * width),
            nn.GELU(),
            nn.Linear(WIDER * width, width),
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.qkv(self.before(x)).unflatten(2, (3, self.heads, -1)).unbind(2)
        seen = F.scaled_dot_product_attention(*(a.transpose(1, 2) for a in (q, k, v)))
        x = x + self.project(seen.transpose(1, 2).flatten(2))
        return x + self.mlp(x)


class MapTransformer(nn.Module):
    """h (B, width, *L), of any size L, through ``depth`` blocks and a last norm."""

    def __init__(self, rank: int, width: int, depth: int, heads: int):
        super().__init__()
        if width < 2 * rank:
            raise ShapeError(
                f"a place among {rank} axes takes {2 * rank} channels at least, and width is "
                f"{width}; take a wider one"
            )
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads) for _ in range(depth)))
        self.norm = nn.LayerNorm(width)

    def forward(self, h: Tensor) -> Tensor:
        size = tuple(h.shape[2:])
        places = positions(size, h.shape[1], h.device).to(h.dtype)
        tokens = (h + places).flatten(2).transpose(1, 2)
        return self.norm(self.blocks(tokens)).transpose(1, 2).unflatten(2, size)


def positions(size: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """(width, *size): for each axis sines and cosines of the place on it; zeros are left over."""
    waves = width // (2 * len(size))
    speeds = LONGEST ** -(torch.arange(waves, device=device) / waves)
    axes = torch.meshgrid([torch.arange(n, device=device) for n in size], indexing="ij")
    phases = [speeds.view(-1, *[1] * len(size)) * axis for axis in axes]
    found = torch.cat([wave(phase) for phase in phases for wave in (torch.sin, torch.cos)])
    return F.pad(found, (0, 0) * len(size) + (0, width - len(found)))
