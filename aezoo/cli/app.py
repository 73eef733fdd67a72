"""The `aezoo` command: its groups of commands, and how it shows errors.

Starting it imports no torch and no rich: each command imports what it needs when it runs.
"""

from __future__ import annotations

import errno
import io
import os
import sys
import traceback
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from aezoo.cli import (
    bench,
    card,
    check,
    convert,
    fit_prior,
    look,
    make,
    new_plugin,
    publish,
    quickstart,
    spec,
    use,
)
from aezoo.errors import AezooError

TRACEBACK = "AEZOO_TRACEBACK"


class _Group(TyperGroup):
    """An AezooError is an answer, not a crash: its message in red on stderr, exit code 2.

    So is what the system says of a file: of a folder that may not be written, of a full disk.
    """

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except AezooError as error:
            raise self._said(error, str(error)) from None
        except OSError as error:
            if error.errno == errno.EPIPE:  # `aezoo list | head`: whoever read has gone
                raise
            raise self._said(error, _of_the_system(error)) from None

    @staticmethod
    def _said(error: Exception, text: str) -> typer.Exit:
        if os.environ.get(TRACEBACK, "") not in ("", "0"):
            typer.echo("".join(traceback.format_exception(error)), err=True, nl=False)
        # Not through rich, which would wrap the line above a caret and read [...] as markup.
        typer.secho(f"error: {text}", fg=typer.colors.RED, err=True)
        return typer.Exit(2)


def _of_the_system(error: OSError) -> str:
    """The place, what is wrong with it, and what to do."""
    where = error.filename2 or error.filename
    place = f"{os.fsdecode(where)}: " if isinstance(where, str | bytes) else ""
    full = error.errno in (errno.ENOSPC, errno.EDQUOT)
    fix = "make room there, or name another place" if full else "name a place that can be used"
    return f"{place}{error.strerror or error}; {fix} ({TRACEBACK}=1 shows what was asked of it)"


app = typer.Typer(
    name="aezoo",
    cls=_Group,
    help="A zoo of autoencoders: look at it, use its models, train new ones.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        from aezoo import __version__

        typer.echo(f"aezoo {__version__}")
        raise typer.Exit


@app.callback()
def _start(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Say the version.")
    ] = False,
) -> None:
    pass


GROUPS = (
    quickstart, look, spec, use, convert, bench,
    make, fit_prior, card, publish, check, new_plugin,
)  # fmt: skip

for group in GROUPS:
    group.add_to(app)


def main() -> None:
    """The entry point."""
    for stream in (sys.stdout, sys.stderr):
        # Names and messages may hold any letter; an old console shows "?" and does not crash.
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")
    app()
