"""Feature maps of any network of timm (PyTorch Image Models)."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import nn

from aezoo.errors import ShapeError, WeightsNotCachedError


def feature_maps(
    name: str,
    layers: tuple[int, ...],
    *,
    channels: int,
    size: tuple[int, ...],
    pretrained: bool,
) -> nn.Module:
    """A network from images (B, channels, *size) to a list of its maps, counted by ``layers``.

    Its ``pretrained_cfg`` says how its input is normalised, ``output_fmt`` "NHWC" that its maps
    have the channels last.

    Raises:
        ShapeError: timm has no such network; names near ones.
        WeightsNotCachedError: pretrained weights cannot be had; says how to get them.
    """
    with torch.device("cpu"):  # the import makes tensors and reads them, torch 2.6's Dynamo does
        import timm

    if not timm.is_model(name):
        near = timm.list_models(f"*{name.split('.')[0][:6]}*")[:5]
        raise ShapeError(
            f"timm has no model {name!r}; near: {', '.join(near) or 'none'} "
            "(timm.list_models() has all)"
        )
    arguments: dict[str, Any] = {
        "pretrained": pretrained,
        "in_chans": channels,
        "features_only": True,
        "out_indices": layers,
    }
    try:
        try:
            return timm.create_model(name, img_size=size, **arguments)
        except TypeError:  # most convolutional networks have no fixed image size
            return timm.create_model(name, **arguments)
    except (IndexError, AssertionError) as error:  # timm's two ways to say so
        counted = ", ".join(map(str, layers))
        raise ShapeError(
            f"timm's {name} does not have all of the maps {counted}; they are counted from 0, the "
            "largest: most networks have 4 or 5, transformers one a block"
        ) from error
    except (OSError, RuntimeError) as error:
        if not pretrained:
            raise
        raise no_weights(name, error) from error


@contextmanager
def readable(name: str, layers: tuple[int, ...], size: tuple[int, ...]) -> Iterator[None]:
    """Inside, a first run of the network: what it cannot read becomes a ShapeError with a fix."""
    log = logging.getLogger("torch._subclasses.fake_tensor")  # it tells of the error at length
    silent, log.disabled = log.disabled, True
    try:
        yield
    except RuntimeError as error:
        what = str(error).splitlines()[0]
        counted = ", ".join(map(str, layers))
        raise ShapeError(
            f"timm's {name} cannot reduce {' x '.join(map(str, size))} as far as to its map "
            f"{counted} ({what}); take an earlier map (0 is the largest), a larger input, or a "
            "network that pads, as resnet18"
        ) from error
    finally:
        log.disabled = silent


def no_weights(name: str, error: Exception) -> WeightsNotCachedError:
    """What to raise where timm could not load a network's weights."""
    return WeightsNotCachedError(
        f"timm's weights of {name} are neither on this machine nor to be had from the Hub "
        f"now ({type(error).__name__}). On a machine that reaches the Hub: "
        f"python -c \"import timm; timm.create_model('{name}', pretrained=True)\"; then "
        "copy its Hub cache (HF_HOME) here."
    )
