"""What the objectives with a closed form ask of the model: that it is linear, and Gaussian."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from aezoo.components.decoders.linear import LinearDecoder
from aezoo.components.encoders.flatten import FlattenEncoder
from aezoo.components.likelihoods.gaussian import GaussianLikelihood
from aezoo.components.nd import flat
from aezoo.errors import CapabilityError


def check_linear(model: Any, name: str, example: str, *, posterior: type, scales: str) -> None:
    """Raises CapabilityError where the model is not one that ``name`` has the solution of."""
    scale = getattr(model.likelihood, "scale", None)
    fits = (
        isinstance(model.encoder, FlattenEncoder)
        and isinstance(model.decoder, LinearDecoder)
        and isinstance(model.bottleneck, posterior)
        and isinstance(model.likelihood, GaussianLikelihood)
        and (scale == "learned" or (scales == "any" and scale != "pixel"))
        and model.cond is None
        and model.corruption is None
    )
    if not fits:
        raise CapabilityError(
            f"{model.spec}: {name} has a closed form for the linear model alone, without a "
            f"condition or a corruption; write {example}"
        )
    most = flat(model.input_shape) - (scales == "learned")  # else nothing is left for the noise
    if flat(model.latent_shape) > most:
        raise CapabilityError(
            f"{model.spec}: {name} of {flat(model.input_shape)} values has at most {most} "
            f"components, not {flat(model.latent_shape)}"
        )


def put(parameter: Tensor, value: Tensor) -> None:
    """Copy ``value`` into a parameter, in its own dtype and on its device."""
    parameter.data.copy_(value)
