"""`aezoo check`: does a plugin, a component or a spec keep the rules?"""

from __future__ import annotations

import dataclasses
from collections import Counter
from typing import Annotated

import typer

from aezoo.cli import console, options

_COLOURS = {"ok": typer.colors.GREEN, "failed": typer.colors.RED, "skipped": typer.colors.YELLOW}


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Make")(check)


def check(
    what: Annotated[
        str,
        typer.Argument(
            metavar="NAMESPACE|SPEC",
            help="A plugin's namespace (core: aezoo's own), a component, a model, or a spec.",
        ),
    ],
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="CHECK", help="Only this check.")
    ] = None,
    json: options.Json = False,
) -> None:
    """Check a plugin, a component or a spec against the rules of the conformance kit."""
    from aezoo.testing.checks import CHECKS
    from aezoo.testing.conformance import cases

    names = [c.name for c in CHECKS]
    for name in only or ():
        if name not in names:
            raise typer.BadParameter(f"there is no check {name!r}; there are {', '.join(names)}")
    results = []
    for case in cases(what):
        if only and case.check.name not in only:
            continue
        result = case.result()
        results.append(result)
        if not json:
            state = typer.style(result.state.ljust(7), fg=_COLOURS[result.state])
            reason = f"  ({result.message})" if result.state == "skipped" else ""
            console.say(
                f"{state}  {result.seconds:6.2f} s  {result.subject}  {result.check}{reason}"
            )
            if result.state == "failed":
                console.say("    " + result.message.replace("\n", "\n    "))
    failed = sum(r.state == "failed" for r in results)
    if json:
        console.as_json([dataclasses.asdict(r) for r in results])
    else:
        counts = Counter(r.state for r in results)
        console.say(", ".join(f"{counts[s]} {s}" for s in _COLOURS if counts[s]) or "no checks")
    if failed:
        raise typer.Exit(1)
