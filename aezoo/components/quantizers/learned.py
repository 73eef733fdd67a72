"""Quantization by a codebook that learns from gradients alone."""

from __future__ import annotations

from torch import Tensor

from aezoo.components.quantizers.estimators import straight_through
from aezoo.components.quantizers.gauges import gauges
from aezoo.components.quantizers.nearest import nearest, squared_errors
from aezoo.components.quantizers.rows import codes_of, map_of, rows_of, sums_of
from aezoo.latents import Latent


def quantized(z_e: Tensor, e: Tensor, beta: float) -> Latent:
    """The nearest of the code vectors e (K, D) at each place of z_e (B, D, *L), straight through.

    The penalty is |sg[z_e] - e|^2 + beta |z_e - sg[e]|^2: the first term moves the code
    vectors, which get no other gradient, the second the encoder.
    """
    rows = rows_of(z_e)
    flat = nearest(rows.detach(), e.detach())
    chosen = e[flat]
    codes = codes_of(flat, z_e)
    return Latent(
        z=map_of(straight_through(rows, chosen.detach()), z_e),
        codes=codes,
        penalty=sums_of(squared_errors(rows, chosen, beta, codebook=True), z_e),
        metrics=gauges(codes, len(e)),
    )
