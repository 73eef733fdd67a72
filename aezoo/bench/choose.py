"""Which metrics: ``likelihood(k=5000),fid`` to instances of their classes."""

from __future__ import annotations

import dataclasses
import importlib
import typing
from collections.abc import Sequence
from typing import Any

from aezoo import registry
from aezoo.errors import MetricError, PluginLoadError
from aezoo.metrics.base import NEEDS, Metric
from aezoo.records import MetricRecord
from aezoo.resolve import checked
from aezoo.spec import Spec, SpecError, parse, parse_value


def names(metrics: str | Sequence[str] | None) -> list[str]:
    """Each metric in its canonical spelling; None: those measured where nothing is said.

    Raises:
        SpecError: the text cannot be read; with a caret.
        UnknownMetricError: no such metric; suggests the nearest.
    """
    if metrics is None:
        return [record.name for record in registry.metrics() if record.default]
    text = metrics if isinstance(metrics, str) else ",".join(metrics)
    found: dict[str, None] = {}
    for piece in _pieces(text):
        call = parse_value(piece)
        if not isinstance(call, Spec):
            raise MetricError(f"{piece}: a metric is a name or a call, such as likelihood(k=200)")
        registry.metric(call.name)
        found[str(call)] = None
    if not found:
        raise MetricError("no metric is named; `aezoo bench --list-metrics` shows them")
    return list(found)


def build(text: str) -> Metric:
    """The metric of one name or call.

    Raises:
        MetricError: its options are not such as it takes.
        PluginLoadError: its module cannot be imported; says what to install.
    """
    call = parse(text)
    record = registry.metric(call.name)
    cls = _load(record)
    options = [f.name for f in dataclasses.fields(cls) if f.init]
    given = dict(zip(options, call.args, strict=False)) | dict(call.kwargs)
    unknown = [name for name in given if name not in options]
    if unknown or len(call.args) > len(options):
        takes = f"its options are {', '.join(options)}" if options else "it takes no options"
        raise MetricError(f"{text}: {takes}")
    hints = typing.get_type_hints(cls)
    try:
        for name, value in given.items():
            if hints[name] in (int, float, bool, str):
                checked(value, hints[name], f"{name!r} takes", None)
        metric = cls(**{name: _plain(value) for name, value in given.items()})
    except (ValueError, TypeError, SpecError) as error:
        raise MetricError(f"{text}: {error}") from error
    unknown = metric.needs - NEEDS
    if unknown:
        raise MetricError(f"{text}: needs {', '.join(sorted(unknown))}, which no block has")
    return metric


def spelled(text: str, metric: Metric) -> str:
    """The call with every option, defaults too: what a finished measurement is known by."""
    fields = [f.name for f in dataclasses.fields(metric) if f.init]
    options = {name: getattr(metric, name) for name in fields}
    inner = ",".join(f"{name}={value}" for name, value in options.items())
    name = parse(text).name
    return f"{name}({inner})" if inner else name


def _pieces(text: str) -> list[str]:
    """What stands between the commas that are outside of all brackets."""
    pieces, depth = [""], 0
    for letter in text:
        depth += (letter == "(") - (letter == ")")
        if letter == "," and depth <= 0:
            pieces.append("")
        else:
            pieces[-1] += letter
    return [piece.strip() for piece in pieces if piece.strip()]


def _plain(value: Any) -> Any:
    """A bare word is the text itself."""
    return str(value) if isinstance(value, Spec) else value


def _load(record: MetricRecord) -> type[Metric]:
    module, _, path = record.target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (Exception, SystemExit) as error:  # the target may be a plugin's code
        fix = f"; pip install {record.extra}" if record.extra else ""
        raise PluginLoadError(
            f"the metric {record.name} cannot be imported from {record.target}: "
            f"{type(error).__name__}: {error}{fix}"
        ) from error
    if not (isinstance(found, type) and issubclass(found, Metric)):
        raise PluginLoadError(
            f"the metric {record.name}: {record.target} is no subclass of aezoo.metrics.base.Metric"
        )
    return found
