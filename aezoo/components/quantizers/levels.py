"""A hierarchy of quantizers: codes of several maps, the smallest first.

Razavi, van den Oord, Vinyals, Generating Diverse High-Fidelity Images with VQ-VAE-2, 2019,
arXiv:1906.00446, section 3.1: the top level is quantized from its own features, each one below
from its features together with what the levels above decode to; the decoder reads all levels.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.nd import conv, crop, doublings, up
from aezoo.components.quantizers.configs import Levels
from aezoo.components.residual import residual_stack
from aezoo.errors import ShapeError
from aezoo.latents import Latent


class LevelsQuantizer(nn.Module):
    """(h_1, ..., h_n), each (B, F_l, *L_l), to codes of every level and one z for the decoder.

    Level 1 is the largest map. z (B, D_1 + ... + D_n, *L_1) holds every level's code vectors,
    those of smaller maps enlarged by transposed convolutions. ``num_codes`` and ``code_shape``
    are tuples with an entry a level, and so are the codes.
    """

    several_levels = True

    def __init__(self, config: Levels, *, in_shape: tuple[tuple[int, ...], ...]):
        super().__init__()
        if len(in_shape) != len(config.parts) or not isinstance(in_shape[0], tuple):
            raise ShapeError(
                f"{len(config.parts)} quantizers need an encoder of as many levels, "
                f"levels(...), and its output is {in_shape}"
            )
        self.in_shape = in_shape
        parts: list[Any] = []
        context: list[nn.Module] = []  # of level l: what levels l+1.. say about it
        enlarge: list[nn.Module] = []  # of level l: z of levels l+1.. at its size
        above: tuple[int, ...] | None = None  # shape of z of the levels so far
        for part, shape in reversed(list(zip(config.parts, in_shape, strict=True))):
            features, *place = shape
            if above is not None:
                context.insert(0, _Context(above, shape, config.depth))
                enlarge.insert(0, _Enlarge(above, tuple(place)))
                features += shape[0]
            parts.insert(0, part.build(in_shape=(features, *place)))
            dim: int = parts[0].out_shape[0]
            above = (dim + (above[0] if above else 0), *place)
        self.parts: Any = nn.ModuleList(parts)
        self.context, self.enlarge = nn.ModuleList(context), nn.ModuleList(enlarge)
        assert above is not None
        self.out_shape = above

    @property
    def num_codes(self) -> tuple[int, ...]:
        """(K_1, ..., K_n)."""
        return tuple(part.num_codes for part in self.parts)

    @property
    def code_shape(self) -> tuple[tuple[int, ...], ...]:
        """The shape of each level's codes, for inputs of the model's own size."""
        return tuple(tuple(getattr(part, "code_shape", part.out_shape[1:])) for part in self.parts)

    def forward(
        self,
        h: tuple[Tensor, ...],
        *,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        found: list[Latent] = []
        z: Tensor | None = None
        for level in reversed(range(len(self.parts))):
            features = h[level]
            if z is not None:
                told = self.context[level](z, tuple(features.shape[2:]))
                features = torch.cat([features, told], dim=1)
            found.insert(0, self.parts[level](features, sample=sample, generator=generator))
            z = self._joined(level, found[0].z, z)
        assert z is not None
        return Latent(z=z, codes=tuple(latent.codes for latent in found), levels=tuple(found))

    def lookup(self, codes: tuple[Tensor, ...]) -> Tensor:
        """The codes of every level -> z (B, D_1 + ... + D_n, *L_1)."""
        z: Tensor | None = None
        for level in reversed(range(len(self.parts))):
            z = self._joined(level, self.parts[level].lookup(codes[level]), z)
        assert z is not None
        return z

    def _joined(self, level: int, z: Tensor, above: Tensor | None) -> Tensor:
        if above is None:
            return z
        return torch.cat([z, self.enlarge[level](above, tuple(z.shape[2:]))], dim=1)


class _Context(nn.Module):
    """z of the levels above -> features (B, F, *L) for a larger map: the paper's top decoder."""

    def __init__(self, above: tuple[int, ...], shape: tuple[int, ...], depth: int):
        super().__init__()
        rank, width = len(shape) - 1, shape[0]
        layers: list[nn.Module] = [conv(rank, above[0], width, 3)]
        layers += residual_stack(rank, width, depth, None)
        for _ in range(doublings(above[1:], shape[1:])):
            layers.append(up(rank, width, width))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor, size: tuple[int, ...]) -> Tensor:
        return crop(self.layers(z), size)


class _Enlarge(nn.Module):
    """z (B, D, *L) -> (B, D, *L'), a larger map, by transposed convolutions."""

    def __init__(self, above: tuple[int, ...], size: tuple[int, ...]):
        super().__init__()
        rank, dim = len(size), above[0]
        times = doublings(above[1:], size)
        self.layers = nn.Sequential(*(up(rank, dim, dim) for _ in range(times)))

    def forward(self, z: Tensor, size: tuple[int, ...]) -> Tensor:
        return crop(self.layers(z), size)
