"""Free bits: nats that a latent channel may carry without paying.

Kingma et al., Improving Variational Inference with Inverse Autoregressive Flow, 2016,
arXiv:1606.04934, appendix C.8.
"""

from __future__ import annotations

from torch import nn

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import FreeBits
from aezoo.objectives.terms import criterion, kl_of_channels, weighted


class FreeBitsObjective:
    """distortion + sum over latent channels of max(nats, the batch's mean KL) + penalties.

    A channel is summed over its places. The best weights are chosen by the ELBO.
    """

    def __init__(self, config: FreeBits):
        self.nats = config.nats

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        paid = kl_of_channels(model, output).mean(0).clamp(min=self.nats)
        losses.total = losses.total + paid.sum()
        losses.criterion = criterion(output)
        return losses
