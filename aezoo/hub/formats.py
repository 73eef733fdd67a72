"""Which library's a config.json is: ours, or one that an installed plugin reads. No torch."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from aezoo import plugins, registry
from aezoo.errors import IncompatibleWeightsError, PluginMissingError
from aezoo.hub.config import CONFIG, MAX_BYTES
from aezoo.records import FormatRecord

#: Keys of config.json that tell a library whose plugin we know: namespace and distribution.
_KNOWN = {"_class_name": ("diffusers", "aezoo-diffusers")}


def format_of(folder: Path) -> FormatRecord | None:
    """Who reads the config.json in ``folder``; None: we do, or say what is wrong with it.

    Raises:
        PluginMissingError: a plugin would read it that is not installed; says which.
        PluginLoadError: it is installed, and broken.
        IncompatibleWeightsError: installed plugins read other models of its kind.
    """
    config = read_json(folder / CONFIG)
    if not config or "spec" in config or "format" in config:
        return None
    readers = [record for record in registry.formats() if record.key in config]
    for record in readers:
        if config[record.key] in record.kinds:
            return record
    where = folder / CONFIG
    for key, (namespace, distribution) in _KNOWN.items():
        if key not in config or any(record.key == key for record in readers):
            continue
        if namespace in plugins.namespaces():
            plugins.require(namespace)  # raises where it is broken or blocked
        raise PluginMissingError(
            f"{where} is of another library, {key} {config[key]!r}; a plugin reads those: "
            f"pip install {distribution}"
        )
    if readers:
        kinds = ", ".join(kind for record in readers for kind in record.kinds)
        key = readers[0].key
        raise IncompatibleWeightsError(
            f"{where}: {key} is {config[key]!r}; the installed plugins read {kinds}"
        )
    return None


def read_json(path: Path) -> dict[str, Any]:
    """The object in a file of JSON; {} where there is none, and its reader says what is wrong."""
    try:
        with path.open("rb") as file:
            found = json.loads(file.read(MAX_BYTES + 1))
    except (OSError, ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}
