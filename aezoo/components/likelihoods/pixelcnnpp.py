"""PixelCNN++ as a decoder: each pixel given those before it and the decoder's output.

Salimans, Karpathy, Chen and Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic
Mixture Likelihood and Other Modifications, 2017, arXiv:1701.05517: a mixture of logistics for
all channels of a pixel at once (2.1, 2.2), down-sampling (2.3) with short-cuts from the layers
before to those after it (2.4), and dropout (2.5). Two stacks of shifted convolutions: u sees the
rows above, ul also the pixels on the left and, layer by layer, u.

Letters: B batch, C channels of x, F of the decoder's output, w of the stacks, n samples.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.components.causal import CausalConv, GatedResidual, Kept, KeptResidual, pointwise
from aezoo.components.likelihoods.autoregressive import Autoregressive
from aezoo.components.likelihoods.configs import LogisticMixtureConfig, PixelCNNPPConfig
from aezoo.components.likelihoods.levels import TOP, to_levels
from aezoo.components.likelihoods.logistic_mixture import LogisticMixture, LogisticMixtureLikelihood
from aezoo.components.nd import wide
from aezoo.errors import ShapeError


class PixelCNNPPLikelihood(nn.Module):
    """Decoder output (B,F,H,W), what each pixel is conditioned on -> p(x|z) of (C,H,W)."""

    levels = TOP + 1

    def __init__(self, config: PixelCNNPPConfig, shape: tuple[int, ...]):
        super().__init__()
        if len(shape) != 3:
            raise ShapeError(f"pixelcnnpp serves pictures (C,H,W), not {tuple(shape)}")
        self.param_channels = config.features
        self.channels = shape[0]
        inputs, width = shape[0] + 1, config.width
        self.pixel = LogisticMixtureLikelihood(LogisticMixtureConfig(config.components), shape)
        self.u = CausalConv(inputs, width, (2, 3), centred=True)
        self.ul_above = CausalConv(inputs, width, (1, 3), centred=True)
        self.ul_left = CausalConv(inputs, width, (2, 1), centred=False)
        self.level = Level(config, config.down)
        self.head = pointwise(width, self.pixel.param_channels)

    def forward(self, params: Tensor) -> Autoregressive:
        return Autoregressive(self, params, self.channels)

    def log_prob(self, x: Tensor, features: Tensor) -> Tensor:
        """x (B,C,H,W) in [0,1] and what the decoder gave, (B,F,H,W) -> (B,) nats."""
        return self.pixels(x, features).log_prob(x)

    def pixels(self, x: Tensor, features: Tensor) -> LogisticMixture:
        """Each pixel's distribution given those before it, which are looked at alone."""
        seen = read(to_levels(x.to(features.dtype)) / TOP)
        below = F.pad(seen, (0, 0, 1, -1))
        ul = self.ul_above(below) + self.ul_left(F.pad(seen, (1, -1)))
        _, ul = self.level(self.u(below), ul, features)
        return self._pixels(ul)

    def sample(self, features: Tensor, generator: Generator | None = None) -> Tensor:
        """features (n,F,H,W) -> (n,C,H,W), values of levels.

        Equal to drawing pixel after pixel from `pixels` of all so far: a layer keeps the rows
        that its kernel reaches. Dropout is off. All noise is drawn at the start, on the
        generator's device.
        """
        n, _, rows, columns = features.shape
        uniforms = self.pixel.components + self.channels
        where = features.device if generator is None else generator.device
        size = (n, uniforms, rows, columns)
        noise = torch.rand(size, generator=generator, device=where).to(features)
        x = features.new_zeros(n, self.channels, rows, columns)
        u, above = (Kept(conv, n, columns) for conv in (self.u, self.ul_above))
        left = Kept(self.ul_left, n, columns)
        level = KeptLevel(self.level, n, columns, features)
        nothing = features.new_zeros(n, self.channels + 1, 1, columns)
        for i in range(rows):
            row = read(x[:, :, i - 1 : i]) if i else nothing
            level.row(u(row), i)
            ul_above = above(row)
            for j in range(columns):
                before = read(x[:, :, i : i + 1, j - 1 : j]) if j else nothing[..., :1]
                ul = level.place(ul_above[..., j : j + 1] + left(before), i, j)
                here = noise[:, :, i : i + 1, j : j + 1]
                x[:, :, i : i + 1, j : j + 1] = self._pixels(ul).drawn(here)
        return x

    def _pixels(self, ul: Tensor) -> LogisticMixture:
        with torch.autocast(ul.device.type, enabled=False):  # bf16 means cost bits
            return self.pixel(self.head(F.elu(wide(ul))))


