"""A model's card from what is on file: config, recipe, training and measured rows; and the check
that all of these, the weights and the index agree.

A card's figures are the newest row of each measurement of these very weights (by SHA-256) in
the folder of results. They are also put into training.json, which `aezoo info` reads without
the results.
"""

from __future__ import annotations

import dataclasses
import json
import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aezoo.bench.rows import Row, newest, read_csv
from aezoo.errors import AezooError, MetricError
from aezoo.hub.cards import RECIPE, TRAINING, folder_card
from aezoo.hub.config import CARD, CONFIG, WEIGHTS, loads
from aezoo.hub.zoo import INDEX, entry_for, file_record, read_index
from aezoo.records import Figure
from aezoo.spec import parse, spec_hash

TIMED = ("images/s", "ms", "MiB")  # units of figures that say something of the device


@dataclass(frozen=True, slots=True)
class CardFiles:
    """What a card is made of, and the texts that it should be."""

    readme: str
    training: str
    rows: list[Row]


def results(folder: Path) -> list[Row]:
    """The rows of every CSV file in the folder; none where there is no folder.

    Raises:
        MetricError: a file is not one of rows.
    """
    return [row for file in sorted(folder.glob("*.csv")) for row in read_csv(file)]


def models(cards: Path) -> list[str]:
    """The trained models in the folder: those with weights or a config, or in the index."""
    found = {file.parent.name for name in (WEIGHTS, CONFIG) for file in cards.glob(f"*/{name}")}
    if (cards / INDEX).is_file():
        found |= {entry.name for entry in read_index(cards)}
    return sorted(found)


def make(name: str, cards: Path, rows: Sequence[Row], namespace: str = "") -> CardFiles:
    """The card of ``cards/NAME`` and its training.json, as they should be.

    ``namespace`` is the plugin's whose models these are: its card says NAMESPACE/NAME.

    Raises:
        MetricError: a file that a card is made of is missing, or no row is of these weights.
        WeightsError: config.json cannot be read.
    """
    folder = cards / name
    for needed in (CONFIG, WEIGHTS, RECIPE, TRAINING):
        if not (folder / needed).is_file():
            raise MetricError(f"{name}: {folder / needed} is missing; a card is made of it")
    repo = _repo(name, cards)
    called = f"{namespace}/{name}" if namespace else name
    return _made(folder, rows, f"{name} --out benchmarks/results", called, repo and f"hf://{repo}")


def make_run(folder: Path, rows: Sequence[Row] | None = None, repo: str = "") -> CardFiles:
    """The card of a model's folder outside any zoo, and its training.json.

    With None for rows the card has the figures that training.json has already, if any. ``repo``
    is "org/name" of the Hub, where it is going to be; else the card loads it from the folder.

    Raises:
        MetricError: the folder lacks config.json, weights or training.json, or no row is of these
            weights.
        WeightsError: config.json cannot be read.
    """
    for needed in (CONFIG, WEIGHTS, TRAINING):
        if not (folder / needed).is_file():
            raise MetricError(
                f"{folder / needed} is missing; the folder of a finished run has it: "
                "runs/NAME/final, or --out of aezoo fit-prior"
            )
    own = folder.resolve()
    called = own.parent.name if own.name == "final" else own.name
    return _made(
        folder,
        rows,
        f"{folder} --out RESULTS",
        repo.partition("/")[2] or called,
        f"hf://{repo}" if repo else f"local:{folder.as_posix()}",
    )


