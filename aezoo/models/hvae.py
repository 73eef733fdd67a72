"""Hierarchies: the latents of several levels, whose prior is in the bottleneck.

Rezende, Mohamed, Wierstra, Stochastic Backpropagation and Approximate Inference in Deep
Generative Models, 2014, arXiv:1401.4082, section 3; q drawn from the top down as p is (Sønderby
et al., Ladder Variational Autoencoders, 2016, arXiv:1602.02282, equation 17).
"""

from __future__ import annotations

import dataclasses
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.distributions import Distribution, kl_divergence

from aezoo.checks import check_temperature, whole
from aezoo.components.nd import wide
from aezoo.errors import CapabilityError
from aezoo.latents import Latent, normals
from aezoo.models.base import conditions_between
from aezoo.models.families import VAE
from aezoo.models.given import check_ends
from aezoo.records import ModelCapabilities


class HVAE(VAE):
    """p(z_L) ... p(z_1 | z_2, ..., z_L), and q(z|x) factorised in the same order.

    ``encode`` gives ``levels``, each with its z, q and p, the last one drawn first; its own z is
    what the decoder reads, a state or z_1, which need not tell all of them.
    """

    own_prior: ClassVar[bool] = True

    @property
    def capabilities(self) -> ModelCapabilities:
        """As a VAE's; it can always sample, and its maps have one size."""
        return dataclasses.replace(super().capabilities, sample=True, any_size=False)

    def infer(
        self,
        h: Any,
        cond: Tensor | None = None,
        *,
        x: Tensor | None = None,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        told = self.embed_for_prior(cond)
        return self.bottleneck(h, cond=told, sample=sample, generator=generator)

    # -- likelihood

    def rate(
        self,
        latent: Latent,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The sum over levels of KL(q(z_l | x, above) | p(z_l | above)), given the z drawn above.

        Each level's own is its ``rate``.
        """
        rates = []
        for level in latent.levels:
            level.rate = kl_divergence(*_pair(level))
            rates.append(level.rate)
        return sum(rates[1:], rates[0])

    def log_ratio(
        self,
        latents: tuple[Latent, ...],
        cond: Tensor | None = None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """The sum over levels of log q(z_l | x, above) - log p(z_l | above): (B,)."""
        found = []
        for level in latents:
            q, p = _pair(level)
            found.append(q.log_prob(level.z) - p.log_prob(level.z))
        return sum(found[1:], found[0])

    # -- generation

    def sample(
        self,
        n: int,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """``n`` new samples (n, C, *S): means of p(x|z), every z drawn from the top level down.

        ``temperature`` scales the standard deviation of every level; at 0 each z is its mean. A
        conditional model draws its conditions at random where ``cond`` is None.
        """
        check_temperature(temperature)
        cond = self._condition(n, cond, generator)
        return self._made(self._noise(n, generator, temperature), cond, generator)

    def interpolate(
        self, x0: Tensor, x1: Tensor, steps: int = 8, cond: Tensor | None = None
    ) -> Tensor:
        """The way from x0 to x1, both (B, C, *S): (steps, B, C, *S).

        It is a line at every level, in what z is to its p, (z - mean) / sigma: a step's z lie as
        likely under that step's own levels above as they did. The ends are the reconstructions.
        """
        whole(1, steps=steps)
        check_ends(self, x0, x1)
        c0, c1 = self._told(x0, cond), self._told(x1, cond)
        start, end = _standardised(self.encode(x0, c0)), _standardised(self.encode(x1, c1))
        weights = torch.linspace(0, 1, steps, device=start[0].device, dtype=start[0].dtype)
        along = []
        for weight, told in zip(weights, conditions_between(c0, c1, weights), strict=True):
            noise = tuple(torch.lerp(a, b, weight) for a, b in zip(start, end, strict=True))
            along.append(self._made(noise, told))
        return torch.stack(along)

    def redraw(
        self,
        x: Tensor,
        keep: int,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """x (B, C, *S) as its ``keep`` topmost levels tell it, those below drawn from p.

        It shows what each level knows (Child 2020, arXiv:2011.10650, section 4): with all levels
        it is the reconstruction, with none a sample.
        """
        check_temperature(temperature)
        cond = self._told(x, cond)
        kept = _standardised(self.encode(x, cond))
        if not 0 <= keep <= len(kept):
            raise ValueError(f"{self.spec} has {len(kept)} levels to keep, not {keep}")
        below = len(kept) - keep
        noise = self._noise(len(x), generator, temperature)
        return self._made((*noise[:below], *kept[below:]), cond, generator)

    def _noise(
        self, n: int, generator: torch.Generator | None, temperature: float
    ) -> tuple[Tensor, ...]:
        """Of every level (n, D, *L): normal, with the temperature as standard deviation."""
        where = self.device if generator is None else generator.device
        kind = wide(next(self.parameters())).dtype
        drawn = (
            torch.randn((n, *shape), generator=generator, device=where, dtype=kind)
            for shape in self.bottleneck.level_shapes
        )
        return tuple(temperature * noise.to(self.device) for noise in drawn)

    def _made(
        self,
        noise: tuple[Tensor, ...],
        cond: Tensor | None,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """What the noise of every level becomes."""
        latent = self.bottleneck.descend(noise, self.embed_for_prior(cond))
        return self.decode(latent.z, cond, generator=generator)


def _pair(level: Latent) -> tuple[Distribution, Distribution]:
    """q and p of a level."""
    if level.q is None or level.p is None:
        raise CapabilityError("a level of a hierarchy has both q and p")
    return level.q, level.p


def _standardised(latent: Latent) -> tuple[Tensor, ...]:
    """(z - mean) / sigma in p, of every level."""
    found = []
    for level in latent.levels:
        p = normals(level.p)
        if p is None:
            raise CapabilityError("a level's p is of independent normals in a hierarchy")
        found.append((level.z - p.loc) / p.scale)
    return tuple(found)
