"""A line about everything that installed plugins offer, for listings: it imports no plugin.

The first listing after an installation loads every plugin, as `aezoo.plugins` does, and
remembers the lines of those that are in order in ``listing/*.json`` below the cache folder.
Later ones read that file. It holds nothing but names and one-liners for people: what is
*used* (a spec, a model, `aezoo info`) always comes from the plugin itself.

A line is remembered only where it cannot be stale:

- An installer has recorded the plugin's files, and the manifest is one of them. An editable
  install, or a folder on PYTHONPATH, is loaded at each listing.
- None of these files, nor of the modules that loading them imported, has changed since in
  size or time; they are all looked at, which costs microseconds a file.
- The file's name is a digest of this Python, of aezoo's own part in the contract, and of
  the folders in which distributions are installed with their times: whatever pip installs,
  upgrades or removes anywhere makes a new file, for a manifest may depend on it.

A plugin that is broken, blocked, in conflict or too new is never remembered. A file that is
damaged is as one that is not there, and one that cannot be written is not missed.
"""

from __future__ import annotations

import contextlib
import dataclasses
import hashlib
import json
import os
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aezoo import plugins
from aezoo.folders import cache_dir
from aezoo.plugins import Claim, PluginStatus

KEPT = 8  # files of earlier states and other environments that stay in the folder


@dataclass(frozen=True, slots=True)
class Item:
    """One record, as a listing shows it."""

    kind: str  # a key of `aezoo.hookspecs.HOOKS`
    name: str  # with its namespace: "acme/rvq"
    summary: str
    distribution: str
    distribution_version: str
    version: int = 1  # of a component
    paper: str = ""  # of a component or a metric
    spec: str = ""  # of a model, as the next three
    data: str = ""
    license: str = ""
    bytes: int = 0  # of its files


@dataclass(frozen=True, slots=True)
class Shelf:
    """What became of one namespace, and its items (none unless its state is ok)."""

    claims: tuple[PluginStatus, ...]
    items: tuple[Item, ...] = ()


def item(kind: str, record: Any, namespace: str, distribution: str, version: str) -> Item:
    """The line about a record."""
    name = f"{namespace}/{record.name}" if namespace else record.name
    advice = getattr(record, "deprecated", "")
    summary = f"(deprecated: {advice}) {record.summary}" if advice else record.summary
    line = Item(kind, name, summary, distribution, version)
    if kind == "model":
        size = sum(file.size for file in record.files)
        return dataclasses.replace(
            line, spec=record.spec, data=record.data, license=record.license, bytes=size
        )
    return dataclasses.replace(
        line, version=getattr(record, "version", 1), paper=getattr(record, "paper", "")
    )


def statuses() -> tuple[PluginStatus, ...]:
    """What became of every installed plugin, one row a distribution and namespace."""
    return tuple(status for shelf in shelves() for status in shelf.claims)


def shelves() -> tuple[Shelf, ...]:
    """Every installed plugin in the order of their namespaces, loading those not remembered."""
    global _found
    with plugins.LOCK:
        if _found is None or _found[0] is not plugins.discovered():
            _found = (plugins.discovered(), _look())
        return _found[1]


_found: tuple[object, tuple[Shelf, ...]] | None = None  # and the discovery it belongs to


def _look() -> tuple[Shelf, ...]:
    if not plugins.discovered():
        return ()
    path = _file()
    notes = _read(path)
    fresh: dict[str, Any] = {}
    found: list[Shelf] = []
    for namespace, claims in sorted(plugins.discovered().items()):
        shelf = None
        if not plugins.is_loaded(namespace) and plugins.refused(namespace) is None:
            shelf = _recall(notes.get(_key(claims[0])), claims[0])
        if shelf is None:
            first, before = not plugins.is_loaded(namespace), set(sys.modules)
            shelf = _load(namespace)
            if first and (note := _note(claims[0], shelf, set(sys.modules) - before)):
                fresh[_key(claims[0])] = note
        found.append(shelf)
    if fresh:
        _write(path, notes | fresh)
    return tuple(found)


