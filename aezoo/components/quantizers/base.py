"""What quantizers of one map have in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.components.nd import pointwise, wide
from aezoo.latents import Latent


class Quantizer(nn.Module, ABC):
    """h (B, F, *L) -> a linear map to D channels -> `quantize`, in float32 at least.

    Args:
        dim: D.
        codes: K.
        several: (q,) where a place has q codes, else ().
    """

    def __init__(
        self, *, in_shape: tuple[int, ...], dim: int, codes: int, several: tuple[int, ...] = ()
    ):
        super().__init__()
        features, *place = in_shape
        self.in_shape = in_shape
        self.out_shape = (dim, *place)
        self.code_shape = (*several, *place)
        self.num_codes = codes
        self.project: Any = pointwise(len(place), features, dim)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: Generator | None = None
    ) -> Latent:
        with torch.autocast(h.device.type, enabled=False):
            weight = next(self.project.parameters(), None)
            h = wide(h)
            z_e = self.project(h if weight is None else h.to(weight.dtype))
            return self.quantize(wide(z_e), sample=sample, generator=generator)

    @abstractmethod
    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        """z_e (B, D, *L), float32 or float64; ``sample`` and ``generator`` as in `forward`."""

    @abstractmethod
    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) or (B, q, *L) int64 -> z (B, D, *L)."""
