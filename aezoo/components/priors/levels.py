"""Priors over the codes of several levels: each level given all those above it.

Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with VQ-VAE-2, 2019,
arXiv:1906.00446, section 3.2: p(codes) = p(top) p(next | top) ...; what is above conditions a
level place by place.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.components.nd import conv, crop, doublings, up
from aezoo.components.priors import exact
from aezoo.components.priors.configs import LevelsConfig
from aezoo.components.residual import residual_stack
from aezoo.errors import ShapeError


class LevelsPrior(nn.Module):
    """log P(codes) = sum over levels of log P(codes of the level | codes of the levels above).

    Codes are tuples, the largest map first, as `aezoo.components.quantizers.levels` gives them.
    """

    several_levels = True

    def __init__(
        self,
        config: LevelsConfig,
        shape: tuple[tuple[int, ...], ...],
        num_codes: tuple[int, ...] | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        if (
            num_codes is None
            or not isinstance(num_codes, tuple)
            or len(num_codes) != len(config.parts)
        ):
            raise ShapeError(
                f"{len(config.parts)} priors need a quantizer of as many levels, levels(...)"
            )
        self.shape, self.num_codes, self.cond_dim = shape, num_codes, cond_dim
        top = len(shape) - 1
        self.parts: Any = nn.ModuleList(
            part.build(
                shape=shape[level],
                num_codes=num_codes[level],
                cond_dim=cond_dim if level == top else (cond_dim or 0) + config.width,
            )
            for level, part in enumerate(config.parts)
        )
        self.told = nn.ModuleList(
            _Told(num_codes[level + 1], shape[level + 1], shape[level], config, level + 1 < top)
            for level in range(top)
        )

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    @property
    def exact(self) -> bool:
        """Whether every level's prior is."""
        return all(exact.is_exact(part) for part in self.parts)

    def log_prob(
        self,
        codes: tuple[Tensor, ...],
        cond: Tensor | None = None,
        *,
        generator: Generator | None = None,
    ) -> Tensor:
        """codes (B, *L_l) of every level, cond (B, E) -> (B,) nats."""
        found = self.log_probs(codes, cond, generator=generator)
        return sum(found[1:], found[0])

    def log_probs(
        self,
        codes: tuple[Tensor, ...],
        cond: Tensor | None = None,
        *,
        generator: Generator | None = None,
    ) -> tuple[Tensor, ...]:
        """The same level by level: what each level's codes cost given those above."""
        found: list[Tensor] = []
        told: Tensor | None = None
        for level in reversed(range(len(self.parts))):
            if level < len(self.told):
                told = self.told[level](codes[level + 1], told, codes[level].shape[1:])
            reads = _joined(told, cond)
            found.insert(0, exact.log_prob(self.parts[level], codes[level], reads, generator))
        return tuple(found)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple[tuple[int, ...], ...] | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> tuple[Tensor, ...]:
        """The codes (n, *L_l) of every level, drawn from the top down."""
        shape = self.shape if shape is None else shape
        found: list[Tensor] = []
        told: Tensor | None = None
        for level in reversed(range(len(self.parts))):
            if found:
                told = self.told[level](found[0], told, shape[level])
            drawn = self.parts[level].sample(
                n,
                shape=shape[level],
                cond=_joined(told, cond),
                generator=generator,
                temperature=temperature,
            )
            found.insert(0, drawn)
        return tuple(found)


class _Told(nn.Module):
    """Codes of the level above, and what that level was told, to (B, width, *L) of this one."""

    def __init__(
        self,
        num_codes: int,
        above: tuple[int, ...],
        here: tuple[int, ...],
        config: LevelsConfig,
        more: bool,
    ):
        super().__init__()
        if len(above) != len(here):
            raise ShapeError(
                f"codes of shape {above} cannot tell codes of shape {here} of their places; "
                "take quantizers with one code a place"
            )
        rank, width = len(here), config.width
        self.embed = nn.Embedding(num_codes, width)
        layers: list[nn.Module] = [conv(rank, 2 * width if more else width, width, 3)]
        layers += residual_stack(rank, width, config.depth, None)
        layers += [up(rank, width, width) for _ in range(doublings(above, here))]
        self.layers = nn.Sequential(*layers)

    def forward(self, codes: Tensor, told: Tensor | None, size: tuple[int, ...]) -> Tensor:
        x = self.embed(codes).movedim(-1, 1)
        if told is not None:
            x = torch.cat([x, told], dim=1)
        return crop(self.layers(x), tuple(size))


def _joined(told: Tensor | None, cond: Tensor | None) -> Tensor | None:
    """What a level is conditioned on: of the levels above a place, of the condition everywhere."""
    if told is None or cond is None:
        return cond if told is None else told
    everywhere = cond.reshape(*cond.shape, *[1] * (told.ndim - 2))
    return torch.cat([everywhere.expand(-1, -1, *told.shape[2:]), told], dim=1)
