"""Two-stage VAE: a second VAE, small and of vectors, as the prior over the first one's latents.

Dai and Wipf, Diagnosing and Enhancing VAE Models, 2019, arXiv:1903.05789, section 4. The second
stage has p(u) = N(0, 1), p(z|u) = N(f(u), gamma^2) with one learned gamma, and q(u|z) =
N(mu(z), diag(sigma(z)^2)); u has as many dimensions as z. The paper fits it to draws from the
first stage's q(z|x) once that is trained, as `aezoo fit-prior` does; named in a model's spec it
is learned along with a vae.

A map of latents is one vector here.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import ClassVar

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents, told_as_built
from aezoo.components import draws
from aezoo.components.nd import flat, wide
from aezoo.components.priors.configs import SecondStage
from aezoo.errors import ShapeError

#: log gamma and log sigma are kept in this range: nothing over- or underflows in float32.
LOG_SCALE = (-10.0, 5.0)
#: gamma starts here, below the scale of the latents: at 1 u is of no use at first, and may stay so.
START = 0.3


class VAEPrior(nn.Module):
    """Over continuous latents (B,D,*L). With a ``cond_dim`` E both networks read (B,E) too.

    ``log_prob`` is log p(z|u) + log p(u) - log q(u|z) at one draw of u: on average below log p(z),
    and the mean of its exponential is p(z) itself, so importance weights stay unbiased.
    """

    exact: ClassVar[bool] = False

    def __init__(
        self,
        config: SecondStage,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("vae", num_codes)
        self.shape, self.cond_dim = tuple(shape), cond_dim
        n, extra = flat(shape), cond_dim or 0
        self.dim = config.dim or n
        hidden = (config.hidden,) * config.depth
        self.encoder = _mlp(n + extra, *hidden, 2 * self.dim)
        self.decoder = _mlp(self.dim + extra, *hidden, n)
        self.log_gamma = nn.Parameter(torch.full((), math.log(START)))
        # The networks see (z - mean) / scale: latents of an autoencoder have any scale.
        self.register_buffer("mean", torch.zeros(n))
        self.register_buffer("scale", torch.ones(n))

    mean: Tensor
    scale: Tensor

    def distribution(self, like: Tensor) -> None:
        """None: its density has no closed form."""

    def log_prob(
        self, z: Tensor, cond: Tensor | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """z (B,D,*L), cond (B,E) -> (B,) nats, a bound from below with one draw of u.

        Raises:
            ShapeError, CapabilityError: z or cond is not what the prior was built for.
        """
        self._check(tuple(z.shape[1:]), cond)
        z = (wide(z.flatten(1)) - wide(self.mean)) / wide(self.scale)
        mu, log_sigma = wide(self.encoder(_with(z, cond))).chunk(2, dim=1)
        log_sigma = log_sigma.clamp(*LOG_SCALE)
        epsilon = draws.normal(mu.shape, mu, generator)
        u = mu + log_sigma.exp() * epsilon
        log_gamma = self._log_gamma()
        apart = (z - wide(self.decoder(_with(u, cond)))) / log_gamma.exp()
        given = -0.5 * (apart.square() + math.log(2 * math.pi)).sum(1) - z.shape[1] * log_gamma
        ratio = (0.5 * (epsilon.square() - u.square()) + log_sigma).sum(1)
        return given + ratio - wide(self.scale).log().sum()

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
        """(n,*shape); ``temperature`` scales the standard deviations of u and of z given u."""
        check_temperature(temperature)
        self._check(self.shape if shape is None else tuple(shape), cond)
        weight = self.log_gamma
        where = weight.device if generator is None else generator.device
        dtype = torch.promote_types(weight.dtype, torch.float32)
        sizes = (self.dim, flat(self.shape))
        u, noise = (
            temperature
            * torch.randn(n, size, generator=generator, device=where, dtype=dtype).to(weight.device)
            for size in sizes
        )
        z = wide(self.decoder(_with(u.to(weight.dtype), cond))) + self._log_gamma().exp() * noise
        return (wide(self.mean) + wide(self.scale) * z).reshape(n, *self.shape)

    @torch.no_grad()
    def start(self, latents: Tensor) -> None:
        """Take the mean and the scale of each dimension from latents (N,D,*L)."""
        self._check(tuple(latents.shape[1:]), None if self.cond_dim is None else latents)
        z = wide(latents.flatten(1))
        self.mean.copy_(z.mean(0))
        deviation = z.std(0, correction=0)
        self.scale.copy_(deviation.clamp(min=1e-4 * float(deviation.mean()) + 1e-12))

    def _log_gamma(self) -> Tensor:
        return wide(self.log_gamma).clamp(*LOG_SCALE)

    def _check(self, shape: tuple[int, ...], cond: Tensor | None) -> None:
        if shape != self.shape:
            raise ShapeError(
                f"vae was built for latents of shape {self.shape}, which it flattens, not {shape}; "
                "use prior=normal for other sizes"
            )
        told_as_built("the prior vae", cond, self.cond_dim)


def _with(x: Tensor, cond: Tensor | None) -> Tensor:
    return x if cond is None else torch.cat([x, cond.to(x.dtype)], dim=1)


def _mlp(*widths: int) -> nn.Sequential:
    layers: list[nn.Module] = []
    for inputs, outputs in pairwise(widths):
        layers += [nn.Linear(inputs, outputs), nn.ReLU()]
    return nn.Sequential(*layers[:-1])
