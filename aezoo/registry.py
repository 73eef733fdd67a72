"""A name to its record: components, models, data sets and metrics, of the core and of plugins.

Names without a prefix are the core's; ``acme/rvq`` is the plugin acme's. A name is looked
up by loading the one manifest it is in. A listing, and an error's search for what was meant,
read `items`, which `aezoo.inventory` remembers of the plugins. No torch.
"""

from __future__ import annotations

import dataclasses
import importlib
import warnings
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from aezoo import inventory, known, plugins
from aezoo.errors import (
    PluginLoadError,
    PluginMissingError,
    UnknownDatasetError,
    UnknownMetricError,
    UnknownModelError,
)
from aezoo.inventory import Item
from aezoo.records import (
    KINDS,
    Component,
    Dataset,
    FeatureRecord,
    FormatRecord,
    MetricRecord,
    ModelEntry,
)
from aezoo.spec import Span, SpecError, suggest

#: The core's own manifests, each imported when it is first needed.
CORE = {
    "component": "aezoo.components.manifest",
    "model": "aezoo.hub.zoo",
    "dataset": "aezoo.data.manifest",
    "metric": "aezoo.metrics.manifest",
    "feature": "aezoo.metrics.manifest",
}

_PLURALS = {"family": "families"}


@dataclass(frozen=True, slots=True)
class Registered:
    """A component, and where it comes from."""

    component: Component
    kind: str
    namespace: str  # "" for the core
    distribution: str
    distribution_version: str

    @property
    def qualified(self) -> str:
        """The name as a spec writes it: ``vq`` or ``acme/rvq``."""
        return _qualified(self.namespace, self.component.name)

    @property
    def item(self) -> Item:
        """The line about it, as a listing shows it."""
        origin = (self.distribution, self.distribution_version)
        return inventory.item(self.kind, self.component, self.namespace, *origin)

    def load(self) -> type:
        """Import the component's class.

        Raises:
            PluginLoadError: the import failed; the original error is the cause.
        """
        module, _, path = self.component.target.partition(":")
        try:
            found = importlib.import_module(module)
            for name in path.split("."):
                found = getattr(found, name)
        except (Exception, SystemExit) as error:  # the target runs somebody else's code
            raise PluginLoadError(
                f"the {self.kind} {self.qualified} of {self.distribution} "
                f"{self.distribution_version} cannot be imported from "
                f"{self.component.target}: {type(error).__name__}: {error}"
            ) from error
        if not callable(found):
            raise PluginLoadError(
                f"the {self.kind} {self.qualified} of {self.distribution} "
                f"{self.distribution_version}: {self.component.target} is a "
                f"{type(found).__name__}; expected a class"
            )
        return found  # type: ignore[return-value]


def component(kinds: Sequence[str], name: str, span: Span | None = None) -> Registered:
    """The component of that name in a slot that takes these kinds.

    Args:
        kinds: what the slot takes, such as ``("posterior", "quantizer")``; the first kind
            that has the name wins.
        name: ``vq``, or ``acme/rvq`` for a plugin's.
        span: where the name stands in a spec, for the error's caret.

    Raises:
        SpecError: no such component of these kinds; says what was meant, or what the name is.
        PluginMissingError: no installed plugin has the namespace.
        PluginLoadError: the plugin is broken, in conflict, blocked or too new.
    """
    namespace, word = _split(name)
    named = [r for r in _components(namespace) if r.component.name == word]
    for kind in kinds:
        for registered in named:
            if registered.kind == kind:
                _warn_deprecated(registered.qualified, kind, registered.component.deprecated)
                return registered
    raise SpecError(_unknown_component(kinds, name, named), span)


def _check_kind(kind: str | None) -> None:
    if kind is not None and kind not in KINDS:
        hint = suggest(kind, KINDS) or f"; there are {', '.join(KINDS)}"
        raise ValueError(f"there is no kind {kind!r}{hint}")


def components(kind: str | None = None) -> list[Registered]:
    """All components, or those of one kind: the core's first, then by namespace.

    Loads every plugin; `items` does not.

    Raises:
        ValueError: there is no such kind.
    """
    _check_kind(kind)
    everything = [r for space in ("", *_loaded()) for r in _components(space)]
    return [r for r in everything if kind in (None, r.kind)]


