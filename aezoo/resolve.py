"""From a parsed spec to bound components: names looked up, arguments checked, defaults filled.

Two canonical spellings come back out of a bound spec. `display` is short: required
arguments by position, others only where they differ from their default. `resolved` says
everything, component versions too, and is what `aezoo.spec.spec_hash` is taken of.
"""

from __future__ import annotations

import dataclasses
import functools
import numbers
import types
import typing
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from aezoo import registry
from aezoo.registry import Registered
from aezoo.spec import Span, Spec, SpecError, Value, format_value, parse, parse_value, suggest

#: Slots may also be called by the kind of part that stands in them.
_SLOT_ALIASES = {"quantizer": "bottleneck", "posterior": "bottleneck"}


@dataclass(frozen=True, slots=True)
class Bound:
    """A registered component with its arguments: everything that is needed to build it."""

    entry: Registered
    config: Any  # an instance of entry.component.config; nested components are Bound

    def build(self, **context: Any) -> Any:
        """Import the component's class and make one; ``context`` is what its kind is given."""
        return self.entry.load()(self.config, **context)

    def __str__(self) -> str:
        return str(display(self))


def resolve(spec: str | Spec | Bound) -> Bound:
    """Bind a whole spec, whose outermost name is a family.

    Raises:
        SpecError: unknown name or argument, wrong type or value; with a caret.
        PluginMissingError, PluginLoadError: a namespace that is not, or cannot be, loaded.
    """
    if isinstance(spec, Bound):
        return spec
    return bind(parse(spec) if isinstance(spec, str) else spec, ("family",))


def bind(spec: Spec, kinds: tuple[str, ...]) -> Bound:
    """Bind one call to the component of that name among these kinds."""
    entry = registry.component(kinds, spec.name, spec.name_span)
    config_type = entry.component.config
    given = _assign(spec, entry)
    values = {name: _value(spec, entry, name, item, raw) for name, (item, raw) in given.items()}
    for field in dataclasses.fields(config_type):
        if field.name in values:
            continue
        if field.default is dataclasses.MISSING:
            raise SpecError(f"{entry.qualified} needs the argument {field.name!r}", spec.span)
        if "kinds" in field.metadata and isinstance(field.default, str):
            default = _default_part(field, values.get("bottleneck"))
            values[field.name] = bind(parse(default), field.metadata["kinds"])
    try:
        return Bound(entry, config_type(**values))
    except ValueError as error:
        raise SpecError(f"{entry.qualified}: {error}", spec.span) from error


def resolved(bound: Bound) -> Spec:
    """The long canonical form: every argument, every default, every component's version.

    A part that may be left out and is (``prior=none``) is not spelled out: so a family can be
    given a further optional part, and the models that lack it keep their hash.
    """
    fields = dataclasses.fields(bound.config)
    values = {f.name: _unbind(getattr(bound.config, f.name), resolved) for f in fields}
    for field in fields:
        if "kinds" in field.metadata and values[field.name] is None:
            del values[field.name]
    args = _take_positional(values, fields, required=False)
    values["version"] = bound.entry.component.version
    return Spec(bound.entry.qualified, args, tuple(values.items()))


def display(bound: Bound) -> Spec:
    """The short canonical form, as people write it."""
    fields = dataclasses.fields(bound.config)
    values = {f.name: _unbind(getattr(bound.config, f.name), display) for f in fields}
    args = _take_positional(values, fields, required=True)
    for field in fields:
        has_default = field.default is not dataclasses.MISSING
        if (
            field.name in values
            and has_default
            and values[field.name] == _default(field, getattr(bound.config, "bottleneck", None))
        ):
            del values[field.name]
    return Spec(bound.entry.qualified, args, tuple(values.items()))


