"""The causal video encoder; see `aezoo_video.layers`."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from aezoo_video.configs import Causal
from aezoo_video.layers import CausalConv, blocks


class CausalEncoder(nn.Module):
    """x (B, C, T, H, W) -> h (B, width, 1 + ceil((T-1)/time), ceil(H/space), ceil(W/space)).

    h's frame j depends on x's frames 0 to j * time alone. A video that does not fill its last
    latent frame, or the map's last row or column, is held there: its edge is repeated.
    """

    any_size = True

    def __init__(self, config: Causal, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *size = in_shape
        self.config = config
        self.in_shape = in_shape
        self.out_shape = (config.width, *config.latent_size(tuple(size)))
        layers: list[nn.Module] = []
        coarser = len(config.strides) - 1
        for time, space in config.strides:
            width = config.width >> coarser
            layers.append(CausalConv(channels, width, time, space))
            layers += blocks(width, config.depth, config.hidden)
            channels, coarser = width, coarser - 1
        if not config.strides:
            layers.append(CausalConv(channels, config.width))
            layers += blocks(config.width, config.depth, config.hidden)
        self.layers = nn.Sequential(*layers)

    def forward(self, x: Tensor) -> Tensor:
        size = tuple(x.shape[2:])
        full = self.config.size(self.config.latent_size(size))
        if full != size:
            frames, height, width = (whole - n for whole, n in zip(full, size, strict=True))
            x = F.pad(x, (0, width, 0, height, 0, frames), mode="replicate")
        return self.layers(x)
