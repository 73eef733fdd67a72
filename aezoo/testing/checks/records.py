"""Are the records complete: what a list, an error or a card says of the component."""

from __future__ import annotations

import importlib
import inspect
from typing import Any

from aezoo.records import Component, Dataset, FeatureRecord, MetricRecord, ModelEntry
from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject

LONGEST = 100  # characters of a summary: it stands in one line of a list


def record_complete(subject: Subject) -> None:
    """A record says in one line what the thing is, and its target is there and documented.

    Fix: fill in the record's field that is named, as `aezoo.records` describes it.
    """
    record = subject.record
    summary = record.summary
    require(
        summary == summary.strip() and 0 < len(summary) <= LONGEST and "\n" not in summary,
        f"its summary is {summary!r}",
        f"give it a summary of one line and at most {LONGEST} characters",
    )
    require(not summary.endswith("."), f"its summary {summary!r} ends with a full stop")
    _BY_TYPE[type(record)](subject, record)


def _component(subject: Subject, record: Component) -> None:
    assert subject.entry is not None
    assert subject.example  # raises where arguments are needed and none are given
    found = subject.entry.load()
    require(
        (inspect.getdoc(found) or "").strip() and "__doc__" in vars(found),
        f"{record.target} has no docstring",
        "say in it what goes in and what comes out, with shapes and units",
    )


def _model(subject: Subject, record: ModelEntry) -> None:
    names = {file.name for file in record.files}
    wanted = {"config.json", "model.safetensors"}
    require(
        wanted <= names,
        f"its files are {', '.join(sorted(names)) or 'not recorded'}",
        "record name, size and sha256 of config.json and model.safetensors as FileRecord",
    )
    require(record.license, "its weights have no licence", "give license an SPDX name")
    require(record.data, "it does not say what it was trained on", "give data the data set's name")


def _dataset(subject: Subject, record: Dataset) -> None:
    rank = len(record.shape) - 1
    require(
        1 <= rank <= 3 and all(n > 0 for n in record.shape),
        f"its shape is {record.shape}",
        "shape is (channels, size) of one sample, with one to three sizes",
    )
    splits = dict(record.splits)
    require(
        splits and all(rows > 0 for rows in splits.values()),
        f"its splits are {record.splits}",
        'splits names each official split and its rows: (("train", 2700), ("test", 300))',
    )
    require(
        0 <= record.validation < splits.get("train", 1),
        f"its validation takes {record.validation} rows of train's {splits.get('train', 0)}",
        "validation is how many rows at the end of train are kept for validation",
    )
    require(record.license, "it has no licence", "say the data's licence, as its source does")
    require(record.citation, "it has no citation", "say whom users should cite")
    require(
        not record.repo or len(record.revision) == 40,
        f"its revision is {record.revision!r}",
        "pin the 40 hex digits of a commit, so that everybody has the same rows",
    )
    _load(record.target)


def _target(subject: Subject, record: MetricRecord | FeatureRecord) -> None:
    found = _load(record.target)
    require(
        (inspect.getdoc(found) or "").strip(),
        f"{record.target} has no docstring",
        "say in it what is measured, of what, and in which unit",
    )


def _load(target: str) -> Any:
    module, _, path = target.partition(":")
    found: Any = importlib.import_module(module)
    for name in path.split("."):
        found = getattr(found, name)
    require(callable(found), f"{target} is a {type(found).__name__}, which nobody can call")
    return found


_BY_TYPE = {
    Component: _component,
    ModelEntry: _model,
    Dataset: _dataset,
    MetricRecord: _target,
    FeatureRecord: _target,
}