def override(bound: Bound, changes: Mapping[str, Any]) -> Bound:
    """A bound spec with arguments replaced.

    Keys are argument names, dotted for a part's own: ``{"input": (1, 28, 28),
    "quantizer": "fsq(8,5,5,5)", "quantizer.codes": 1024}``. Text is read as a spec value. A
    prior that was the bottleneck's default is the changed one's, where none is asked for.

    Raises:
        SpecError: there is no such argument, or the value does not fit it.
    """
    asked = {path.partition(".")[0] for path in changes}
    for path, value in changes.items():
        changed = _override_one(bound, path.split("."), _as_value(value), path)
        bound = changed if "prior" in asked else _with_default_prior(bound, changed)
    return bound


def walk(bound: Bound) -> typing.Iterator[Bound]:
    """A bound spec and every component inside it, outermost first."""
    yield bound
    for field in dataclasses.fields(bound.config):
        value = getattr(bound.config, field.name)
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, Bound):
                yield from walk(part)


# -- arguments


def _assign(spec: Spec, entry: Registered) -> dict[str, tuple[int | str, Value]]:
    """Which argument each value of the call is meant for: name -> (item, value)."""
    fields = dataclasses.fields(entry.component.config)
    names = [f.name for f in fields]
    positional = [f for f in fields if not f.kw_only]
    given: dict[str, tuple[int | str, Value]] = {}
    for index, value in enumerate(spec.args):
        if index < len(positional) and "rest" in positional[index].metadata:
            given[positional[index].name] = (index, spec.args[index:])
            break
        if index >= len(positional):
            raise SpecError(
                f"{entry.qualified} takes at most {len(positional)} positional values",
                spec.span_of(index),
            )
        given[positional[index].name] = (index, value)
    for name, value in spec.kwargs:
        if name == "version":
            if value != entry.component.version:
                raise SpecError(
                    f"{entry.qualified} is installed in version {entry.component.version}, "
                    f"not {format_value(value)}; install the {entry.distribution} that has it",
                    spec.span_of(name),
                )
            continue
        if name not in names:
            hint = suggest(name, names) or f"; it has {', '.join(names) or 'none'}"
            raise SpecError(
                f"{entry.qualified} has no argument {name!r}{hint}", spec.span_of_key(name)
            )
        if name in given:
            raise SpecError(f"the argument {name!r} is given twice", spec.span_of_key(name))
        given[name] = (name, value)
    return given


def _value(spec: Spec, entry: Registered, name: str, item: int | str, raw: Value) -> Any:
    """One value, checked against its field."""
    field = {f.name: f for f in dataclasses.fields(entry.component.config)}[name]
    span = spec.span_of(item)
    kinds: tuple[str, ...] = field.metadata.get("kinds", ())
    if kinds:
        if raw is None and field.default is None:
            return None
        if "rest" in field.metadata:
            if not isinstance(raw, tuple):
                raise SpecError(f"{entry.qualified}: {name!r} takes a tuple of {kinds[0]}s", span)
            what = f"{entry.qualified}: each of {name!r} is"
            spans = (
                spec.span_of(item + i) if isinstance(item, int) else span for i in range(len(raw))
            )
            return tuple(_part(v, kinds, what, s) for v, s in zip(raw, spans, strict=True))
        return _part(raw, kinds, f"{entry.qualified}: {name!r} takes", span)
    hint = _hints(entry.component.config)[name]
    if "rest" in field.metadata and isinstance(item, int) and isinstance(raw, tuple):
        element, what = typing.get_args(hint)[0], f"{entry.qualified}: each of {name!r} is"
        return tuple(checked(v, element, what, spec.span_of(item + i)) for i, v in enumerate(raw))
    return checked(raw, hint, f"{entry.qualified}: {name!r} takes", span)


def _part(raw: Value, kinds: tuple[str, ...], what: str, span: Span | None) -> Bound:
    if not isinstance(raw, Spec):
        found = format_value(raw)
        raise SpecError(f"{what} {_a(' or '.join(kinds))}, found {found}", span)
    return bind(raw, kinds)


