"""`aezoo spec`: what a spec means."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Annotated

import typer

from aezoo.cli import console, options

if TYPE_CHECKING:
    from aezoo.explain import Explanation, Part


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Look")(spec)


def spec(
    text: Annotated[
        str, typer.Argument(metavar="SPEC", help="In quotes; or the name of a model of the zoo.")
    ],
    input: Annotated[
        str | None, typer.Option(metavar="SHAPE", help="Channels and sizes, 3,64,64.")
    ] = None,
    set_: options.Set = None,
    json: options.Json = False,
) -> None:
    """Explain a spec: each part, its shapes and weight, and the canonical forms."""
    from aezoo import registry
    from aezoo.resolve import override, resolve

    changes: dict = options.changes(set_)
    if shape := options.shape(input):
        changes["input"] = shape
    named = "(" not in text and not registry.is_component(text.strip())
    bound = override(resolve(registry.model(text).spec if named else text), changes)

    from aezoo.explain import explain

    explanation = explain(bound)
    if json:
        return console.as_json(dataclasses.asdict(explanation))
    _print(explanation)


def _print(e: Explanation) -> None:
    rows = [
        (p.role, p.spec, _flow(p), f"{p.parameters:,}", console.megabytes(p.bytes)) for p in e.parts
    ]
    rows.append(
        (e.family, "", f"{_shape(e.input)}", f"{e.parameters:,}", console.megabytes(e.bytes))
    )
    console.table(("PART", "SPEC", "SHAPES", "PARAMETERS", "MIB"), rows, right=(3, 4))
    console.say()
    console.pairs(
        [("display", e.display), ("resolved", e.resolved), ("hash", e.hash), ("slug", e.slug)]
    )


def _flow(part: Part) -> str:
    codes = ""
    if part.codes:
        counts = part.codes if isinstance(part.codes, tuple) else (part.codes,)
        codes = f" of {' and '.join(map(str, counts))} codes"
    if part.gives is None:
        return ""
    if part.reads is None:
        return f"{_shape(part.gives)}{codes}"
    return f"{_shape(part.reads)} -> {_shape(part.gives)}{codes}"


def _shape(shape: tuple) -> str:
    if shape and isinstance(shape[0], tuple):  # of several levels
        return " + ".join(map(_shape, shape))
    return f"({','.join(map(str, shape))})"
