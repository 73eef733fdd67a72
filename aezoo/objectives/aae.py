"""Adversarial autoencoder: a critic draws the aggregate posterior to the prior.

Makhzani, Shlens, Jaitly, Goodfellow, Frey, Adversarial Autoencoders, 2015, arXiv:1511.05644,
section 2; with the non-saturating loss of Goodfellow et al. 2014, arXiv:1406.2661.
"""

from __future__ import annotations

from typing import Any

import torch.nn.functional as F
from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.adversarial import held
from aezoo.objectives.configs import AAE
from aezoo.objectives.terms import check_one_level, check_prior, drawn, weighted


class AAEObjective(nn.Module):
    """distortion + weight * (-log of the critic's probability that z is from the prior)."""

    critic: nn.Module

    def __init__(self, config: AAE):
        super().__init__()
        self.config = config
        self.critic_lr = config.critic_lr

    def attach(self, model: Any) -> None:
        check_one_level(model)
        check_prior(model)
        part: Any = self.config.critic
        self.critic = part.build(in_shape=tuple(model.latent_shape))

    def forward(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        with held(self.critic):
            fooled = F.softplus(-self.critic(output.latents[0].z)).mean()
        losses.total = losses.total + self.config.weight * fooled
        losses.terms["adversarial"] = fooled.detach()
        losses.criterion = output.distortion.mean().detach()
        return losses

    def critic_losses(self, model: Any, x: object, output: Output) -> Losses:
        z = output.latents[0].z.detach()
        real = self.critic(drawn(model, z, output))
        fake = self.critic(z)
        total = 0.5 * (F.softplus(-real) + F.softplus(fake)).mean()
        right = 0.5 * ((real > 0).float() + (fake < 0).float()).mean()
        return Losses(total, {"critic": total.detach(), "critic_right": right})
