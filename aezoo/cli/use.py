"""`aezoo reconstruct`, `interpolate` and `sample`: pictures in, pictures out; video as GIF."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aezoo.cli import console, options
from aezoo.errors import CapabilityError

if TYPE_CHECKING:
    import numpy as np
    from torch import Tensor

PANEL = "Use"
Source = Annotated[
    str,
    typer.Argument(
        metavar="NAME_OR_SOURCE", help="A model of the zoo, hf://org/name, or a folder."
    ),
]
PAIR = 256  # pixels that the longer side of a picture beside another has at least
CELL = 64  # and of a picture in a grid
KINDS = {".png": "a picture", ".gif": "video"}  # what is written in which file


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel=PANEL)(reconstruct)
    app.command(rich_help_panel=PANEL)(interpolate)
    app.command(rich_help_panel=PANEL)(sample)


def reconstruct(
    source: Source,
    images: Annotated[list[Path], typer.Argument(metavar="IMAGE...", help="Picture files.")],
    out: Annotated[Path, typer.Option(help="A folder; for one image also a file, x.png or x.gif.")],
    plain: Annotated[
        bool, typer.Option("--plain", help="The reconstruction alone, at its own size.")
    ] = False,
    max_side: Annotated[
        int | None, typer.Option(min=1, help="Scale larger pictures down to this many pixels.")
    ] = None,
    cond: Annotated[
        str | None, typer.Option(help="The condition: a label, 3, or numbers, 0.5,0.2.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Send pictures through a model and back; the original stands left of what came out.

    A convolutional model takes a picture at its own size, another gets it cut and resized to
    the model's. The errors printed are those of the picture that is written. A model of video
    takes moving pictures (GIF, WebP, APNG) and writes GIF.
    """
    options.room(_targets(images, out, out.suffix)[0].parent)
    on = options.device(device)
    import torch

    from aezoo import pictures

    model = options.load_model(source, on)
    targets = _targets(images, out, _suffix(model))
    told = _condition(model, cond, 1, on)
    _check_told(source, model, told)
    from aezoo.train.checkpoint import write_atomic

    for path, target in zip(images, targets, strict=True):
        original = _picture(path, model, max_side)
        x = pictures.tensor(original).to(on)
        with torch.inference_mode():
            y = model.reconstruct(x, told if model.cond is not None else None).clamp(0, 1)
        mse = float((y - x).double().square().mean())
        result = pictures.pixels(y)[0]
        if not plain:
            pair = [pictures.enlarge_to(p, PAIR) for p in (original, result)]
            result = pictures.beside(pair)
        write_atomic(target, pictures.encoded(result)[0])
        *frames, height, width, _ = original.shape
        size = "x".join(map(str, (width, height, *frames)))
        figures = f"mse {mse:.6f}  psnr {pictures.psnr(mse):.2f} dB"
        console.say(f"{path}  {size}  {figures}  -> {target}")


def interpolate(
    source: Source,
    out: Annotated[Path, typer.Option(help="The picture to write, x.png; x.gif of video.")],
    images: Annotated[
        list[Path] | None, typer.Argument(metavar="A B", help="Two picture files.")
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(
            help="With --rows: data set or folder of pictures; by default what it was trained on."
        ),
    ] = None,
    rows: Annotated[
        str | None, typer.Option(metavar="I,J", help="In place of A and B: two rows, from 0.")
    ] = None,
    split: Annotated[str, typer.Option(help="Of the data set.")] = "test",
    steps: Annotated[int, typer.Option(min=2, help="Pictures on the way, its ends too.")] = 8,
    plain: Annotated[
        bool, typer.Option("--plain", help="The way alone, without the originals at its ends.")
    ] = False,
    max_side: Annotated[
        int | None, typer.Option(min=1, help="Scale larger pictures down to this many pixels.")
    ] = None,
    cond: Annotated[
        str | None, typer.Option(help="The condition of both: a label, 3, or numbers, 0.5,0.2.")
    ] = None,
    device: options.Device = "auto",
) -> None:
    """Draw the way from one picture to another in a model's latents, from left to right.

    It is a line, or what is straight where the latents lie: an arc on a sphere, a geodesic in
    hyperbolic space. The ends are the reconstructions; the originals stand beside them. B gets
    the size of A.
    """
    _check_suffix(out, out.suffix)
    if (rows is None) == (not images) or len(images or (1, 2)) != 2:
        raise typer.BadParameter("name two pictures, or two rows of a data set: --rows 0,1")
    if images and out.resolve() in {path.resolve() for path in images}:
        raise typer.BadParameter(f"{out} is the picture to be read; name another file")
    if data is not None and rows is None:
        raise typer.BadParameter("--data is of --rows: --rows 0,1")
    chosen = None if rows is None else _rows(rows)
    options.room(out.parent)
    on = options.device(device)
    import numpy as np
    import torch

    from aezoo import pictures
    from aezoo.train.checkpoint import write_atomic

    model = options.load_model(source, on)
    _check_suffix(out, _suffix(model))
    if model.capabilities.codes:
        raise CapabilityError(
            f"{source} has codes, and from one code to another there is no way; a model of "
            "continuous latents has one: ae, vae, hvae"
        )
    told = _condition(model, cond, 1, on)
    _check_told(source, model, told)
    if chosen is None:
        originals = _two_pictures(images or [], model, max_side)
        x = torch.cat([pictures.tensor(image) for image in originals]).to(on)
    else:
        x = _rows_of(source, model, data, split, chosen, on)
    with torch.inference_mode():
        told = told if model.cond is not None else None
        way = model.interpolate(x[:1], x[1:], steps, told)[:, 0].clamp(0, 1)
    errors = (way[[0, -1]] - x).double().square().flatten(1).mean(1).tolist()
    shown = pictures.pixels(way)
    if not plain:
        first, last = pictures.pixels(x)
        shown = np.stack([first, *shown, last])
    image = pictures.grid(pictures.enlarge_to(shown, CELL), len(shown))
    write_atomic(out, pictures.encoded(image)[0])
    ends = " and ".join(f"{error:.6f}" for error in errors)
    console.say(f"{steps} steps, mse of the ends {ends} -> {out}")


