"""config.json: what has to be known to build the model that a weights file belongs to.

    {"format": 1, "spec": "vae(...)", "display": "vae(...)",
     "components": [{"kind": "family", "name": "vae", "version": 1,
                     "distribution": "aezoo", "distribution_version": "0.1.0"}, ...],
     "input": {"shape": [3, 32, 32], "range": [0.0, 1.0]},
     "prior_fitted": true, "license": "apache-2.0", "aezoo": "0.1.0"}

Read strictly: a key more, a key less or a value of another type is an error that names the
file and the key, for a guess about somebody's weights would be a silent wrong number.
"""

from __future__ import annotations

import dataclasses
import functools
import json
import types
import typing
from dataclasses import dataclass
from typing import Any

from aezoo.errors import IncompatibleWeightsError

FORMAT = 1  # raised when an older aezoo could no longer read what a newer one writes
MAX_BYTES = 1 << 20  # a config is a few kB; more is not one

CONFIG = "config.json"
WEIGHTS = "model.safetensors"
CARD = "README.md"


@dataclass(frozen=True, slots=True)
class ComponentRecord:
    """One component of the spec, and where it came from when the weights were saved."""

    kind: str
    name: str  # with its namespace: "acme/rvq"
    version: int  # same weights, same numbers
    distribution: str  # what pip installs
    distribution_version: str


@dataclass(frozen=True, slots=True)
class InputRecord:
    """What the model takes: one sample of ``shape`` (C, *S), values within ``range``."""

    shape: tuple[int, ...]
    range: tuple[float, float] = (0.0, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """All of config.json, in the order of the file."""

    format: int = FORMAT
    spec: str  # resolved: every argument, every default, every version
    display: str  # short, for people
    components: tuple[ComponentRecord, ...]  # outermost first, each once
    input: InputRecord
    prior_fitted: bool  # the prior was trained on the frozen model
    license: str  # of the weights
    aezoo: str  # the version that wrote this


def config_of(model: Any, license: str | None = None) -> Config:
    """The config of an Autoencoder: its bound spec, and what state its prior is in.

    ``license`` None: the one that the model was loaded with, else "apache-2.0".
    """
    from aezoo import __version__
    from aezoo.resolve import walk

    records = {
        (entry.kind, entry.qualified): ComponentRecord(
            entry.kind,
            entry.qualified,
            entry.component.version,
            entry.distribution,
            entry.distribution_version,
        )
        for entry in (part.entry for part in walk(model.bound))
    }
    return Config(
        spec=str(model.resolved),
        display=str(model.spec),
        components=tuple(records.values()),
        input=InputRecord(tuple(model.input_shape), tuple(model.input_range)),
        prior_fitted=bool(model.prior_fitted),
        license=license or model.license or "apache-2.0",
        aezoo=__version__,
    )


def describe(model: Any) -> dict[str, Any]:
    """`config_of` as the JSON object of the file."""
    return json.loads(dumps(config_of(model)))


def dumps(config: Config) -> str:
    """The text of config.json: the same config is always the same bytes."""
    return json.dumps(dataclasses.asdict(config), indent=2, ensure_ascii=False) + "\n"


def loads(text: str | bytes, where: str = CONFIG) -> Config:
    """Read config.json.

    Args:
        text: The file's content.
        where: How errors call the file.

    Raises:
        IncompatibleWeightsError: no JSON object, a newer format, an unknown, missing, doubled
            or mistyped key; names the file and the key.
    """
    if len(text) > MAX_BYTES:
        raise IncompatibleWeightsError(
            f"{where} has {len(text):,} bytes; a config has at most {MAX_BYTES:,}"
        )
    try:
        raw = json.loads(text, object_pairs_hook=_unique_keys, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise IncompatibleWeightsError(f"{where} is not the JSON of a model: {error}") from error
    if not isinstance(raw, dict):
        raise IncompatibleWeightsError(
            f"{where} holds a JSON {type(raw).__name__}, expected an object with the keys of "
            "a model's config"
        )
    # The format is looked at first: a newer one may rightly have keys that are unknown here.
    found = raw.get("format")
    if type(found) is int and found > FORMAT:
        writer = f" (written by aezoo {raw['aezoo']})" if isinstance(raw.get("aezoo"), str) else ""
        raise IncompatibleWeightsError(
            f"{where}: 'format' is {found}{writer}, this aezoo reads up to {FORMAT}; "
            "upgrade it: pip install -U aezoo"
        )
    config = _read(Config, raw, where, "")
    if config.format != FORMAT:
        raise IncompatibleWeightsError(f"{where}: 'format' is {found}, expected {FORMAT}")
    return config


def _read(record: type, raw: Any, where: str, path: str) -> Any:
    """A JSON object as the dataclass ``record``; ``path`` is where in the file it stands."""
    if not isinstance(raw, dict):
        raise _wrong(where, path, "an object", raw)
    hints = _hints(record)
    for key in raw:
        if key not in hints:
            raise IncompatibleWeightsError(
                f"{where}: unknown key {_join(path, key)!r}; this aezoo knows {', '.join(hints)}. "
                "A newer aezoo may have written it: pip install -U aezoo"
            )
    for key in hints:
        if key not in raw:
            raise IncompatibleWeightsError(f"{where}: the key {_join(path, key)!r} is missing")
    return record(**{k: _convert(raw[k], hints[k], where, _join(path, k)) for k in hints})


@functools.cache
def _hints(record: type) -> dict[str, Any]:
    return typing.get_type_hints(record)


def _convert(raw: Any, hint: Any, where: str, path: str) -> Any:
    if dataclasses.is_dataclass(hint):
        return _read(hint, raw, where, path)  # type: ignore[arg-type]
    if isinstance(hint, types.GenericAlias):
        inner = typing.get_args(hint)
        if not isinstance(raw, list):
            raise _wrong(where, path, "a list", raw)
        if inner[-1] is Ellipsis:
            inner = (inner[0],) * len(raw)
        if len(inner) != len(raw):
            raise _wrong(where, path, f"a list of {len(inner)}", raw)
        return tuple(
            _convert(v, t, where, f"{path}[{i}]")
            for i, (v, t) in enumerate(zip(raw, inner, strict=True))
        )
    if hint is float and type(raw) is int:
        return float(raw)
    if type(raw) is not hint:  # not isinstance: true is no int
        names = {str: "text", int: "an integer", float: "a number", bool: "true or false"}
        raise _wrong(where, path, names[hint], raw)
    return raw


def _join(path: str, key: str) -> str:
    return f"{path}.{key}" if path else key


def _wrong(where: str, path: str, expected: str, raw: Any) -> IncompatibleWeightsError:
    found = json.dumps(raw)
    found = found if len(found) <= 60 else found[:57] + "..."
    return IncompatibleWeightsError(f"{where}: {path!r} must be {expected}, found {found}")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    keys = [key for key, _ in pairs]
    for key in keys:
        if keys.count(key) > 1:
            raise ValueError(f"the key {key!r} stands there twice")
    return dict(pairs)


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")