def checked(raw: Value, hint: Any, what: str, span: Span | None) -> Any:
    """A spec value as the type that an argument is annotated with.

    Raises:
        SpecError: it is no such value; the message begins with ``what``.
    """
    try:
        return _convert(raw, hint)
    except TypeError:
        message = f"{what} {_describe(hint)}, found {format_value(raw)}{_nearest(raw, hint)}"
        raise SpecError(message, span) from None


@functools.cache
def _hints(config_type: type) -> dict[str, Any]:
    return typing.get_type_hints(config_type)


def _convert(raw: Value, hint: Any) -> Any:
    """A spec value as the annotated Python type, or TypeError."""
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        for option in inner:
            try:
                return _convert(raw, option)
            except TypeError:
                continue
    elif origin is typing.Literal:
        if isinstance(raw, Spec) and raw.is_bare and raw.name in inner:
            return raw.name
    elif origin is tuple and isinstance(raw, tuple):
        if inner[-1] is Ellipsis:
            return tuple(_convert(v, inner[0]) for v in raw)
        if len(raw) == len(inner):
            return tuple(_convert(v, t) for v, t in zip(raw, inner, strict=True))
    elif hint is type(None):
        if raw is None:
            return None
    elif hint is str:
        if isinstance(raw, Spec) and raw.is_bare:
            return raw.name
    elif hint is bool:
        if isinstance(raw, bool):
            return raw
    elif hint is int:
        if isinstance(raw, int) and not isinstance(raw, bool):
            return raw
    elif hint is float and isinstance(raw, int | float) and not isinstance(raw, bool):
        return float(raw)
    raise TypeError


def _a(noun: str) -> str:
    return f"{'an' if noun[0] in 'aeio' else 'a'} {noun}"


def _describe(hint: Any) -> str:
    origin, inner = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return " or ".join(_describe(option) for option in inner)
    if origin is typing.Literal:
        return "one of " + ", ".join(inner)
    if origin is tuple:
        if inner[-1] is not Ellipsis:
            return f"a tuple ({', '.join(_describe(option) for option in inner)})"
        one = _describe(inner[0]).partition(" ")[2]
        return f"a tuple of {one}s" if inner[0] in (int, float, str) else "a tuple"
    names = {type(None): "none", str: "a name", bool: "true or false", int: "an int"}
    return names.get(hint, "a float")


def _nearest(raw: Value, hint: Any) -> str:
    options = [hint, *typing.get_args(hint)]
    choices = [c for o in options if typing.get_origin(o) is typing.Literal for c in o.__args__]
    return suggest(raw.name, choices) if isinstance(raw, Spec) and raw.is_bare else ""


# -- the way back, and overrides


def _unbind(value: Any, form: typing.Callable[[Bound], Spec]) -> Value:
    if isinstance(value, Bound):
        return form(value)
    if isinstance(value, str):
        return Spec(value)
    if isinstance(value, tuple):
        return tuple(_unbind(v, form) for v in value)
    return value


def _take_positional(
    values: dict[str, Value], fields: tuple[dataclasses.Field[Any], ...], *, required: bool
) -> tuple[Value, ...]:
    """Move out of ``values`` what is written by position, as `_assign` reads it.

    Those are the values of a `rest` field with all before it, which an empty one does not
    need; and, if asked for, the required arguments.
    """
    order = [f for f in fields if not f.kw_only]
    at = next((i for i, f in enumerate(order) if "rest" in f.metadata), len(order))
    if at < len(order) and values[order[at].name]:
        leading = tuple(values.pop(f.name) for f in order[:at])
        return leading + values.pop(order[at].name)  # type: ignore[operator]
    if not required:
        return ()
    return tuple(values.pop(f.name) for f in order[:at] if f.default is dataclasses.MISSING)