def sample(
    source: Source,
    out: Annotated[Path, typer.Option(help="The picture to write, x.png; x.gif of video.")],
    n: Annotated[int, typer.Option("-n", min=1, help="How many.")] = 64,
    seed: options.Seed = 0,
    temperature: Annotated[float, typer.Option(min=0.0, help="Below 1: likelier samples.")] = 1.0,
    cond: Annotated[
        str | None,
        typer.Option(
            help="Labels, 3 or 0,1,2, repeated in turn; else at random. Or the numbers, or the "
            "picture file, that the model is conditioned on."
        ),
    ] = None,
    columns: Annotated[int | None, typer.Option(min=1, help="Of the grid.")] = None,
    device: options.Device = "auto",
) -> None:
    """Draw new samples from a model's prior into one picture."""
    _check_suffix(out, out.suffix)
    options.room(out.parent)
    on = options.device(device)
    import torch

    from aezoo import pictures
    from aezoo.train.checkpoint import write_atomic

    model = options.load_model(source, on)
    _check_suffix(out, _suffix(model))
    if cond is None and not model.capabilities.draws_cond:
        module = model.cond if model.cond is not None else model.prior_cond
        raise CapabilityError(
            f"{source} cannot draw what it is conditioned on; give it: --cond {_example(module)}"
        )
    generator = torch.Generator(on).manual_seed(seed)
    with torch.inference_mode():
        x = model.sample(
            n, _condition(model, cond, n, on), generator=generator, temperature=temperature
        )
    image = pictures.grid(pictures.enlarge_to(pictures.pixels(x), CELL), columns)
    write_atomic(out, pictures.encoded(image)[0])
    console.say(f"{n} samples, seed {seed}, temperature {temperature:g} -> {out}")


def _check_told(source: str, model: Any, told: Any) -> None:
    if told is None and model.cond is not None and not hasattr(model.cond, "of"):
        raise CapabilityError(f"{source} needs its condition: --cond {_example(model.cond)}")


def _rows(text: str) -> list[int]:
    """``3,14`` as [3, 14]."""
    parts = [part.strip() for part in text.split(",")]
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise typer.BadParameter(f"expected two rows such as 3,14: {text}")
    return [int(part) for part in parts]


def _rows_of(
    source: str, model: Any, data: str | None, split: str, rows: list[int], on: Any
) -> Tensor:
    """Two rows of a data set, (2, C, *S)."""
    import torch

    from aezoo.data.sets import Resident, load
    from aezoo.data.shape import shape_of
    from aezoo.errors import DataError
    from aezoo.hub.origin import trained_on

    name = data or trained_on(source)
    if not name:
        raise DataError(
            f"{source} does not say what it was trained on; name the data set of the rows: "
            "--data digits"
        )
    size = model.input_shape if shape_of(name) is None else None
    found = [load(name, f"{split}[{row}:{row + 1}]", size=size) for row in rows]
    each = (Resident(one, on, binary="fixed").batch(torch.arange(1))[0] for one in found)
    return torch.cat(list(each))


def _two_pictures(images: list[Path], model: Any, max_side: int | None) -> list[np.ndarray]:
    """Both as the model takes them; the second in the size of the first."""
    from aezoo.data.folder import picture
    from aezoo.errors import DataError

    first, second = (_picture(path, model, max_side) for path in images)
    if first.shape == second.shape:
        return [first, second]
    if first.ndim == 4:
        raise DataError(
            f"{images[1]} has {second.shape[0]} frames of {second.shape[2]}x{second.shape[1]}, and "
            f"{images[0]} {first.shape[0]} of {first.shape[2]}x{first.shape[1]}; both need one size"
        )
    height, width, channels = first.shape
    return [first, picture(images[1], (channels, height, width)).transpose(1, 2, 0)]


