"""Deep feature consistent VAE: x and its reconstruction compared in a network's features.

Hou, Shen, Sun, Qiu, Deep Feature Consistent Variational Autoencoder, 2016, arXiv:1610.00291,
section 3.2. The network is any of timm's; its maps end a stage (relu1_2, relu2_2, relu3_4 of
VGG-19), where the paper takes the first of each (relu1_1, relu2_1, relu3_1).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import DFC
from aezoo.objectives.perceptual import Perceptual, squared
from aezoo.objectives.terms import calibration, differentiable, weighted


class DFCObjective(nn.Module):
    """alpha * rate + beta * the mean squared difference of features + penalties.

    -log p(x|z) counts nothing for the networks; it keeps a likelihood's own scale calibrated,
    so that the model's ELBO is what it says.
    """

    def __init__(self, config: DFC):
        super().__init__()
        self.config = config
        self.perceptual = Perceptual(config.network, config.layers, pretrained=config.pretrained)

    def attach(self, model: Any) -> None:
        self.perceptual.attach(model)

    def forward(self, model: Any, x: Tensor, output: Output) -> Losses:
        losses = weighted(output, rate=self.config.alpha, penalty=1.0)
        x_hat = differentiable(model, output)
        with torch.no_grad():
            theirs = self.perceptual(x, model.input_range)
        feature = squared(self.perceptual(x_hat, model.input_range), theirs).mean()
        losses.total = losses.total + self.config.beta * feature + calibration(model, output)
        losses.terms["feature"] = feature.detach()
        return losses
