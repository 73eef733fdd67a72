"""Random numbers of a forward pass: from a generator where one is given, on its own device.

Without a generator none is named, not even None: `torch.compile` serves batches of several sizes
by one graph only then.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Generator, Tensor


def normal(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """N(0, 1) of ``shape``, in the dtype and on the device of ``like``."""
    size = tuple(shape)
    if generator is None:
        return torch.randn(size, device=like.device, dtype=like.dtype)
    drawn = torch.randn(size, generator=generator, device=generator.device, dtype=like.dtype)
    return drawn.to(like.device)


def uniform(shape: Sequence[int], like: Tensor, generator: Generator | None) -> Tensor:
    """U[0, 1) of ``shape``, in the dtype and on the device of ``like``."""
    size = tuple(shape)
    if generator is None:
        return torch.rand(size, device=like.device, dtype=like.dtype)
    drawn = torch.rand(size, generator=generator, device=generator.device, dtype=like.dtype)
    return drawn.to(like.device)
