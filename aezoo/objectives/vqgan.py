"""VQGAN: a reconstruction that looks right, to a network and to a critic of patches.

Esser, Rombach, Ommer, Taming Transformers for High-Resolution Image Synthesis, 2020,
arXiv:2012.09841, section 3.1. As in the authors' code, the GAN has hinge losses where the paper's
equation 5 writes logarithms, starts late for both sides, and the perceptual term comes with the
pixels' own, L_1 with likelihood=laplace. The adaptive weight is equation 7 with its delta.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.latents import Losses, Output
from aezoo.objectives.adversarial import balance, held, hinge, last_kernel, right
from aezoo.objectives.configs import VQGAN
from aezoo.objectives.perceptual import Perceptual, angular
from aezoo.objectives.terms import criterion, differentiable, weighted

DELTA = 1e-6  # of equation 7


class VQGANObjective(nn.Module):
    """distortion + rate + penalty + perceptual + weight * lambda * (-the critic's verdict).

    The codebook's terms are the penalty. The perceptual distance counts once for each value of x,
    as the distortion does. Where no gradients are recorded, in validation, lambda is 0.
    """

    critic: nn.Module
    perceptual: Perceptual | None

    def __init__(self, config: VQGAN):
        super().__init__()
        self.config = config
        self.critic_lr = config.critic_lr
        self.started = config.start == 0
        self.perceptual = None
        if config.network is not None and config.perceptual > 0:
            self.perceptual = Perceptual(
                config.network, config.layers, pretrained=config.pretrained
            )

    def attach(self, model: Any) -> None:
        if self.perceptual is not None:
            self.perceptual.attach(model)
        part: Any = self.config.critic
        self.critic = part.build(in_shape=tuple(model.input_shape))

    def schedule(self, step: int, total: int) -> None:
        self.started = step >= self.config.start

    def forward(self, model: Any, x: Tensor, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, rate=1.0, penalty=1.0)
        x_hat = differentiable(model, output)
        looks = self._looks(model, x, x_hat)
        verdict = weight = looks.new_zeros(())
        if self.started and x_hat.requires_grad:
            with held(self.critic):
                verdict = -self.critic(x_hat).mean()
            kernel = last_kernel(model, model.decoder)
            weight = balance(output.distortion.mean() + looks, verdict, kernel, DELTA)
        losses.total = losses.total + looks + self.config.weight * weight * verdict
        losses.terms |= {"adversarial": verdict.detach(), "lambda": weight}
        if self.perceptual is not None:
            losses.terms["perceptual"] = looks.detach()
        losses.criterion = criterion(output) + looks.detach()
        return losses

    def critic_losses(self, model: Any, x: Tensor, output: Output) -> Losses:
        real, fake = self.critic(x), self.critic(output.x_hat.detach())
        total = hinge(real, fake) * float(self.started)
        return Losses(total, {"critic": total.detach(), "critic_right": right(real, fake)})

    def _looks(self, model: Any, x: Tensor, x_hat: Tensor) -> Tensor:
        if self.perceptual is None:
            return x_hat.new_zeros(())
        with torch.no_grad():
            theirs = self.perceptual(x, model.input_range)
        distance = angular(self.perceptual(x_hat, model.input_range), theirs).mean()
        return self.config.perceptual * math.prod(x.shape[1:]) * distance
