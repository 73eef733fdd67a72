"""DIP-VAE: the aggregate posterior's covariance is drawn to the identity.

Kumar, Sattigeri, Balakrishnan, Variational Inference of Disentangled Latent Concepts from
Unlabeled Observations, 2017, arXiv:1711.00848, equations 5 to 7. Kind I looks at the
covariance of the means, II at that of z itself, which adds the mean of the variances.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import DIP
from aezoo.objectives.terms import criterion, mean_and_scale, weighted


class DIPObjective:
    """-ELBO + off * sum of cov_ij^2 (i != j) + diagonal * sum of (cov_ii - 1)^2 + penalties."""

    def __init__(self, config: DIP):
        self.config = config

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, rate=1.0, penalty=1.0)
        mean, scale = mean_and_scale(model, output)
        found = covariance(mean)
        if self.config.kind == 2:
            found = found + scale.square().mean(0).diag()
        diagonal = found.diagonal()
        apart = found.square().sum() - diagonal.square().sum()
        penalty = self.config.off * apart + self.config.diagonal * (diagonal - 1).square().sum()
        losses.total = losses.total + penalty
        losses.terms["dip"] = penalty.detach()
        losses.criterion = criterion(output)
        return losses


def covariance(rows: Tensor) -> Tensor:
    """(B, D) -> (D, D), divided by B."""
    centred = rows - rows.mean(0)
    return torch.einsum("bi,bj->ij", centred, centred) / len(rows)
