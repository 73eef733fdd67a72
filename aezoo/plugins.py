"""Finds installed plugins and loads each by itself, so that none can break another.

A plugin is an entry point in the group ``aezoo``; its name is the namespace (see
`aezoo.hookspecs`). ``acme/rvq`` loads ``acme`` alone. Loading imports the plugin's manifest
and checks its records; it never imports a component. What a listing needs of all plugins is
remembered from their last loading (`aezoo.inventory`), so that it loads none of them.

Two environment variables, read at the first look at the plugins, hold comma-separated
namespaces: ``AEZOO_PLUGINS`` allows only these (empty: none), ``AEZOO_DISABLE_PLUGINS``
blocks these.

pluggy's own ``load_setuptools_entrypoints`` stops at the first broken plugin and silently
drops the second of two that share a name; hence this loader.
"""

from __future__ import annotations

import os
import re
import threading
import traceback
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aezoo.errors import PluginLoadError, PluginMissingError
from aezoo.spec import suggest

if TYPE_CHECKING:
    from collections.abc import Iterator
    from importlib.metadata import Distribution

    from aezoo.manifest import Record

GROUP = "aezoo"
ALLOW = "AEZOO_PLUGINS"
BLOCK = "AEZOO_DISABLE_PLUGINS"
RESERVED = ("aezoo", "core")


@dataclass(frozen=True, slots=True)
class PluginStatus:
    """What became of one installed plugin: a row of ``aezoo plugins``."""

    namespace: str
    distribution: str
    version: str
    state: str  # ok | broken | conflict | blocked | incompatible (api too new)
    manifest: str  # the entry point's value: the module with the hooks
    provides: tuple[str, ...] = ()  # "quantizer acme/rvq", where the state is ok
    message: str = ""  # why the state is not ok, and what to do
    traceback: str = ""  # of the error that broke it


@dataclass(frozen=True, slots=True)
class Plugin:
    """A namespace after loading: its records (none unless the state is ok) and its state."""

    namespace: str
    claims: tuple[PluginStatus, ...]  # more than one: a conflict
    records: tuple[tuple[str, Record], ...] = ()  # (kind, record)
    error: BaseException | None = None  # what broke it

    @property
    def status(self) -> PluginStatus:
        return self.claims[0]


@dataclass(frozen=True, slots=True)
class Claim:
    """An entry point before loading."""

    namespace: str
    value: str
    distribution: str
    version: str
    entry: Any = None  # importlib.metadata.EntryPoint; None: it could not be read
    error: BaseException | None = None

    def status(self, state: str, **more: Any) -> PluginStatus:
        return PluginStatus(
            self.namespace, self.distribution, self.version, state, self.value, **more
        )

    def __str__(self) -> str:
        return f"{self.distribution} {self.version}"


LOCK = threading.RLock()  # the registry's too, for a manifest may ask it while being imported
_claims: dict[str, tuple[Claim, ...]] | None = None
_plugins: dict[str, Plugin] = {}
_folders: set[str] = set()  # where distributions are installed
_loading: set[str] = set()


def namespaces() -> tuple[str, ...]:
    """The namespaces that installed distributions claim, sorted. Loads none of them."""
    return tuple(sorted(discovered()))


def load(namespace: str) -> Plugin:
    """The plugin of that namespace, loaded on the first call; its state may be any.

    Raises:
        PluginMissingError: no installed distribution claims the namespace.
    """
    plugin = _plugins.get(namespace)
    if plugin is not None:
        return plugin
    with LOCK:
        if namespace not in discovered():
            raise PluginMissingError(_missing(namespace))
        if namespace not in _plugins:
            _plugins[namespace] = refused(namespace) or _load(discovered()[namespace][0])
        return _plugins[namespace]


def require(namespace: str) -> Plugin:
    """The plugin of that namespace, which must have loaded.

    Raises:
        PluginMissingError: no installed distribution claims the namespace.
        PluginLoadError: it is broken, in conflict, blocked or too new; where an error broke
            it, that error is the cause.
    """
    plugin = load(namespace)
    status = plugin.status
    if status.state != "ok":
        raise PluginLoadError(
            f"the plugin {namespace!r} ({_names(plugin.claims)}) cannot be used, its state is "
            f"{status.state}: {status.message}"
        ) from plugin.error
    return plugin


def is_loaded(namespace: str) -> bool:
    """Whether `load` was called for it already."""
    return namespace in _plugins


def load_all() -> tuple[Plugin, ...]:
    """Every installed plugin, loaded, in the order of their namespaces."""
    return tuple(load(namespace) for namespace in namespaces())


def statuses() -> tuple[PluginStatus, ...]:
    """What became of every installed plugin, one row a distribution and namespace."""
    return tuple(status for plugin in load_all() for status in plugin.claims)


def reset() -> None:
    """Forget what was found, so that the next question looks at what is installed now."""
    global _claims
    import importlib

    with LOCK:
        importlib.invalidate_caches()
        _claims = None
        _plugins.clear()


# -- discovery


def discovered() -> dict[str, tuple[Claim, ...]]:
    """Namespace -> who claims it. The same object until `reset`."""
    global _claims
    with LOCK:
        if _claims is None:
            _folders.clear()
            grouped: dict[str, list[Claim]] = {}
            for claim in _installed():
                grouped.setdefault(claim.namespace, []).append(claim)
            _claims = {
                namespace: tuple(sorted(claims, key=str)) for namespace, claims in grouped.items()
            }
        return _claims


