"""`aezoo quickstart`: pretrained models at work on real data, on one page, in two minutes."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aezoo.cli import console, options
from aezoo.errors import CapabilityError, DataError

if TYPE_CHECKING:
    import numpy as np

    from aezoo.bench.rows import Row

PHOTOGRAPHS = ("china.jpg", "flower.jpg")  # scikit-learn brings them
SIDE = 320  # pixels of their longer side
SAMPLES = 64
DIGITS_METRICS = "reconstruction,likelihood"
DIGITS = 16  # shown; all of the test split are measured
COMPARED = 200  # by FID, whose network takes most of the quickstart's time
SEED = 0
PAGE = "quickstart.html"


def add_to(app: typer.Typer) -> None:
    app.command(rich_help_panel="Start here")(quickstart)


def quickstart(
    out: Annotated[Path, typer.Option(help="A folder for the page.")] = Path("aezoo-quickstart"),
    open: Annotated[bool, typer.Option("--open", help="Show the page in the browser.")] = False,
    model: Annotated[
        str, typer.Option(help="A convolutional model of colour pictures, with codes.")
    ] = "vqvae-cifar10",
    digits: Annotated[str, typer.Option(help="A model of 8x8 digits.")] = "vae-digits",
    device: options.Device = "auto",
) -> None:
    """See the zoo at work: reconstruct photographs, draw samples, evaluate; one page."""
    options.room(out)
    steps = Steps()
    with steps("import torch"):
        on = options.device(device)
    page = run(out, model=model, digits=digits, device=on, steps=steps)
    console.say(f"the page: {page}")
    if open:
        import webbrowser

        webbrowser.open(page.resolve().as_uri())


@dataclass(frozen=True, slots=True)
class Photograph:
    """A photograph on its way through the model. Pictures are uint8 (H, W, 3)."""

    name: str
    original: np.ndarray
    codes: np.ndarray  # each code as a square of its colour, cut to the original's size
    places: tuple[int, int]  # (h, w) of the map of codes
    reconstruction: np.ndarray
    mse: float  # on the [0, 1] scale


@dataclass(frozen=True, slots=True)
class Codebook:
    """How the photographs use the codes."""

    counts: tuple[int, ...]  # of each code, all photographs together
    colours: tuple[tuple[int, int, int], ...]  # of each code on the maps
    figures: dict[str, float]  # usage in [0, 1], perplexity
    bits_per_pixel: float  # log2 K bits a code


@dataclass(frozen=True, slots=True)
class Model:
    """A model and where its numbers come from."""

    source: str
    spec: str
    input: tuple[int, ...]  # (C, H, W)
    parameters: int
    sha256: str  # of the weights' file, "" where it is not known


@dataclass(frozen=True, slots=True)
class Result:
    """Everything that the page shows."""

    model: Model
    photographs: tuple[Photograph, ...]
    codebook: Codebook
    samples: np.ndarray  # a grid, RGBA with clear gaps
    digits_model: Model
    digits: np.ndarray  # originals above their reconstructions, RGBA
    digits_samples: np.ndarray
    digits_figures: list[Row]
    seconds: dict[str, float]  # of each step
    machine: dict[str, str]


class Steps:
    """Shows each step while it runs and how long it took, and keeps the times."""

    def __init__(self, quiet: bool = False):
        self.quiet = quiet
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def __call__(self, title: str) -> Iterator[None]:
        began = time.perf_counter()
        with self._spinner(title):
            yield
        self.seconds[title] = time.perf_counter() - began
        if not self.quiet:
            console.note(f"{self.seconds[title]:6.2f} s  {title}")

    def _spinner(self, title: str) -> contextlib.AbstractContextManager[Any]:
        if self.quiet or not sys.stderr.isatty():
            return contextlib.nullcontext()
        from rich.console import Console

        return Console(stderr=True).status(title)


def run(out: Path, *, model: str, digits: str, device: Any, steps: Steps) -> Path:
    """Do it all and write the page and its pictures into ``out``; gives the page's path.

    Raises:
        DataError: scikit-learn, which brings the photographs and digits, is not installed.
        CapabilityError: the models cannot do what the page shows.
        UnknownModelError, WeightsError: the models are not there.
    """
    _check_sklearn()
    from aezoo import pictures
    from aezoo.cli.page import render
    from aezoo.train.checkpoint import write_atomic

    result = collect(model, digits, device, steps)
    with steps("write the page"):
        files = {
            Path(p.name).stem: pictures.beside([p.original, p.codes, p.reconstruction])
            for p in result.photographs
        }
        files |= {"samples": result.samples, "digits": result.digits}
        for name, image in files.items():
            write_atomic(out / f"{name}.png", pictures.png(image))
        page = out / PAGE
        write_atomic(page, render(result).encode())
    return page


def collect(model_source: str, digits_source: str, device: Any, steps: Steps) -> Result:
    """Run the models."""
    import torch

    from aezoo import pictures
    from aezoo.bench import run as measure
    from aezoo.metrics import inception_weights

    with steps(f"load {model_source}"):
        model = options.load_model(model_source, device)
        _check_model(model, model_source)
    with steps("reconstruct two photographs"), torch.inference_mode():
        photographs, codes = zip(*(_photograph(name, model) for name in PHOTOGRAPHS), strict=True)
    book = _codebook(model, photographs, codes)
    with steps(f"draw {SAMPLES} samples"), torch.inference_mode():
        generator = torch.Generator(device).manual_seed(SEED)
        samples = pictures.pixels(model.sample(SAMPLES, generator=generator))
    with steps(f"load {digits_source}"):
        small = options.load_model(digits_source, device)
    with steps(f"evaluate {digits_source} on digits test"):
        figures = measure(small, data="digits", metrics=DIGITS_METRICS, device=device, seed=SEED)
        shown, drawn = _digits(small, device)
    if inception_weights.at_hand():  # they come with aezoo[bench]; nothing is downloaded here
        with steps(f"compare {COMPARED} reconstructed digits by FID"):
            figures += measure(
                small, data="digits", metrics="rfid", n=COMPARED, device=device, seed=SEED
            )
    return Result(
        model=_described(model, model_source),
        photographs=photographs,
        codebook=book,
        samples=_clear_grid(samples, 16),
        digits_model=_described(small, digits_source),
        digits=shown,
        digits_samples=drawn,
        digits_figures=figures,
        seconds=steps.seconds,
        machine=_machine(device),
    )


def _photograph(name: str, model: Any) -> tuple[Photograph, Any]:
    """The photograph and its codes int64 (h, w)."""
    from sklearn.datasets import load_sample_image

    from aezoo import pictures

    original = pictures.within(load_sample_image(name), SIDE)
    x = pictures.tensor(original).to(model.device)
    latent = model.encode(x)
    y = model.p(latent.z, size=tuple(x.shape[2:])).mean.clamp(0, 1)
    codes = latent.codes[0]
    height, width = original.shape[:2]
    colours = pictures.code_map(codes, _vectors(model))
    photo = Photograph(
        name,
        original,
        pictures.enlarge_to(colours, max(height, width))[:height, :width],
        tuple(codes.shape),
        pictures.pixels(y)[0],
        float((y - x).double().square().mean()),
    )
    return photo, codes


def _codebook(model: Any, photographs: Any, codes: Any) -> Codebook:
    import math

    import torch

    from aezoo import pictures
    from aezoo.metrics.latents import code_figures

    size = model.bottleneck.num_codes
    flat = torch.cat([c.flatten() for c in codes])
    counts = torch.bincount(flat, minlength=size)
    every = torch.arange(size)[None]
    colours = pictures.code_map(every, _vectors(model))[0]
    total = sum(p.original.shape[0] * p.original.shape[1] for p in photographs)
    return Codebook(
        tuple(counts.tolist()),
        tuple(map(tuple, colours.tolist())),
        code_figures(counts),
        len(flat) * math.log2(size) / total,
    )


def _vectors(model: Any) -> Any:
    """The vector of every code, (K, D)."""
    import torch

    rank = len(model.latent_shape) - 1
    every = torch.arange(model.bottleneck.num_codes, device=model.device)
    return model.bottleneck.lookup(every.reshape(-1, *[1] * rank)).flatten(1)


def _digits(model: Any, device: Any) -> tuple[np.ndarray, np.ndarray]:
    """Digits of the test split above their reconstructions, and samples: two grids."""
    import numpy as np
    import torch

    from aezoo import pictures
    from aezoo.data.sets import batches, load

    x, y = next(batches(load("digits", f"test[:{DIGITS}]"), DIGITS, device))
    with torch.inference_mode():
        back = model.reconstruct(x, model.condition(x, y))
        drawn = model.sample(2 * DIGITS, generator=torch.Generator(device).manual_seed(SEED))
    rows = np.concatenate([pictures.pixels(x), pictures.pixels(back)])
    return _clear_grid(rows, DIGITS, 8), _clear_grid(pictures.pixels(drawn), DIGITS, 8)


def _clear_grid(images: np.ndarray, columns: int, factor: int = 2) -> np.ndarray:
    """A grid in RGBA whose gaps are clear, for pages light and dark."""
    import numpy as np

    from aezoo import pictures

    large = pictures.enlarge(images, factor)
    colour = large if large.shape[-1] == 3 else large.repeat(3, axis=-1)
    alpha = np.full((*colour.shape[:-1], 1), 255, np.uint8)
    return pictures.grid(np.concatenate([colour, alpha], -1), columns, gap=4, fill=0)


def _check_sklearn() -> None:
    from importlib.util import find_spec

    if find_spec("sklearn") is None:
        raise DataError(
            "the quickstart's photographs and digits come with scikit-learn, which is not "
            "installed: pip install 'aezoo[bench]'"
        )


def _check_model(model: Any, source: str) -> None:
    can = model.capabilities
    if len(model.input_shape) != 3 or model.input_shape[0] != 3:
        raise CapabilityError(f"{source} takes {model.input_shape}, not colour pictures (3, H, W)")
    for able, what in (
        (can.any_size, "take pictures of any size"),
        (can.codes, "give codes"),
        (
            len(model.codebooks) == 1 and len(model.code_shape) == 2,
            "be shown with one code a place",
        ),
        (can.sample, "draw samples"),
    ):
        if not able:
            raise CapabilityError(
                f"{source} cannot {what}, which the page shows; vqvae-cifar10 can"
            )


def _described(model: Any, source: str) -> Model:
    parameters = sum(p.numel() for p in model.parameters())
    return Model(source, str(model.spec), tuple(model.input_shape), parameters, _sha(source))


def _sha(source: str) -> str:
    from aezoo import registry
    from aezoo.hub.config import WEIGHTS
    from aezoo.hub.zoo import file_record

    folder = Path(source.removeprefix("local:"))
    if (folder / WEIGHTS).is_file():
        return file_record(folder / WEIGHTS).sha256
    if source.startswith(("hf://", "hf-hub:")):
        return ""
    return next(f.sha256 for f in registry.model(source).files if f.name == WEIGHTS)


def _machine(device: Any) -> dict[str, str]:
    import platform

    import torch

    import aezoo
    from aezoo.train.run import device_name

    return {
        "device": device_name(device),
        "threads": str(torch.get_num_threads()),
        "aezoo": aezoo.__version__,
        "torch": torch.__version__,
        "Python": platform.python_version(),
    }
