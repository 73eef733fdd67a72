"""VAE/GAN: a VAE that reconstructs what a layer of the critic sees of x.

Larsen, Sønderby, Larochelle, Winther, Autoencoding beyond pixels using a learned similarity
metric, 2015, arXiv:1512.09300, section 2.3 and algorithm 1. The GAN is the paper's, minimax; the
authors' code weighs its real and generated halves alike, the paper and this sum three terms.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output, point
from aezoo.objectives.adversarial import held, right
from aezoo.objectives.configs import VAEGAN
from aezoo.objectives.terms import calibration, criterion, differentiable, drawn, rate_of, weighted


class VAEGANObjective(nn.Module):
    """Each part of the model has a loss of its own.

    The encoder: rate + feature error, L_prior + L_llike. The decoder: gamma * feature error -
    L_GAN, of reconstructions and of decoded draws from the prior. The critic: L_GAN. A learned
    prior and the likelihood's own scale follow the ELBO.
    """

    critic: nn.Module

    def __init__(self, config: VAEGAN):
        super().__init__()
        self.config = config
        self.critic_lr = config.critic_lr

    def attach(self, model: Any) -> None:
        if model.prior is None or model.capabilities.codes:
            raise CapabilityError(
                f"{model.spec}: the objective decodes draws from a prior over continuous "
                "latents; take a vae"
            )
        part: Any = self.config.critic
        self.critic = part.build(in_shape=tuple(model.input_shape))
        if not hasattr(self.critic, "features"):
            raise CapabilityError(
                f"{model.spec}: the objective compares features of its critic, and {part} does "
                "not give any; take critic=patch(64)"
            )

    def forward(self, model: Any, x: Tensor, output: Output) -> Losses:
        rate_of(model, output)
        z, x_hat = _latent(model, output), differentiable(model, output)
        losses = weighted(output, rate=1.0, penalty=1.0)
        with held(self.critic):
            with torch.no_grad():
                theirs = self._seen(x)[0]
            feature = feature_error(self._seen(x_hat)[0], theirs)
            # The same reconstruction once more, with a way to the decoder alone.
            ours, verdict = self._seen(_decoded(model, z.detach(), x, output))
            again = feature_error(ours, theirs)
            born = self.critic(_decoded(model, drawn(model, z, output), x, output))
        adversarial = -F.softplus(verdict).mean() - F.softplus(born).mean()  # log(1 - Dis)
        decoder = self.config.gamma * again + adversarial
        losses.total = losses.total + decoder + calibration(model, output)
        if feature.requires_grad and z.requires_grad:
            # Worth nothing, with the feature error's gradient for whatever z came from.
            (slope,) = torch.autograd.grad(feature, z, retain_graph=True)
            losses.total = losses.total + ((z - z.detach()) * slope).sum()
        losses.terms |= {"feature": feature.detach(), "adversarial": adversarial.detach()}
        losses.criterion = criterion(output)
        return losses

    def critic_losses(self, model: Any, x: Tensor, output: Output) -> Losses:
        z = _latent(model, output)
        with torch.no_grad():
            made = _decoded(model, drawn(model, z, output), x, output)
        real, fake, born = (self.critic(a) for a in (x, output.x_hat.detach(), made))
        total = F.softplus(-real).mean() + F.softplus(fake).mean() + F.softplus(born).mean()
        return Losses(total, {"critic": total.detach(), "critic_right": right(real, fake, born)})

    def _seen(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """What the chosen layer gives, and the verdict."""
        critic: Any = self.critic
        features = critic.features(x)
        try:
            return features[self.config.layer], features[-1]
        except IndexError:
            raise CapabilityError(
                f"{self.config.critic} has {len(features)} layers, counted from 0 to "
                f"{len(features) - 1} or from the end; there is no layer {self.config.layer}"
            ) from None


def feature_error(ours: Tensor, theirs: Tensor) -> Tensor:
    """-log N(theirs | ours, 1) without its constant, a sum over features; mean over the batch."""
    return 0.5 * (ours - theirs).square().flatten(1).sum(1).mean()


def _latent(model: Any, output: Output) -> Tensor:
    latent, *others = output.latents
    if others:
        raise CapabilityError(
            f"{model.spec}: the objective sends the encoder and the decoder different gradients "
            "through one z, and the latents have several levels; take a vae of one level"
        )
    return latent.z


def _cond(model: Any, output: Output) -> Tensor | None:
    """What `model.p` takes: the condition, unless the prior alone reads it."""
    return output.cond if model.cond is not None else None


def _decoded(model: Any, z: Tensor, x: Tensor, output: Output) -> Tensor:
    return point(model.p(z, _cond(model, output), size=tuple(x.shape[2:])))
