"""The real-valued neural autoregressive density estimator, over continuous latents.

Uria, Murray, Larochelle, RNADE: The Real-Valued Neural Autoregressive Density-Estimator, 2013,
arXiv:1306.0186, section 3: a value is a mixture of Gaussians, whose weights, means and
deviations are linear in hidden units that are rectified, rescaled by rho_i, and share their
weights W among the values.

Where the prior is fitted on a finished model's latents it starts with their means and deviations,
as the paper normalises its data.
"""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents, told_as_built
from aezoo.components.nd import flat, wide
from aezoo.components.priors.configs import RNADEConfig
from aezoo.components.priors.mog import LOG_SCALE
from aezoo.components.priors.raster import draw, uniforms
from aezoo.errors import ShapeError


class RNADEPrior(nn.Module):
    """log p(z) = sum_i log sum_k alpha_ik N(z_i; mu_ik, sigma_ik^2) over z (B,D,*L), flattened.

    With a ``cond_dim`` E the hidden units read the condition (B,E).
    """

    def __init__(
        self,
        config: RNADEConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("rnade", num_codes)
        self.shape, self.cond_dim, self.n, self.k = tuple(shape), cond_dim, flat(shape), config.k
        self.read = nn.Parameter(torch.randn(self.n, config.hidden) / self.n**0.5)  # W
        self.first = nn.Parameter(0.1 * torch.randn(config.hidden))  # c
        self.scale = nn.Parameter(torch.ones(self.n))  # rho
        self.tell = nn.Parameter(0.01 * torch.randn(self.n, config.hidden, 3 * config.k))  # V
        # Means side by side: components that are the same would stay the same.
        apart = torch.linspace(-1, 1, config.k) if config.k > 1 else torch.zeros(1)
        start = torch.cat([torch.zeros(config.k), apart, torch.zeros(config.k)])
        self.bias = nn.Parameter(start.repeat(self.n, 1))  # b
        self.reader = None if cond_dim is None else nn.Linear(cond_dim, config.hidden, bias=False)
        self.register_buffer("middle", torch.zeros(self.n))
        self.register_buffer("log_spread", torch.zeros(self.n))
        self.middle: Tensor
        self.log_spread: Tensor

    def distribution(self, like: Tensor) -> None:
        """None: nothing has a closed form with it."""

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L), cond (B,E) -> (B,) nats."""
        self._check(tuple(z.shape[1:]), cond)
        with torch.autocast(z.device.type, enabled=False):  # sums of many in bfloat16 cost bits
            x = (wide(z).flatten(1) - wide(self.middle)) * torch.exp(-wide(self.log_spread))
            moved = x.unsqueeze(2) * wide(self.read)
            a = self._start(cond).unsqueeze(-2) + moved.cumsum(1) - moved  # (B,N,H)
            h = (wide(self.scale)[:, None] * a).relu()
            out = torch.einsum("bnh,nhp->bnp", h, wide(self.tell)) + wide(self.bias)
            log_alpha, mu, log_sigma = _parts(out)
            unit = (x.unsqueeze(2) - mu) * torch.exp(-log_sigma)
            normal = -0.5 * (unit.square() + math.log(2 * math.pi)) - log_sigma
            return ((log_alpha + normal).logsumexp(2) - wide(self.log_spread)).sum(1)

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
        """(n,*shape), value by value; ``temperature`` scales each component's deviation.

        All numbers that are needed are drawn at the start, where the generator is.
        """
        check_temperature(temperature)
        self._check(self.shape if shape is None else tuple(shape), cond)
        device, dtype = self.read.device, wide(self.read).dtype
        where = device if generator is None else generator.device
        choice = uniforms(n, (self.n,), device, generator)
        unit = torch.randn(n, self.n, generator=generator, device=where, dtype=dtype).to(device)
        a, values = self._start(cond).expand(n, -1), []
        for i in range(self.n):
            h = (wide(self.scale)[i] * a).relu()
            log_alpha, mu, log_sigma = _parts(h @ wide(self.tell[i]) + wide(self.bias[i]))
            one = draw(log_alpha, choice[:, i], 1.0).unsqueeze(1)
            sigma = temperature * log_sigma.gather(1, one).exp()
            x = mu.gather(1, one) + sigma * unit[:, i : i + 1]
            values.append(x)
            a = a + x * wide(self.read[i])
        found = torch.cat(values, 1) * wide(self.log_spread).exp() + wide(self.middle)
        return found.reshape(n, *self.shape)

    @torch.no_grad()
    def start(self, latents: Tensor) -> None:
        """From here on of the values' means and deviations in latents (N,D,*L)."""
        z = wide(latents.flatten(1))
        self.middle.copy_(z.mean(0))
        spread = z.std(0, correction=0)
        self.log_spread.copy_(spread.clamp(min=1e-4 * spread.mean() + 1e-12).log())

    def _start(self, cond: Tensor | None) -> Tensor:
        """c, (H,), or of each condition (B,H)."""
        if self.reader is None or cond is None:
            return wide(self.first)
        return wide(self.first + self.reader(cond.to(self.first.dtype)))

    def _check(self, shape: tuple[int, ...], cond: Tensor | None) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"rnade was built for latents {self.shape}, which it flattens; these are {shape}; "
                "use prior=normal for other sizes"
            )
        told_as_built("rnade", cond, self.cond_dim)


def _parts(out: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """(...,3k) -> log alpha, mu and log sigma, (...,k) each."""
    alpha, mu, log_sigma = out.chunk(3, dim=-1)
    return alpha.log_softmax(-1), mu, log_sigma.clamp(*LOG_SCALE)
