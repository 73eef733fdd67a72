"""FactorVAE: the total correlation by the ratio of densities that a critic learns.

Kim, Mnih, Disentangling by Factorising, 2018, arXiv:1802.05983, equations 2 and 3, algorithm 1.
The critic is shown the batch that the model has just seen, where the paper draws a second one.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.latents import Losses, Output
from aezoo.objectives.adversarial import held
from aezoo.objectives.configs import Factor
from aezoo.objectives.terms import check_one_level, criterion, weighted


class FactorObjective(nn.Module):
    """-ELBO + gamma * (mean logit of the critic at z) + penalties.

    The critic tells z, q(z), from z whose dimensions were shuffled over the batch, prod q(z_d).
    """

    critic: nn.Module

    def __init__(self, config: Factor):
        super().__init__()
        self.config = config
        self.critic_lr = config.critic_lr

    def attach(self, model: Any) -> None:
        check_one_level(model)
        part: Any = self.config.critic
        self.critic = part.build(in_shape=tuple(model.latent_shape))

    def forward(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, rate=1.0, penalty=1.0)
        with held(self.critic):
            correlation = self.critic(output.latents[0].z).mean()
        losses.total = losses.total + self.config.gamma * correlation
        losses.terms["total_correlation"] = correlation.detach()
        losses.criterion = criterion(output)
        return losses

    def critic_losses(self, model: nn.Module, x: object, output: Output) -> Losses:
        z = output.latents[0].z.detach()
        joint, apart = self.critic(z), self.critic(shuffled(z))
        total = 0.5 * (F.softplus(-joint) + F.softplus(apart)).mean()
        right = 0.5 * ((joint > 0).float() + (apart < 0).float()).mean()
        return Losses(total, {"critic": total.detach(), "critic_right": right})


def shuffled(z: Tensor) -> Tensor:
    """z (B, D, *L) with each dimension permuted over the batch by itself."""
    flat = z.flatten(1)
    order = torch.rand(flat.shape, device=z.device).argsort(0)
    return flat.gather(0, order).reshape(z.shape)
