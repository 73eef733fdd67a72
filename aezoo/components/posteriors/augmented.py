"""q(z|x) of a draw that needed more than z, such as a momentum.

Agakov, Barber, An Auxiliary Variational Method, ICONIP 2004, pages 561-566:
p(x, z) r(v) / q(z, v|x) is an unbiased weight of p(x) for any density r.
"""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.distributions import Distribution, constraints

from aezoo.errors import CapabilityError


class Augmented(Distribution):
    """q(z|x) known by one draw alone, on a larger space: of batch (B,) and event (D,*L).

    Args:
        z: (B,D,*L), what was drawn.
        log_q: (B,) log q(z, v|x) - log r(v), v what was drawn with it and r what the model adds
            to p(x, z) for it. On average over v, given z, exp(-log_q) is 1 / q(z|x).
    """

    arg_constraints: ClassVar[dict[str, constraints.Constraint]] = {}

    def __init__(self, z: Tensor, log_q: Tensor):
        self.z, self.log_q = z, log_q
        super().__init__(z.shape[:1], z.shape[1:], validate_args=False)

    @property
    def support(self) -> constraints.Constraint:  # pyright: ignore[reportIncompatibleMethodOverride]
        return constraints.independent(constraints.real, len(self.event_shape))

    def log_prob(self, value: Tensor) -> Tensor:
        """Of the z that was drawn: (B,) nats.

        Raises:
            CapabilityError: for any other.
        """
        if value is not self.z:
            raise CapabilityError(
                "this q(z|x) has no density in closed form, but that of the z it drew; take the "
                "posterior gaussian, or a flow, where others are asked for"
            )
        return self.log_q
