"""Vector quantisation (van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937).

The penalty is eq. 3's commitment beta |z_e - sg[e]|^2, and with ``update=gradient`` also its
codebook term |sg[z_e] - e|^2. With ``update=ema`` the codebook follows its vectors by
exponential moving averages.
"""

from __future__ import annotations

from torch import Generator, Tensor, nn

from aezoo.components.quantizers.codebook import Codebook
from aezoo.components.quantizers.configs import VQ as Config
from aezoo.components.quantizers.estimators import ESTIMATORS
from aezoo.components.quantizers.nearest import squared_errors


class VQ(Codebook):
    """h (B, F, *L) -> z (B, D, *L), codes (B, *L) in [0, K)."""

    def __init__(self, config: Config, *, in_shape: tuple[int, ...]):
        super().__init__(
            in_shape=in_shape,
            codes=config.codes,
            dim=config.dim,
            by_gradient=config.update == "gradient",
            decay=config.decay,
            revive=config.revive,
        )
        self.config = config

    def passed(
        self, rows: Tensor, e: Tensor, generator: Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        squares = squared_errors(rows, e, self.config.beta, codebook=self.by_gradient)
        return ESTIMATORS[self.config.estimator](rows, e.detach()), squares


def unprojected(config: Config, *, in_shape: tuple[int, ...]) -> VQ:
    """A `VQ` of what it is given, without a linear map: a part of a larger quantizer."""
    part = VQ(config, in_shape=in_shape)
    part.project = nn.Identity()
    return part
