"""WaveNet as a decoder: each sample of a waveform given those before it and the decoder's output.

van den Oord et al., WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499, with local
conditioning (equation 6); as the decoder of a VQ-VAE in van den Oord, Vinyals, Kavukcuoglu,
Neural Discrete Representation Learning, 2017, arXiv:1711.00937, section 4.3.
"""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Generator, Tensor, nn
from torch.distributions import Distribution, constraints

from aezoo.errors import ShapeError
from aezoo_audio.configs import WaveNetConfig
from aezoo_audio.mulaw import every_level, to_levels
from aezoo_audio.wavenet import WaveNet


class WaveNetLikelihood(nn.Module):
    """Decoder output (B, features, T), what each sample is conditioned on -> p(x|z).

    Raises:
        ShapeError: the waveforms have more than one channel.
    """

    range = (-1.0, 1.0)  # of x

    def __init__(self, config: WaveNetConfig, shape: tuple[int, ...]):
        super().__init__()
        if shape[0] != 1:
            raise ShapeError(
                f"audio/wavenet serves mono, (1, T), not {shape}; for more channels take "
                "audio/mulaw"
            )
        self.param_channels = config.features
        self.net = WaveNet(
            config.levels, config.width, config.layers, config.cycle, config.features
        )

    def forward(self, params: Tensor) -> WaveNetDistribution:
        return WaveNetDistribution(self.net, params)


class WaveNetDistribution(Distribution):
    """P(x) over x on mu-law levels, sample after sample. Batch shape (B,), event shape (1, T).

    It has no closed mean. Its probabilities are computed at all samples at once, its draws one
    sample at a time.

    Args:
        net: over levels, with E channels of condition.
        features: (B, E, T), the condition.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, net: WaveNet, features: Tensor):
        self.net, self.features = net, features
        self.levels = every_level(net.symbols, features.device)
        self.on_levels = f"{net.symbols} mu-law levels"
        batch, _, length = features.shape
        super().__init__(torch.Size([batch]), torch.Size([1, length]), validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """x (B, 1, T) in [-1,1], taken at its nearest level -> (B,) nats."""
        return self.net.log_prob(to_levels(value[:, 0], self.net.symbols), self.features)

    @torch.no_grad()
    def sample(
        self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None
    ) -> Tensor:
        """(*sample_shape, B, 1, T): exact draws, amplitudes of levels."""
        draws = torch.Size(sample_shape).numel()
        batch, _, length = self.features.shape
        features = self.features.repeat(draws, 1, 1)
        levels = self.net.sample(draws * batch, length, features, generator=generator)
        return self.levels[levels].reshape(*sample_shape, batch, 1, length)
