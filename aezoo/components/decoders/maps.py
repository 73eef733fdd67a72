"""What decoders from a map ask of it."""

from __future__ import annotations

from aezoo.components.nd import doublings
from aezoo.errors import ShapeError


def ways_up(name: str, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> int:
    """How many doublings the decoder ``name`` makes from (D, *L) to (P, *S).

    Raises:
        ShapeError: the input is no map, or no number of doublings leads to S; says what to take.
    """
    rank = len(out_shape) - 1
    if len(in_shape) != len(out_shape):
        raise ShapeError(
            f"{name} needs a map with {rank} spatial axes, but its input is {in_shape}; "
            "for vector latents take deconv or mlp, or an encoder that keeps a map, as res"
        )
    try:
        return doublings(in_shape[1:], out_shape[1:])
    except ShapeError as error:
        raise ShapeError(
            f"{error}, as {name} makes them; deconv and mlp read a map of any size, unvit one of "
            "patches; or take an encoder that halves, as res, or another stage of it"
        ) from error
