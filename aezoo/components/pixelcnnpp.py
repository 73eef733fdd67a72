"""The network of PixelCNN++: what comes before a place in raster order, read by two streams.

Salimans, Karpathy, Chen and Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic
Mixture Likelihood and Other Modifications, 2017, arXiv:1701.05517: down-sampling (2.3) with
short-cuts from the layers before to those after it (2.4), and dropout (2.5). Two streams of
shifted convolutions in gated residual blocks: u sees the rows above, ul also the places on the
left and, layer by layer, u. What a place holds and how it is predicted is the user's: pixels by
a mixture of logistics, codes by a softmax.

Letters: B batch, I channels of what is read, w of the streams, E of the condition, n samples.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.causal import CausalConv, GatedResidual, Kept, KeptResidual


class TwoStreams(nn.Module):
    """Maps (B,I,H,W) -> what to predict each place from, (B,w,H,W).

    Args:
        layers: residual blocks of each resolution, and as many behind the coarser ones.
        down: times the resolution is halved; any size is served.
        cond_dim: E of a condition (B,E), or (B,E,H,W) with a vector for each place, or None.
    """

    def __init__(
        self,
        inputs: int,
        width: int,
        *,
        layers: int,
        down: int,
        dropout: float,
        cond_dim: int | None = None,
    ):
        super().__init__()
        self.u = CausalConv(inputs, width, (2, 3), centred=True)
        self.ul_above = CausalConv(inputs, width, (1, 3), centred=True)
        self.ul_left = CausalConv(inputs, width, (2, 1), centred=False)
        self.level = Level(width, layers, down, dropout, cond_dim)

    def behind(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """All places at once: each one's (B,w,1,1) depends on those before it alone."""
        below = F.pad(x, (0, 0, 1, -1))
        ul = self.ul_above(below) + self.ul_left(F.pad(x, (1, -1)))
        return self.level(self.u(below), ul, cond)[1]

    @torch.no_grad()
    def walk(
        self,
        n: int,
        size: tuple[int, int],
        cond: Tensor | None,
        draw: Callable[[Tensor, int, int], Tensor],
    ) -> None:
        """Place after place of (n,*,H,W), as `behind` of all so far would have it.

        ``draw(behind, i, j)`` is given (n,w,1,1) of place (i,j) and gives what is read of what
        it puts there, (n,I,1,1). A layer keeps the rows that its kernel reaches. Dropout is off.
        """
        rows, columns = size
        weight = self.u.weight
        u, above = (Kept(conv, n, columns) for conv in (self.u, self.ul_above))
        left = Kept(self.ul_left, n, columns)
        level = KeptLevel(self.level, n, columns, cond)
        row = weight.new_zeros(n, weight.shape[1], 1, columns)  # the last one
        nothing = torch.zeros_like(row[..., :1])
        for i in range(rows):
            level.row(u(row), i)
            ul_above = above(row)
            for j in range(columns):
                before = row[..., j - 1 : j] if j else nothing
                ul = level.place(ul_above[..., j : j + 1] + left(before), i, j)
                row[..., j : j + 1] = draw(ul, i, j)


class Level(nn.Module):
    """One resolution, and the coarser ones in its middle: u, ul (B,w,H,W), to the same shapes."""

    def __init__(
        self, width: int, layers: int, down: int, dropout: float, cond_dim: int | None = None
    ):
        super().__init__()

        def stack(kernel: tuple[int, int], centred: bool, beside: int) -> nn.ModuleList:
            def conv(inputs: int, outputs: int) -> nn.Module:
                return CausalConv(inputs, outputs, kernel, centred=centred)

            return nn.ModuleList(
                GatedResidual(width, conv, beside=beside, cond_dim=cond_dim, dropout=dropout)
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
            self.inner = Level(width, layers, down - 1, dropout, cond_dim)
            self.u_up = nn.ConvTranspose2d(width, width, 2, stride=2)
            self.ul_up = nn.ConvTranspose2d(width, width, 2, stride=2)

    def forward(self, u: Tensor, ul: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        """``cond`` (B,E), or (B,E,H,W), or None."""
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

    def __init__(self, level: Level, n: int, columns: int, cond: Tensor | None):
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
            weight = level.u_down.weight
            self.coarse_u = self.coarse_ul = weight.new_empty(n, weight.shape[0], 1, half)

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


def coarser(cond: Tensor | None) -> Tensor | None:
    """Means over 2x2 places: (B,E,H,W) -> (B,E,ceil(H/2),ceil(W/2)); (B,E) as it is."""
    if cond is None or cond.ndim == 2:
        return cond
    return F.avg_pool2d(cond, 2, ceil_mode=True)
