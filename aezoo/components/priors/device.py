"""Where a prior draws."""

from __future__ import annotations

import torch
from torch import Generator, Tensor


def drawing_device(generator: Generator | None, cond: Tensor | None) -> torch.device:
    """Where a prior without parameters draws: the generator's device, else the condition's,
    else torch's default."""
    if generator is not None:
        return generator.device
    return cond.device if cond is not None else torch.get_default_device()
