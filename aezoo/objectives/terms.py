"""The terms that objectives are sums of, each a mean over the batch in nats per sample."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.distributions import kl_divergence

from aezoo.errors import CapabilityError
from aezoo.latents import Latent, Losses, Output, mean_of, normals


def terms(output: Output) -> dict[str, Tensor]:
    """The distortion, and the rate and penalty where the model has them; with gradient."""
    found = {"distortion": output.distortion, "rate": output.rate, "penalty": output.penalty}
    return {name: value.mean() for name, value in found.items() if value is not None}


def weighted(output: Output, **weights: float) -> Losses:
    """The sum of the named terms, each with its weight; terms a model lacks count nothing."""
    parts = terms(output)
    used = [parts[name] * weight for name, weight in weights.items() if name in parts]
    total = sum(used, parts["distortion"].new_zeros(()))
    return Losses(total, {name: value.detach() for name, value in parts.items()})


def criterion(output: Output) -> Tensor:
    """-ELBO, or the distortion where there is no bound: what chooses the best weights."""
    elbo = output.elbo
    return (output.distortion if elbo is None else -elbo).mean().detach()


def rate_of(model: Any, output: Output) -> Tensor:
    """(B,) nats.

    Raises:
        CapabilityError: the model has none.
    """
    if output.rate is None:
        raise CapabilityError(
            f"{model.spec}: the objective needs a rate, and a plain autoencoder has none; "
            "take a vae"
        )
    return output.rate


def differentiable(model: Any, output: Output) -> Tensor:
    """x_hat (B, C, *S), the mean of p(x|z), through which a gradient reaches the decoder.

    Raises:
        CapabilityError: p(x|z) has no mean, and a draw in its place no gradient.
    """
    if mean_of(output.p) is None:
        raise CapabilityError(
            f"{model.spec}: the objective looks at the mean of p(x|z), and the likelihood "
            f"{model.bound.config.likelihood} has none in closed form; take gaussian or laplace"
        )
    return output.x_hat


def calibration(model: Any, output: Output) -> Tensor:
    """Zero, with the gradient of -log p(x|z) for the likelihood's own weights alone.

    For objectives that compare x and x_hat in another way: a learned scale of the pixels then
    still is what it says, and so is the ELBO.
    """
    nats = output.distortion.mean()
    own = [p for p in model.likelihood.parameters() if p.requires_grad]
    if not own or not nats.requires_grad:
        return nats.new_zeros(())
    slopes = torch.autograd.grad(nats, own, retain_graph=True)
    parts = [((p - p.detach()) * slope).sum() for p, slope in zip(own, slopes, strict=True)]
    return torch.stack(parts).sum()


def one_latent(model: Any, output: Output) -> Latent:
    """The latent of a model that has a single one.

    Raises:
        CapabilityError: it is of several levels.
    """
    latent, *others = output.latents
    if others or latent.p is not None:
        raise _one_level(model)
    return latent


def check_one_level(model: Any) -> None:
    """The same of a model alone, before there is an output.

    Raises:
        CapabilityError: its latents are of several levels.
    """
    if getattr(model.bottleneck, "several_levels", False):
        raise _one_level(model)


def _one_level(model: Any) -> CapabilityError:
    return CapabilityError(
        f"{model.spec}: the objective looks at one latent of a sample, and this model's are of "
        "several levels; take elbo, beta, annealing, capacity, free_bits, iwae, miwae or ciwae"
    )


def check_prior(model: Any) -> None:
    """Raises CapabilityError unless the latents are continuous and have a prior to be near to."""
    if model.prior is None or model.capabilities.codes:
        raise CapabilityError(
            f"{model.spec}: the objective draws continuous latents to a prior; name one, "
            "prior=normal"
        )


@torch.no_grad()
def drawn(model: Any, z: Tensor, output: Output) -> Tensor:
    """As many draws from the prior as there are z (B, D, *L), under the same conditions."""
    cond = model.embed_for_prior(output.cond)
    return model.prior.sample(len(z), shape=tuple(z.shape[1:]), cond=cond).to(z)


def mean_and_scale(model: Any, output: Output) -> tuple[Tensor, Tensor]:
    """Of q(z|x), independent normals: two tensors (B, D), spatial axes among D.

    Raises:
        CapabilityError: q is something else.
    """
    q = normals(one_latent(model, output).q)
    if q is None:
        raise CapabilityError(
            f"{model.spec}: the objective needs a q(z|x) of independent normals; take the "
            "posterior gaussian"
        )
    return q.loc.flatten(1), q.scale.flatten(1)


def kl_of_channels(model: Any, output: Output) -> Tensor:
    """KL(q(z|x) | p(z)) of each latent channel, (B, D), summed over its places.

    Of a hierarchy the channels of every level, given the z drawn above, one after the other.

    Raises:
        CapabilityError: q or the prior is not independent normals.
    """
    return torch.cat([_kl_of_channels(model, latent) for latent in output.latents], dim=1)


def _kl_of_channels(model: Any, latent: Latent) -> Tensor:
    p = latent.p
    if p is None and model.prior is not None and not model.capabilities.codes:
        p = model.prior.distribution(latent.z)
    q, p = normals(latent.q), normals(p)
    if q is None or p is None:
        raise CapabilityError(
            f"{model.spec}: the objective needs the KL of each latent channel, which independent "
            "normals have; take the posterior gaussian with the prior normal"
        )
    return kl_divergence(q, p).flatten(2).sum(2) if latent.z.ndim > 2 else kl_divergence(q, p)
