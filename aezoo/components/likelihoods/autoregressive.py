"""p(x|z) of a network that gives each pixel's distribution from the pixels before it and z.

Gulrajani, Kumar, Ahmed, Taiga, Visin, Vazquez and Courville, PixelVAE: A Latent Variable Model
for Natural Images, 2016, arXiv:1611.05013: z reaches every pixel through the decoder's output at
its place. What such a network can say by itself it leaves out of z: one that reaches a few
pixels leaves the rest to z (Chen et al., Variational Lossy Autoencoder, 2016, arXiv:1611.02731).
"""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Generator, Tensor
from torch.distributions import Distribution, constraints


class Autoregressive(Distribution):
    """P(x) over x in {0, 1/(K-1), ..., 1}, pixel after pixel. Batch (B,), event (C,H,W).

    It has no closed mean. Its probabilities are computed at all pixels at once, its draws one
    pixel at a time.

    Args:
        net: has ``log_prob(x, features) -> (B,)``, ``sample(features, generator) -> x`` and
            ``levels`` K.
        features: (B,F,H,W), the decoder's output.
        channels: C.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, net: Any, features: Tensor, channels: int):
        self.net, self.features = net, features
        self.on_levels = True if net.levels == 256 else f"{net.levels} levels"
        event = torch.Size([channels, *features.shape[2:]])
        super().__init__(features.shape[:1], event, validate_args=False)

    @property
    def levels(self) -> Tensor:
        """(K,) the values that x has."""
        count = self.net.levels
        return torch.arange(count, device=self.features.device) / (count - 1)

    def log_prob(self, value: Tensor) -> Tensor:
        """x (B,C,H,W) in [0,1], taken at its nearest level -> (B,) nats."""
        return self.net.log_prob(value, self.features)

    @torch.no_grad()
    def sample(
        self, sample_shape: tuple[int, ...] = (), generator: Generator | None = None
    ) -> Tensor:
        """(*sample_shape,B,C,H,W): exact draws, values of levels."""
        draws = torch.Size(sample_shape).numel()
        drawn = self.net.sample(self.features.repeat(draws, 1, 1, 1), generator)
        return drawn.reshape(*sample_shape, *self.batch_shape, *self.event_shape)
