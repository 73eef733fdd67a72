"""Laplace pixels: the absolute error, with a fixed, a learned, or a per-pixel scale.

The law of errors of Laplace, Memoir on the Probability of the Causes of Events, 1774, in English
doi:10.1214/ss/1177013621.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.distributions import Laplace

from aezoo.components.likelihoods.configs import LaplaceConfig
from aezoo.components.likelihoods.location_scale import LocationScale


def _log_cdf(z: Tensor) -> Tensor:
    """log F(z) of the standard Laplace distribution."""
    tail = z.abs().neg()
    return torch.where(z < 0, tail - math.log(2), torch.log1p(-0.5 * tail.exp()))


class LaplaceLikelihood(LocationScale):
    """exp(-|x - decoder output| / b) / 2b, a density over x in nats; ``.mean`` is the output.

    Params: (B,C,*S), the median; with ``scale=pixel`` (B,2C,*S), the median and the raw scale.
    """

    family = Laplace
    log_cdf = staticmethod(_log_cdf)

    def __init__(self, config: LaplaceConfig, shape: tuple[int, ...]):
        super().__init__(config.scale, shape)