def named(name: str) -> list[Registered]:
    """The components of that name; several kinds may share one. [] where there is none.

    Raises:
        PluginMissingError, PluginLoadError: as `component` does.
    """
    return [r for r in _components(_split(name)[0]) if r.qualified == name]


def items(kinds: Sequence[str] = KINDS) -> list[Item]:
    """A line about each record of these kinds: the core's first, then by namespace."""
    found: list[Item] = []
    for what in CORE:
        wanted = [k for k in kinds if (k in KINDS if what == "component" else k == what)]
        if wanted:
            pairs = [(kind, r) for kind, r in _read(what, "") if kind in wanted]
            found += [inventory.item(kind, r, "", *_origin("")) for kind, r in pairs]
    shelves = inventory.shelves()
    return found + [item for shelf in shelves for item in shelf.items if item.kind in kinds]


def component_items(kind: str | None = None) -> list[Item]:
    """A line about each component, or each of one kind.

    Raises:
        ValueError: there is no such kind.
    """
    _check_kind(kind)
    return items(KINDS if kind is None else (kind,))


def is_component(name: str) -> bool:
    """Whether any kind has a component of that name. Raises nothing: for error messages."""
    return any(item.name == name for item in items())


def model(name: str) -> ModelEntry:
    """The zoo's model of that name, ``name[.tag]`` or ``acme/name[.tag]``.

    Without a tag, the first entry of that name is meant.

    Raises:
        UnknownModelError: no such model; suggests the nearest.
        PluginMissingError, PluginLoadError: as `component` does.
    """
    namespace, _ = _split(name)
    try:
        entries = _records("model", namespace)
    except PluginMissingError as error:
        if known.of(namespace):
            raise
        raise PluginMissingError(
            f"{error}; a repository of the Hub is hf://{name}, a folder local:{name}"
        ) from None
    exact = [entry for entry in entries if entry.name == name]
    for entry in exact or [e for e in entries if e.name.partition(".")[0] == name]:
        _warn_deprecated(entry.name, "model", entry.deprecated)
        return entry
    hint = _hint(name, [item.name for item in items(("model",))])
    raise UnknownModelError(
        f"there is no model {name!r} in the zoo{hint or ';'} `aezoo list` shows them all"
    )


def models() -> list[ModelEntry]:
    """All models of the zoo: the core's first, then the plugins' as ``acme/name``."""
    return [entry for space in ("", *_loaded()) for entry in _records("model", space)]


def dataset(name: str) -> Dataset:
    """The data set of that name, ``cifar10`` or ``acme/name``.

    Raises:
        UnknownDatasetError: no such data set; suggests the nearest.
        PluginMissingError, PluginLoadError: as `component` does.
    """
    namespace, _ = _split(name)
    for entry in _records("dataset", namespace):
        if entry.name == name:
            return entry
    known = [item.name for item in items(("dataset",))]
    hint = _hint(name, known) or f"; there are {', '.join(known)}"
    raise UnknownDatasetError(f"there is no data set {name!r}{hint}")


def datasets() -> list[Dataset]:
    """All data sets: the core's first, then the plugins' as ``acme/name``."""
    return [entry for space in ("", *_loaded()) for entry in _records("dataset", space)]


def metric(name: str) -> MetricRecord:
    """The metric of that name, ``reconstruction`` or ``acme/name``.

    Raises:
        UnknownMetricError: no such metric; suggests the nearest.
        PluginMissingError, PluginLoadError: as `component` does.
    """
    namespace, _ = _split(name)
    for entry in _records("metric", namespace):
        if entry.name == name:
            return entry
    known = [item.name for item in items(("metric",))]
    hint = _hint(name, known) or f"; there are {', '.join(known)}"
    raise UnknownMetricError(f"there is no metric {name!r}{hint}")


def metrics() -> list[MetricRecord]:
    """All metrics: the core's first, then the plugins' as ``acme/name``."""
    return [entry for space in ("", *_loaded()) for entry in _records("metric", space)]


def feature(name: str) -> FeatureRecord:
    """The feature network of that name, ``inception_tf1`` or ``acme/name``; errors as `metric`."""
    namespace, _ = _split(name)
    for entry in _records("feature", namespace):
        if entry.name == name:
            return entry
    known = [item.name for item in items(("feature",))]
    hint = _hint(name, known) or f"; there are {', '.join(known)}"
    raise UnknownMetricError(f"there is no feature network {name!r}{hint}")


