"""The records that pass between the parts of a model. All batched over axis 0.

Letters: B batch, C data channels, D latent channels, *S spatial axes of the data, *L
spatial axes of the latents (none for a vector), K number of codes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from torch.distributions import Distribution, Independent, Normal

#: Codes of one quantizer (B, *L), or (B, q, *L) with q codes a place, int64; or a tuple of
#: them, one a level, the largest map first.
Codes = Tensor | tuple[Tensor, ...]


def levels(codes: Any) -> tuple[Any, ...]:
    """What there is of every level: codes of one level alone become a tuple of one."""
    return codes if isinstance(codes, tuple) else (codes,)


@dataclass(slots=True)
class Latent:
    """What a bottleneck returns, and what ``model.encode`` gives."""

    z: Tensor  # (B, D, *L), what the decoder reads
    q: Distribution | None = None  # q(z|x) with event shape (D, *L); None for a point
    p: Distribution | None = None  # of a level of a hierarchy: p(z | the levels above), as q's
    codes: Any = None  # `Codes` in [0, K); quantizers only
    rate: Tensor | None = None  # (B,) nats per sample; part of the ELBO; set by the family
    penalty: Tensor | None = None  # (B,) commitment, entropy, sparsity: never in the ELBO
    metrics: dict[str, Tensor] = field(default_factory=dict)  # scalars, detached
    levels: tuple[Latent, ...] = ()  # of a hierarchy: each level's own, the largest map first
    rates: tuple[Tensor, ...] = ()  # (B,) of each part of a joint latent; together the rate


@dataclass(slots=True)
class Output:
    """What a model's forward pass returns."""

    p: Distribution  # p(x|z) with event shape (C, *S)
    latents: tuple[Latent, ...]  # one a level
    distortion: Tensor  # (B,) -log p(x|z), nats per sample
    rate: Tensor | None  # (B,) nats per sample, all levels; None: no likelihood bound
    cond: Tensor | None = None  # the condition of the pass
    label: Tensor | None = None  # (B,) as it was given, -1: unknown, where the condition infers it
    label_nats: Tensor | None = None  # (B,) what that label costs, a part of the rate
    density: bool = True  # False: the distortion is a score, and no -log p(x|z) of the data

    _x_hat: Tensor | None = field(default=None, init=False, repr=False)

    @property
    def x_hat(self) -> Tensor:
        """(B, C, *S), the `point` of p(x|z); computed when it is first asked for."""
        if self._x_hat is None:
            self._x_hat = point(self.p)
        return self._x_hat

    @property
    def elbo(self) -> Tensor | None:
        """(B,) nats per sample, or None where the model has no likelihood bound."""
        return -(self.distortion + self.rate) if self.rate is not None and self.density else None

    @property
    def penalty(self) -> Tensor | None:
        """(B,) penalties of all levels, or None where there are none."""
        given = [latent.penalty for latent in self.latents if latent.penalty is not None]
        return sum(given[1:], given[0]) if given else None


@dataclass(slots=True)
class Losses:
    """What an objective returns: the scalar to minimise, and its parts for the log."""

    total: Tensor  # scalar, nats per sample, mean over the batch
    terms: dict[str, Tensor]  # scalars, detached
    criterion: Tensor | None = None  # scalar that chooses the best weights; None: the total


def vector(latent: Latent) -> Tensor:
    """(B, N): z as a vector; of a hierarchy with a prior in it the z of every level.

    What such a hierarchy's decoder reads, a state or z_1, is made of these or but the last one.
    """
    each = latent.levels if latent.levels and latent.levels[0].p is not None else (latent,)
    return torch.cat([level.z.flatten(1) for level in each], dim=1)


def mean_of(p: Distribution) -> Tensor | None:
    """(B, C, *S), or None where p has no closed mean, as an autoregressive likelihood."""
    try:
        return p.mean
    except NotImplementedError:  # what torch's Distribution does
        return None


def point(p: Distribution, generator: torch.Generator | None = None) -> Tensor:
    """(B, C, *S): what stands for p where one x is asked for: its mean, else a draw.

    A Distribution without a mean takes the generator of its draw as ``sample(generator=...)``.
    """
    mean = mean_of(p)
    if mean is not None:
        return mean
    return p.sample(generator=generator)  # pyright: ignore[reportCallIssue]


def normals(distribution: Distribution | None) -> Normal | None:
    """The independent normals, one a dimension, that a distribution is made of; else None."""
    if isinstance(distribution, Independent) and isinstance(distribution.base_dist, Normal):
        return distribution.base_dist
    return None
