"""What there is: models of the zoo, components, and all that is known of one name. No torch."""

from __future__ import annotations

import fnmatch

from aezoo import registry
from aezoo.errors import UnknownModelError
from aezoo.inventory import Item
from aezoo.records import Component, ModelEntry
from aezoo.spec import suggest


def list_models(pattern: str = "*") -> list[str]:
    """The names of the zoo's models, sorted; ``pattern`` is a shell pattern or a part of one."""
    return [m.name for m in matching_models(pattern)]


def list_components(pattern: str = "*", kind: str | None = None) -> list[str]:
    """The names of the components, sorted, those of plugins as ``namespace/name``.

    ``kind`` is one of `aezoo.records.KINDS`.
    """
    return [c.name for c in matching_components(pattern, kind)]


def matching_models(pattern: str = "*") -> list[Item]:
    found = [m for m in registry.items(("model",)) if _matches(m.name, pattern)]
    return sorted(found, key=lambda m: m.name)


def matching_components(pattern: str = "*", kind: str | None = None) -> list[Item]:
    found = [c for c in registry.component_items(kind) if _matches(c.name, pattern)]
    return sorted(found, key=lambda c: (c.kind, c.name))


def info(name: str) -> ModelEntry | list[Component]:
    """The record of a model, or of the components (several kinds may share a name).

    Raises:
        UnknownModelError: neither a model nor a component has the name; suggests the nearest.
    """
    if registry.is_component(name):
        return [c.component for c in registry.named(name)]
    try:
        return registry.model(name)
    except UnknownModelError as error:
        known = [c.name for c in registry.component_items()] + list_models()
        all_of_them = "; `aezoo list` and `aezoo list --components` show all"
        spec = f"; `aezoo spec '{name}'` explains a spec" if "(" in name else ""
        near = spec or suggest(name, known) or all_of_them
        message = f"neither a model nor a component is called {name!r}{near}"
        raise UnknownModelError(message) from error


def _matches(name: str, pattern: str) -> bool:
    return fnmatch.fnmatchcase(name, pattern) or pattern in name
