"""A mixture of logistics on the 256 levels of a pixel.

Salimans, Karpathy, Chen and Kingma, PixelCNN++: Improving the PixelCNN with Discretized
Logistic Mixture Likelihood and Other Modifications, 2017, arXiv:1701.05517, sections 2.1
and 2.2.

The probability of a level is written sigma(b) - sigma(a) = sigma(b) sigma(-a) (1 - e^(a-b)),
which is exact in logs at every scale; the paper's code falls back to a density times the
bin's width where the difference gets small, and then does not sum to one.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, constraints

from aezoo.components.likelihoods.configs import LogisticMixtureConfig
from aezoo.components.likelihoods.levels import TOP, to_levels
from aezoo.components.nd import wide

_HALF = TOP / 2  # the network's units run from -1 to 1: level = _HALF * (unit + 1)
_LOG_SCALE_FLOOR = -7.0  # of a scale in the network's units; the paper's bound
_LOG_SCALE_TOP = 7.0


class LogisticMixtureLikelihood(nn.Module):
    """Decoder output (B,P,*S) -> mixture of logistics on 256 levels, all channels together.

    With M components, P is M (logits) + M*C (means) + M*C (log scales), and for C = 3 also
    M*3 coefficients: within a component the mean of green moves linearly with red, and that
    of blue with red and green (PixelCNN++, equation 3). Otherwise the channels are
    independent given the component.
    """

    def __init__(self, config: LogisticMixtureConfig, shape: tuple[int, ...]):
        super().__init__()
        self.components = config.components
        self.channels = shape[0]
        per_component = 1 + 2 * self.channels + (3 if self.channels == 3 else 0)
        self.param_channels = self.components * per_component

    def forward(self, params: Tensor) -> LogisticMixture:
        m, c = self.components, self.channels
        parts = wide(params).split([m, m * c, m * c, self.param_channels - m * (1 + 2 * c)], 1)
        logits, means, log_scales, coefficients = parts
        per_channel = (m, c)
        return LogisticMixture(
            logits,
            means.unflatten(1, per_channel),
            log_scales.unflatten(1, per_channel),
            coefficients.unflatten(1, (m, 3)) if c == 3 else None,
        )


class LogisticMixture(Distribution):
    """P(x) over x in {0, 1/255, ..., 1}. Batch shape (B,), event shape (C,*S).

    Args:
        logits: (B,M,*S) of the components.
        means: (B,M,C,*S) in units where x runs from -1 to 1.
        log_scales: (B,M,C,*S) in the same units, softly bounded below by -7.
        coefficients: (B,M,3,*S) before tanh (red to green, red to blue, green to blue), or
            None for independent channels.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(
        self, logits: Tensor, means: Tensor, log_scales: Tensor, coefficients: Tensor | None
    ):
        self.log_weights = F.log_softmax(logits, dim=1)
        self.means = means
        soft = F.softplus(log_scales.clamp(max=_LOG_SCALE_TOP) - _LOG_SCALE_FLOOR)
        # In levels from here on: bin edges are then exact in float32, so that neighbouring
        # bins share theirs to the last bit and the levels sum to one at narrow scales too.
        self.scales = _HALF * (_LOG_SCALE_FLOOR + soft).exp()
        self.coefficients = None if coefficients is None else coefficients.tanh()
        super().__init__(means.shape[:1], means.shape[2:], validate_args=False)

    def log_prob(self, x: Tensor) -> Tensor:
        """x (B,C,*S) in [0,1], taken at its nearest level -> (B,) nats."""
        level = to_levels(x.to(self.means.dtype)).unsqueeze(1)  # (B,1,C,*S)
        below = level - 0.5 - self._means_given(level / _HALF - 1)
        a, b = below / self.scales, (below + 1) / self.scales
        log_width = torch.log(-torch.expm1(-1 / self.scales))
        upper_open, lower_open = level == TOP, level == 0
        log_p = F.logsigmoid(b).masked_fill(upper_open, 0.0)
        log_p = log_p + F.logsigmoid(-a).masked_fill(lower_open, 0.0)
        log_p = log_p + log_width.masked_fill(upper_open | lower_open, 0.0)
        mixed = torch.logsumexp(self.log_weights + log_p.sum(2), dim=1)
        return mixed.flatten(1).sum(1)

    @property
    def mean(self) -> Tensor:
        """(B,C,*S) in [0,1].

        The mean of the clipped logistics, in closed form; rounding to levels is left out
        (less than half a level). With coupled colours the later channels' means are taken
        at the mean of the earlier ones: exact unless clipping bends that relation.
        """
        channels: list[Tensor] = []  # each (B,M,*S), in units from -1 to 1
        for channel in range(self.means.shape[2]):
            location = _HALF * (self._mean_of(channel, channels) + 1)
            scale = self.scales[:, :, channel]
            # E[clip(X, 0, 255)] = integral over t from 0 to 255 of sigma((location - t) / s)
            rise = F.softplus(location / scale) - F.softplus((location - TOP) / scale)
            channels.append(scale * rise / _HALF - 1)
        weights = self.log_weights.exp().unsqueeze(2)
        mean = (weights * torch.stack(channels, dim=2)).sum(1)
        return ((mean + 1) / 2).clamp(0, 1)

    @torch.no_grad()
    def sample(
        self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None
    ) -> Tensor:
        """(*sample_shape, B,C,*S): exact draws, values on the 256 levels."""
        batch, components, channels, *size = self.means.shape
        shape = (batch, components + channels, *size)
        where = self.means.device if generator is None else generator.device
        draws = [
            self.drawn(torch.rand(shape, generator=generator, device=where).to(self.means))
            for _ in range(torch.Size(sample_shape).numel())
        ]
        return torch.stack(draws).unflatten(0, sample_shape) if sample_shape else draws[0]

    def drawn(self, noise: Tensor) -> Tensor:
        """What uniform noise (B,M+C,*S) in [0,1) draws: (B,C,*S), values on the 256 levels.

        The first M choose the component, the others its value in each channel.
        """
        components = self.log_weights.shape[1]
        noise = noise.clamp(1e-7, 1 - 1e-7)
        gumbel = noise[:, :components].log().neg().log().neg()
        index = (self.log_weights + gumbel).argmax(1, keepdim=True)  # (B,1,*S)
        channels: list[Tensor] = []
        for channel in range(self.means.shape[2]):
            location = _HALF * (self._mean_of(channel, channels, index) + 1)
            uniform = noise[:, components + channel].unsqueeze(1)
            scale = self.scales[:, :, channel].gather(1, index)
            level = (location + scale * torch.logit(uniform)).round().clamp(0, TOP)
            channels.append(level / _HALF - 1)
        return (torch.cat(channels, dim=1) + 1) / 2

    def _means_given(self, x: Tensor) -> Tensor:
        """Means of all channels given x (B,1,C,*S) in units from -1 to 1, in levels."""
        channels = list(x.unbind(2))
        means = [self._mean_of(channel, channels) for channel in range(len(channels))]
        return _HALF * (torch.stack(means, dim=2) + 1)

    def _mean_of(self, channel: int, earlier: list[Tensor], index: Tensor | None = None) -> Tensor:
        """Mean of one channel given the earlier ones, (B,M,*S) in units from -1 to 1.

        With ``index`` (B,1,*S), of that component alone: (B,1,*S).
        """

        def pick(part: Tensor) -> Tensor:
            return part if index is None else part.gather(1, index)

        mean = pick(self.means[:, :, channel])
        if self.coefficients is None or channel == 0:
            return mean
        c = self.coefficients
        if channel == 1:
            return mean + pick(c[:, :, 0]) * earlier[0]
        return mean + pick(c[:, :, 1]) * earlier[0] + pick(c[:, :, 2]) * earlier[1]
