"""The latent of a plain autoencoder: a linear map of the features, and nothing random."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from aezoo.components.nd import pointwise
from aezoo.components.posteriors.configs import Point
from aezoo.latents import Latent


class PointPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L)."""

    deterministic: ClassVar[bool] = True  # no q(z|x), so a vae has no bound with it

    def __init__(self, config: Point, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.project = pointwise(len(in_shape) - 1, in_shape[0], config.dim)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        return Latent(z=self.project(h))