def _load(namespace: str) -> Shelf:
    plugin = plugins.load(namespace)
    origin = (namespace, plugin.status.distribution, plugin.status.version)
    return Shelf(plugin.claims, tuple(item(kind, r, *origin) for kind, r in plugin.records))


# -- one plugin's note: {"files": {path: [size, time]}, "items": [...]}


def _key(claim: Claim) -> str:
    return f"{claim.namespace} = {claim.value} of {claim} in {claim.entry.dist.locate_file('')}"


def _note(claim: Claim, shelf: Shelf, imported: Iterable[str]) -> dict[str, Any] | None:
    """None: this plugin's lines could be stale the next time."""
    if shelf.claims[0].state != "ok":
        return None
    installed = _installed_files(claim)
    manifest = sys.modules.get(claim.entry.module)
    if getattr(manifest, "__file__", None) not in installed:
        return None
    modules = [sys.modules[n] for n in imported if n.partition(".")[0] not in _KNOWN]
    files = installed | {f for m in modules if (f := getattr(m, "__file__", None))}
    seen = {path: _seen(path) for path in sorted(files) if not path.endswith(".pyc")}
    return {"files": seen, "items": [dataclasses.asdict(i) for i in shelf.items]}


_KNOWN = {*sys.stdlib_module_names, "aezoo"}  # these are in the name of the file


def _installed_files(claim: Claim) -> set[str]:
    """What the installer has written for this distribution, by its own record."""
    dist = claim.entry.dist
    if dist.read_text("RECORD") is None:
        return set()
    return {os.path.normpath(dist.locate_file(file)) for file in dist.files or ()}


def _recall(note: Any, claim: Claim) -> Shelf | None:
    """The note as a shelf; None: there is none, or a file has changed, or it is damaged."""
    try:
        if any(_seen(path) != seen for path, seen in note["files"].items()):
            return None
        items = tuple(Item(**raw) for raw in note["items"])
    except (TypeError, KeyError, AttributeError):
        return None
    if any(type(getattr(i, f.name)) is not _TYPES[f.type] for i in items for f in _FIELDS):
        return None
    provides = tuple(f"{i.kind} {i.name}" for i in items)
    return Shelf((claim.status("ok", provides=provides),), items)


_FIELDS = dataclasses.fields(Item)
_TYPES: dict[Any, type] = {"str": str, "int": int}


def _seen(path: str) -> list[int]:
    """Size and time of a file; what no file has where there is none."""
    try:
        found = Path(path).stat()
    except OSError:
        return [-1, -1]
    return [found.st_size, found.st_mtime_ns]


# -- the file


def _file() -> Path | None:
    """Where the notes for this state of the environment are; None: no home, no cache."""
    package = Path(__file__).parent
    contract = ("records.py", "hookspecs.py", "manifest.py", "spec.py", "inventory.py")
    state = [
        sys.version,
        *((name, _seen(str(package / name))) for name in contract),
        *((folder, _seen(folder)) for folder in plugins.folders()),
    ]
    digest = hashlib.sha256(repr(state).encode()).hexdigest()[:16]
    try:
        return cache_dir() / "listing" / f"{digest}.json"
    except RuntimeError:
        return None


def _read(path: Path | None) -> dict[str, Any]:
    try:
        notes = json.loads(path.read_text(encoding="utf-8")) if path else {}
    except (OSError, ValueError, RecursionError):
        return {}
    return notes if isinstance(notes, dict) else {}


def _write(path: Path | None, notes: dict[str, Any]) -> None:
    """Whole or not at all. Who cannot write, loads the plugins again the next time."""
    if path is None:
        return
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary.write_text(json.dumps(notes), encoding="utf-8")
        temporary.replace(path)
        aged = sorted(path.parent.glob("*.json"), key=lambda p: p.stat().st_mtime_ns)
        for old in aged[:-KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
