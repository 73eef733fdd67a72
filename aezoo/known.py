"""The plugins that are known, installed or not: ``plugins/index.json``, which the wheel carries.

It says what to install for a namespace. Nothing here is trusted further: nothing is fetched
and nothing is ever installed. Standard library only.
"""

from __future__ import annotations

import functools
import json
from dataclasses import dataclass
from pathlib import Path

import aezoo

INDEX = "index.json"


@dataclass(frozen=True, slots=True)
class KnownPlugin:
    """One row of the index."""

    namespace: str  # what specs write in front: "audio"
    distribution: str  # what pip installs: "aezoo-audio"
    kinds: tuple[str, ...]  # of its records, as in `aezoo.hookspecs.HOOKS`
    summary: str
    homepage: str


@functools.cache
def known() -> tuple[KnownPlugin, ...]:
    """All rows, in the order of the namespaces."""
    path = index_file()
    raw = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []
    return tuple(KnownPlugin(**row | {"kinds": tuple(row["kinds"])}) for row in raw)


def index_file() -> Path:
    """In the package (wheel) or beside it (checkout)."""
    package = Path(aezoo.__file__).resolve().parent
    inside = package / "plugin_index" / INDEX
    return inside if inside.is_file() else package.parent / "plugins" / INDEX


def of(namespace: str) -> KnownPlugin | None:
    """The known plugin of that namespace."""
    return next((plugin for plugin in known() if plugin.namespace == namespace), None)


def search(text: str = "") -> list[KnownPlugin]:
    """The known plugins in which every word of ``text`` occurs, in any case."""
    words = text.lower().split()
    return [plugin for plugin in known() if all(word in _text(plugin) for word in words)]


def _text(plugin: KnownPlugin) -> str:
    facts = (plugin.namespace, plugin.distribution, *plugin.kinds, plugin.summary)
    return " ".join(facts).lower()
