"""The likelihood of models whose training had none.

They were trained with perceptual and adversarial losses (Esser, Rombach, Ommer, Taming
Transformers, 2021, arXiv:2012.09841, section 3.1), and no p(x|z) of the data is left in their
weights. A Gaussian put in its place would give a bound that depends on a sigma of our
choosing. So there is none: ``model.capabilities.bound`` is None, and the rate remains.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from aezoo_diffusers import configs


class DistanceLikelihood(nn.Module):
    """params (B,C,*S) -> x_hat, and half the squared distance to it as a score.

    Pixels of ``mean`` are cut to [0,1], as diffusers' image processor does; the score sees
    them uncut, so that its gradient pulls them back. Audio is left as it is.
    """

    density = False

    def __init__(self, config: configs.Distance, *, shape: tuple[int, ...]):
        super().__init__()
        self.audio = config.audio
        self.range = (-1.0, 1.0) if config.audio else (0.0, 1.0)
        self.param_channels = shape[0]

    def forward(self, params: Tensor) -> Distance:
        return Distance(params, None if self.audio else (0.0, 1.0))


class Distance(Distribution):
    """A point x_hat with the score -|x - params|^2 / 2: no density, though it has the methods."""

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, params: Tensor, limits: tuple[float, float] | None):
        self.params, self.limits = params, limits
        super().__init__(params.shape[:1], params.shape[1:], validate_args=False)

    @property
    def mean(self) -> Tensor:
        """(B,C,*S), within the limits."""
        return self.params if self.limits is None else self.params.clamp(*self.limits)

    def log_prob(self, x: Tensor) -> Tensor:
        """(B,): minus half the squared distance, summed over (C,*S)."""
        return -0.5 * (x - self.params).square().flatten(1).sum(1)

    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        return self.mean.detach().expand(*torch.Size(sample_shape), *self.params.shape)
