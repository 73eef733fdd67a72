"""The network of a diffusion: from a noisy z and the time to what of it is noise.

Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, 2020, arXiv:2006.11239, appendix B:
residual blocks, each told the time by sinusoids (Vaswani et al., 2017, arXiv:1706.03762), and one
layer of attention between the places of a map. Without the halvings of a U-Net: maps of latents
are small. The convolutions become dense layers where z is a vector.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.attention import MapAttention
from aezoo.components.nd import conv, group_norm

#: What the time, in [0, 1], is multiplied by: its sinusoids are those of the paper's 1000 steps.
STEPS = 1000.0


class Denoiser(nn.Module):
    """u (N,D,*L), times (N,), cond (N,E) or none -> (N,D,*L); zero at first."""

    def __init__(self, rank: int, channels: int, width: int, depth: int, cond_dim: int | None):
        super().__init__()
        self.waves = max(1, width // 2)
        self.time: Any = nn.Sequential(
            nn.Linear(2 * self.waves, width), nn.SiLU(), nn.Linear(width, width)
        )
        self.cond = None if cond_dim is None else nn.Linear(cond_dim, width, bias=False)
        self.first = _layer(rank, channels, width)
        self.blocks = nn.ModuleList(TimedBlock(rank, width) for _ in range(depth))
        self.attention = MapAttention(rank, width, 1) if rank else nn.Identity()
        self.last: Any = nn.Sequential(group_norm(width), nn.SiLU(), _layer(rank, width, channels))
        for parameter in self.last[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, u: Tensor, times: Tensor, cond: Tensor | None) -> Tensor:
        dtype = self.time[0].weight.dtype
        told = self.time(sinusoids(times, self.waves).to(dtype))
        if self.cond is not None:
            assert cond is not None
            told = told + self.cond(cond.to(dtype))
        h = self.first(u.to(dtype))
        for i, block in enumerate(self.blocks):
            if i == len(self.blocks) // 2:
                h = self.attention(h)
            h = block(h, told)
        return self.last(h)


class TimedBlock(nn.Module):
    """h + (group norm, SiLU, layer, twice)(h), the time added in between: (N,width,*L)."""

    def __init__(self, rank: int, width: int):
        super().__init__()
        self.before = nn.Sequential(group_norm(width), nn.SiLU(), _layer(rank, width, width))
        self.told = nn.Sequential(nn.SiLU(), nn.Linear(width, width))
        self.after = nn.Sequential(group_norm(width), nn.SiLU(), _layer(rank, width, width))

    def forward(self, h: Tensor, told: Tensor) -> Tensor:
        moved = self.before(h)
        added = self.told(told)
        return h + self.after(moved + added.reshape(*added.shape, *[1] * (h.ndim - 2)))


def sinusoids(times: Tensor, waves: int) -> Tensor:
    """times (N,) in [0, 1] -> (N, 2 waves), of wave lengths from 2 pi to 20000 pi steps."""
    place = torch.arange(waves, device=times.device, dtype=times.dtype)
    angles = STEPS * times[:, None] * torch.exp(-math.log(10_000) * place / waves)
    return torch.cat([angles.sin(), angles.cos()], dim=1)


def _layer(rank: int, inputs: int, outputs: int) -> nn.Module:
    """A convolution of kernel 3; of a vector a linear map."""
    return conv(rank, inputs, outputs, 3) if rank else nn.Linear(inputs, outputs)
