"""`aezoo train`: a model of the zoo from its recipe, or a new one from a spec."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aezoo.cli import console, options
from aezoo.spec import Spec, suggest

if TYPE_CHECKING:
    from aezoo.train.recipe import Recipe

DATA = "digits"  # what a spec trains on where nothing is said: it needs no download


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Make")(train)


def train(
    source: Annotated[
        str,
        typer.Argument(
            metavar="NAME_OR_SPEC", help="A model of the zoo, a spec, or a recipe's file."
        ),
    ],
    data: Annotated[
        str | None,
        typer.Option(
            help=f"Data set or folder of pictures; the recipe's own, or {DATA} for a spec."
        ),
    ] = None,
    size: Annotated[str, typer.Option(help="Of the recipe: cpu, gpu or auto.")] = "auto",
    device: options.Device = "auto",
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop with a checkpoint after 25m, 1h30m.")
    ] = None,
    runs: Annotated[Path, typer.Option(help="The run's folder is made in here.")] = Path("runs"),
    set_: options.Set = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="Replace a number of the recipe: epochs=5, prior.lr=0.001. May be repeated.",
        ),
    ] = None,
    seed: Annotated[int | None, typer.Option(help="In place of the recipe's.")] = None,
    labelled: Annotated[
        int | None,
        typer.Option(min=1, help="Labels a class in training: of a model that infers the others."),
    ] = None,
    threads: options.Threads = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew where there is a checkpoint.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Train a model, or go on where a run of the same command stopped."""
    options.room(runs)
    seconds = options.seconds(budget)
    recipe = recipe_for(source, data, options.changes(set_), seed)
    if labelled is not None and labelled != recipe.labelled:
        name = f"{recipe.name}-labelled{labelled}"
        recipe = dataclasses.replace(recipe, name=name, labelled=labelled)

    chosen = options.device(device)
    if size == "auto":
        size = "gpu" if chosen.type == "cuda" and "gpu" in recipe.sizes else "cpu"
    recipe = with_stages(recipe, size, options.changes(stage))

    from aezoo.train.run import FINAL
    from aezoo.train.run import train as run

    done = run(
        recipe,
        size,
        device=chosen,
        run_dir=runs / recipe.name,
        budget=seconds,
        resume=not fresh,
        threads=threads,
        quiet=quiet,
    )
    if not done.finished:
        console.say(f"the budget is spent; the same command goes on from {done.folder}")
        return
    for name, facts in done.training["stages"].items():
        figures = "  ".join(f"{k} {v:.5g}" for k, v in facts["validation"].items())
        steps = f"{facts['steps']:,} steps" if facts["steps"] else "solved in closed form"
        console.say(f"{name}: {steps}, {facts['seconds']:g} s; best on validation: {figures}")
    console.say(f'use it: aezoo.create("local:{done.folder / FINAL}")')


def recipe_for(
    source: str, data: str | None, changes: dict[str, Any], seed: int | None = None
) -> Recipe:
    """The recipe of a zoo model, of a file, or a default one for a spec; with changes.

    A recipe whose model is changed gets a name of its own, so that its run does too.
    """
    from aezoo.spec import parse, spec_hash
    from aezoo.train.recipe import default_recipe, load_recipe

    if source.endswith(".toml"):
        recipe = load_recipe(source)
    elif "(" in source:
        spec = _changed(source, changes, data or DATA)
        recipe = default_recipe(spec, data or DATA, seed=seed or 0)
        changes, data = {}, None
    else:
        recipe = load_recipe(_recipe_file(source))
    if changes or (data not in (None, recipe.data)):
        data = data or recipe.data
        spec = _changed(recipe.spec, changes, data)
        sizes = {
            name: dataclasses.replace(
                size, spec=None if size.spec is None else _changed(size.spec, changes, data)
            )
            for name, size in recipe.sizes.items()
        }
        name = f"{recipe.name}-{Path(data).name}-{spec_hash(parse(spec))[:8]}"
        recipe = dataclasses.replace(recipe, name=name, spec=spec, sizes=sizes, data=data)
    if seed is not None and seed != recipe.seed:
        recipe = dataclasses.replace(recipe, name=f"{recipe.name}-seed{seed}", seed=seed)
    return recipe


def with_stages(recipe: Recipe, size: str, changes: dict[str, str]) -> Recipe:
    """The recipe with numbers of one size's stages replaced: {"epochs": "5", "prior.lr": "0.1"}."""
    if not changes:
        return recipe
    chosen = recipe.size(size)
    stages: dict[str, Any] = {"model": chosen.model, "prior": chosen.prior}
    for path, text in changes.items():
        where, _, key = path.rpartition(".")
        where = where or "model"
        stage = stages.get(where)
        if stage is None:
            there = ", ".join(name for name, value in stages.items() if value is not None)
            raise typer.BadParameter(f"the recipe has no stage {where!r}; it has {there}")
        names = [field.name for field in dataclasses.fields(stage)]
        if key not in names:
            raise typer.BadParameter(
                f"a stage has no {key!r}{suggest(key, names) or '; it has ' + ', '.join(names)}"
            )
        new = {key: options.number(text)}
        if key in ("steps", "epochs"):  # one of them is given, not both
            new = {"steps": None, "epochs": None, **new}
        try:
            stages[where] = dataclasses.replace(stage, **new)
        except (ValueError, TypeError) as error:
            raise typer.BadParameter(f"{path}={text}: {error}") from error
    sizes = {**recipe.sizes, size: dataclasses.replace(chosen, **stages)}
    return dataclasses.replace(recipe, sizes=sizes)


def _changed(spec: str, changes: dict[str, Any], data: str) -> str:
    """The spec with arguments replaced, and the data set's shape where it says none."""
    from aezoo.data.shape import shape_of
    from aezoo.resolve import display, override, resolve
    from aezoo.spec import parse

    tree = parse(spec)
    changed = override(resolve(tree), changes)
    shape = changed.config.input
    if "input" not in dict(tree.kwargs) and "input" not in changes:
        shape = shape_of(data) or shape
    short = display(override(changed, {"input": shape}))
    rest = tuple((k, v) for k, v in short.kwargs if k != "input")
    return str(Spec(short.name, short.args, (*rest, ("input", tuple(shape)))))


def _recipe_file(name: str) -> Path:
    """The recipe of a zoo model, trained already or not."""
    from aezoo import registry
    from aezoo.hub.zoo import cards_folder
    from aezoo.train.recipe import RecipeError

    here = cards_folder() / name / "recipe.toml"
    if here.is_file() and "/" not in name:
        return here
    entry = registry.model(name)  # UnknownModelError suggests what was meant
    file = Path(entry.folder or "") / "recipe.toml"
    if entry.folder is None or not file.is_file():
        raise RecipeError(f"model {name!r} comes without a recipe; train its spec: {entry.spec}")
    return file
