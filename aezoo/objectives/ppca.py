"""Probabilistic PCA: the linear VAE at its maximum likelihood, in closed form.

Tipping and Bishop, Probabilistic Principal Component Analysis, 1999, doi:10.1111/1467-9868.00196:
x = W z + mu + noise of variance sigma^2; at the maximum W = U_k (L_k - sigma^2 I)^(1/2), up to a
rotation, and sigma^2 is the mean of the other eigenvalues of the covariance. The posterior is
N(M^-1 Wt (x - mu), sigma^2 M^-1) with M = Wt W + sigma^2 I, which is L_k here: diagonal, and the
same for every x. So `gaussian` holds it exactly, and the ELBO is the log-likelihood:
Lucas, Tucker, Grosse, Norouzi, Don't Blame the ELBO!, 2019, arXiv:1911.02469.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor

from aezoo.components.likelihoods.location_scale import raw_of, scale_of
from aezoo.components.nd import flat
from aezoo.components.posteriors.gaussian import GaussianPosterior
from aezoo.components.priors.normal import NormalPrior
from aezoo.errors import CapabilityError
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import PPCA
from aezoo.objectives.linear import check_linear, put
from aezoo.objectives.moments import principal
from aezoo.objectives.terms import weighted

EXAMPLE = "vae(flatten,gaussian(8),linear,likelihood=gaussian(learned),objective=ppca)"


class PPCAObjective:
    """The negative ELBO of the linear VAE; `solve` makes it the least -log p(x) there is."""

    def __init__(self, config: PPCA):
        pass

    def attach(self, model: Any) -> None:
        check_linear(model, "ppca", EXAMPLE, posterior=GaussianPosterior, scales="learned")
        if not isinstance(model.prior, NormalPrior):
            raise CapabilityError(
                f"{model.spec}: ppca solves the model together with its prior normal, so no other "
                "can be named, nor fitted afterwards; sample from the model as it is, or train the "
                "spec with objective=elbo, whose prior can be replaced"
            )

    def __call__(self, model: Any, x: object, output: Output) -> Losses:
        return weighted(output, distortion=1.0, rate=1.0, penalty=1.0)

    @torch.no_grad()
    def solve(
        self,
        model: Any,
        batches: Iterable[tuple[Tensor, Tensor]],
        total: Callable[[Tensor], Tensor],
    ) -> None:
        """Set the weights of decoder, posterior and noise."""
        d, k = flat(model.input_shape), flat(model.latent_shape)
        mean, values, vectors = principal(batches, total, d)
        raw = raw_of(values[k:].mean().sqrt())
        put(model.likelihood.raw_scale, raw)
        # What the likelihood makes of it: it has a floor, and the posterior is to fit that.
        noise = scale_of(raw).square()
        u, spread = vectors[:, :k], values[:k].clamp(min=noise)
        w = u * (spread - noise).sqrt()
        to_mean = w.T / spread[:, None]
        put(model.decoder.project.weight, w)
        put(model.decoder.project.bias, mean)
        project = model.bottleneck.project
        put(project.weight, torch.cat([to_mean, torch.zeros_like(to_mean)]))
        put(project.bias, torch.cat([-(to_mean @ mean), (noise / spread).log()]))
