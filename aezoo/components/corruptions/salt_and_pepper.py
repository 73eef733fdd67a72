"""Salt-and-pepper noise (Vincent et al. 2010, JMLR 11, section 3.3), by places."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from aezoo.components.corruptions.configs import SaltAndPepper
from aezoo.components.corruptions.noise import uniform_places


class SaltAndPepperCorruption:
    """x (B, C, *S) -> x with the share of its places at ``low`` or ``high``, a fair coin each."""

    def __init__(self, config: SaltAndPepper):
        self.config = config

    def __call__(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        u = uniform_places(x, generator)
        x = torch.where(u < self.config.share, self.config.high, x)
        return torch.where(u < self.config.share / 2, self.config.low, x)
