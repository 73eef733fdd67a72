"""`aezoo bench`: measure models; compare two files of rows."""

from __future__ import annotations

import dataclasses
import logging
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from aezoo.cli import console, options

if TYPE_CHECKING:
    from aezoo.bench.rows import Row

Models = Annotated[
    list[str] | None,
    typer.Argument(metavar="MODEL...", help="Models of the zoo, hf://org/name, or folders."),
]


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(bench)


def bench(
    models: Models = None,
    data: Annotated[str | None, typer.Option(help="Data set; by default each model's own.")] = None,
    split: Annotated[str, typer.Option(help="test, validation, test[:1000] ...")] = "test",
    metrics: Annotated[
        str | None,
        typer.Option(
            metavar="A,B(K=V)", help="What to measure; --list-metrics says what there is."
        ),
    ] = None,
    device: options.Device = "auto",
    n: Annotated[int | None, typer.Option("--n", "-n", min=1, help="The first N rows.")] = None,
    seed: options.Seed = 0,
    out: Annotated[
        Path | None,
        typer.Option(
            help="A folder for rows (CSV, JSON), tables (Markdown) and the page (HTML); what it "
            "holds already is not measured again."
        ),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Measure again what the folder holds already.")
    ] = False,
    compare: Annotated[
        tuple[Path, Path] | None,
        typer.Option(metavar="A.csv B.csv", help="Measure nothing: what changed from A to B."),
    ] = None,
    list_metrics: Annotated[
        bool, typer.Option("--list-metrics", help="Measure nothing: list the metrics.")
    ] = False,
    json: options.Json = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Measure models on held-out data; every number with its protocol.

    On several GPUs or machines: accelerate launch -m aezoo bench ...; on several CPU processes:
    torchrun --nproc-per-node 2 -m aezoo bench ... (there write -n: torchrun takes --n for its own)
    """
    if list_metrics:
        return _list(json)
    if compare is not None:
        if models:
            raise typer.BadParameter("--compare reads two files and measures no model")
        return _compare(*compare, json)
    if not models:
        raise typer.BadParameter("name a model; `aezoo list` shows those of the zoo")
    if out is not None:
        options.room(out)
    from aezoo.bench.run import BenchError, run

    if os.environ.get("AEZOO_TRACEBACK", "") not in ("", "0"):
        logging.basicConfig()
        logging.getLogger("aezoo.bench").setLevel(logging.DEBUG)
    main = os.environ.get("RANK", "0") == "0"  # of several processes one speaks
    failures: list[str] = []
    try:
        rows = run(
            models,
            data=data,
            split=split,
            metrics=metrics,
            device=options.device(device),
            n=n,
            seed=seed,
            out=out,
            fresh=fresh,
            quiet=quiet,
            say=console.note if main else lambda text: None,
        )
    except BenchError as error:
        rows, failures = error.rows, [str(failure) for failure in error.failures]
    if main:
        _show(rows, json)
        if out is not None and rows:
            console.note(f"rows, tables and the page: {out}")
        for failure in failures:
            typer.secho(f"error: {failure}", fg=typer.colors.RED, err=True)
    if failures:
        raise typer.Exit(1)
    return None


def _show(rows: list[Row], json: bool) -> None:
    from aezoo.bench.report import number
    from aezoo.bench.rows import to_json

    if json:
        return console.as_json([to_json(row) for row in rows])
    if not rows:
        return None
    header = ("model", "data", "metric", "value", "unit", "N", "protocol")
    lines = [
        (
            r.model,
            f"{r.data} {r.split}",
            r.metric,
            number(r.value, r.bound),
            r.unit,
            r.n,
            r.protocol,
        )
        for r in rows
    ]
    return console.table(header, lines, right=(3, 5))


def _compare(a: Path, b: Path, json: bool) -> None:
    from aezoo.bench.report import number
    from aezoo.bench.rows import compare, read_csv, to_json

    both, only_a, only_b = compare(read_csv(a), read_csv(b))
    if json:
        changes = [{"a": to_json(c.a), "b": to_json(c.b), "verdict": c.verdict} for c in both]
        alone = {"only_a": [to_json(r) for r in only_a], "only_b": [to_json(r) for r in only_b]}
        return console.as_json({"changes": changes, **alone})
    header = ("model", "data", "metric", "A", "B", "B - A", "relative", "")
    lines = [
        (
            c.a.model,
            f"{c.a.data} {c.a.split}",
            c.a.metric,
            number(c.a.value, c.a.bound),
            number(c.b.value, c.b.bound),
            f"{c.difference:+.3g}",
            f"{c.relative:+.2%}",
            c.verdict,
        )
        for c in both
    ]
    console.table(header, lines, right=(3, 4, 5, 6))
    for name, rows in ((a, only_a), (b, only_b)):
        for row in rows:
            where = f"{row.data} {row.split}, N {row.n}, {row.protocol}"
            console.note(f"only in {name}: {row.model} {row.metric} ({where})")
    return None


def _list(json: bool) -> None:
    from aezoo import registry

    records = registry.metrics()
    if json:
        return console.as_json([dataclasses.asdict(record) for record in records])
    lines = [(r.name, "by default" if r.default else "", r.summary, r.extra) for r in records]
    return console.table(("metric", "measured", "what it is", "needs"), lines)
