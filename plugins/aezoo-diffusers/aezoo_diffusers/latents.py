"""Latents in the scale that diffusion models use: z = (raw - shift) * scale.

The rate is of the raw posterior against N(0, 1). z carries the same information, so q(z|x) and
the prior are both scaled, and the KL between them is the same number.

Rombach, Blattmann, Lorenz, Esser, Ommer, High-Resolution Image Synthesis with Latent Diffusion
Models, 2022, arXiv:2112.10752, sections 4.3.2 and D.1.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.distributions import Independent, Normal

from aezoo.checks import check_temperature
from aezoo.components import draws
from aezoo.errors import ShapeError
from aezoo.latents import Latent
from aezoo_diffusers import configs

#: diffusers keeps log sigma^2 in this range.
LOG_VARIANCE = (-30.0, 20.0)
_CONV = {1: nn.Conv1d, 2: nn.Conv2d, 3: nn.Conv3d}


class Scale(nn.Module):
    """raw (B,D,*L) to z and back.

    With ``statistics`` a mean and a deviation of each channel, and of each of that many
    frames, are tensors of the model: z = (raw - mean) * scaling_factor / deviation.
    """

    mean: Tensor  # (D, statistics)
    deviation: Tensor

    def __init__(self, config: Any, channels: int):
        super().__init__()
        self.factor, self.shift = config.scaling_factor, config.shift_factor
        self.frames = config.statistics
        if self.frames:
            self.register_buffer("mean", torch.zeros(channels, self.frames))
            self.register_buffer("deviation", torch.ones(channels, self.frames))

    def forward(self, raw: Tensor) -> Tensor:
        if not self.frames:
            return (raw - self.shift) * self.factor
        mean, deviation = self._statistics(raw.shape)
        return (raw - mean) * self.factor / deviation

    def inverse(self, z: Tensor) -> Tensor:
        if not self.frames:
            return z / self.factor + self.shift
        mean, deviation = self._statistics(z.shape)
        return z * deviation / self.factor + mean

    def width(self, sigma: Tensor) -> Tensor:
        """The deviation of z where that of raw is sigma (B,D,*L)."""
        if not self.frames:
            return sigma * self.factor
        return sigma * self.factor / self._statistics(sigma.shape)[1]

    def _statistics(self, shape: torch.Size) -> tuple[Tensor, Tensor]:
        """Both as (D, T or 1, 1...), broadcast against (B,D,*L)."""
        frames = min(self.frames, shape[2])
        if self.frames > 1 and shape[2] > frames:
            raise ShapeError(
                f"the latents' statistics are of {self.frames} frames, and z has {shape[2]}; take "
                "a shorter video, or several"
            )
        rest = [1] * (len(shape) - 3)
        kept = (tensor[:, :frames] for tensor in (self.mean, self.deviation))
        mean, deviation = (tensor.reshape(len(tensor), -1, *rest) for tensor in kept)
        return mean, deviation


class MomentsPosterior(nn.Module):
    """h (B,2D,*L), mean and log-variance -> z (B,D,*L), scaled; q(z|x) is a diagonal Gaussian.

    With ``deviation=softplus`` the second half is sigma before softplus (Stable Audio).
    """

    def __init__(self, config: configs.Moments, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *place = in_shape
        if channels % 2:
            raise ShapeError(f"moments need an even number of channels, not {channels}")
        self.config = config
        self.in_shape = in_shape
        self.out_shape = (channels // 2, *place)
        self.quant_conv = mixer(config.use_quant_conv, in_shape, channels)
        self.scale = Scale(config, channels // 2)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: Generator | None = None
    ) -> Latent:
        mean, second = self.quant_conv(h).float().chunk(2, dim=1)
        if self.config.deviation == "logvar":
            sigma = (0.5 * second.clamp(*LOG_VARIANCE)).exp()
        else:
            sigma = F.softplus(second) + 1e-4
        location, width = self.scale(mean), self.scale.width(sigma)
        pixels = Normal(location, width, validate_args=False)
        q = Independent(pixels, mean.ndim - 1, validate_args=False)
        if not sample:
            return Latent(z=location, q=q)
        noise = draws.normal(mean.shape, mean, generator)
        return Latent(z=self.scale(mean + sigma * noise), q=q)


class LatentsPosterior(nn.Module):
    """h (B,D,*L) -> z of the same shape, scaled: one point."""

    deterministic = True

    def __init__(self, config: configs.Latents, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = self.out_shape = in_shape
        self.quant_conv = mixer(config.use_quant_conv, in_shape, in_shape[0])
        self.scale = Scale(config, in_shape[0])

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: Generator | None = None
    ) -> Latent:
        return Latent(z=self.scale(self.quant_conv(h).float()))


def mixer(there: bool, in_shape: tuple[int, ...], outputs: int) -> nn.Module:
    """diffusers' convolution of one place before or behind the latents, where a model has it."""
    if not there:
        return nn.Identity()
    inputs, rank = in_shape[0], len(in_shape) - 1
    return _CONV[rank](inputs, outputs, 1) if rank else nn.Linear(inputs, outputs)


class NormalPrior(nn.Module):
    """N(0, 1) of raw latents, in the scale of z (B,D,*L). It ignores ``cond``."""

    def __init__(
        self,
        config: configs.Normal,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        if num_codes is not None:
            raise ShapeError("diffusers/normal is over continuous latents; use prior=uniform")
        self.shape = tuple(shape)
        self.scale = Scale(config, self.shape[0])

    def distribution(self, like: Tensor) -> Independent:
        """The prior of one sample of ``like`` (B,D,*L): event shape (D,*L), on its device."""
        dtype = torch.promote_types(like.dtype, torch.float32)
        zero = torch.zeros((1, *like.shape[1:]), dtype=dtype, device=like.device)
        location, width = self.scale(zero)[0], self.scale.width(zero + 1)[0]
        pixels = Normal(location, width, validate_args=False)
        return Independent(pixels, like.ndim - 1, validate_args=False)

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L) -> (B,) nats."""
        return self.distribution(z).log_prob(z)

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
        """(n,*shape); ``temperature`` scales the standard deviation."""
        check_temperature(temperature)
        device = generator.device if generator is not None else None
        raw = torch.randn((n, *(shape or self.shape)), generator=generator, device=device)
        if self.scale.frames:
            raw = raw.to(self.scale.mean.device)
        return self.scale(temperature * raw)
