"""Contractive autoencoder: a price on the encoder's Jacobian.

Rifai et al., Contractive Auto-Encoders: Explicit Invariance During Feature Extraction, 2011,
ICML, equation 7: the squared Frobenius norm of dz/dx, here exact, a pass backwards a latent.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import Contractive
from aezoo.objectives.terms import one_latent, weighted


class ContractiveObjective:
    """distortion + weight * |dz/dx|_F^2 + penalties; z is the posterior's mode."""

    def __init__(self, config: Contractive):
        self.weight = config.weight

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        one_latent(model, output)
        if torch.is_grad_enabled():  # validation has no graph to go back through
            price = self.weight * jacobian_norm(model, x, output.cond).mean()
            losses.total = losses.total + price
            losses.terms["contraction"] = price.detach()
        losses.criterion = output.distortion.mean().detach()
        return losses


@torch.compiler.disable()  # which cannot go backwards twice
def jacobian_norm(model: Any, x: Tensor, cond: Tensor | None = None) -> Tensor:
    """|dz/dx|_F^2 of every sample, (B,), with a graph of its own gradient.

    Raises:
        CapabilityError: z is discrete.
    """
    x = x.detach().requires_grad_()
    z = model.encode(x, cond).z.flatten(1)
    if not z.requires_grad:
        raise CapabilityError(
            f"{model.spec}: the objective weighs the encoder's Jacobian, which the mode of a "
            "discrete q(z|x) has not; take the posterior point, or gaussian"
        )
    total = x.new_zeros(len(x))
    for d in range(z.shape[1]):  # samples do not mix, so their sum's gradient is each one's own
        (gradient,) = torch.autograd.grad(z[:, d].sum(), x, create_graph=True)
        total = total + gradient.square().flatten(1).sum(1)
    return total
