"""Stochastic quantization: a code is drawn, at first at random, in the end the nearest.

Takida, Shibuya, Liao et al., SQ-VAE: Variational Bayes on Discrete Representation with
Self-annealed Stochastic Quantization, 2022, arXiv:2205.07547; Gaussian SQ-VAE with one learned
variance (its type I). With z_e the encoder's output, q(Z|x) = N(z_e, s^2) and P(b_k|Z) proportional
to exp(-|Z - b_k|^2 / 2s^2). The KL of its ELBO (eq. 5, uniform prior) is, at each place,

    log K + E[|Z - b|^2 - |Z - z_e|^2] / 2s^2 - H(P(.|Z))
        = log K - log sum_k exp(-|Z - b_k|^2 / 2s^2) - |Z - z_e|^2 / 2s^2:

log K is the ``rate``, as of every quantizer, the rest the ``penalty``: their sum is the paper's
KL, and never negative on average. The expectation over b is exact here; the authors' code takes
it at the relaxed draw, leaves Z at z_e, and keeps s^2 above 1, which eq. 5 does not.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from aezoo.components import draws
from aezoo.components.one_hot import annealed, gumbel
from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import SQVAE as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.components.quantizers.rows import codes_of, map_of, rows_of, sums_of
from aezoo.latents import Latent


class SQVAE(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, *L) in [0, K).

    In training z is a Gumbel-softmax draw of code vectors, at temperature tau, and the codes are
    those of the draw. In eval mode, or where no draw is asked for, Z is z_e and the code is the
    nearest: the bound is that of a VQ-VAE, and the same however often it is asked for.
    """

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(in_shape=in_shape, dim=config.dim, codes=config.codes)
        self.config = config
        self.codebook = nn.Parameter(torch.randn(config.codes, config.dim))  # b, (K, D)
        self.log_var = nn.Parameter(torch.full((), 2 * math.log(config.sigma)))  # log s^2
        self.tau = config.tau

    def schedule(self, step: int, total: int) -> None:
        """tau falls geometrically from ``tau`` to ``tau_end`` over the run: of the step alone."""
        self.tau = annealed(self.config.tau, self.config.tau_end, step, total)

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        means = rows_of(z_e)
        if sample and self.training:
            noise = draws.normal(means.shape, means, generator)
            scores = self._scores(means + self.sigma * noise)
            penalty = -scores.logsumexp(1, keepdim=True) - noise.square().sum(1, keepdim=True) / 2
            drawn = scores + gumbel(scores, generator)
            z = (drawn / self.tau).softmax(1) @ self.codebook
            flat = drawn.argmax(1)
        else:
            scores = self._scores(means)
            penalty = -scores.logsumexp(1, keepdim=True)
            flat = scores.argmax(1)
            z = straight_through(means, self.codebook[flat])
        codes = codes_of(flat, z_e)
        return Latent(
            z=map_of(z, z_e),
            codes=codes,
            penalty=sums_of(penalty, z_e),
            metrics=gauges(codes, self.num_codes) | {"sigma": self.sigma.detach()},
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) int64 -> z (B, D, *L)."""
        return self.codebook[codes].movedim(-1, 1).contiguous()

    @property
    def sigma(self) -> Tensor:
        """s, ()."""
        return (self.log_var / 2).exp()

    def _scores(self, rows: Tensor) -> Tensor:
        """-|Z - b_k|^2 / 2s^2, log P(b_k|Z) but for a constant: rows (N, D) -> (N, K)."""
        codebook = self.codebook.to(rows.dtype)
        squares = rows.square().sum(1, keepdim=True) + codebook.square().sum(1)
        squares = torch.addmm(squares, rows, codebook.T, alpha=-2)
        return -squares / 2 * (-self.log_var).exp()
