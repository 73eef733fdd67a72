"""Quadrants of x as the condition: the model knows them and tells the others.

Sohn, Lee, Yan, Learning Structured Output Representation using Deep Conditional Generative
Models, NIPS 2015, section 5.1: one, two or three quadrants of a digit are given.
"""

from __future__ import annotations

from aezoo.components.conditions.configs import Quadrants
from aezoo.components.conditions.given import Boxes, GivenPart, Size
from aezoo.errors import ShapeError


class QuadrantsCondition(GivenPart):
    """The lower left quadrant; with two the left half; with three all but the upper right."""

    def __init__(self, config: Quadrants, in_shape: tuple[int, ...]):
        def boxes(size: Size) -> Boxes:
            if len(size) < 2:
                raise ShapeError("quadrants are of data with two spatial axes or three")
            top, left = (slice(None, n // 2) for n in size[-2:])
            bottom, right = (slice(n // 2, None) for n in size[-2:])
            return ((bottom, left), (top, left), (bottom, right))[: config.given]

        super().__init__(in_shape, boxes)
