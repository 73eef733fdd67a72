"""The latent of a dropout autoencoder: Srivastava et al. 2014, section 4; of autoencoders 7.1, 7.2.

What is kept is scaled by 1 / (1 - p) in training, where the paper scales the weights by 1 - p
afterwards: the same in expectation, and the weights need no second form.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from aezoo.components import draws
from aezoo.components.nd import wide
from aezoo.components.posteriors.configs import Dropout, Point
from aezoo.components.posteriors.point import PointPosterior
from aezoo.latents import Latent


class DropoutPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L): in training each value is zero with probability p."""

    deterministic: ClassVar[bool] = True  # no q(z|x), so a vae has no bound with it

    def __init__(self, config: Dropout, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.point = PointPosterior(Point(config.dim), in_shape=in_shape)
        self.in_shape, self.out_shape = in_shape, self.point.out_shape
        self.p = config.p

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        z = self.point(h).z
        if self.training:
            kept = draws.uniform(z.shape, wide(z), generator) >= self.p
            z = z * kept / (1 - self.p)
        return Latent(z=z)
