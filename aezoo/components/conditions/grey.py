"""x without its colours as the condition: colourisation.

Deshpande, Lu, Yeh, Chong, Forsyth, Learning Diverse Image Colorization, 2017, arXiv:1612.01958:
the colours of a grey picture are drawn with a VAE.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.conditions.configs import Grey
from aezoo.errors import ShapeError

RED, GREEN, BLUE = 0.299, 0.587, 0.114  # luma of ITU-R BT.601


class GreyCondition(nn.Module):
    """y (B, 1, *S), the luma of an RGB picture -> y."""

    label_shape = None

    def __init__(self, config: Grey, in_shape: tuple[int, ...]):
        super().__init__()
        if in_shape[0] != 3:
            raise ShapeError(
                f"grey is of pictures with 3 channels, RGB, not with {in_shape[0]}; take another "
                "condition, as lowres(2)"
            )
        self.out_shape = (1, *in_shape[1:])

    def forward(self, y: Tensor) -> Tensor:
        return y

    def of(self, x: Tensor) -> Tensor:
        """x (B, 3, *S) -> y (B, 1, *S)."""
        red, green, blue = x.split(1, dim=1)
        return RED * red + GREEN * green + BLUE * blue
