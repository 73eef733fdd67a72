"""`aezoo new-plugin`: a package to begin with. No torch."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import Annotated

import typer

from aezoo.cli import console


def add_to(app: typer.Typer) -> None:
    app.command("new-plugin", rich_help_panel="Make")(new_plugin)


def new_plugin(
    name: Annotated[str, typer.Argument(help="Of the distribution, as in acme-rvq.")],
    kind: Annotated[
        str,
        typer.Option(
            help="Of its first component: quantizer, encoder, decoder, posterior, prior, "
            "likelihood or objective."
        ),
    ] = "quantizer",
    namespace: Annotated[
        str | None, typer.Option(help="What specs write in front; the name's first word.")
    ] = None,
    license: Annotated[
        str, typer.Option(help="apache-2.0, mit, bsd-3-clause or none.")
    ] = "apache-2.0",
    author: Annotated[str, typer.Option(help="For the package and its licence.")] = "",
    out: Annotated[Path, typer.Option(help="The package's folder is made in here.")] = Path(),
) -> None:
    """Write a complete plugin: a working component, its tests, licence, README and CI file."""
    from aezoo.scaffold.write import write

    folder = write(name, kind=kind, namespace=namespace, license=license, author=author, out=out)
    console.note(f"{folder} is written; next:")
    console.say(f"cd {shlex.quote(str(folder))}")
    console.say('pip install -e ".[test]"')
    console.say("pytest")
