"""`aezoo fit-prior`: a prior fitted on the latents of a model that is finished."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from aezoo.cli import console, options


def add_to(app: typer.Typer) -> None:
    app.command("fit-prior", rich_help_panel="Make")(fit_prior)


def fit_prior(
    model: Annotated[
        str, typer.Argument(metavar="MODEL", help="Of the zoo, hf://org/name, or a folder.")
    ],
    prior: Annotated[
        str,
        typer.Option(help='As a spec has it: "mog(10)", "realnvp", over codes "pixelcnn(64)".'),
    ],
    out: Annotated[Path, typer.Option(help="The folder of the model with its new prior.")],
    data: Annotated[
        str | None,
        typer.Option(help="Data set or folder of pictures; by default what it was trained on."),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Replace an argument of the prior, prior.k=20, or give it a condition, "
            "prior_cond=label(10). May be repeated.",
        ),
    ] = None,
    stage: Annotated[
        list[str] | None,
        typer.Option(
            metavar="KEY=VALUE",
            help="A number of the fit: epochs=20, batch=64, lr=0.001. May be repeated.",
        ),
    ] = None,
    device: options.Device = "auto",
    budget: Annotated[
        str | None, typer.Option(metavar="TIME", help="Stop with a checkpoint after 25m, 1h30m.")
    ] = None,
    seed: options.Seed = 0,
    threads: options.Threads = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Begin anew where there is a checkpoint.")
    ] = False,
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress display.")] = False,
) -> None:
    """Fit a prior on a finished model's latents or codes, so that it samples from that prior.

    A plain autoencoder generates then, and a VAE's samples are like its reconstructions. The
    other weights stay as they are. The same command goes on where one was stopped.
    """
    options.room(out)
    seconds = options.seconds(budget)
    numbers = {key: options.number(text) for key, text in options.changes(stage).items()}
    from aezoo.train.expost import fit_prior as run

    done = run(
        model,
        prior,
        out=out,
        data=data,
        overrides=options.changes(set_),
        seed=seed,
        device=options.device(device),
        budget=seconds,
        resume=not fresh,
        threads=threads,
        quiet=quiet,
        **numbers,
    )
    if not done.finished:
        console.say(f"the budget is spent; the same command goes on from {out}")
        return
    facts = done.training["stages"]["prior"]
    figures = "  ".join(f"{k} {v:.5g}" for k, v in facts["validation"].items())
    console.say(f"prior: {facts['steps']:,} steps, {facts['seconds']:g} s; validation: {figures}")
    console.say(f'use it: aezoo.create("local:{out}")')
