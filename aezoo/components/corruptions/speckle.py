"""Speckle: multiplicative Gaussian noise, as coherent imaging has it.

Poole, Sohl-Dickstein, Ganguli, Analyzing noise in autoencoders and deep networks, 2014,
arXiv:1406.1831: noise on the input, additive or multiplicative.
"""

from __future__ import annotations

from torch import Generator, Tensor

from aezoo.components import draws
from aezoo.components.corruptions.configs import Speckle


class SpeckleCorruption:
    """x (B, C, *S) -> x * (1 + sigma * epsilon)."""

    def __init__(self, config: Speckle):
        self.sigma = config.sigma

    def __call__(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        return x * (1 + self.sigma * draws.normal(x.shape, x, generator))