def _targets(images: list[Path], out: Path, suffix: str) -> list[Path]:
    """Where each picture's result goes: no two in one file, none over an original."""
    originals = {path.resolve() for path in images}
    if out.resolve() in originals:
        raise typer.BadParameter(f"{out} is the picture to be read; name another file")
    if out.suffix and not out.is_dir():
        _check_suffix(out, suffix)
        if len(images) > 1:
            raise typer.BadParameter(f"{len(images)} pictures need a folder, not the file {out}")
        return [out]
    targets: list[Path] = []
    for path in images:
        target, number = out / f"{path.stem}{suffix}", 2
        while target in targets or target.resolve() in originals:
            target, number = out / f"{path.stem}-{number}{suffix}", number + 1
        targets.append(target)
    return targets


def _check_suffix(path: Path, suffix: str) -> None:
    """That ``path`` is written as ``suffix``; before a model is known, ``suffix`` is its own."""
    if suffix.lower() not in KINDS:
        raise typer.BadParameter(
            f"pictures are written as PNG: {path.with_suffix('.png')}; video as GIF: "
            f"{path.with_suffix('.gif')}"
        )
    if path.suffix.lower() != suffix.lower():
        what = KINDS[suffix]
        raise typer.BadParameter(f"{what} is written as {suffix}: {path.with_suffix(suffix)}")


def _suffix(model: Any) -> str:
    """Of the files that a model's pictures are written to."""
    shape = model.input_shape
    if len(shape) not in (3, 4) or shape[0] not in (1, 3, 4):
        raise CapabilityError(f"{model.spec} is not a model of pictures: its input is {shape}")
    return ".gif" if len(shape) == 4 else ".png"


def _picture(path: Path, model: Any, max_side: int | None) -> np.ndarray:
    """A file as the model takes it, uint8 (H, W, C) or, of video, (T, H, W, C)."""
    from aezoo import pictures

    if len(model.input_shape) == 4:
        return _clip(path, model, max_side)
    if model.capabilities.any_size:
        image = pictures.read(path, model.input_shape[0])
        return image if max_side is None else pictures.within(image, max_side)
    from aezoo.data.folder import picture

    return picture(path, model.input_shape).transpose(1, 2, 0)


def _clip(path: Path, model: Any, max_side: int | None) -> np.ndarray:
    import numpy as np

    from aezoo import pictures
    from aezoo.errors import DataError

    channels, *size = model.input_shape
    clip = pictures.read_frames(path, channels)
    if max_side is not None:
        clip = np.stack([pictures.within(frame, max_side) for frame in clip])
    if not model.capabilities.any_size and list(clip.shape[:3]) != size:
        raise DataError(
            f"{path} has {clip.shape[0]} frames of {clip.shape[2]}x{clip.shape[1]}; {model.spec} "
            f"takes {size[0]} frames of {size[2]}x{size[1]} alone"
        )
    return clip


def _condition(model: Any, text: str | None, n: int, on: Any) -> Any:
    """What ``--cond`` says, as ``n`` conditions on the device; None stays None.

    It is labels, ``0,1,2``, that are repeated in turn; the k numbers of a sample; or a picture
    file, from which the model takes what it is conditioned on.
    """
    if text is None:
        return None
    if not model.capabilities.conditional:
        raise CapabilityError(f"{model.spec} takes no condition; leave --cond away")
    module = model.cond if model.cond is not None else model.prior_cond
    shape = getattr(module, "label_shape", ())
    if shape is None:
        from aezoo import pictures

        x = pictures.tensor(_picture(Path(text), model, None)).to(on)
        return model.condition(x).expand(n, *[-1] * (x.ndim - 1))
    return _numbers(text, shape[0], n, on) if shape else _labels(module, text, n, on)


def _example(module: Any) -> str:
    """A ``--cond`` that the part which reads conditions would take."""
    shape = getattr(module, "label_shape", ())
    if shape is None:
        return "picture.png"
    return ",".join(["0.5"] * shape[0]) if shape else "3"


def _numbers(text: str, k: int, n: int, on: Any) -> Any:
    """``0.5,0.2`` as ``n`` equal rows of ``k`` numbers, float32."""
    import torch

    try:
        given = [float(part) for part in text.split(",")]
    except ValueError:
        given = []
    if len(given) != k:
        raise typer.BadParameter(f"expected {k} numbers, separated by commas: {text}")
    return torch.tensor(given, device=on).expand(n, k)


def _labels(module: Any, text: str, n: int, on: Any) -> Any:
    """``0,1,2`` as ``n`` labels int64, repeated in turn."""
    import torch

    classes = getattr(module, "classes", None)
    parts = text.split(",")
    if not all(part.strip().isdecimal() for part in parts):
        raise typer.BadParameter(f"expected labels such as 3 or 0,1,2: {text}")
    given = [int(part) for part in parts]
    if classes is not None and max(given) >= classes:
        raise typer.BadParameter(f"labels go from 0 to {classes - 1}: {text}")
    return torch.tensor([given[i % len(given)] for i in range(n)], device=on)
