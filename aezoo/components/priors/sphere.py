"""The uniform prior on the unit sphere: Davidson et al. 2018, arXiv:1804.00891, section 3.1."""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_latents
from aezoo.components.priors.configs import Sphere
from aezoo.components.priors.device import drawing_device
from aezoo.components.sphere import SphereUniform, uniform_on_sphere
from aezoo.errors import ShapeError


class SpherePrior(nn.Module):
    """Over z (B,D,*L) of length 1 at every place. It has no parameters and ignores ``cond``.

    Densities are relative to the sphere's area, as the posterior vmf's are.
    """

    space = "sphere"

    def __init__(
        self,
        config: Sphere,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("sphere", num_codes)
        self.shape = tuple(shape)
        if self.shape[0] < 2:
            raise ShapeError("sphere needs latents with at least two channels, as vmf(2) gives")

    def distribution(self, like: Tensor) -> SphereUniform:
        """The prior of one sample of ``like`` (B,D,*L)."""
        return SphereUniform(tuple(like.shape[1:]))

    def log_prob(self, z: Tensor, cond: Tensor | None = None) -> Tensor:
        """z (B,D,*L) -> (B,) nats, the same for all."""
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
        """(n,*shape). A uniform distribution is the same at any temperature."""
        check_temperature(temperature)
        size = (n, *(self.shape if shape is None else shape))
        device = drawing_device(generator, cond)
        return uniform_on_sphere(size, generator=generator, device=device)
