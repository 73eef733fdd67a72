"""A gated PixelCNN as a decoder: each pixel given those before it and the decoder's output.

Gulrajani, Kumar, Ahmed, Taiga, Visin, Vazquez and Courville, PixelVAE: A Latent Variable Model
for Natural Images, 2016, arXiv:1611.05013, with the layers of van den Oord et al., Conditional
Image Generation with PixelCNN Decoders, 2016, arXiv:1606.05328, and a softmax over the levels.
Of a pixel's channels each is given those before it, which enter the last hidden layer: both
papers split the whole network's channels into groups instead.

Letters: B batch, C channels of x, K levels, F of the decoder's output, w of the stacks.
"""

# torch's types call every module of a list something that may be missing.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.components.likelihoods.autoregressive import Autoregressive
from aezoo.components.likelihoods.configs import PixelCNNConfig
from aezoo.components.nd import wide
from aezoo.components.priors.pixelcnn import GatedLayer, Steps
from aezoo.components.priors.raster import draw
from aezoo.errors import ShapeError


class PixelCNNLikelihood(nn.Module):
    """Decoder output (B,F,H,W), what each pixel is conditioned on -> p(x|z) of (C,H,W)."""

    def __init__(self, config: PixelCNNConfig, shape: tuple[int, ...]):
        super().__init__()
        if len(shape) != 3:
            raise ShapeError(f"pixelcnn serves pictures (C,H,W), not {tuple(shape)}")
        self.param_channels = config.features
        self.channels, self.levels = channels, levels = shape[0], config.levels
        width = config.width
        self.embed = nn.Embedding(channels * levels, width)
        self.layers: Any = nn.ModuleList(
            GatedLayer(
                width,
                config.kernel,
                config.features,
                first=index == 0,
                vertical=True,
                dropout=config.dropout,
            )
            for index in range(config.layers)
        )
        self.hidden = nn.Linear(width, channels * width)
        # What a channel's level tells those after it.
        self.told = nn.Embedding((channels - 1) * levels, width) if channels > 1 else None
        self.heads: Any = nn.ModuleList(nn.Linear(width, levels) for _ in range(channels))

    def forward(self, params: Tensor) -> Autoregressive:
        return Autoregressive(self, params, self.channels)

    def log_prob(self, x: Tensor, features: Tensor) -> Tensor:
        """x (B,C,H,W) in [0,1] and what the decoder gave, (B,F,H,W) -> (B,) nats."""
        levels = self.nearest(x)
        nats = F.cross_entropy(self.logits(levels, features), levels, reduction="none")
        return -nats.flatten(1).sum(1)

    def nearest(self, x: Tensor) -> Tensor:
        """(B,C,H,W) in [0,1] -> int64 levels in [0,K)."""
        return (x * (self.levels - 1)).round().long().clamp(0, self.levels - 1)

    def logits(self, levels: Tensor, features: Tensor) -> Tensor:
        """Levels (B,C,H,W) int64 -> (B,K,C,H,W), each given the ones before: pixels first."""
        v = h = self._read(levels.movedim(1, -1)).permute(0, 3, 1, 2)
        for layer in self.layers:
            v, h = layer(v, h, features)
        hidden = self._hidden(h.movedim(1, -1))
        channels = levels.unbind(1)
        found = [self._channel(hidden, c, channels[:c]) for c in range(self.channels)]
        return torch.stack(found, dim=1).movedim(-1, 1)

    def sample(self, features: Tensor, generator: Generator | None = None) -> Tensor:
        """features (n,F,H,W) -> (n,C,H,W), values of levels.

        Equal to drawing channel after channel, pixel after pixel, from `logits` of all so far;
        a layer keeps the rows that its kernel reaches. Dropout is off. One uniform number a
        value is drawn at the start, on the generator's device.
        """
        n, _, rows, columns = features.shape
        where = features.device if generator is None else generator.device
        size = (n, self.channels, rows, columns)
        noise = torch.rand(size, generator=generator, device=where).to(features)
        levels = torch.zeros(size, dtype=torch.int64, device=features.device)
        steps = Steps(self.layers, n, columns, features)
        for i in range(rows):
            steps.start_row()
            for j in range(columns):
                hidden, here = self._hidden(steps.step(j)), levels[:, :, i, j]
                for c in range(self.channels):
                    logits = self._channel(hidden, c, here.unbind(1)[:c])
                    here[:, c] = draw(logits, noise[:, c, i, j], 1.0)
                steps.put(j, self._read(here))
        return levels.to(features.dtype) / (self.levels - 1)

    def _read(self, levels: Tensor) -> Tensor:
        """(...,C) int64 -> (...,w): each channel's levels have vectors of their own."""
        tables = torch.arange(self.channels, device=levels.device) * self.levels
        return self.embed(levels + tables).sum(-2)

    def _hidden(self, h: Tensor) -> Tensor:
        """(...,w) -> (...,C,w), what each channel's head reads, but for the other channels."""
        return self.hidden(h.relu()).unflatten(-1, (self.channels, -1))

    def _channel(self, hidden: Tensor, c: int, before: tuple[Tensor, ...]) -> Tensor:
        """Logits (...,K) of channel c, given the levels (...) of the channels before."""
        h = hidden[..., c, :]
        if self.told is not None:
            for other, level in enumerate(before):
                h = h + self.told(level + other * self.levels)
        with torch.autocast(h.device.type, enabled=False):  # bf16 logits cost bits
            return self.heads[c](wide(h).relu())
