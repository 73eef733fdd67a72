"""`aezoo convert`: a recording as another speaker would say it."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from aezoo.cli import console, options
from aezoo.cli.use import PANEL
from aezoo.errors import CapabilityError, DataError
from aezoo.hub.origin import trained_on

MODEL = "audio/vqvae-fsdd"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(convert)


def convert(
    sound: Annotated[Path, typer.Argument(metavar="SOUND", help="A file: WAV, FLAC, OGG, MP3.")],
    to: Annotated[str, typer.Option("--to", help="Whose voice: a name or number of a class.")],
    out: Annotated[Path, typer.Option(help="The file to write, x.wav or x.flac.")],
    of: Annotated[
        str | None,
        typer.Option("--from", help="Who speaks; by default whom the model finds likeliest."),
    ] = None,
    source: Annotated[
        str, typer.Option("--model", help="A model of the zoo, hf://org/name, or a folder.")
    ] = MODEL,
    data: Annotated[
        str | None,
        typer.Option(help="The data set whose classes and rate are meant; else the model's own."),
    ] = None,
    seed: options.Seed = 0,
    device: options.Device = "auto",
) -> None:
    """Say a recording with another voice: encoded as one speaker's, decoded as another's.

    The file is read at the model's rate and written at it, with 16 bits.
    """
    from aezoo import sound as sounds

    if out.suffix.lower() not in sounds.SUFFIXES:
        raise typer.BadParameter(f"sound is written as {' or '.join(sounds.SUFFIXES)}, not {out}")
    if out.resolve() == sound.resolve():
        raise typer.BadParameter(f"{out} is the recording to be read; name another file")
    options.room(out.parent)
    on = options.device(device)
    import torch

    from aezoo.tasks import convert as task
    from aezoo.train.checkpoint import write_atomic

    model = options.load_model(source, on)
    names, rate = _known(source, data, model)
    target = _label(to, names, "--to")
    label = None if of is None else _label(of, names, "--from")
    x = sounds.read(sound, rate, model.input_shape[0]).to(on)
    padded = _fitted(model, x)
    speaker = task.likeliest(model, padded) if label is None else torch.tensor([label], device=on)
    generator = torch.Generator(on).manual_seed(seed)
    aim = torch.tensor([target], device=on)
    y = task.convert(model, padded, aim, speaker, generator=generator)[..., : x.shape[-1]]
    write_atomic(out, sounds.encoded(y[0], rate, out.suffix.lower()))
    who = f"{'taken for ' if label is None else ''}{names[int(speaker)]} -> {names[target]}"
    console.say(f"{sound}  {x.shape[-1] / rate:.2f} s at {rate} Hz  {who}  -> {out}")


def _known(source: str, data: str | None, model: Any) -> tuple[list[str], int]:
    """The names of the model's classes, and its rate in samples a second."""
    from aezoo import registry

    if len(model.input_shape) != 2:
        raise CapabilityError(f"{model.spec} hears no sound: its input is {model.input_shape}")
    if model.cond is None or not hasattr(model.cond, "classes"):
        raise CapabilityError(
            f"{model.spec} is not conditioned on speakers, as cond=label(6) does it"
        )
    name = data or trained_on(source)
    if not name:
        raise DataError(
            f"{source} does not say what it was trained on, and so not its rate; name the data "
            "set: --data audio/fsdd-speakers"
        )
    dataset = registry.dataset(name)
    if not dataset.rate:
        raise DataError(f"{name} is no data set of sound, so that {source} has no rate")
    count = model.cond.classes
    fits = len(dataset.classes) == count
    return list(dataset.classes) if fits else [str(i) for i in range(count)], dataset.rate


def _label(text: str, names: list[str], option: str) -> int:
    if text in names:
        return names.index(text)
    if text.isdecimal() and int(text) < len(names):
        return int(text)
    known = ", ".join(names)
    raise typer.BadParameter(
        f"there is no class {text!r}; there are {known}, or 0 to {len(names) - 1}",
        param_hint=option,
    )


def _fitted(model: Any, x: Any) -> Any:
    """x (1, C, T) as it is, or with zeros behind it where the model takes one length alone."""
    import torch.nn.functional as F

    length = model.input_shape[1]
    if model.capabilities.any_size or x.shape[-1] == length:
        return x
    if x.shape[-1] > length:
        raise CapabilityError(
            f"{model.spec} takes {length} samples at most, and the recording has {x.shape[-1]}; "
            "cut it, or take a model of convolutions"
        )
    return F.pad(x, (0, length - x.shape[-1]))