class Level(nn.Module):
    """One resolution, and the coarser ones in its middle: u, ul (B,w,H,W), to the same shapes."""

    def __init__(self, config: PixelCNNPPConfig, down: int):
        super().__init__()
        width, layers = config.width, config.layers

        def stack(kernel: tuple[int, int], centred: bool, beside: int) -> nn.ModuleList:
            def conv(inputs: int, outputs: int) -> nn.Module:
                return CausalConv(inputs, outputs, kernel, centred=centred)

            return nn.ModuleList(
                GatedResidual(
                    width, conv, beside=beside, cond_dim=config.features, dropout=config.dropout
                )
                for _ in range(layers)
            )

        self.u_before: Any = stack((2, 3), True, 0)
        self.ul_before: Any = stack((2, 2), False, width)
        self.u_after: Any = stack((2, 3), True, width)
        self.ul_after: Any = stack((2, 2), False, 2 * width)
        self.inner: Level | None = None
        if down:
            self.u_down = CausalConv(width, width, (2, 3), centred=True)
            self.ul_down = CausalConv(width, width, (2, 2), centred=False)
            self.inner = Level(config, down - 1)
            self.u_up = nn.ConvTranspose2d(width, width, 2, stride=2)
            self.ul_up = nn.ConvTranspose2d(width, width, 2, stride=2)

    def forward(self, u: Tensor, ul: Tensor, cond: Tensor) -> tuple[Tensor, Tensor]:
        """``cond`` (B,F,H,W)."""
        left: list[tuple[Tensor, Tensor]] = []  # for the short-cuts
        for block, beside in zip(self.u_before, self.ul_before, strict=True):
            u = block(u, cond=cond)
            ul = beside(ul, u, cond)
            left.append((u, ul))
        if self.inner is not None:
            rows, columns = u.shape[2:]
            coarse = self.u_down(u)[..., ::2, ::2], self.ul_down(ul)[..., ::2, ::2]
            u, ul = self.inner(*coarse, coarser(cond))
            u = self.u_up(u)[..., :rows, :columns]
            ul = self.ul_up(ul)[..., :rows, :columns]
        for block, beside in zip(self.u_after, self.ul_after, strict=True):
            cut_u, cut_ul = left.pop()
            u = block(u, cut_u, cond)
            ul = beside(ul, torch.cat([u, cut_ul], dim=1), cond)
        return u, ul


class KeptLevel:
    """A `Level` that is given u a row at a time, and ul a place at a time. Dropout is off."""

    def __init__(self, level: Level, n: int, columns: int, cond: Tensor):
        def kept(blocks: Any) -> list[KeptResidual]:
            return [KeptResidual(block, n, columns, cond) for block in blocks]

        self.level, self.columns = level, columns
        self.u_before, self.u_after = kept(level.u_before), kept(level.u_after)
        self.ul_before, self.ul_after = kept(level.ul_before), kept(level.ul_after)
        self.us_before: list[Tensor] = []  # of the current row, layer by layer
        self.us_after: list[Tensor] = []
        self.inner: KeptLevel | None = None
        if level.inner is not None:
            half = -(-columns // 2)
            self.inner = KeptLevel(level.inner, n, half, coarser(cond))
            self.u_down = Kept(level.u_down, n, columns)
            self.ul_down = Kept(level.ul_down, n, columns)
            self.coarse_u = self.coarse_ul = cond.new_empty(n, level.u_down.out_channels, 1, half)

    def row(self, u: Tensor, i: int) -> Tensor:
        """u (n,w,1,W) of row i, the next one."""
        every = slice(None)
        self.us_before, self.us_after = [], []
        for block in self.u_before:
            u = block(u, i, every)
            self.us_before.append(u)
        if self.inner is not None:
            down = self.u_down(u)[..., ::2]
            if i % 2 == 0:
                self.coarse_u = self.inner.row(down, i // 2)
                self.coarse_ul = torch.empty_like(self.coarse_u)
            u = self.level.u_up(self.coarse_u)[:, :, i % 2 :][:, :, :1, : self.columns]
        for block, cut in zip(self.u_after, reversed(self.us_before), strict=True):
            u = block(u, i, every, cut)
            self.us_after.append(u)
        return u

    def place(self, ul: Tensor, i: int, j: int) -> Tensor:
        """ul (n,w,1,1) of place (i,j), the next one; its row was given to `row`."""
        here = slice(j, j + 1)
        cuts: list[Tensor] = []
        for block, u in zip(self.ul_before, self.us_before, strict=True):
            ul = block(ul, i, here, u[..., here])
            cuts.append(ul)
        if self.inner is not None:
            down, at = self.ul_down(ul), slice(j // 2, j // 2 + 1)
            if i % 2 == 0 and j % 2 == 0:
                self.coarse_ul[..., at] = self.inner.place(down, i // 2, j // 2)
            ul = self.level.ul_up(self.coarse_ul[..., at])[:, :, i % 2, j % 2][..., None, None]
        for block, u in zip(self.ul_after, self.us_after, strict=True):
            ul = block(ul, i, here, torch.cat([u[..., here], cuts.pop()], dim=1))
        return ul


def read(x: Tensor) -> Tensor:
    """Pixels from -1 to 1, and a channel of ones that padding does not have: (B,C+1,H,W)."""
    return F.pad(2 * x - 1, (0, 0, 0, 0, 0, 1), value=1.0)


def coarser(cond: Tensor) -> Tensor:
    """Means over 2x2 places: (B,F,H,W) -> (B,F,ceil(H/2),ceil(W/2))."""
    return F.avg_pool2d(cond, 2, ceil_mode=True)
