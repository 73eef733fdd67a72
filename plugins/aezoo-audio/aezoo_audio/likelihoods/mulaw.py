"""A categorical distribution over mu-law levels, each sample of a waveform by itself.

van den Oord et al., WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499, section
2.2; here without the dependence between samples, which `audio/wavenet` adds.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.distributions import Distribution, constraints

from aezoo_audio.configs import MuLawConfig
from aezoo_audio.mulaw import every_level, to_levels


class MuLawLikelihood(nn.Module):
    """Decoder output (B, levels * C, T), logits -> a probability for each sample's level."""

    range = (-1.0, 1.0)  # of x

    def __init__(self, config: MuLawConfig, shape: tuple[int, ...]):
        super().__init__()
        self.levels = config.levels
        self.param_channels = config.levels * shape[0]

    def forward(self, params: Tensor) -> MuLaw:
        return MuLaw(params.float().unflatten(1, (self.levels, -1)))


class MuLaw(Distribution):
    """P(x) over x on K mu-law levels. Batch shape (B,), event shape (C, *S).

    Args:
        logits: (B, K, C, *S), unnormalised.
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, logits: Tensor):
        self.logits = logits
        self.levels = every_level(logits.shape[1], logits.device)
        self.on_levels = f"{logits.shape[1]} mu-law levels"
        super().__init__(logits.shape[:1], logits.shape[2:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        """x (B, C, *S) in [-1,1], taken at its nearest level -> (B,) nats."""
        level = to_levels(value, self.logits.shape[1])
        return -F.cross_entropy(self.logits, level, reduction="none").flatten(1).sum(1)

    @property
    def mean(self) -> Tensor:
        """(B, C, *S): of the amplitudes, not of the levels."""
        return torch.einsum("bk...,k->b...", self.logits.softmax(1), self.levels)

    @torch.no_grad()
    def sample(self, sample_shape: tuple[int, ...] = ()) -> Tensor:
        """(*sample_shape, B, C, *S), amplitudes of levels."""
        shape = (*sample_shape, *self.logits.shape)
        gumbel = torch.empty(shape, device=self.logits.device).exponential_().log().neg()
        level = (self.logits + gumbel).argmax(len(sample_shape) + 1)
        return self.levels[level]
