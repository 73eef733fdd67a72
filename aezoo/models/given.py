"""What a model checks of what it is given, before torch would say it in its own terms."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from aezoo.errors import ShapeError
from aezoo.latents import levels


def check_input(model: Any, x: Tensor) -> None:
    """Raises TypeError or ShapeError unless x is (B, C, *S) of the model's shape, dtype, device."""
    if not isinstance(x, Tensor):
        raise TypeError(
            f"{model.spec} takes a torch.Tensor, not {type(x).__name__}; torch.as_tensor(x)"
        )
    if not x.is_floating_point():
        low, high = model.input_range
        stored = "bytes: x.float() / 255" if low == 0 else "int16: x.float() / 32768"
        raise TypeError(
            f"{model.spec} takes float32 x in [{low:g}, {high:g}], not {x.dtype}; for {stored}"
        )
    want, have = model.input_shape, tuple(x.shape[1:])
    loose = model.capabilities.any_size
    if have != tuple(want) and not (loose and len(have) == len(want) and have[0] == want[0]):
        others = ", or any other sizes behind the channels" if loose else ""
        raise ShapeError(
            f"{model.spec} takes x of shape {_batch(want)}{others}, not {tuple(x.shape)}; "
            "create(spec, input=...) builds it for another shape"
        )
    _check_place(model, "x", x)


def check_ends(model: Any, x0: Tensor, x1: Tensor) -> None:
    """Raises ShapeError unless a way can lead from each of x0 to one of x1."""
    check_input(model, x0)
    check_input(model, x1)
    if x0.shape != x1.shape:
        raise ShapeError(
            f"{model.spec} interpolates between as many of the same size, and x0 is of shape "
            f"{tuple(x0.shape)}, x1 of {tuple(x1.shape)}"
        )


def check_latent(model: Any, z: Tensor) -> None:
    """Raises ShapeError unless z is (B, D, *L) of the model's latent, or of another size L where
    the decoder serves any, and of its dtype and device."""
    want, have = tuple(model.latent_shape), tuple(z.shape[1:])
    loose = getattr(model.decoder, "any_size", False)
    if have != want and not (loose and len(have) == len(want) and have[0] == want[0]):
        others = ", or any other sizes behind the channels" if loose else ""
        raise ShapeError(
            f"{model.spec} decodes z of shape {_batch(want)}{others}, not {tuple(z.shape)}"
        )
    _check_place(model, "z", z)


def check_codes(model: Any, codes: Any) -> None:
    """Raises ShapeError unless codes are (B, *L) or (B, q, *L) of the model, of any size L where
    the decoder serves any, level by level; ValueError unless they are integers in [0, K)."""
    given, books = levels(codes), levels(model.bottleneck.num_codes)
    if len(given) != len(books):
        raise ValueError(
            f"{model.spec} decodes codes of {len(books)} level(s); {len(given)} are given"
        )
    several = isinstance(model.bottleneck.num_codes, tuple)
    shapes = model.code_shape if several else (model.code_shape,)
    loose = getattr(model.decoder, "any_size", False)
    for level, k, want in zip(given, books, shapes, strict=True):
        have, q = tuple(level.shape[1:]), len(want) + 1 - len(model.latent_shape)
        fits = loose and len(have) == len(want) and have[:q] == want[:q]
        if have != tuple(want) and not fits:
            others = ", or of a map of any other size" if loose else ""
            raise ShapeError(
                f"{model.spec} decodes codes of shape {_batch(want)}{others}, "
                f"not {tuple(level.shape)}"
            )
        inside = not level.numel() or 0 <= level.min() <= level.max() < k
        if level.is_floating_point() or not inside:
            raise ValueError(
                f"{model.spec} decodes integer codes from 0 to {k - 1}; others are given"
            )


def narrowed(model: Any, z: Tensor) -> Tensor:
    """z as the decoder reads it: bottlenecks and priors give float32 at least, also where the
    model's weights were turned to half precision."""
    weight = next(model.parameters(), z)
    half = weight.dtype in (torch.float16, torch.bfloat16)
    return z.to(weight.dtype) if half and z.dtype == torch.float32 else z


def check_cond(model: Any, cond: Any) -> None:
    """Raises TypeError unless a condition is a tensor, ShapeError unless it is of samples."""
    if not isinstance(cond, Tensor):
        raise TypeError(
            f"{model.spec} takes cond as a torch.Tensor, not {type(cond).__name__}; "
            "torch.as_tensor(cond), one for each sample"
        )
    if not cond.ndim:
        raise ShapeError(
            f"{model.spec} takes a condition for each sample, and cond is a single number; "
            "cond.expand(B) gives it to B samples"
        )


def check_rows(model: Any, cond: Tensor, n: int) -> None:
    """Raises ShapeError unless there is a condition for each of n samples."""
    if len(cond) != n:
        raise ShapeError(
            f"{model.spec} is given {n} sample(s) and {len(cond)} condition(s), cond of shape "
            f"{tuple(cond.shape)}; give one for each"
        )


def _check_place(model: Any, name: str, given: Tensor) -> None:
    """Under autocast torch chooses the dtype."""
    weight = next(model.parameters(), given)
    if given.device != weight.device:
        raise ShapeError(
            f"{model.spec} is on {weight.device} and {name} on {given.device}; "
            f"give it {name}.to(model.device)"
        )
    if given.dtype != weight.dtype and not _autocast(given.device.type):
        kind = str(weight.dtype).removeprefix("torch.")
        raise ShapeError(
            f"{model.spec} has weights of {weight.dtype}, and {name} is of {given.dtype}; "
            f"give it {name}.to(torch.{kind}), or turn the model with model.to({given.dtype})"
        )


def _autocast(device: str) -> bool:
    return torch.amp.is_autocast_available(device) and torch.is_autocast_enabled(device)


def _batch(shape: tuple[int, ...]) -> str:
    return f"({', '.join(['B', *map(str, shape)])})"
