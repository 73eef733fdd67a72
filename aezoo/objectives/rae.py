"""Regularised autoencoders: no noise, but a price on z and on the decoder's slope.

Ghosh, Sajjadi, Vergari, Black, Schölkopf, From Variational to Deterministic Autoencoders, 2019,
arXiv:1903.12436, equations 11 and 12. RAE-L2's price on the decoder's weights is the trainer's
``weight_decay``; a prior fitted afterwards makes a generator of the model (section 4).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aezoo.latents import Losses, Output
from aezoo.objectives.configs import RAE
from aezoo.objectives.terms import one_latent, weighted


class RAEObjective:
    """distortion + beta * |z|^2 / 2 + gradient * |d mean / dz|^2 + penalties.

    The slope is that of the sum of the reconstruction's values: one pass backwards in place of one
    a value. The authors' code has it of the sum of their squares.
    """

    def __init__(self, config: RAE):
        self.config = config

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        z = one_latent(model, output).z
        size = 0.5 * z.square().flatten(1).sum(1).mean()
        losses.total = losses.total + self.config.beta * size
        losses.criterion = losses.total.detach()
        losses.terms["half_z_squared"] = size.detach()
        if self.config.gradient and torch.is_grad_enabled():
            slope = decoder_slope(model, z, output.cond).mean()
            losses.total = losses.total + self.config.gradient * slope
            losses.terms["slope"] = slope.detach()
        return losses


@torch.compiler.disable()  # which cannot go backwards twice
def decoder_slope(model: Any, z: Tensor, cond: Tensor | None = None) -> Tensor:
    """|d sum(mean of p(x|z)) / dz|^2 of every sample, (B,), with a graph of its own gradient."""
    z = z if z.requires_grad else z.detach().requires_grad_()
    (gradient,) = torch.autograd.grad(model.decode(z, cond).sum(), z, create_graph=True)
    return gradient.square().flatten(1).sum(1)
