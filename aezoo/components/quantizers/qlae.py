"""Latent quantization: each channel takes the nearest of a few values of its own.

Hsu, Dorrell, Whittington, Wu, Finn, Disentanglement via Latent Quantization, 2023,
arXiv:2305.18378 (the quantized-latent autoencoder, QLAE): scalar codebooks, which start evenly from
-1/2 to 1/2 and learn by |sg[z_e] - v|^2, and the commitment |z_e - sg[v]|^2, straight through. Its
other half is the trainer's: an unusually high ``weight_decay``. The authors' code weighs both terms
by 0.01, of means; of sums over a sample that is 0.01 times the values of x over those of z.
"""

from __future__ import annotations

import torch
from torch import Generator, Tensor, nn

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.configs import QLAE as Config
from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.components.quantizers.nearest import squared_errors
from aezoo.components.quantizers.rows import map_of, rows_of, sums_of
from aezoo.latents import Latent


class QLAE(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, D, *L) in [0, K), one of each channel."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape, dim=config.dim, codes=config.codes, several=(config.dim,)
        )
        self.beta = config.beta
        evenly = torch.linspace(-0.5, 0.5, config.codes)
        self.values = nn.Parameter(evenly.repeat(config.dim, 1))  # v, (D, K)

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        rows = rows_of(z_e)
        codes = nearest_values(rows.detach(), self.values.detach())
        v = self.values.gather(1, codes.T).T
        codes = map_of(codes, z_e)
        return Latent(
            z=map_of(straight_through(rows, v.detach()), z_e),
            codes=codes,
            penalty=sums_of(squared_errors(rows, v, self.beta, codebook=True), z_e),
            metrics=gauges(codes, self.num_codes, len(self.values)),
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, D, *L) int64 -> z (B, D, *L)."""
        return map_of(self.values.gather(1, rows_of(codes).T).T, codes)


def nearest_values(rows: Tensor, values: Tensor) -> Tensor:
    """rows (N, D) and each channel's values (D, K), in any order -> the nearest ones' (N, D).

    What lies between the middles of neighbours is nearest to one value: no table of N * D * K.
    """
    ordered, order = values.to(rows.dtype).sort(dim=1)
    middles = (ordered[:, 1:] + ordered[:, :-1]) / 2
    return order.gather(1, torch.searchsorted(middles, rows.T.contiguous())).T
