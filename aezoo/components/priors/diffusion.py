"""A diffusion over latents, whose log p(z) is bounded.

Ho, Jain, Abbeel, Denoising Diffusion Probabilistic Models, 2020, arXiv:2006.11239: noise is added
in T steps, and a network that says which is noise takes it away again.
Kingma, Salimans, Poole, Ho, Variational Diffusion Models, 2021, arXiv:2107.00630: the bound, here
in discrete time (section 4.1, equations 11 to 14), with a log-SNR that falls linearly in time.
Vahdat, Kreis, Kautz, Score-based Generative Modeling in Latent Space, 2021, arXiv:2106.05931, and
Rombach et al., High-Resolution Image Synthesis with Latent Diffusion Models, 2022,
arXiv:2112.10752: a diffusion as the prior of an autoencoder's latents, learned along with it or
afterwards.

x is z, centred and scaled to variance 1 where the prior is fitted on latents. With gamma = -log
SNR, u_t = alpha_t x + sigma_t epsilon, alpha_t^2 = sigmoid(-gamma_t), sigma_t^2 = sigmoid(gamma_t),
t = 0 ... T, and s = t - 1. p(u_T) = N(0, 1), p(x|u_0) = N(u_0 / alpha_0, sigma_0^2 / alpha_0^2),
and p(u_s|u_t) has the mean that q(u_s|u_t, x) has at the x which the network finds. Its variance is
that of q times (sigma_t^2 / sigma_s^2)^v, v learned for each step: VDM takes v = 0, at which the
bound of few steps is loose, and v = 1 is the true one where x ~ N(0, 1) (both are DDPM's, section
3.2; powers between them Nichol's and Dhariwal's, Improved Denoising Diffusion Probabilistic Models,
2021, arXiv:2102.09672, section 3.1). The network's epsilon is sigma_t u_t plus what it learns. With
v = 1 at first, p(z) begins as N(0, 1), as LSGM's mixed score does (section 3.2).
"""

from __future__ import annotations

import math
from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents, told_as_built
from aezoo.components import draws
from aezoo.components.nd import flat, wide
from aezoo.components.priors.configs import DiffusionConfig
from aezoo.components.priors.denoiser import Denoiser
from aezoo.errors import ShapeError

#: Places (of a vector one) that the network sees at a time where all steps are summed.
CHUNK = 2**15


