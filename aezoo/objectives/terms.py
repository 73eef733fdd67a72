"""The terms that objectives are sums of, each a mean over the batch in nats per sample."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from torch.distributions import kl_divergence

from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output, normals


def terms(output: Output) -> dict[str, Tensor]:
    """The distortion, and the rate and penalty where the model has them; with gradient."""
    found = {"distortion": output.distortion, "rate": output.rate, "penalty": output.penalty}
    return {name: value.mean() for name, value in found.items() if value is not None}


def weighted(output: Output, **weights: float) -> Losses:
    """The sum of the named terms, each with its weight; terms a model lacks count nothing."""
    parts = terms(output)
    used = [parts[name] * weight for name, weight in weights.items() if name in parts]
    return Losses(sum(used[1:], used[0]), {name: value.detach() for name, value in parts.items()})


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


def mean_and_scale(model: Any, output: Output) -> tuple[Tensor, Tensor]:
    """Of q(z|x), independent normals: two tensors (B, D), spatial axes among D.

    Raises:
        CapabilityError: q is something else.
    """
    q = normals(output.latents[0].q)
    if q is None or len(output.latents) > 1:
        raise CapabilityError(
            f"{model.spec}: the objective needs a q(z|x) of independent normals; take the "
            "posterior gaussian"
        )
    return q.loc.flatten(1), q.scale.flatten(1)


def kl_of_channels(model: Any, output: Output) -> Tensor:
    """KL(q(z|x) | p(z)) of each latent channel, (B, D), summed over its places.

    Raises:
        CapabilityError: q or the prior is not independent normals.
    """
    latent = output.latents[0]
    q, p = normals(latent.q), normals(model.prior.distribution(latent.z) if model.prior else None)
    if q is None or p is None or len(output.latents) > 1:
        raise CapabilityError(
            f"{model.spec}: the objective needs the KL of each latent channel, which independent "
            "normals have; take the posterior gaussian with the prior normal"
        )
    return kl_divergence(q, p).flatten(2).sum(2) if latent.z.ndim > 2 else kl_divergence(q, p)
