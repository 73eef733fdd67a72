"""The table of the zoo that the project's README shows, from the index and the measured rows."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from aezoo.bench.rows import Row, newest
from aezoo.errors import MetricError
from aezoo.hub.zoo import read_index
from aezoo.records import ModelEntry

BEGIN, END = "<!-- zoo -->", "<!-- /zoo -->"
HEADER = ("model", "what it is", "measured on", "MSE", "PSNR, dB", "likelihood bound", "FID", "MiB")


def overview(cards: Path, rows: Sequence[Row]) -> str:
    """A Markdown table, a line a model of the index; cells that nothing was measured for are
    empty."""
    lines = [_line(HEADER), _line(["---"] * 3 + ["---:"] * 2 + ["---", "---", "---:"])]
    for entry in read_index(cards):
        weights = next(f for f in entry.files if f.name == "model.safetensors")
        lines.append(_line(_cells(entry, weights.size, newest(rows, weights.sha256))))
    return "\n".join(lines) + "\n"


def placed(text: str, table: str) -> str:
    """``text`` with the table between its two marks.

    Raises:
        MetricError: the marks are not there.
    """
    before, begin, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise MetricError(f"the README has no marks {BEGIN} and {END} for the table of the zoo")
    return f"{before}{BEGIN}\n{table}{END}{after}"


def _cells(entry: ModelEntry, size: int, rows: Sequence[Row]) -> list[str]:
    tested = {row.metric: row for row in rows if row.split == "test"}
    mse = tested.get("mse")
    return [
        f"[`{entry.name}`](model_cards/{entry.name}/README.md)",
        entry.summary,
        f"{mse.data} {mse.split}, N = {mse.n:,}" if mse else "",
        f"{mse.value:.5f}" if mse else "",
        f"{tested['psnr'].value:.2f}" if "psnr" in tested else "",
        _bound(tested),
        _fid(rows),
        f"{size / 2**20:.1f}",
    ]


def _bound(tested: dict[str, Row]) -> str:
    """Bits a dimension where the data has 256 levels, nats of binary pixels; else none."""
    if "bits/dim" in tested:
        names = ["bits/dim"]
    else:
        names = [name for name in tested if name == "-elbo" or name.startswith("nll-iwae")]
    return ", ".join(f"{n} {tested[n].bound} {tested[n].value:.2f}" for n in names)


def _fid(rows: Sequence[Row]) -> str:
    """Of samples, by the network and the images that FID is defined with; how many were drawn."""
    found = [row for row in rows if row.metric == "fid-inception-tf1" and row.n > 2048]
    return f"{found[-1].value:.1f} ({found[-1].n:,} samples)" if found else ""


def _line(cells: Sequence[str]) -> str:
    return "| " + " | ".join(cells) + " |"
