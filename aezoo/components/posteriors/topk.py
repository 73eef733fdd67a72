"""The k-sparse autoencoder's latent: Makhzani, Frey 2013, arXiv:1312.5663, algorithm 1."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.nd import flat
from aezoo.components.posteriors.configs import Point, TopK
from aezoo.components.posteriors.point import PointPosterior
from aezoo.errors import ShapeError
from aezoo.latents import Latent


class TopKPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L): the k largest of a sample's D * L values, all others zero.

    The gradient passes the k alone.
    """

    deterministic = True  # no q(z|x), so a vae has no bound with it

    def __init__(self, config: TopK, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.point = PointPosterior(Point(config.dim), in_shape=in_shape)
        self.in_shape, self.out_shape = in_shape, self.point.out_shape
        self.k = config.k
        if self.k > flat(self.out_shape):
            raise ShapeError(
                f"topk keeps k={self.k} of the {flat(self.out_shape)} values of a latent "
                f"{self.out_shape}; take a smaller k or a larger dim"
            )

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        z = self.point(h).z
        kept = z.flatten(1).topk(self.k, dim=1).indices
        mask = torch.zeros_like(z.flatten(1)).scatter(1, kept, 1.0)
        return Latent(z=z * mask.view_as(z))