def folders() -> tuple[str, ...]:
    """The folders on sys.path in which distributions are installed, sorted."""
    discovered()
    return tuple(sorted(_folders))


def _installed() -> Iterator[Claim]:
    """Every entry point of the group.

    ``importlib.metadata.entry_points`` would parse the entry points of every distribution,
    where one malformed file hides them all; here a file without the group is not parsed.
    """
    from importlib import metadata

    seen: set[str] = set()
    for found in metadata.distributions():
        _folders.add(str(found.locate_file("")))
        if not _has_group(found):
            continue
        name, version = _identity(found)
        if name:
            # Of one name, only the first on sys.path is installed: the others are shadowed.
            normal = re.sub(r"[-_.]+", "-", name).lower()
            if normal in seen:
                continue
            seen.add(normal)
            found = metadata.distribution(name)
            name, version = _identity(found)
        try:
            entries = [entry for entry in found.entry_points if entry.group == GROUP]
        except Exception as error:  # whatever parsing a malformed file raises
            yield Claim("", "", name, version, error=error)
            continue
        for entry in entries:
            yield Claim(entry.name, entry.value, name, version, entry)


def _has_group(dist: Distribution) -> bool:
    try:
        return f"[{GROUP}]" in (dist.read_text("entry_points.txt") or "")
    except (OSError, UnicodeDecodeError):  # it holds no text, so it names no plugin of ours
        return False


def _identity(dist: Distribution) -> tuple[str, str]:
    """Name and version, each "" where METADATA is damaged."""
    try:
        fields = dist.metadata
        return str(fields["Name"] or ""), str(fields["Version"] or "")
    except (OSError, UnicodeDecodeError, LookupError, TypeError):  # differs by Python version
        return "", ""


# -- loading


def refused(namespace: str) -> Plugin | None:
    """Why the plugin of that namespace cannot be loaded, as far as is known without trying."""
    from aezoo.manifest import is_word

    claims = discovered()[namespace]
    claim = claims[0]
    if blocked := _blocked(namespace):
        return _failed(claims, "blocked", blocked)
    if claim.error is not None:
        message = f"its entry_points.txt cannot be read: {claim.error}"
        return _failed(claims, "broken", message, claim.error)
    if len({str(c) for c in claims}) > 1:
        return _failed(
            claims,
            "conflict",
            f"{_names(claims)} claim the same namespace, so none of them is loaded; "
            "uninstall all but one",
        )
    if len(claims) > 1:
        message = f"its entry point {namespace!r} is there {len(claims)} times"
        return _failed(claims, "broken", message)
    if not is_word(namespace):
        return _failed(
            claims,
            "broken",
            f"the entry point's name {namespace!r} is no namespace: it must be one word of "
            "letters, digits and '_' that is not reserved",
        )
    if namespace in RESERVED:
        return _failed(claims, "broken", f"the namespace {namespace!r} is reserved for the core")
    return None


def _load(claim: Claim) -> Plugin:
    """Import the manifest and read it."""
    from aezoo.manifest import ApiError, ManifestError, read

    namespace = claim.namespace
    if namespace in _loading:
        raise PluginLoadError(
            f"the plugin {namespace!r} asks the registry for its own records while its "
            "manifest is being imported"
        )
    _loading.add(namespace)
    try:
        records = read(claim.entry.load(), namespace)
    except ApiError as error:
        return _failed((claim,), "incompatible", str(error), error)
    except ManifestError as error:
        return _failed((claim,), "broken", str(error), error)
    except (Exception, SystemExit) as error:  # a manifest runs somebody else's code
        return _failed((claim,), "broken", f"{type(error).__name__}: {error}", error)
    finally:
        _loading.discard(namespace)
    provides = tuple(f"{kind} {namespace}/{record.name}" for kind, record in records)
    return Plugin(namespace, (claim.status("ok", provides=provides),), records)


def _failed(
    claims: tuple[Claim, ...], state: str, message: str, error: BaseException | None = None
) -> Plugin:
    text = "".join(traceback.format_exception(error)) if error else ""
    rows = tuple(c.status(state, message=message, traceback=text) for c in claims)
    return Plugin(claims[0].namespace, rows, error=error)


def _blocked(namespace: str) -> str:
    """Why the environment keeps this namespace out, or ""."""
    allow, block = os.environ.get(ALLOW), os.environ.get(BLOCK, "")
    if namespace in _split(block):
        return f"the environment variable {BLOCK}={block} names it; take it out there"
    if allow is not None and namespace not in _split(allow):
        return f"the environment variable {ALLOW}={allow} does not name it; add it there"
    return ""


def _split(text: str) -> set[str]:
    return {word.strip() for word in text.split(",")} - {""}


def _names(claims: tuple[Claim, ...] | tuple[PluginStatus, ...]) -> str:
    return " and ".join(dict.fromkeys(f"{c.distribution} {c.version}" for c in claims))


def _missing(namespace: str) -> str:
    from aezoo import known

    start = f"no installed plugin has the namespace {namespace!r}"
    if plugin := known.of(namespace):
        return f"{start}; install it: pip install {plugin.distribution} ({plugin.summary})"
    names = [*namespaces(), *(plugin.namespace for plugin in known.known())]
    return (
        f"{start}{suggest(namespace, names)}; `aezoo plugins` shows what is installed, "
        "`aezoo plugins search` what there is"
    )
