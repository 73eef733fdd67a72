"""Sparse autoencoders: a price on active latents.

L1: Olshausen, Field, Emergence of simple-cell receptive field properties by learning a sparse
code for natural images, 1996, doi:10.1038/381607a0. KL: Ng, Sparse autoencoder, CS294A lecture
notes, 2011, section 3, of units between 0 and 1: the latent's sigmoid here.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from aezoo.components.nd import wide
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import KLSparse, L1Sparse
from aezoo.objectives.terms import one_latent, weighted


class L1Objective:
    """distortion + weight * sum |z_d|, mean over the batch."""

    def __init__(self, config: L1Sparse):
        self.weight = config.weight

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        sizes = one_latent(model, output).z.abs().flatten(1).sum(1)
        return _priced(output, self.weight * sizes.mean())


class KLObjective:
    """distortion + weight * sum over units of KL(rho | the batch's mean activation)."""

    def __init__(self, config: KLSparse):
        self.config = config

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        active = wide(one_latent(model, output).z).sigmoid().flatten(1).mean(0)
        return _priced(output, self.config.weight * bernoulli_kl(self.config.rho, active).sum())


def bernoulli_kl(rho: float, active: Tensor) -> Tensor:
    """KL(Bernoulli(rho) | Bernoulli(active)) in nats, elementwise."""
    p = torch.as_tensor(rho, dtype=active.dtype, device=active.device)
    active = active.clamp(1e-6, 1 - 1e-6)
    return p * (p / active).log() + (1 - p) * ((1 - p) / (1 - active)).log()


def _priced(output: Output, price: Tensor) -> Losses:
    losses = weighted(output, distortion=1.0, penalty=1.0)
    losses.total = losses.total + price
    losses.terms["sparsity"] = price.detach()
    return losses
