"""One half of x as the condition: the model knows it and tells the other."""

from __future__ import annotations

from aezoo.components.conditions.configs import Half
from aezoo.components.conditions.given import Boxes, GivenPart, Size
from aezoo.errors import ShapeError

#: The axis, counted from the end, and whether it is the half at its far end.
_SIDES = {"left": (-1, False), "right": (-1, True), "top": (-2, False), "bottom": (-2, True)}


class HalfCondition(GivenPart):
    """Half of the last axis, for a sound the first or the second, or of the one before it."""

    def __init__(self, config: Half, in_shape: tuple[int, ...]):
        axis, far = _SIDES[config.side]

        def boxes(size: Size) -> Boxes:
            if len(size) < -axis:
                raise ShapeError(
                    f"half({config.side}) is of data with two spatial axes or three, not of "
                    f"{len(size)}; take half(left) or half(right)"
                )
            middle = size[axis] // 2
            part = slice(middle, None) if far else slice(None, middle)
            return ((part, *[slice(None)] * (-axis - 1)),)

        super().__init__(in_shape, boxes)