def _default_part(field: dataclasses.Field[Any], bottleneck: Any) -> str:
    """The spec of a part that is not given; a bottleneck's config may name its own prior."""
    own = getattr(getattr(bottleneck, "config", None), "default_prior", None)
    return own if field.name == "prior" and own is not None else str(field.default)


def _default(field: dataclasses.Field[Any], bottleneck: Any = None) -> Value:
    """A field's default in display form."""
    if "kinds" in field.metadata and isinstance(field.default, str):
        return display(bind(parse(_default_part(field, bottleneck)), field.metadata["kinds"]))
    return _unbind(field.default, display)


def _as_value(given: Any) -> Value:
    """What an override may be in Python as a spec's value: text is read, numpy's are Python's."""
    if isinstance(given, str):
        return parse_value(given)
    if isinstance(given, list | tuple):
        return tuple(_as_value(item) for item in given)
    # A numpy.float64 is a float, and is written otherwise.
    is_number = issubclass(type(given), numbers.Number)
    return given.item() if is_number and hasattr(given, "item") else given


def _override_one(bound: Bound, path: list[str], value: Value, whole: str) -> Bound:
    if path[0].isdecimal():
        return _override_numbered(bound, path, value, whole)
    names = [f.name for f in dataclasses.fields(bound.config)]
    name = path[0] if path[0] in names else _SLOT_ALIASES.get(path[0], path[0])
    if name not in names:
        also = [alias for alias, slot in _SLOT_ALIASES.items() if slot in names]
        hint = suggest(path[0], [*names, *also]) or f"; it has {', '.join(names)}"
        raise SpecError(f"{bound.entry.qualified} has no argument {path[0]!r} to override{hint}")
    if len(path) > 1:
        part = getattr(bound.config, name)
        if not isinstance(part, Bound):
            raise SpecError(f"cannot override {whole!r}: {name!r} has no arguments of its own")
        replacement = _override_one(part, path[1:], value, whole)
    else:
        text = Spec(bound.entry.qualified, (), ((name, value),))
        # Parsed again so that the error can show what was asked for.
        text = parse(str(text))
        replacement = _value(text, bound.entry, name, name, text.kwargs[0][1])
    try:
        return Bound(bound.entry, dataclasses.replace(bound.config, **{name: replacement}))
    except ValueError as error:
        message = f"{bound.entry.qualified}: {error}, in the override of {whole!r}"
        raise SpecError(message) from error


def _with_default_prior(before: Bound, after: Bound) -> Bound:
    """``after``; if ``before`` had its bottleneck's default prior, with that of the new one."""
    field = {f.name: f for f in dataclasses.fields(after.config)}.get("prior")
    if field is None or not isinstance(field.default, str):
        return after
    parts = [getattr(bound.config, "bottleneck", None) for bound in (before, after)]
    if parts[0] == parts[1]:
        return after
    was, now = (bind(parse(_default_part(field, p)), field.metadata["kinds"]) for p in parts)
    if after.config.prior != was:
        return after
    return Bound(after.entry, dataclasses.replace(after.config, prior=now))


def _override_numbered(bound: Bound, path: list[str], value: Value, whole: str) -> Bound:
    """``quantizer.0.codes``: the first of the parts that ``levels(...)`` is made of."""
    fields = dataclasses.fields(bound.config)
    several = [f for f in fields if {"rest", "kinds"} <= f.metadata.keys()]
    parts: tuple[Bound, ...] = getattr(bound.config, several[0].name) if several else ()
    at = int(path[0])
    if at >= len(parts):
        raise SpecError(
            f"cannot override {whole!r}: {bound.entry.qualified} has {len(parts)} numbered parts, "
            "counted from 0"
        )
    if len(path) > 1:
        part = _override_one(parts[at], path[1:], value, whole)
    else:
        part = _part(value, several[0].metadata["kinds"], f"{whole!r} takes", None)
    changed = {several[0].name: (*parts[:at], part, *parts[at + 1 :])}
    return Bound(bound.entry, dataclasses.replace(bound.config, **changed))
