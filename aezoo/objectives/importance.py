"""Importance-weighted bounds, and what estimates their gradients.

Burda, Grosse, Salakhutdinov, Importance Weighted Autoencoders, 2015, arXiv:1509.00519 (IWAE,
equation 8).
Rainforth et al., Tighter Variational Bounds are Not Necessarily Better, 2018, arXiv:1802.04537
(MIWAE, CIWAE and PIWAE, section 5).
Tucker, Lawson, Gu, Maddison, Doubly Reparameterized Gradient Estimators for Monte Carlo
Objectives, 2018, arXiv:1810.04152 (DReG, equation 8).

w_i = p(x, z_i) / q(z_i|x) for k draws; the bound is log (1/k) sum w_i.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

from aezoo.components.priors.exact import check_weights
from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output, normals
from aezoo.objectives.configs import CIWAE, IWAE, MIWAE, PIWAE, DReG
from aezoo.objectives.terms import one_latent


class IWAEObjective:
    """-log (1/k) sum w_i."""

    def __init__(self, config: IWAE):
        self.k = config.k

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        return _losses(bound(log_weights(model, x, output, self.k)), output)


class MIWAEObjective:
    """-(1/m) sum over m groups of log (1/k) sum w_i: the same bound with less noise."""

    def __init__(self, config: MIWAE):
        self.m, self.k = config.m, config.k

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        drawn = log_weights(model, x, output, self.m * self.k)
        groups = drawn.unflatten(0, (self.m, self.k))
        return _losses(bound(groups, dim=1).mean(0), output)


class CIWAEObjective:
    """-(beta * ELBO + (1 - beta) * IWAE bound), both of the same k draws."""

    def __init__(self, config: CIWAE):
        self.k, self.beta = config.k, config.beta

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        drawn = log_weights(model, x, output, self.k)
        mixed = self.beta * drawn.mean(0) + (1 - self.beta) * bound(drawn)
        return _losses(mixed, output)


class PIWAEObjective:
    """The decoder's side learns from the IWAE bound of m * k draws, the encoder's from MIWAE."""

    def __init__(self, config: PIWAE):
        self.m, self.k = config.m, config.k

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        first = _given(model, output)
        h = model.features(x, output.cond)
        latents = [first, *(_draw(model, x, h, output) for _ in range(self.m * self.k - 1))]
        generative = model.decoder, model.likelihood, model.prior, model.cond, model.prior_cond
        with _frozen(*generative):
            theirs = torch.stack([_log_weight(model, x, output.cond, *z) for z in latents])
        groups = theirs.unflatten(0, (self.m, self.k))
        encoders = bound(groups, dim=1).mean(0)
        constant = [(z.detach(), _detached(model, q)) for z, q in latents]
        ours = torch.stack([_log_weight(model, x, output.cond, *z) for z in constant])
        decoders = bound(ours)
        losses, other = _losses(decoders, output), _losses(encoders, output)
        # Its value is the bound of all draws; the gradient of the other part is added.
        total = losses.total + (other.total - other.total.detach())
        return Losses(total, losses.terms)


class DReGObjective:
    """The IWAE bound, with the doubly reparameterised gradient for the encoder's side.

    Through z the gradient of log w_i counts w~_i^2, for the decoder's weights w~_i, where w~ are
    the normalised weights; q's own dependence on its parameters is left out.
    """

    def __init__(self, config: DReG):
        self.k = config.k

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        weights: list[Tensor] = []  # filled below, read when the gradient comes back

        def hung(z: Tensor, i: int) -> Tensor:
            # The gradient of the bound is sum w~_i grad log w_i; this adds the second w~_i.
            if z.requires_grad:
                z.register_hook(lambda g: g * _expanded(weights[0][i], g))
            return z

        z, q = _given(model, output)
        drawn = [_first(model, output, hung(z, 0), _detached(model, q))]
        h = model.features(x, output.cond)
        for i in range(1, self.k):
            z, q = _draw(model, x, h, output)
            constant = _detached(model, q)
            drawn.append(_log_weight(model, x, output.cond, hung(z, i), constant))
        log_w = torch.stack(drawn)
        weights.append(log_w.detach().softmax(0))
        return _losses(bound(log_w), output)


def log_weights(model: Any, x: Tensor, output: Output, k: int) -> Tensor:
    """log w_i of k draws, the pass's own the first: (k, B) nats.

    Raises:
        CapabilityError: the model has no q(z|x), or a prior without weights in training.
    """
    cond = output.cond
    if any(latent.q is None for latent in output.latents):
        raise _no_posterior(model)
    check_weights(model)
    found = [-output.distortion - model.log_ratio(output.latents, cond)]
    h = model.features(x, cond) if k > 1 else None
    for _ in range(k - 1):
        latent = model.infer(h, cond, x=x, sample=True)
        log_p = model.p(latent.z, cond, size=tuple(x.shape[2:])).log_prob(x)
        found.append(log_p - model.log_ratio(latent.levels or (latent,), cond))
    return torch.stack(found)


def bound(log_w: Tensor, dim: int = 0) -> Tensor:
    """log of the mean of w over ``dim``."""
    return log_w.logsumexp(dim) - math.log(log_w.shape[dim])


def _draw(model: Any, x: Tensor, h: Tensor, output: Output) -> tuple[Tensor, Distribution]:
    latent = model.infer(h, output.cond, x=x, sample=True)
    return latent.z, latent.q


def _given(model: Any, output: Output) -> tuple[Tensor, Distribution]:
    """The draw of the ordinary pass."""
    latent = one_latent(model, output)
    if latent.q is None:
        raise _no_posterior(model)
    check_weights(model)
    return latent.z, latent.q


def _no_posterior(model: Any) -> CapabilityError:
    return CapabilityError(
        f"{model.spec}: importance weights need a q(z|x); take a vae, with the posterior gaussian"
    )


def _first(model: Any, output: Output, z: Tensor, q: Distribution) -> Tensor:
    """log w of the ordinary pass, whose p(x|z) is known: (B,)."""
    log_p = model.prior.log_prob(z, model.embed_for_prior(output.cond))
    return log_p - q.log_prob(z) - output.distortion


def _log_weight(model: Any, x: Tensor, cond: Tensor | None, z: Tensor, q: Distribution) -> Tensor:
    log_p = model.p(z, cond, size=tuple(x.shape[2:])).log_prob(x)
    return log_p + model.prior.log_prob(z, model.embed_for_prior(cond)) - q.log_prob(z)


def _detached(model: Any, q: Distribution) -> Distribution:
    """q with its parameters as constants."""
    normal = normals(q)
    if normal is None:
        raise CapabilityError(
            f"{model.spec}: this estimator needs a q(z|x) of independent normals; take the "
            "posterior gaussian, or the objective iwae"
        )
    constant = Normal(normal.loc.detach(), normal.scale.detach(), validate_args=False)
    return Independent(constant, normal.loc.ndim - 1, validate_args=False)


@contextlib.contextmanager
def _frozen(*parts: Any) -> Iterator[None]:
    """Inside, what is computed does not reach the parts' parameters."""
    held = [p for part in parts if part is not None for p in part.parameters() if p.requires_grad]
    for parameter in held:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in held:
            parameter.requires_grad_(True)


def _expanded(weight: Tensor, like: Tensor) -> Tensor:
    return weight.reshape(-1, *[1] * (like.ndim - 1))


def _losses(bounds: Tensor, output: Output) -> Losses:
    """-bounds (B,) as the total, beside the terms of the ordinary pass.

    Weights are of p(x|y) where a label y was inferred: what y costs is then taken off, so that
    it is log p(x) that is bounded.
    """
    if output.label_nats is not None:
        bounds = bounds - output.label_nats
    total = -bounds.mean()
    terms = {"distortion": output.distortion.mean().detach(), "bound": -total.detach()}
    if output.rate is not None:
        terms["rate"] = output.rate.mean().detach()
    return Losses(total, terms)
