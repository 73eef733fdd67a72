"""Additive isotropic Gaussian noise (Vincent et al. 2010, JMLR 11, section 3.3)."""

from __future__ import annotations

from torch import Generator, Tensor

from aezoo.components import draws
from aezoo.components.corruptions.configs import Gaussian


class GaussianCorruption:
    """x (B, C, *S) -> x + sigma * epsilon, which may leave x's range."""

    def __init__(self, config: Gaussian):
        self.sigma = config.sigma

    def __call__(self, x: Tensor, *, generator: Generator | None = None) -> Tensor:
        return x + self.sigma * draws.normal(x.shape, x, generator)
