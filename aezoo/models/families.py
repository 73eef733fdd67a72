"""The families: what z costs, and what follows from it."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution

from aezoo.checks import whole
from aezoo.components.log_joint import reads_log_joint
from aezoo.components.priors.exact import check_weights, closed_kl, level_log_probs, log_prob
from aezoo.components.priors.uniform import uniform_log_probs
from aezoo.errors import CapabilityError
from aezoo.latents import Latent, levels
from aezoo.models.base import Autoencoder, streamed_logmeanexp
from aezoo.records import ModelCapabilities


class AE(Autoencoder):
    """A plain autoencoder: z is a point, so there is no rate and no likelihood bound."""

    fits_prior: ClassVar[bool] = True

    def rate(
        self,
        latent: Latent,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> None:
        return None


class VAE(Autoencoder):
    """q(z|x), a prior p(z) and the ELBO (Kingma & Welling 2013, arXiv:1312.6114)."""

    bound_name: ClassVar[str | None] = "elbo"
    has_log_joint: ClassVar[bool] = True  # log p(x, z), which some posteriors read

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the model can do; no bound where the posterior is but a point."""
        able = super().capabilities
        point = getattr(self.bottleneck, "deterministic", False)
        return dataclasses.replace(able, bound=None) if point else able

    def infer(
        self,
        h: Any,
        cond: Tensor | None = None,
        *,
        x: Tensor | None = None,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        if not reads_log_joint(self.bottleneck):
            return super().infer(h, cond, x=x, sample=sample, generator=generator)
        if x is None:
            raise CapabilityError(
                f"{self.spec}: {self.bound.config.bottleneck} reads log p(x, z), and infer was "
                "given no x; call it as infer(h, cond, x=x), or take model.encode(x, cond)"
            )
        if torch.is_inference_mode_enabled():  # where no gradient of log p(x, z) could be had
            with torch.inference_mode(False), torch.no_grad():
                h, cond, x = (t if t is None else t.clone() for t in (h, cond, x))
                return self.infer(h, cond, x=x, sample=sample, generator=generator)

        def log_joint(z: Tensor) -> Tensor:
            return self.log_joint(x, z, cond, generator=generator)

        return self.bottleneck(h, log_joint=log_joint, sample=sample, generator=generator)

    def log_joint(
        self,
        x: Tensor,
        z: Tensor,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log p(x, z) in nats, (B,), of x (B, C, *S) and z (B, D, *L), with gradient to both.

        ``generator`` is of the draws of a prior that is not exact.
        """
        log_p_x = self.p(z, cond, size=tuple(x.shape[2:])).log_prob(x)
        return log_p_x + log_prob(self.prior, z, self.embed_for_prior(cond), generator)

    def rate(
        self,
        latent: Latent,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """KL(q(z|x) | p(z)): in closed form where the pair has one, else log q(z) - log p(z)."""
        q = self._q(latent)
        if hasattr(self.prior, "rates"):
            told = self.embed_for_prior(cond)
            latent.rates = self.prior.rates(q, latent.z, told, generator)
            each = enumerate(latent.rates)
            latent.metrics |= {f"rate{i}": rate.mean().detach() for i, rate in each}
            return sum(latent.rates[1:], latent.rates[0])
        rate = closed_kl(self.prior, q, latent.z)
        return self.log_ratio((latent,), cond, generator) if rate is None else rate

    def _q(self, latent: Latent) -> Distribution:
        if latent.q is None:
            raise CapabilityError(
                f"{self.spec}: the bottleneck gives a point and no q(z|x), so there is no ELBO; "
                "take gaussian, or the family ae"
            )
        return latent.q

    def log_ratio(
        self,
        latents: tuple[Latent, ...],
        cond: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """log q(z|x) - log p(z) at the drawn z of all levels, an `Output`'s latents: (B,)."""
        (latent,) = latents
        log_p = log_prob(self.prior, latent.z, self.embed_for_prior(cond), generator)
        return self._q(latent).log_prob(latent.z) - log_p

    def log_prob(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        whole(1, k=k)
        self._check_bound()
        check_weights(self)
        if hasattr(self.cond, "infer"):
            if cond is None:  # p(x) is the mean of p(x|y) over y
                classes = torch.arange(self.cond.classes, device=x.device)
                labels = classes[:, None].expand(-1, len(x))
                each = [self.log_prob(x, y, k=k, generator=generator) for y in labels]
                return torch.stack(each).logsumexp(0) - math.log(self.cond.classes)
            if bool((cond < 0).any()):  # of a row whose label is unknown p(x), else p(x|y)
                summed = self.log_prob(x, k=k, generator=generator)
                told = self.log_prob(x, cond.clamp(min=0), k=k, generator=generator)
                return torch.where(cond < 0, summed, told)
        cond = self._told(x, cond)
        h = self.features(x, cond)

        def log_weights() -> Tensor:
            latent = self.infer(h, cond, x=x, sample=True, generator=generator)
            log_p_x = self.p(latent.z, cond, size=tuple(x.shape[2:])).log_prob(x)
            return log_p_x - self.log_ratio(latent.levels or (latent,), cond, generator)

        return streamed_logmeanexp((log_weights() for _ in range(k)), k)


class VQVAE(Autoencoder):
    """Codes, a uniform prior while training, a learned one fitted afterwards (1711.00937).

    The encoder picks one code with certainty, so -log p(x) <= distortion - log p(codes).
    """

    fits_prior: ClassVar[bool] = True
    bound_name: ClassVar[str | None] = "vq-bound"

    def rate(
        self,
        latent: Latent,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """-log p(codes) under the fitted prior, else log K a code."""
        if self.capabilities.sample:
            embedded = self.embed_for_prior(cond)
            if not latent.levels:
                return -log_prob(self.prior, latent.codes, embedded, generator)
            log_probs = level_log_probs(self.prior, latent.codes, embedded, generator)
        else:
            log_probs = uniform_log_probs(levels(latent.codes), levels(self.bottleneck.num_codes))
        for level, nats in zip(latent.levels, log_probs, strict=False):
            level.rate = -nats
        return -sum(log_probs[1:], log_probs[0])
