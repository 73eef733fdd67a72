"""beta-TCVAE: only the total correlation of the latents is weighed.

Chen, Li, Grosse, Duvenaud, Isolating Sources of Disentanglement in Variational Autoencoders,
2018, arXiv:1802.04942, equations 2 and 4.

E KL(q(z|x) | p(z)) = I(x; z) + KL(q(z) | prod q(z_d)) + sum KL(q(z_d) | p(z_d)). Here q(z) is
the mixture of the batch's posteriors. The paper's weights of a minibatch (equation S1) differ
from that by a constant that depends on the data set's size: the gradients are the same.
"""

from __future__ import annotations

import math
from typing import Any

from torch import Tensor

from aezoo.components.priors.exact import log_prob
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import BTCVAE
from aezoo.objectives.terms import criterion, mean_and_scale, weighted


class BTCVAEObjective:
    """distortion + alpha * I(x; z) + beta * TC + gamma * sum of the dimensions' KL + penalties."""

    def __init__(self, config: BTCVAE):
        self.config = config

    def __call__(self, model: Any, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        mean, scale = mean_and_scale(model, output)
        z = output.latents[0].z.flatten(1)
        told = model.embed_for_prior(output.cond)
        log_p = log_prob(model.prior, output.latents[0].z, told)
        information, correlation, apart = decomposed(z, mean, scale, log_p)
        c = self.config
        losses.total = losses.total + c.alpha * information + c.beta * correlation + c.gamma * apart
        losses.terms["total_correlation"] = correlation.detach()
        losses.criterion = criterion(output)
        return losses


def decomposed(
    z: Tensor, mean: Tensor, scale: Tensor, log_p: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """The three parts of the mean of log q(z|x) - log p(z), scalars in nats.

    Args:
        z: (B, D), drawn from the normals (mean, scale), each (B, D).
        log_p: log p(z), (B,).
    """
    n = len(z)
    u = (z[:, None] - mean[None]) / scale[None]  # (drawn, posterior, D)
    log_q = -0.5 * u.square() - scale.log()[None] - 0.5 * math.log(2 * math.pi)
    own = log_q.diagonal().sum(0)  # (B,): the diagonal's axis is the last one
    joint = log_q.sum(2).logsumexp(1) - math.log(n)
    single = (log_q.logsumexp(1) - math.log(n)).sum(1)
    return (own - joint).mean(), (joint - single).mean(), (single - log_p).mean()