class DiffusionPrior(nn.Module):
    """Over continuous latents (B,D,*L), maps of any size. With a ``cond_dim`` E it reads (B,E).

    In evaluation ``log_prob`` is log p(x, u_0 ... u_T) - log q(u_0 ... u_T | x) of a path that is
    drawn, with T passes of the network: VDM's bound on average, and its exponential is p(z) on
    average, so that importance weights stay unbiased. As the bound gets tight the draws come to
    agree. In training one step of each sample stands for all T, in one pass: the same bound on
    average, but no weight.
    """

    exact: ClassVar[bool] = False
    weighs_in_training: ClassVar[bool] = False

    def __init__(
        self,
        config: DiffusionConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("diffusion", num_codes)
        self.shape, self.cond_dim, self.steps = tuple(shape), cond_dim, config.steps
        self.first = -config.log_snr_max  # gamma_0
        self.rise = (config.log_snr_max - config.log_snr_min) / config.steps  # of gamma in a step
        self.net = Denoiser(len(shape) - 1, shape[0], config.width, config.depth, cond_dim)
        self.power = nn.Parameter(torch.ones(config.steps))  # v, of t = 1 ... T
        self.register_buffer("mean", torch.zeros(shape[0]))
        self.register_buffer("scale", torch.ones(shape[0]))

    mean: Tensor
    scale: Tensor

    def distribution(self, like: Tensor) -> None:
        """None: its density has no closed form."""

    def log_prob(
        self, z: Tensor, cond: Tensor | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """z (B,D,*L), cond (B,E) -> (B,) nats, a bound from below that is drawn.

        Raises:
            ShapeError, CapabilityError: z or cond is not what the prior was built for.
        """
        self._check(tuple(z.shape[1:]), cond)
        x = (wide(z) - self._each(self.mean, z)) / self._each(self.scale, z)
        bound = (self.by_step if self.training else self.by_path)(x, cond, generator)
        places = flat(tuple(z.shape[2:]))
        return bound - places * wide(self.scale).log().sum()

    def gamma(self, step: Tensor) -> Tensor:
        """-log SNR after so many steps, 0 to T."""
        return self.first + self.rise * step

    def noise(self, u: Tensor, step: Tensor, cond: Tensor | None) -> Tensor:
        """u (N,D,*L) after ``step`` (N,) steps -> the epsilon that is thought to be in it."""
        sigma = _like(self.gamma(step).sigmoid().sqrt(), u)
        return sigma * u + wide(self.net(u, step / self.steps, cond))

    def widening(self, step: Tensor) -> Tensor:
        """step (N,) of t -> log of the variance of p(u_s|u_t) over that of q(u_s|u_t, x): (N,)."""
        gamma = self.gamma(step)
        grown = F.logsigmoid(gamma) - F.logsigmoid(gamma - self.rise)
        return wide(self.power)[step.long() - 1] * grown

    def by_step(self, x: Tensor, cond: Tensor | None, generator: Generator | None) -> Tensor:
        """The bound on log p(x), (B,): of the T steps' KL one for each sample, the rest exact.

        The steps of a batch are spread evenly (appendix I.1), each sample's uniform.
        """
        n = len(x)
        u = draws.uniform((), x, generator)
        spread = (u + torch.arange(n, device=x.device, dtype=x.dtype) / max(1, n)) % 1
        step = 1 + (self.steps * spread).floor().clamp(max=self.steps - 1)
        epsilon = draws.normal(x.shape, x, generator)
        gamma = _like(self.gamma(step), x)
        noisy = (-gamma).sigmoid().sqrt() * x + gamma.sigmoid().sqrt() * epsilon
        off = math.expm1(self.rise) * (epsilon - self.noise(noisy, step, cond)).square()
        wider = _like(self.widening(step), x)
        kl = 0.5 * (wider + (-wider).exp() * (1 + off) - 1).flatten(1).sum(1)
        return -self.steps * kl - self.ends(x)

    def ends(self, x: Tensor) -> Tensor:
        """KL(q(u_T|x) | N(0,1)) - E log p(x|u_0) of x (B,D,*L): (B,) nats."""
        last = self.first + self.rise * self.steps
        sigma2, alpha2 = _sigmoid(last), _sigmoid(-last)
        kl = 0.5 * (alpha2 * (x.square() - 1) - math.log(sigma2))
        return (kl + 0.5 * (math.log(2 * math.pi) + self.first + 1)).flatten(1).sum(1)

    def by_path(self, x: Tensor, cond: Tensor | None, generator: Generator | None) -> Tensor:
        """log p(x, u_0 ... u_T) - log q(u_0 ... u_T | x) of a path drawn from q: (B,) nats.

        u_t / alpha_t is x plus a Brownian motion that has the variance exp(gamma_t): it is drawn
        from t = 0 on, and the network sees many of its points at a time.
        """
        epsilon = draws.normal(x.shape, x, generator)
        moved = math.exp(0.5 * self.first) * epsilon  # u_0 / alpha_0 - x
        total = -0.5 * (epsilon.square() + math.log(2 * math.pi) + self.first).flatten(1).sum(1)
        size = max(1, CHUNK // max(1, len(x) * flat(tuple(x.shape[2:]))))
        for begin in range(0, self.steps, size):
            count = min(size, self.steps - begin)
            step = 1 + begin + torch.arange(count, device=x.device, dtype=x.dtype)
            gamma = self.gamma(step).reshape(-1, *[1] * x.ndim)  # (count,1,...) of t; of s it is
            before = gamma - self.rise
            more = (0.5 * before).exp() * math.sqrt(math.expm1(self.rise))
            drawn = more * draws.normal((count, *x.shape), x, generator)
            later = moved + drawn.cumsum(0)
            earlier = torch.cat([moved[None], later[:-1]])
            # What is random in q(u_s|u_t, x), and how far off the mean of p(u_s|u_t) is, both in
            # its standard deviations.
            random = earlier - math.exp(-self.rise) * later
            random = random * (-0.5 * before).exp() / math.sqrt(-math.expm1(-self.rise))
            seen = ((-gamma).sigmoid().sqrt() * (x + later)).flatten(0, 1)
            told = None if cond is None else cond.repeat(count, 1)
            found = self.noise(seen, step.repeat_interleave(len(x)), told).view_as(later)
            off = math.sqrt(math.expm1(self.rise)) * (found - (-0.5 * gamma).exp() * later)
            wider = self.widening(step).reshape(gamma.shape)
            log_ratio = wider + (-wider).exp() * (random + off).square() - random.square()
            total = total - 0.5 * log_ratio.flatten(2).sum(2).sum(0)
            moved = later[-1]
        last = self.first + self.rise * self.steps
        end = _sigmoid(-last) * (x + moved).square() - math.exp(-last) * moved.square()
        return total - 0.5 * (end - math.log(_sigmoid(last))).flatten(1).sum(1)

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
        """(n,*shape), in T passes of the network; ``temperature`` scales all that is drawn."""
        check_temperature(temperature)
        shape = self.shape if shape is None else tuple(shape)
        self._check(shape, cond)
        like, size = wide(self.mean), (n, *shape)
        u = temperature * draws.normal(size, like, generator)
        kept = -math.expm1(-self.rise)  # VDM's c, of its equation for sampling
        for t in range(self.steps, 0, -1):
            gamma, before = self.first + self.rise * t, self.first + self.rise * (t - 1)
            step = like.new_full((n,), t)
            epsilon = self.noise(u, step, cond)
            mean = math.sqrt(_sigmoid(-before) / _sigmoid(-gamma)) * (
                u - math.sqrt(_sigmoid(gamma)) * kept * epsilon
            )
            wider = (0.5 * self.widening(step[:1])).exp().reshape(1, *[1] * len(shape))
            deviation = temperature * math.sqrt(_sigmoid(before) * kept) * wider
            u = mean + deviation * draws.normal(size, like, generator)
        deviation = temperature * math.exp(0.5 * self.first)
        x = u / math.sqrt(_sigmoid(-self.first)) + deviation * draws.normal(size, like, generator)
        return self._each(self.mean, x) + self._each(self.scale, x) * x

    @torch.no_grad()
    def start(self, latents: Tensor) -> None:
        """Take the mean and the scale of each channel from latents (N,D,*L)."""
        self._check(tuple(latents.shape[1:]), None if self.cond_dim is None else latents)
        z = wide(latents).movedim(1, -1).flatten(0, -2)
        self.mean.copy_(z.mean(0))
        deviation = z.std(0, correction=0)
        self.scale.copy_(deviation.clamp(min=1e-4 * deviation.mean() + 1e-12))

    def _each(self, of: Tensor, x: Tensor) -> Tensor:
        """A number a channel, (D,), beside x (B,D,*L)."""
        return wide(of).reshape(-1, *[1] * (x.ndim - 2))

    def _check(self, shape: tuple[int, ...], cond: Tensor | None) -> None:
        if len(shape) != len(self.shape) or shape[0] != self.shape[0]:
            raise ShapeError(
                f"diffusion was built for latents of shape {self.shape}, not {shape}; it serves "
                "maps of any size, of as many channels and axes; use prior=normal for others"
            )
        told_as_built("diffusion", cond, self.cond_dim)


def _like(values: Tensor, x: Tensor) -> Tensor:
    """(N,) beside x (N,...)."""
    return values.reshape(-1, *[1] * (x.ndim - 1))


def _sigmoid(value: float) -> float:
    return 1 / (1 + math.exp(-value))
