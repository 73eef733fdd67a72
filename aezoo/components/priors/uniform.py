"""The uniform prior over codes: log K nats a code, what a code costs without a model of it."""

from __future__ import annotations

import math

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_codes
from aezoo.components.priors.configs import UniformConfig
from aezoo.components.priors.device import drawing_device
from aezoo.latents import Codes, levels


def uniform_log_probs(codes: tuple[Tensor, ...], num_codes: tuple[int, ...]) -> tuple[Tensor, ...]:
    """-log K nats a code: (B,) for the codes (B,*L) of each level."""
    return tuple(
        torch.full(
            c.shape[:1], -math.prod(c.shape[1:]) * math.log(k), dtype=torch.float32, device=c.device
        )
        for c, k in zip(codes, num_codes, strict=True)
    )


class UniformPrior(nn.Module):
    """P(code) = 1/K at each position. It has no parameters and ignores ``cond``."""

    several_levels = True

    def __init__(
        self,
        config: UniformConfig,
        shape: tuple,
        num_codes: int | tuple[int, ...] | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        self.shape = tuple(shape)
        # Both are tuples where there are several levels.
        self.num_codes = over_codes("uniform", num_codes)

    def distribution(self, like: Tensor) -> None:
        """None: `log_prob` is all there is to it."""
        return None

    def log_prob(self, codes: Codes, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) int64 in [0,K), or such of every level -> (B,) nats, the same for all."""
        found = self.log_probs(levels(codes))
        return sum(found[1:], found[0])

    def log_probs(
        self, codes: tuple[Tensor, ...], cond: Tensor | None = None
    ) -> tuple[Tensor, ...]:
        """The same level by level."""
        return uniform_log_probs(codes, levels(self.num_codes))

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Codes:
        """(n,*shape) int64 in [0,K). A uniform distribution is the same at any temperature."""
        check_temperature(temperature)
        device = drawing_device(generator, cond)
        shape = self.shape if shape is None else shape

        def draw(k: int, shape: tuple[int, ...]) -> Tensor:
            return torch.randint(k, (n, *shape), generator=generator, device=device)

        if isinstance(self.num_codes, tuple):
            return tuple(draw(k, s) for k, s in zip(self.num_codes, shape, strict=True))
        return draw(self.num_codes, shape)
