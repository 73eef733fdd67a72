"""Masking noise (Vincent et al. 2008, section 2.3): values that are destroyed are zero.

The paper destroys a fixed number of values; here each place is lost with the same probability,
and with it all its channels, so that colours do not give a pixel away.
"""

from __future__ import annotations

from torch import Generator, Tensor

from aezoo.components.corruptions.configs import Masking
from aezoo.components.corruptions.noise import uniform_places


class MaskingCorruption:
    """x (B, C, *S) -> x with the share of its places set to zero."""

    def __init__(self, config: Masking):
        self.share = config.share

    def __call__(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        return x * (uniform_places(x, generator) >= self.share)
