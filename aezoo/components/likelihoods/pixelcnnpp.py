"""PixelCNN++ as a decoder: each pixel given those before it and the decoder's output.

Salimans, Karpathy, Chen and Kingma, PixelCNN++: Improving the PixelCNN with Discretized Logistic
Mixture Likelihood and Other Modifications, 2017, arXiv:1701.05517: a mixture of logistics for
all channels of a pixel at once (2.1, 2.2), from the network of `aezoo.components.pixelcnnpp`.

Letters: B batch, C channels of x, F of the decoder's output, w of the streams, n samples.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Generator, Tensor

from aezoo.components.causal import pointwise
from aezoo.components.likelihoods.autoregressive import Autoregressive
from aezoo.components.likelihoods.configs import LogisticMixtureConfig, PixelCNNPPConfig
from aezoo.components.likelihoods.levels import TOP, to_levels
from aezoo.components.likelihoods.logistic_mixture import LogisticMixture, LogisticMixtureLikelihood
from aezoo.components.nd import wide
from aezoo.components.pixelcnnpp import TwoStreams
from aezoo.errors import ShapeError


class PixelCNNPPLikelihood(TwoStreams):
    """Decoder output (B,F,H,W), what each pixel is conditioned on -> p(x|z) of (C,H,W)."""

    levels = TOP + 1

    def __init__(self, config: PixelCNNPPConfig, shape: tuple[int, ...]):
        if len(shape) != 3:
            raise ShapeError(f"pixelcnnpp serves pictures (C,H,W), not {tuple(shape)}")
        super().__init__(
            shape[0] + 1,
            config.width,
            layers=config.layers,
            down=config.down,
            dropout=config.dropout,
            cond_dim=config.features,
        )
        self.param_channels = config.features
        self.channels = shape[0]
        self.pixel = LogisticMixtureLikelihood(LogisticMixtureConfig(config.components), shape)
        self.head = pointwise(config.width, self.pixel.param_channels)

    def forward(self, params: Tensor) -> Autoregressive:
        return Autoregressive(self, params, self.channels)

    def log_prob(self, x: Tensor, features: Tensor) -> Tensor:
        """x (B,C,H,W) in [0,1] and what the decoder gave, (B,F,H,W) -> (B,) nats."""
        return self.pixels(x, features).log_prob(x)

    def pixels(self, x: Tensor, features: Tensor) -> LogisticMixture:
        """Each pixel's distribution given those before it, which are looked at alone."""
        seen = read(to_levels(x.to(features.dtype)) / TOP)
        return self._pixels(self.behind(seen, features))

    def sample(self, features: Tensor, generator: Generator | None = None) -> Tensor:
        """features (n,F,H,W) -> (n,C,H,W), values of levels.

        Equal to drawing pixel after pixel from `pixels` of all so far. Dropout is off. All noise
        is drawn at the start, on the generator's device.
        """
        n, _, rows, columns = features.shape
        uniforms = self.pixel.components + self.channels
        where = features.device if generator is None else generator.device
        size = (n, uniforms, rows, columns)
        noise = torch.rand(size, generator=generator, device=where).to(features)
        x = features.new_zeros(n, self.channels, rows, columns)

        def draw(ul: Tensor, i: int, j: int) -> Tensor:
            here = (slice(None), slice(None), slice(i, i + 1), slice(j, j + 1))
            x[here] = self._pixels(ul).drawn(noise[here])
            return read(x[here])

        self.walk(n, (rows, columns), features, draw)
        return x

    def _pixels(self, ul: Tensor) -> LogisticMixture:
        with torch.autocast(ul.device.type, enabled=False):  # bf16 means cost bits
            return self.pixel(self.head(F.elu(wide(ul))))


def read(x: Tensor) -> Tensor:
    """Pixels from -1 to 1, and a channel of ones that padding does not have: (B,C+1,H,W)."""
    return F.pad(2 * x - 1, (0, 0, 0, 0, 0, 1), value=1.0)