def _made(
    folder: Path, rows: Sequence[Row] | None, bench: str, called: str, source: str | None
) -> CardFiles:
    config = loads((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    weights = file_record(folder / WEIGHTS).sha256
    own = [] if rows is None else newest(rows, weights)
    training = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    if rows is not None and not own:
        raise MetricError(
            f"{called}: no row is of its weights (sha256 {weights[:12]}...); measure them: "
            f"aezoo bench {bench}"
        )
    figures = [_figure(row) for row in own] if own else None
    if figures is not None:
        training |= {"figures": [_short(figure) for figure in figures]}
    text = folder_card(folder, config, name=called, source=source or "", figures=figures)
    return CardFiles(text, json.dumps(training, indent=2, ensure_ascii=False) + "\n", own)


def write(name: str, cards: Path, rows: Sequence[Row], namespace: str = "") -> Path:
    """Write README.md and training.json of ``cards/NAME``; the README's path.

    Raises:
        AezooError: as `make` does.
    """
    return put(cards / name, make(name, cards, rows, namespace))


def put(folder: Path, made: CardFiles) -> Path:
    """Write what was made of a folder into it; the README's path."""
    from aezoo.train.checkpoint import write_atomic

    write_atomic(folder / TRAINING, made.training.encode())
    write_atomic(folder / CARD, made.readme.encode())
    return folder / CARD


def check_run(folder: Path, rows: Sequence[Row] | None = None, repo: str = "") -> list[str]:
    """What disagrees about a model's folder outside any zoo, as `check` says it."""
    try:
        return list(_stale(str(folder), folder, make_run(folder, rows, repo)))
    except AezooError as error:
        return [str(error)]


def check(name: str, cards: Path, rows: Sequence[Row], namespace: str = "") -> list[str]:
    """What disagrees about a model, a sentence each; empty where all is well."""
    return list(_disagreements(name, cards, rows, namespace))


def _disagreements(name: str, cards: Path, rows: Sequence[Row], namespace: str) -> Iterator[str]:
    folder = cards / name
    try:
        made = make(name, cards, rows, namespace)
        yield from _stale(name, folder, made)
    except AezooError as error:
        yield str(error)
        return
    recipe = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
    yield from _index_disagreements(name, cards, recipe)


def _stale(name: str, folder: Path, made: CardFiles) -> Iterator[str]:
    from aezoo.hub.load import load_folder

    config = loads((folder / CONFIG).read_bytes(), str(folder / CONFIG))
    load_folder(folder)  # config, weights and components fit each other
    for file, text in ((CARD, made.readme), (TRAINING, made.training)):
        path = folder / file
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            state = "is not what its sources say" if path.is_file() else "is missing"
            yield f"{name}: {file} {state}; write it: aezoo card {name}"
    hashed = spec_hash(parse(config.spec))
    for row in made.rows:
        if row.spec_hash != hashed:
            yield (
                f"{name}: the row {row.metric} on {row.data} {row.split} is of another spec than "
                f"config.json's; measure again: aezoo bench {name} --fresh"
            )
            break


def _index_disagreements(name: str, cards: Path, recipe: dict[str, Any]) -> Iterator[str]:
    entries = {e.name: e for e in read_index(cards)} if (cards / INDEX).is_file() else {}
    if name not in entries:
        yield f"{name}: is not in {cards / INDEX}"
        return
    found = entries[name]
    wanted = entry_for(
        cards / name,
        summary=recipe.get("summary", ""),
        data=recipe.get("data", ""),
        repo=found.repo,
        revision=found.revision,
    )
    for field in dataclasses.fields(found):
        ours, theirs = getattr(wanted, field.name), getattr(found, field.name)
        if ours != theirs and field.name != "folder":
            yield f"{name}: {INDEX} says {field.name} is {theirs!r}, the files say {ours!r}"


def _figure(row: Row) -> Figure:
    """As a card shows it: a time names its device."""
    if row.unit not in TIMED:
        return row.figure
    return dataclasses.replace(row.figure, protocol=f"{row.protocol}; {row.device}")


def _short(figure: Figure) -> dict[str, Any]:
    """For training.json, without what is not given."""
    return {k: v for k, v in dataclasses.asdict(figure).items() if v not in (None, "")}


def _repo(name: str, cards: Path) -> str | None:
    if not (cards / INDEX).is_file():
        return None
    return next((entry.repo for entry in read_index(cards) if entry.name == name), None)
