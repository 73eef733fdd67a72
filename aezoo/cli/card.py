"""`aezoo card`: write a model's card from what was measured, or check that all agrees."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aezoo.cli import console


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Make")(card)


def card(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="NAME...", help="Trained models; all by default.")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where anything disagrees.")
    ] = False,
    cards: Annotated[
        Path | None, typer.Option(help="The folder of the models; by default model_cards.")
    ] = None,
    results: Annotated[
        Path | None, typer.Option(help="The folder of rows; by default benchmarks/results.")
    ] = None,
    namespace: Annotated[str, typer.Option(help="Of the plugin whose models these are.")] = "",
) -> None:
    """Write the card of a trained model from its config, recipe, training and measured rows.

    Without a NAME also the table of the zoo in the README beside the folder of the models.
    With --check: does the card say what these say, do config, weights and index fit each other?
    """
    from aezoo.bench import cards as made
    from aezoo.bench.overview import BEGIN, overview, placed
    from aezoo.errors import MetricError
    from aezoo.hub.zoo import INDEX, cards_folder

    here = Path("model_cards")  # a checkout's, where the installed aezoo is a copy without results
    folder = cards or (here if (here / INDEX).is_file() else cards_folder())
    rows = made.results(results or folder.parent / "benchmarks" / "results")
    known = made.models(folder)
    for name in names or []:
        if name not in known:
            there = ", ".join(known) or "none"
            raise MetricError(
                f"no trained model {name!r} in {folder}; there are: {there}. The folder that holds "
                "another's is --cards, its rows are in --results; a run gets its card from "
                "`aezoo publish`"
            )
    chosen = names or known
    readme = folder.parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() and not names else ""
    shown = BEGIN in text
    if check:
        wrong = [line for name in chosen for line in made.check(name, folder, rows, namespace)]
        if shown and not wrong and placed(text, overview(folder, rows)) != text:
            wrong = [f"{readme}: the table of the zoo is not what the rows say; run aezoo card"]
        for line in wrong:
            typer.secho(line, fg=typer.colors.RED, err=True)
        if wrong:
            raise typer.Exit(1)
        console.say(f"{len(chosen)} cards agree with their config, weights, index and rows")
        return
    for name in chosen:
        console.say(str(made.write(name, folder, rows, namespace)))
    if shown:
        from aezoo.train.checkpoint import write_atomic

        write_atomic(readme, placed(text, overview(folder, rows)).encode())
        console.say(str(readme))
