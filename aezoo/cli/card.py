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
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Trained models of --cards, all by default; or folders of finished runs.",
        ),
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Write nothing; fail where anything disagrees.")
    ] = False,
    cards: Annotated[
        Path | None, typer.Option(help="The folder of the models; by default model_cards.")
    ] = None,
    results: Annotated[
        Path | None,
        typer.Option(
            help="The folder of rows; by default benchmarks/results, of a run its training.json."
        ),
    ] = None,
    namespace: Annotated[str, typer.Option(help="Of the plugin whose models these are.")] = "",
    repo: Annotated[
        str, typer.Option(metavar="ORG/NAME", help="Of a run: where it will be on the Hub.")
    ] = "",
) -> None:
    """Write the card of a trained model from its config, recipe, training and measured rows.

    Without a NAME also the table of the zoo in the README beside the folder of the models.
    With --check: does the card say what these say, do config, weights and index fit each other?
    The folder of a finished run, runs/NAME/final, gets a card that loads the model from there,
    or from --repo.
    """
    from aezoo.bench import cards as made
    from aezoo.bench.overview import BEGIN, overview, placed
    from aezoo.errors import MetricError
    from aezoo.hub.zoo import INDEX, cards_folder

    here = Path("model_cards")  # a checkout's, where the installed aezoo is a copy without results
    folder = cards or (here if (here / INDEX).is_file() else cards_folder())
    known = made.models(folder)
    if not known and not names:
        raise typer.BadParameter(f"there is no trained model in {folder}", param_hint="--cards")
    if names and not cards and all(n not in known and _is_run(n) for n in names):
        _of_runs(names, results, repo, check)
        return
    if repo:
        raise typer.BadParameter("--repo is of a finished run's folder alone: runs/NAME/final")
    rows = made.results(results or folder.parent / "benchmarks" / "results")
    for name in names or []:
        if name not in known:
            there = ", ".join(known) or "none"
            raise MetricError(
                f"no trained model {name!r} in {folder}; there are: {there}. --cards is the folder "
                "of a plugin's or another zoo's models, and --results that of the rows which "
                "`aezoo bench --out` wrote of them, a card's figures; a run's card is asked for by "
                "its folder alone: aezoo card runs/NAME/final"
            )
    chosen = names or known
    readme = folder.parent / "README.md"
    text = readme.read_text(encoding="utf-8") if readme.is_file() and not names else ""
    shown = BEGIN in text
    if check:
        wrong = [line for name in chosen for line in made.check(name, folder, rows, namespace)]
        if shown and not wrong and placed(text, overview(folder, rows)) != text:
            wrong = [f"{readme}: the table of the zoo is not what the rows say; run aezoo card"]
        _say_checked(wrong, f"{len(chosen)} cards agree with their config, weights, index and rows")
        return
    for name in chosen:
        console.say(str(made.write(name, folder, rows, namespace)))
    if shown:
        from aezoo.train.checkpoint import write_atomic

        write_atomic(readme, placed(text, overview(folder, rows)).encode())
        console.say(str(readme))


def _is_run(name: str) -> bool:
    """Whether a NAME is a folder with a model, and no zoo's."""
    from aezoo.hub.config import CONFIG
    from aezoo.hub.zoo import INDEX

    folder = Path(name).resolve()
    return (folder / CONFIG).is_file() and not (folder.parent / INDEX).is_file()


def _of_runs(names: list[str], results: Path | None, repo: str, check: bool) -> None:
    """The cards of the folders of finished runs."""
    from aezoo.bench import cards as made
    from aezoo.hub.sources import repo_name

    if repo and len(names) > 1:
        raise typer.BadParameter(f"--repo is of one run; {len(names)} are given")
    if repo:
        repo_name(repo)
    rows = None if results is None else made.results(results)
    if check:
        wrong = [line for name in names for line in made.check_run(Path(name), rows, repo)]
        _say_checked(wrong, f"{len(names)} cards agree with their config, weights and training")
        return
    for name in names:
        console.say(str(made.put(Path(name), made.make_run(Path(name), rows, repo))))


def _say_checked(wrong: list[str], right: str) -> None:
    for line in wrong:
        typer.secho(line, fg=typer.colors.RED, err=True)
    if wrong:
        raise typer.Exit(1)
    console.say(right)
