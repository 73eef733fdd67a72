"""A prior of affine coupling layers.

Dinh, Sohl-Dickstein and Bengio, Density Estimation using Real NVP, 2016, arXiv:1605.08803. Of
vectors: the multi-scale architecture and the convolutions for images are not here, nor is
batch normalisation, with which a density would depend on the batch.
"""

from __future__ import annotations

from torch import nn

from aezoo.components.flows.coupling import AffineCoupling
from aezoo.components.priors.configs import RealNVPConfig
from aezoo.components.priors.flow import FlowPrior
from aezoo.errors import ShapeError


class RealNVPPrior(FlowPrior):
    """Steps keep the even and the odd values in turn."""

    name = "realnvp"

    def __init__(
        self,
        config: RealNVPConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__(shape, num_codes, cond_dim)
        if self.dim < 2:
            raise ShapeError(
                f"realnvp couples one half of the latent's values to the other; {self.shape} is "
                "one value, use prior=maf"
            )
        self.steps = nn.ModuleList(
            AffineCoupling(self.dim, config.hidden, context=cond_dim, kept=i % 2)
            for i in range(config.steps)
        )
