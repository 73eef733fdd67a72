"""A folder of another library's model to a model of ours, through the plugin that reads it.

The plugin says which spec it is and how its tensors are called there (`aezoo_formats`). All
checks are made here, the same as for our own files.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from torch import Tensor

from aezoo.errors import IncompatibleWeightsError, PluginLoadError, ShapeError
from aezoo.hub.config import CONFIG
from aezoo.hub.formats import read_json
from aezoo.hub.load import compare, materialise, opened, read_card
from aezoo.hub.sources import refuse_incomplete
from aezoo.records import FormatRecord
from aezoo.spec import SpecError

#: The licence where the card says none: what the Hub calls one that nobody knows.
UNKNOWN = "unknown"

_LICENSE = re.compile(r"^license:[ \t]*[\"']?([\w.+-]+)[\"']?[ \t]*(?:#.*)?$", re.MULTILINE)
_HEAD = re.compile(r"\A---\r?\n(.*?)\r?\n---", re.DOTALL)


def load_foreign(folder: Path, record: FormatRecord, *, device: Any = None) -> Any:
    """The model in a folder whose config.json is of the record's format, in eval mode.

    Its card is the folder's README.md; its licence is what that says, or the README.md of the
    folder above, which is the repository's where the model is in a folder of it.

    Raises:
        WeightsError: one of its kinds, as `aezoo.hub.load.load_folder` says.
    """
    from aezoo.build import build

    refuse_incomplete((p.name for p in folder.iterdir()), str(folder), record.weights)
    translate = _target(record)
    path = folder / record.weights
    with opened(path) as tensors:
        spec, named = translate(read_json(folder / CONFIG), tensors)
        try:
            model: Any = build(spec, device="meta")
        except (SpecError, ShapeError) as error:
            raise IncompatibleWeightsError(
                f"{folder / CONFIG}: the model it describes cannot be built: {error}"
            ) from error
        expected = model.state_dict()
        named = {name: _converted(tensor, expected.get(name)) for name, tensor in named.items()}
        compare(expected, named, path)
        model.load_state_dict(named, strict=True, assign=True)
    materialise(model, spec)
    model.card = read_card(folder)
    model.license = license_of(model.card) or license_of(read_card(folder.parent)) or UNKNOWN
    if device is not None:
        model.to(device)
    return model.eval()


def license_of(card: str | None) -> str | None:
    """The licence that the metadata at the head of a card names."""
    head = _HEAD.match(card or "")
    found = _LICENSE.search(head[1]) if head else None
    return found[1] if found else None


def _target(record: FormatRecord) -> Callable[..., tuple[str, dict[str, Tensor]]]:
    module, _, name = record.target.partition(":")
    try:
        return getattr(importlib.import_module(module), name)
    except (Exception, SystemExit) as error:  # the target runs somebody else's code
        raise PluginLoadError(
            f"the reader of the format {record.name} cannot be imported from {record.target}: "
            f"{type(error).__name__}: {error}"
        ) from error


def _converted(tensor: Tensor, expected: Tensor | None) -> Tensor:
    """Half precision, as many publish it, in the precision of the model."""
    if expected is None or tensor.dtype == expected.dtype:
        return tensor
    both_float = tensor.is_floating_point() and expected.is_floating_point()
    return tensor.to(expected.dtype) if both_float else tensor
