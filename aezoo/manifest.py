"""Reads one manifest: calls its hooks and checks every record that they give.

A manifest is what a plugin's entry point names, or one of the core's own modules; both go
this way. Knows nothing of entry points (`aezoo.plugins`) or of names (`aezoo.registry`).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Iterator
from typing import Any

from pluggy import PluginManager

from aezoo import hookspecs
from aezoo.errors import AezooError
from aezoo.records import (
    API,
    RANGES,
    Capabilities,
    Component,
    Dataset,
    FeatureRecord,
    FileRecord,
    FormatRecord,
    MetricRecord,
    ModelEntry,
)
from aezoo.spec import Spec, SpecError, parse, suggest

Record = Component | ModelEntry | Dataset | MetricRecord | FeatureRecord | FormatRecord

_TYPES = {
    "model": ModelEntry,
    "dataset": Dataset,
    "metric": MetricRecord,
    "feature": FeatureRecord,
    "format": FormatRecord,
}  # every other kind: Component
_DOTTED = r"[A-Za-z_]\w*(?:\.[A-Za-z_]\w*)*"
_TARGET = re.compile(f"{_DOTTED}:{_DOTTED}", re.ASCII)
_TITLE = re.compile(r"[A-Za-z0-9]\w*(?:-\w+)*", re.ASCII)  # of a model or a data set
_REPO = re.compile(r"[\w.-]+/[\w.-]+(?:/[\w.-]+)*", re.ASCII)  # with a folder in it
_WEIGHTS = re.compile(r"[\w.-]+\.safetensors", re.ASCII)


class ManifestError(AezooError):
    """A manifest breaks the plugin contract; nothing of it is used."""


class ApiError(ManifestError):
    """A record is written for a plugin contract that this aezoo does not know."""


def is_word(text: str) -> bool:
    """Whether a spec may write ``text`` as a plain name: no namespace, dot or keyword."""
    try:
        return parse(text) == Spec(text) and not set(text) & set("/.")
    except SpecError:
        return False


def read(manifest: object, namespace: str) -> tuple[tuple[str, Record], ...]:
    """All records of a manifest, each with its kind, in the order of `hookspecs.HOOKS`.

    Args:
        manifest: the module (or object) whose attributes are hook implementations.
        namespace: the plugin's; "" for the core's own manifests.

    Raises:
        ApiError: a record's ``api`` is too new.
        ManifestError: a hook or a record is not as `aezoo.hookspecs` wants it.
        Exception: whatever a hook raises.
    """
    manager = PluginManager("aezoo")
    manager.add_hookspecs(hookspecs)
    manager.register(manifest, name=namespace or "core")
    _check_hooks(manager, manifest, namespace)
    found: dict[tuple[str, str], Record] = {}
    for kind, hook in hookspecs.HOOKS.items():
        for record in _records(manager, hook):
            _check(kind, record, hook, namespace)
            if (kind, record.name) in found:
                raise ManifestError(f"{hook} gives the name {record.name!r} twice")
            found[kind, record.name] = record
    return tuple((kind, record) for (kind, _), record in found.items())


def _check_hooks(manager: PluginManager, manifest: object, namespace: str) -> None:
    callers = manager.get_hookcallers(manifest) or []
    if not callers:
        raise ManifestError(
            "the manifest implements no hook; decorate its functions with @aezoo.hookimpl"
        )
    for caller in callers:
        required = any(not impl.optionalhook for impl in caller.get_hookimpls())
        if not caller.has_spec() and required:
            hint = suggest(caller.name, hookspecs.HOOKS.values())
            raise ManifestError(f"there is no hook {caller.name!r}{hint}")
        if caller.name == hookspecs.HOOKS["family"] and namespace:
            raise ManifestError(
                "aezoo_families is the core's own in api 1; a plugin gives the parts of a "
                "model (encoders, quantizers, objectives ...), not new families"
            )


def _records(manager: PluginManager, hook: str) -> Iterator[Any]:
    for given in getattr(manager.hook, hook)():
        if not isinstance(given, Iterable):
            raise ManifestError(
                f"{hook} returned a {type(given).__name__}; expected it to yield records"
            )
        yield from given


def _check(kind: str, record: Any, hook: str, namespace: str) -> None:
    expected = _TYPES.get(kind, Component)
    if not isinstance(record, expected):
        raise ManifestError(
            f"{hook} gave a {type(record).__name__}; expected aezoo.records.{expected.__name__}"
        )
    where = f"{hook}, {record.name!r}"
    if isinstance(record, Component):
        _check_component(kind, record, where)
        return
    if isinstance(record, FormatRecord):
        _check_format(record, where)
        return
    if isinstance(record, (MetricRecord, FeatureRecord)):
        _check_api(record.api, where)
        _check_word(record.name, where)
        _check_target(record.target, where)
        return
    if not isinstance(record.name, str) or not _is_title(record.name, kind):
        tag = " and a tag, as in 'name.tag'" if kind == "model" else ""
        raise ManifestError(
            f"{where}: a name is letters, digits, '_' and '-'{tag}, without a namespace"
        )
    if isinstance(record, Dataset):
        _check_dataset(record, where)
    else:
        _check_model(record, where, namespace)


def _is_title(name: str, kind: str) -> bool:
    title, dot, tag = name.partition(".")
    tagged = kind == "model" and re.fullmatch(r"\w[\w.-]*", tag, re.ASCII) is not None
    return _TITLE.fullmatch(title) is not None and (not dot or tagged)


def _check_component(kind: str, record: Component, where: str) -> None:
    _check_api(record.api, where)
    _check_word(record.name, where)
    config = record.config
    if not (isinstance(config, type) and dataclasses.is_dataclass(config)):
        raise ManifestError(f"{where}: config is {config!r}; expected a frozen dataclass")
    if not config.__dataclass_params__.frozen:  # type: ignore[attr-defined]
        raise ManifestError(
            f"{where}: the config {config.__name__} is not frozen; write @dataclass(frozen=True)"
        )
    if "version" in {field.name for field in dataclasses.fields(config)}:
        raise ManifestError(
            f"{where}: the config {config.__name__} has a field 'version', which resolved specs "
            "use for the component's own; call it something else"
        )
    _check_target(record.target, where)
    if type(record.version) is not int or record.version < 1:
        raise ManifestError(f"{where}: version is {record.version!r}; expected a number from 1 on")
    _check_deprecated(record.deprecated, where)
    caps = record.caps
    if not isinstance(caps, Capabilities) or not caps.ranks or not set(caps.ranks) <= {1, 2, 3}:
        raise ManifestError(
            f"{where}: caps is {caps!r}; expected Capabilities whose ranks are some of 1, 2, 3"
        )
    if kind == "quantizer" and not caps.discrete:
        raise ManifestError(
            f"{where}: a quantizer's latents are codes; write caps=Capabilities(discrete=True)"
        )


def _check_api(api: object, where: str) -> None:
    """First of all, for a newer contract may have other rules for the rest."""
    if type(api) is not int or api < 1:
        raise ManifestError(f"{where}: api is {api!r}; expected a number from 1 on")
    if api > API:
        raise ApiError(
            f"{where} is written for plugin api {api}, and this aezoo knows up to "
            f"{API}; upgrade aezoo, or install an older version of the plugin"
        )


def _check_word(name: object, where: str) -> None:
    if not isinstance(name, str) or not is_word(name):
        raise ManifestError(
            f"{where}: a name is one word of letters, digits and '_' that is not reserved, "
            "without a namespace"
        )


def _check_deprecated(advice: object, where: str) -> None:
    if not isinstance(advice, str):
        raise ManifestError(
            f"{where}: deprecated is {advice!r}; expected text that says what to use instead, or ''"
        )


def _check_target(target: object, where: str) -> None:
    if not isinstance(target, str) or not _TARGET.fullmatch(target):
        raise ManifestError(f"{where}: target is {target!r}; expected 'package.module:name'")


def _check_dataset(record: Dataset, where: str) -> None:
    _check_target(record.target, where)
    if record.dtype not in RANGES:
        raise ManifestError(f"{where}: dtype is {record.dtype!r}; expected {' or '.join(RANGES)}")
    if record.dtype == "int16" and (len(record.shape) != 2 or record.rate < 1):
        raise ManifestError(
            f"{where}: int16 is of audio, shape (C, T) with its rate in values a second; this has "
            f"shape {record.shape} and rate {record.rate}"
        )


def _check_format(record: FormatRecord, where: str) -> None:
    _check_api(record.api, where)
    _check_word(record.name, where)
    _check_target(record.target, where)
    if not record.key or not record.kinds or isinstance(record.kinds, str):
        raise ManifestError(
            f"{where}: key is {record.key!r} and kinds are {record.kinds!r}; expected a key of "
            "config.json and a tuple of its values"
        )
    if not isinstance(record.weights, str) or not _WEIGHTS.fullmatch(record.weights):
        raise ManifestError(
            f"{where}: weights is {record.weights!r}; expected the name of a safetensors file"
        )


def _check_model(record: ModelEntry, where: str, namespace: str) -> None:
    try:
        parse(record.spec)
    except SpecError as error:
        raise ManifestError(f"{where}: its spec cannot be read: {error}") from error
    _check_deprecated(record.deprecated, where)
    for file in record.files:
        if not isinstance(file, FileRecord) or not re.fullmatch("[0-9a-f]{64}", file.sha256):
            raise ManifestError(
                f"{where}: {file!r} among its files; expected FileRecord(name, size, sha256 "
                "as 64 hex digits)"
            )
    if record.repo is None:
        if namespace and record.folder is None:
            raise ManifestError(
                f"{where}: nobody knows where its files are; give repo and revision, or folder"
            )
    elif not _REPO.fullmatch(record.repo):
        raise ManifestError(
            f"{where}: repo is {record.repo!r}; expected 'org/name' or 'org/name/folder'"
        )
    elif not re.fullmatch("[0-9a-f]{40}", record.revision or ""):
        raise ManifestError(
            f"{where}: revision is {record.revision!r}; expected the 40 hex digits of a commit"
        )
