"""Figures that papers and other projects published, as data: ``benchmarks/published.csv``.

Only figures whose source was read; ``protocol`` says what the source says, no more.
"""

from __future__ import annotations

import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import aezoo
from aezoo.errors import MetricError

COLUMNS = ("model", "data", "metric", "unit", "value", "bound", "protocol", "source")


@dataclass(frozen=True, slots=True)
class Published:
    """A figure of somebody else's."""

    model: str  # as the source calls it: "VQ-VAE"
    data: str  # the data set, as aezoo calls it
    metric: str  # as aezoo calls it
    unit: str
    value: float
    bound: str  # "≤" or "≥", where the source bounds what is meant
    protocol: str  # what the source says about how it was measured
    source: str  # paper, table or section, address


@cache
def published(path: Path | None = None) -> tuple[Published, ...]:
    """The rows of the file, the checkout's own where none is named; none where it is not there.

    Raises:
        MetricError: the file holds something else; names the line.
    """
    file = path or Path(aezoo.__file__).resolve().parent.parent / "benchmarks" / "published.csv"
    if path is None and not file.is_file():
        return ()
    with file.open(encoding="utf-8", newline="") as text:
        reader = csv.DictReader(text, strict=True)
        if tuple(reader.fieldnames or ()) != COLUMNS:
            raise MetricError(f"{file}: its columns must be {', '.join(COLUMNS)}")
        found = []
        for cells in reader:
            try:
                typed: dict[str, Any] = cells | {"value": float(cells["value"])}
                row = Published(**typed)
            except (TypeError, ValueError) as error:
                raise MetricError(f"{file}, line {reader.line_num}: {error}") from error
            if not all((row.model, row.data, row.metric, row.protocol, row.source)):
                raise MetricError(
                    f"{file}, line {reader.line_num}: only unit and bound may be empty"
                )
            found.append(row)
    return tuple(found)
