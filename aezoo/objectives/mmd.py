"""Maximum mean discrepancy of the latents to the prior: InfoVAE and Wasserstein autoencoders.

Gretton et al., A Kernel Two-Sample Test, JMLR 13, 2012, equation 3 (unbiased, between -1 and 2).
Zhao, Song, Ermon, InfoVAE, 2017, arXiv:1706.02262, equation 6 and section 3.2.
Tolstikhin et al., Wasserstein Auto-Encoders, 2017, arXiv:1711.01558, algorithm 2 and section 4.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch import Tensor, nn

from aezoo.components.nd import wide
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import WAE, InfoVAE
from aezoo.objectives.terms import check_prior, drawn, one_latent, rate_of, weighted

Kernel = Callable[[Tensor], Tensor]  # squared distances -> kernel values


def imq(d: int) -> Kernel:
    """Inverse multiquadratics C / (C + r^2), C = 2 d times seven scales (WAE, section 4)."""
    scales = (0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0)

    def kernel(squares: Tensor) -> Tensor:
        parts = [c / (c + squares) for c in (2.0 * d * scale for scale in scales)]
        return sum(parts[1:], parts[0])

    return kernel


def rbf(d: int) -> Kernel:
    """exp(-r^2 / (2 s^2)) with s^2 = d: two draws of N(0, I) are r^2 = 2 d apart on average."""
    return lambda squares: (-squares / (2 * d)).exp()


KERNELS = {"imq": imq, "rbf": rbf}


def mmd(x: Tensor, y: Tensor, kernel: Kernel) -> Tensor:
    """Unbiased squared MMD of rows x (N, D) and y (M, D), N and M at least 2: a scalar."""
    n, m = len(x), len(y)

    def within(rows: Tensor) -> Tensor:
        values = kernel(_squares(rows, rows))
        return (values.sum() - values.diagonal().sum()) / (len(rows) * (len(rows) - 1))

    return within(x) + within(y) - 2 * kernel(_squares(x, y)).sum() / (n * m)


def _squares(x: Tensor, y: Tensor) -> Tensor:
    distances = x.square().sum(1)[:, None] + y.square().sum(1)[None] - 2 * x @ y.T
    return distances.clamp(min=0)


class InfoVAEObjective:
    """distortion + (1 - alpha) rate + (alpha + weight - 1) MMD + penalties."""

    def __init__(self, config: InfoVAE):
        self.config = config

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        c = self.config
        rate_of(model, output)
        losses = weighted(output, distortion=1.0, rate=1 - c.alpha, penalty=1.0)
        return _with_mmd(losses, model, output, c.alpha + c.weight - 1, c.kernel)


class WAEObjective:
    """distortion + weight * MMD + penalties; of an autoencoder with a prior to be near to."""

    def __init__(self, config: WAE):
        self.config = config

    def __call__(self, model: nn.Module, x: object, output: Output) -> Losses:
        losses = weighted(output, distortion=1.0, penalty=1.0)
        return _with_mmd(losses, model, output, self.config.weight, self.config.kernel)


def _with_mmd(losses: Losses, model: Any, output: Output, weight: float, name: str) -> Losses:
    z = one_latent(model, output).z
    check_prior(model)
    rows = wide(z).flatten(1)
    if len(z) > 1:
        others = wide(drawn(model, z, output)).flatten(1)
        distance = mmd(rows, others, KERNELS[name](z[0].numel()))
    else:
        distance = rows[:0].sum()  # of one sample, a rest of the data, nothing can be said: 0
    losses.total = losses.total + weight * distance
    losses.terms["mmd"] = distance.detach()
    return losses
