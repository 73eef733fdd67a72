"""q(z|x) that follows the model's own density: the Hamiltonian VAE.

Caterini, Doucet, Sejdinovic, Hamiltonian Variational Auto-Encoder, 2018, arXiv:1805.11328: a
Gaussian draw z_0 and a momentum rho_0, drawn once, go K leapfrog steps down U(z) = -log p(x, z),
and the momentum is cooled after each.

Leapfrog steps keep volumes and cooling multiplies them by beta_0^(d/2), so that

    log q(z_K, rho_K|x) = log q(z_0|x) + log N(rho_0|0, I/beta_0) - (d/2) log beta_0
                        = log q(z_0|x) + log N(gamma|0, I),    rho_0 = gamma / sqrt(beta_0).

On the space of both the model is p(x, z) N(rho|0, I): what the draw costs beside -log p(z_K) is
log q(z_K, rho_K|x) - log N(rho_K|0, I), and exp(-that) p(x, z_K) is an unbiased weight of p(x).
In the bound the authors put expectations in the place of log N(gamma|0, I) and of the noise in
log q(z_0|x), which leaves its gradient as it is. Here the draws stay: bound and importance weights
are then the same, and as epsilon goes to 0 those of the Gaussian, draw by draw.

Tempering is quadratic in 1 / sqrt(beta_k), as in the paper; in the authors' code in 1 / beta_k. In
a map a step size is of a channel.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable
from typing import ClassVar

import torch
from torch import Tensor, nn

from aezoo.components import draws
from aezoo.components.log_joint import LogJoint, gradient
from aezoo.components.nd import wide
from aezoo.components.posteriors.augmented import Augmented
from aezoo.components.posteriors.configs import Gaussian, Hamiltonian
from aezoo.components.posteriors.gaussian import GaussianPosterior
from aezoo.latents import Latent


class HamiltonianPosterior(nn.Module):
    """h (B, F, *L) -> z_K (B, D, *L); with sample=False from z_0 = mu and without momentum."""

    reads_log_joint: ClassVar[bool] = True

    def __init__(self, config: Hamiltonian, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        self.start = GaussianPosterior(Gaussian(config.dim), in_shape=in_shape)
        self.out_shape = self.start.out_shape
        self.steps, self.max_step = config.steps, config.max_step
        share = config.step / config.max_step
        self.raw_step = nn.Parameter(torch.full((config.dim,), _logit(share)))
        self.raw_beta = nn.Parameter(torch.full((), _logit(config.beta)))

    @torch.compiler.disable()  # which cannot go backwards twice
    def forward(
        self,
        h: Tensor,
        *,
        log_joint: LogJoint,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        first = self.start(h, sample=sample, generator=generator)
        assert first.q is not None
        gamma = torch.zeros_like(first.z)
        if sample:
            gamma = draws.normal(gamma.shape, gamma, generator)
        alphas, root = self.tempering()
        z, rho = leapfrog(
            first.z,
            gamma / root,
            lambda z: wide(gradient(log_joint, z)),
            self.step_sizes(first.z.ndim - 2),
            alphas,
        )
        # log N(gamma|0, I) - log N(rho_K|0, I); without momentum at the start gamma is 0.
        kinetic = 0.5 * (rho.square() - gamma.square()).flatten(1).sum(1)
        return Latent(z=z, q=Augmented(z, first.q.log_prob(first.z) + kinetic))

    def step_sizes(self, axes: int = 0) -> Tensor:
        """epsilon, between 0 and ``max_step``: (D, *[1] * axes)."""
        return self.max_step * wide(self.raw_step).sigmoid().reshape(-1, *[1] * axes)

    def tempering(self) -> tuple[Tensor, Tensor]:
        """alpha_k = sqrt(beta_{k-1} / beta_k) of each step, (K,), and sqrt(beta_0).

        1 / sqrt(beta_k) = (1 - 1 / sqrt(beta_0)) k^2 / K^2 + 1 / sqrt(beta_0), so beta_K = 1.
        """
        root = wide(self.raw_beta).sigmoid().sqrt()
        share = torch.linspace(0, 1, self.steps + 1, device=root.device, dtype=root.dtype).square()
        inverse = (1 - 1 / root) * share + 1 / root
        return inverse[1:] / inverse[:-1], root


def leapfrog(
    z: Tensor,
    rho: Tensor,
    force: Callable[[Tensor], Tensor],
    epsilon: Tensor,
    alphas: Iterable[Tensor],
) -> tuple[Tensor, Tensor]:
    """z and momentum rho, both (B,D,*L), after a step for each alpha.

    Args:
        force: z -> -dU/dz, of z's shape.
        epsilon: step sizes, for every dimension its own.
        alphas: what the momentum is multiplied by after each step.
    """
    pull = force(z)
    for alpha in alphas:
        half = rho + 0.5 * epsilon * pull
        z = z + epsilon * half
        pull = force(z)
        rho = alpha * (half + 0.5 * epsilon * pull)
    return z, rho


def _logit(share: float) -> float:
    return math.log(share / (1 - share))
