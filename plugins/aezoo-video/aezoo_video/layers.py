"""Convolutions that look at no later frame. Video is (B, C, T, H, W).

Yu et al., Language Model Beats Diffusion: Tokenizer is Key to Visual Generation (MAGVIT-v2),
2023, arXiv:2310.05737, section 3.2 and figure 2c: a kernel's frames all lie in the past, so the
first frame is treated by itself (a picture is a video of one frame), and what has been encoded
stays as it is when more frames come. There is no normalisation over time or space, which would
carry news from later frames to earlier ones.

A stage halves or doubles time, space or both. Halved, T frames become 1 + ceil((T - 1) / 2):
the first has one of its own, and a later one sees none that is newer than its last.
"""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn


class CausalConv(nn.Module):
    """Kernel 3 in time, all of it past: (B, inputs, T, H, W) to (B, outputs, T, H, W)."""

    def __init__(self, inputs: int, outputs: int, time: int = 1, space: int = 1):
        super().__init__()
        side = 4 if space == 2 else 3
        self.conv = nn.Conv3d(
            inputs, outputs, (3, side, side), stride=(time, space, space), padding=(0, 1, 1)
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(F.pad(x, (0, 0, 0, 0, 2, 0)))


class Up(nn.Module):
    """Depth to space and time: (B, inputs, T, H, W) to (B, outputs, ~time T, space H, space W).

    A frame becomes ``time`` frames, of which the first frame's keep the last alone: there is
    one first frame on both sides, and frame i comes from frame ceil(i / time).
    """

    def __init__(self, inputs: int, outputs: int, time: int, space: int):
        super().__init__()
        self.factors = (outputs, time, space, space)
        self.conv = nn.Conv3d(inputs, outputs * time * space * space, 1)

    def forward(self, x: Tensor) -> Tensor:
        _, time, _, _ = self.factors
        parts = self.conv(x).unflatten(1, self.factors)  # (B, outputs, time, s, s, T, H, W)
        parts = parts.permute(0, 1, 5, 2, 6, 3, 7, 4)  # (B, outputs, T, time, H, s, W, s)
        return parts.flatten(6, 7).flatten(4, 5).flatten(2, 3)[:, :, time - 1 :]


class Block(nn.Module):
    """x + (SiLU, causal convolution, SiLU, pointwise convolution)(x); any (B, width, T, H, W)."""

    def __init__(self, width: int, hidden: int):
        super().__init__()
        self.conv = CausalConv(width, hidden)
        self.project = nn.Conv3d(hidden, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.project(F.silu(self.conv(F.silu(x))))


def blocks(width: int, depth: int, hidden: int | None) -> list[nn.Module]:
    """``depth`` blocks and a closing SiLU."""
    return [*(Block(width, hidden or max(1, width // 2)) for _ in range(depth)), nn.SiLU()]
