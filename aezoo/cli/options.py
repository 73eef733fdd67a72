"""Options that several commands share, and what their texts mean."""

from __future__ import annotations

import os
import re
import tomllib
from pathlib import Path
from typing import Annotated, Any

import typer

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]
Device = Annotated[
    str, typer.Option(help="auto, cpu, cuda, cuda:N or mps; auto takes the fastest there is.")
]
Set = Annotated[
    list[str] | None,
    typer.Option(
        "--set",
        metavar="KEY=VALUE",
        help="Replace an argument of the spec: quantizer.codes=1024. May be repeated.",
    ),
]
Seed = Annotated[int, typer.Option(help="Of the random numbers.")]
Threads = Annotated[int | None, typer.Option(min=1, help="Of the CPU.")]

_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0}


def changes(settings: list[str] | None) -> dict[str, str]:
    """``["a.b=1", ...]`` as {"a.b": "1"}; the text of each value is read as a spec's."""
    found: dict[str, str] = {}
    for setting in settings or []:
        key, equals, value = setting.partition("=")
        if not equals or not key.strip() or not value.strip():
            raise typer.BadParameter(f"expected KEY=VALUE, such as quantizer.codes=1024: {setting}")
        found[key.strip()] = value.strip()
    return found


def number(text: str) -> Any:
    """The value as TOML reads it, so that it is what a recipe's file would hold; else the text."""
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text
    return tuple(value) if isinstance(value, list) else value


def shape(text: str | None) -> tuple[int, ...] | None:
    """``3,64,64`` as (3, 64, 64)."""
    if text is None:
        return None
    words = [word.strip() for word in text.strip().removeprefix("(").removesuffix(")").split(",")]
    if len(words) < 2 or not all(word.isdecimal() and int(word) > 0 for word in words):
        raise typer.BadParameter(f"expected a shape such as 3,64,64: {text}")
    return tuple(int(word) for word in words)


def seconds(text: str | None) -> float | None:
    """``25m``, ``1h30m``, ``90s`` or ``90`` as seconds."""
    if text is None:
        return None
    parts = re.findall(r"(\d+(?:\.\d+)?)([hms]?)", text)
    total = sum(float(n) * _UNITS[unit or "s"] for n, unit in parts)
    if not total or "".join(n + unit for n, unit in parts) != text.replace(" ", ""):
        raise typer.BadParameter(f"expected a time such as 25m, 1h30m or 90s: {text}")
    return total


def device(name: str) -> Any:
    """The torch device of that name; ``auto``: cuda, else mps, else cpu."""
    import torch

    mps = torch.backends.mps.is_available()
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "mps" if mps else "cpu"
    try:
        chosen = torch.device(name)
    except RuntimeError:
        raise typer.BadParameter(
            f"expected auto, cpu, cuda, cuda:N or mps: {name}", param_hint="--device"
        ) from None
    there = {"cuda": torch.cuda.is_available(), "mps": mps, "cpu": True}.get(chosen.type, False)
    count = torch.cuda.device_count() if chosen.type == "cuda" else 1
    if not there or (chosen.index or 0) >= count:
        raise typer.BadParameter(
            f"this machine has no {name} that torch can use; --device auto takes what there is",
            param_hint="--device",
        )
    return chosen


def room(folder: Path) -> None:
    """Raises BadParameter, before the work is done, unless ``folder`` can be written, or made."""
    nearest = next(place for place in (folder, *folder.parents) if place.exists())
    if not nearest.is_dir():
        raise typer.BadParameter(f"{nearest} is a file, and no folder; name another place")
    if not os.access(nearest, os.W_OK | os.X_OK):
        raise typer.BadParameter(f"{nearest} may not be written; name another place")


def load_model(source: str, on: Any) -> Any:
    """The model, with its weights, of a zoo name, a source or a folder, on a device."""
    from aezoo.factory import create, load

    if "(" in source and not Path(source).exists():
        create(source, pretrained=True)  # raises: a spec has no weights
    return load(source).to(on)
