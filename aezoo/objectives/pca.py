"""Principal component analysis: the best linear autoencoder, in closed form.

Pearson, On Lines and Planes of Closest Fit to Systems of Points in Space, 1901,
doi:10.1080/14786440109462720. That a linear autoencoder trained by gradient ends in the same
subspace: Baldi and Hornik, Neural Networks and Principal Component Analysis, 1989,
doi:10.1016/0893-6080(89)90014-2.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from aezoo.components.likelihoods.location_scale import raw_of
from aezoo.components.nd import flat
from aezoo.components.posteriors.point import PointPosterior
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import PCA
from aezoo.objectives.linear import check_linear, put
from aezoo.objectives.moments import principal
from aezoo.objectives.terms import weighted


class PCAObjective:
    """The reconstruction error of ``ae(flatten,point(D),linear)``; `solve` finds its minimum.

    z are the D principal components of x - mean, from the largest variance to the smallest.
    """

    def __init__(self, config: PCA):
        pass

    def attach(self, model: Any) -> None:
        example = "ae(flatten,point(8),linear,objective=pca)"
        check_linear(model, "pca", example, posterior=PointPosterior, scales="any")

    def __call__(self, model: Any, x: object, output: Output) -> Losses:
        return weighted(output, distortion=1.0, penalty=1.0)

    @torch.no_grad()
    def solve(
        self,
        model: Any,
        batches: Iterable[tuple[Tensor, Tensor]],
        total: Callable[[Tensor], Tensor],
    ) -> None:
        """Set the weights; a learned sigma becomes the root of the mean squared error."""
        d, k = flat(model.input_shape), flat(model.latent_shape)
        mean, values, vectors = principal(batches, total, d)
        u = vectors[:, :k]
        put(model.bottleneck.project.weight, u.T)
        put(model.bottleneck.project.bias, -(u.T @ mean))
        put(model.decoder.project.weight, u)
        put(model.decoder.project.bias, mean)
        if model.likelihood.scale == "learned":
            put(model.likelihood.raw_scale, raw_of((values[k:].sum() / d).sqrt()))
