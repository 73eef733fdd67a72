"""Product quantization: the channels in groups, each with a codebook of its own.

Jégou, Douze, Schmid, Product Quantization for Nearest Neighbor Search, 2011, IEEE TPAMI 33(1),
doi:10.1109/TPAMI.2010.57, section II-B. Every group is a `vq.VQ`, with its own k-means start,
moving averages and revival.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import PQ as Config
from aezoo.components.quantizers.gauges import joined
from aezoo.components.quantizers.vq import unprojected
from aezoo.latents import Latent


class PQ(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, g, *L) in [0, K), one of each group of D/g channels.

    The penalty is the sum of the groups' own. ``metrics`` are the groups' geometric mean of
    perplexities and their mean usage.
    """

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape, dim=config.dim, codes=config.codes, several=(config.groups,)
        )
        part = (config.group.dim, *in_shape[1:])
        self.groups: Any = nn.ModuleList(
            unprojected(config.group, in_shape=part) for _ in range(config.groups)
        )

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        parts = z_e.chunk(len(self.groups), 1)
        found = [group(part) for group, part in zip(self.groups, parts, strict=True)]
        return Latent(
            z=torch.cat([latent.z for latent in found], 1),
            codes=torch.stack([latent.codes for latent in found], 1),
            penalty=torch.stack([latent.penalty for latent in found]).sum(0),
            metrics=joined([latent.metrics for latent in found]),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, g, *L) int64 -> z (B, D, *L)."""
        groups = zip(self.groups, codes.unbind(1), strict=True)
        return torch.cat([group.lookup(code) for group, code in groups], 1)
