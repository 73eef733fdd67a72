"""A mixture of Gaussians: p(z) = sum_k w_k N(z; m_k, S_k), all of it learned.

Dilokthanakul et al., Deep Unsupervised Clustering with Gaussian Mixture Variational
Autoencoders, 2016, arXiv:1611.02648 (as a VAE's prior, learned with it).
Ghosh, Sajjadi, Vergari, Black, Schölkopf, From Variational to Deterministic Autoencoders,
2020, arXiv:1903.12436, section 4 (ex post, on a finished autoencoder's latents).

The latent is one vector of N = D * prod(L) values here: a map's places are not apart.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents
from aezoo.components.nd import flat, wide
from aezoo.components.priors.configs import MoG
from aezoo.components.quantizers.nearest import kmeans, nearest
from aezoo.errors import ShapeError

#: log of a standard deviation is kept in this range: a component cannot fall onto one point.
LOG_SCALE = (-10.0, 10.0)
RESTARTS = 8  # of k-means, which ends where its first centres lead it


class MoGPrior(nn.Module):
    """k Gaussians over continuous latents (B,D,*L); ignores ``cond``.

    S_k is diagonal, or with covariance=full C_k C_kᵀ, C_k lower triangular.
    """

    def __init__(
        self,
        config: MoG,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("mog", num_codes)
        self.shape = tuple(shape)
        n = flat(self.shape)
        self.mean = nn.Parameter(torch.randn(config.k, n))
        self.log_scale = nn.Parameter(torch.zeros(config.k, n))
        self.weight = nn.Parameter(torch.zeros(config.k))  # log w_k, up to a constant
        if config.covariance == "full":
            self.lower = nn.Parameter(torch.zeros(config.k, n, n))  # below the diagonal
        else:
            self.lower = None

    def distribution(self, like: Tensor) -> None:
        """None: its KL has no closed form."""
        return None

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L) -> (B,) nats.

        Raises:
            ShapeError: z is not of the shape that the prior was built for.
        """
        self._check(tuple(z.shape[1:]))
        apart = wide(z.flatten(1)).unsqueeze(1) - wide(self.mean)  # (B,k,N)
        log_scale = self._log_scale()
        if self.lower is None:
            unit = apart / log_scale.exp()
        else:
            solved = torch.linalg.solve_triangular(
                self._factor(), apart.permute(1, 2, 0), upper=False
            )
            unit = solved.permute(2, 0, 1)
        log_normal = -0.5 * (unit.square() + math.log(2 * math.pi)).sum(2) - log_scale.sum(1)
        return (log_normal + wide(self.weight).log_softmax(0)).logsumexp(1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple[int, ...] | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """(n,*shape); ``temperature`` scales each component's standard deviations."""
        check_temperature(temperature)
        self._check(self.shape if shape is None else tuple(shape))
        device = self.mean.device
        where = device if generator is None else generator.device
        share = wide(self.weight).softmax(0).to(where)
        chosen = torch.multinomial(share, n, replacement=True, generator=generator).to(device)
        size = (n, self.mean.shape[1])
        unit = torch.randn(size, generator=generator, device=where, dtype=share.dtype).to(device)
        if self.lower is None:
            moved = self._log_scale().exp()[chosen] * unit
        else:
            moved = torch.empty_like(unit)
            for k, factor in enumerate(self._factor()):  # a factor a sample would not fit
                moved[chosen == k] = unit[chosen == k] @ factor.T
        return (wide(self.mean)[chosen] + temperature * moved).reshape(n, *self.shape)

    @torch.no_grad()
    def start(self, latents: Tensor) -> None:
        """Means, scales and weights of the clusters that k-means finds in latents (N,D,*L)."""
        self._check(tuple(latents.shape[1:]))
        z = wide(latents.flatten(1))
        middle = z.mean(0)
        z = z - middle
        tries = (kmeans(z, len(self.weight), iterations=25)[0] for _ in range(RESTARTS))
        centres = min(tries, key=lambda c: float((z - c[nearest(z, c)]).square().sum()))
        codes = nearest(z, centres)
        whole = z.var(0, correction=0)
        least = 1e-4 * whole.mean() + 1e-12
        for k in range(len(self.weight)):
            mine = z[codes == k]
            mean = mine.mean(0) if len(mine) else centres[k]
            # Some of the whole's variance: a cluster of few rows has none in some directions.
            apart = mine - mean
            shrink = z.shape[1] if self.lower is not None else 1
            rows = len(mine) + shrink
            self.mean[k] = mean + middle
            self.weight[k] = math.log(len(mine) + 1)
            if self.lower is None:
                variance = (apart.square().sum(0) + whole) / rows
                self.log_scale[k] = 0.5 * variance.clamp(min=least).log()
                continue
            diagonal = torch.diag(shrink * whole.clamp(min=least))
            factor = torch.linalg.cholesky((apart.T @ apart + diagonal) / rows)
            self.log_scale[k] = factor.diagonal().log()
            self.lower[k] = factor.tril(-1)  # pyright: ignore[reportOptionalSubscript]

    def _log_scale(self) -> Tensor:
        return wide(self.log_scale).clamp(*LOG_SCALE)

    def _factor(self) -> Tensor:
        """C_k: (k,N,N)."""
        assert self.lower is not None
        return wide(self.lower).tril(-1) + torch.diag_embed(self._log_scale().exp())

    def _check(self, shape: tuple[int, ...]) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"mog was built for latents of shape {self.shape}, not {shape}; its components "
                "are over the whole of them"
            )
