"""The latent of a decoder that bears noise: Zheng, Ma, Tong, Xie, Diffusion Transformers with
Representation Autoencoders, 2025, arXiv:2510.11690, noise-augmented decoding.

A generative model of latents hits them nearly. In training z has Gaussian noise whose deviation is
drawn for each sample, |N(0, tau^2)|, so that the decoder knows both what is near and the latent
itself; the authors' code, and diffusers, draw it evenly from 0 to tau. As in the paper z has mean 0
and variance 1 over the channels of each place (there the last layer normalisation of a pretrained
encoder, without its affine part): an encoder that learns would otherwise outgrow the noise.
"""

from __future__ import annotations

from typing import ClassVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components import draws
from aezoo.components.posteriors.configs import Noisy, Point
from aezoo.components.posteriors.point import PointPosterior
from aezoo.latents import Latent


class NoisyPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D, *L), normalised at each place; in training z + sigma * epsilon."""

    deterministic: ClassVar[bool] = True  # no q(z|x), so a vae has no bound with it

    def __init__(self, config: Noisy, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.point = PointPosterior(Point(config.dim), in_shape=in_shape)
        self.in_shape, self.out_shape = in_shape, self.point.out_shape
        self.tau = config.tau

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        z = self.point(h).z.movedim(1, -1)
        z = F.layer_norm(z, z.shape[-1:]).movedim(-1, 1).contiguous()
        if self.training:
            one = (len(z), *[1] * (z.ndim - 1))  # sigma is that of a whole sample
            sigma = self.tau * draws.normal(one, z, generator).abs()
            z = z + sigma * draws.normal(z.shape, z, generator)
        return Latent(z=z)
