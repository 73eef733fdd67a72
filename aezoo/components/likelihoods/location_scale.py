"""What `gaussian` and `laplace` share: a symmetric density around the decoder's output.

One learned scale for all pixels: Rybkin et al., Simple and Effective VAE Training with
Calibrated Decoders (sigma-VAE), 2020, arXiv:2006.13202, sections 4.1 and 4.3.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, constraints

from aezoo.components.likelihoods.levels import TOP, to_levels
from aezoo.components.nd import wide

FLOOR = 1e-3  # a learned scale stays above it: a quarter of a level
START = 0.1  # a learned scale starts here, near the error of a half-trained model
_MOST = 80.0  # log of the largest scale over FLOOR: exp() stays finite in float32

_OFFSET = math.log(math.expm1(math.log(START / FLOOR)))


class LocationScale(nn.Module):
    """Decoder output -> independent pixels ``family(location, scale)``, a density over x.

    Params are (B,C,*S), the location; for scale ``pixel`` (B,2C,*S), location and raw scale.
    """

    range = None  # of x: any, the data's
    family: Callable[..., Distribution]
    log_cdf: Callable[[Tensor], Tensor]  # log F of the standard member, stable below zero

    def __init__(self, scale: float | str, shape: tuple[int, ...]):
        super().__init__()
        self.scale = scale
        self.param_channels = 2 * shape[0] if scale == "pixel" else shape[0]
        if scale == "learned":
            self.raw_scale = nn.Parameter(torch.zeros(()))

    def forward(self, params: Tensor) -> Independent:
        location, scale = self._location_scale(wide(params))
        pixels = self.family(location, scale, validate_args=False)
        return Independent(pixels, params.ndim - 1, validate_args=False)

    def discretized(self, params: Tensor) -> DiscretizedLocationScale:
        """The probability of x on 256 levels: the density's mass in each level's bin.

        Computed in float64: it is for evaluation (bits/dim), and sums to one.
        """
        location, scale = self._location_scale(params.double())
        return DiscretizedLocationScale(self.family, type(self).log_cdf, location, scale)

    def _location_scale(self, params: Tensor) -> tuple[Tensor, Tensor]:
        if self.scale == "learned":
            return params, scale_of(self.raw_scale.to(params.dtype))
        if self.scale == "pixel":
            location, raw = params.chunk(2, dim=1)
            return location, scale_of(raw)
        return params, params.new_full((), float(self.scale))


def scale_of(raw: Tensor) -> Tensor:
    """Smooth and increasing; START at 0, above FLOOR everywhere (soft clip of the log)."""
    return FLOOR * F.softplus(raw + _OFFSET).clamp(max=_MOST).exp()


def raw_of(scale: Tensor) -> Tensor:
    """What `scale_of` gives this scale for, or the floor where it is below it; float64."""
    above = (scale.double() / FLOOR).log().clamp(min=1e-6)
    return above.expm1().log() - _OFFSET


class DiscretizedLocationScale(Distribution):
    """P(x) over x in {0, 1/255, ..., 1}: mass of a symmetric density between half levels.

    Batch shape (B,), event shape (C,*S). The bins of 0 and 1 reach to infinity. ``location``
    and ``scale`` (broadcast against it) are in x's units.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(
        self,
        family: Callable[..., Distribution],
        log_cdf: Callable[[Tensor], Tensor],
        location: Tensor,
        scale: Tensor,
    ):
        self.pixels: Any = family(location, scale, validate_args=False)
        self.log_cdf = log_cdf
        super().__init__(
            torch.Size(location.shape[:1]), torch.Size(location.shape[1:]), validate_args=False
        )

    def log_prob(self, x: Tensor) -> Tensor:
        """x (B,C,*S) in [0,1], taken at its nearest level -> (B,) nats, float64."""
        location, scale = self.pixels.loc, self.pixels.scale
        level = to_levels(x.double())
        lower = ((level - 0.5) / TOP - location) / scale
        upper = ((level + 0.5) / TOP - location) / scale
        # The open bins of the lowest and the highest level.
        lower = lower.masked_fill(level == 0, -torch.inf)
        upper = upper.masked_fill(level == TOP, torch.inf)
        # Symmetry brings every bin to the side where the cdf is small and well resolved.
        mirrored = lower + upper > 0
        a = torch.where(mirrored, -upper, lower)
        b = torch.where(mirrored, -lower, upper)
        log_a, log_b = self.log_cdf(a), self.log_cdf(b)
        mass = log_b + torch.log(-torch.expm1(log_a - log_b))
        return mass.flatten(1).sum(1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        with torch.no_grad():
            return to_levels(self.pixels.sample(torch.Size(sample_shape))) / TOP