def formats() -> list[FormatRecord]:
    """The formats of other libraries that installed plugins read. Loads every plugin."""
    return [record for space in _loaded() for record in _records("format", space)]


def reset() -> None:
    """Forget everything found, so that the next question looks at what is installed now."""
    with plugins.LOCK:
        _core.clear()
        _cache.clear()
        _warned.clear()
        plugins.reset()


# -- the records of one namespace

_core: dict[str, tuple] = {}  # a key of CORE -> its (kind, record) pairs
_cache: dict[tuple[str, str], list] = {}  # (what, namespace) -> what the registry answers


def _read(what: str, namespace: str) -> tuple:
    """The (kind, record) pairs of a namespace; ``what`` says which of the core's manifests."""
    if namespace:
        return plugins.require(namespace).records
    if what not in _core:
        from aezoo.manifest import read

        _core[what] = read(importlib.import_module(CORE[what]), "")
    return _core[what]


def _components(namespace: str) -> list[Registered]:
    cached = _cache.get(("component", namespace))
    if cached is not None:
        return cached
    with plugins.LOCK:
        pairs = [(k, r) for k, r in _read("component", namespace) if isinstance(r, Component)]
        origin = _origin(namespace)
        found = [Registered(record, kind, namespace, *origin) for kind, record in pairs]
        return _cache.setdefault(("component", namespace), found)


def _records(kind: str, namespace: str) -> list:
    """A namespace's models, data sets, metrics or feature networks, their names qualified."""
    cached = _cache.get((kind, namespace))
    if cached is not None:
        return cached
    with plugins.LOCK:
        found = [
            dataclasses.replace(record, name=_qualified(namespace, record.name))
            for k, record in _read(kind, namespace)
            if k == kind
        ]
        return _cache.setdefault((kind, namespace), found)


_warned: set[tuple[str, str]] = set()  # (kind, name): each is said once a process


def _warn_deprecated(name: str, kind: str, advice: str) -> None:
    """A FutureWarning, for it is users, and not only developers, who must act."""
    if advice and (kind, name) not in _warned:
        _warned.add((kind, name))
        warnings.warn(f"the {kind} {name} is deprecated: {advice}", FutureWarning, stacklevel=3)


def _origin(namespace: str) -> tuple[str, str]:
    """Distribution and version of a namespace."""
    if namespace:
        status = plugins.require(namespace).status
        return status.distribution, status.version
    from aezoo import __version__

    return "aezoo", __version__


def _loaded() -> list[str]:
    """The namespaces of all plugins that load."""
    return [p.namespace for p in plugins.load_all() if p.status.state == "ok"]


def _split(name: str) -> tuple[str, str]:
    namespace, slash, word = name.rpartition("/")
    return (namespace, word) if slash else ("", name)


def _qualified(namespace: str, name: str) -> str:
    return f"{namespace}/{name}" if namespace else name


# -- what an unknown name may have meant


def _unknown_component(kinds: Sequence[str], name: str, named: list[Registered]) -> str:
    wanted = _either(kinds)
    known = [item.name for item in items(kinds)]
    if named:
        roles = _join((_article(r.kind) for r in named), "and")
        message, hint = f"{name} is {roles}, not {wanted}", ""
    else:
        message, hint = f"unknown {' or '.join(kinds)} {name!r}", _hint(name, known)
    if hint:
        return message + hint
    plurals = _join((_PLURALS.get(kind, f"{kind}s") for kind in kinds), "and")
    return f"{message}; {plurals} are {', '.join(known) or 'not installed'}"


def _hint(name: str, known: Iterable[str]) -> str:
    """A suggestion: the same name in a plugin, else the nearest spelling."""
    known = list(known)
    for other in known:
        if _split(other)[1] == _split(name)[1]:
            return f"; did you mean {other!r}?"
    return suggest(name, known) or suggest(name.lower(), known)


def _either(kinds: Sequence[str]) -> str:
    return _join((_article(kind) for kind in kinds), "or")


def _article(kind: str) -> str:
    return f"an {kind}" if kind[0] in "aeiou" else f"a {kind}"


def _join(words: Iterable[str], last: str) -> str:
    words = list(words)
    return f" {last} ".join(filter(None, [", ".join(words[:-1]), words[-1]]))
