"""Recipes: how a zoo model is trained, as data beside its card (``model_cards/NAME/recipe.toml``).

    spec = "vae(mlp(400),gaussian(40),mlp(400),likelihood=bernoulli,input=(1,28,28))"
    data = "mnist-binary"
    summary = "..."

    [cpu]                # one table a size; its keys are the fields of `Stage`
    epochs = 300
    batch = 200

    [cpu.prior]          # the second stage, for models whose prior is fitted afterwards
    epochs = 20

A recipe of a prior alone, fitted on a finished model, says which: ``weights``, a name of the zoo,
``hf://org/name@revision`` or ``local:FOLDER`` (from the recipe's own folder), and the ``sha256`` of
its model.safetensors. It has a table [cpu.prior] and no other key in [cpu] but ``spec``.

Needs no torch.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
import os
import tomllib
import types
import typing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from aezoo.errors import AezooError
from aezoo.spec import Spec, parse, slug, suggest

SIZES = ("cpu", "gpu")
#: Steps of a stage of a recipe by default, at least: 20 passes over the digits are but 160.
SHORTEST = 2000


class RecipeError(AezooError, ValueError):
    """A recipe that cannot be read; the message names the file and the key."""


@dataclass(frozen=True, slots=True)
class Stage:
    """How long and how one stage trains. ``steps`` or ``epochs`` is given, not both.

    Losses are nats per sample (summed over dimensions), so gradient norms, ``clip`` and
    ``skip`` are in those units. A step whose gradient norm is not finite is always skipped.
    """

    steps: int | None = None  # optimizer steps
    epochs: float | None = None  # passes over the fit split
    batch: int = 128  # samples a step, over all processes
    lr: float = 1e-3  # AdamW's learning rate after the warm-up
    betas: tuple[float, float] = (0.9, 0.999)
    weight_decay: float = 0.0  # of matrices and kernels; never of biases and gains
    warmup: int | None = None  # steps of linear warm-up; none: 200, at most a twentieth of all
    schedule: Literal["cosine", "constant"] = "cosine"
    final_lr: float = 0.0  # where cosine ends, as a fraction of lr
    ema: float = 0.999  # decay of the weights' moving average; 0: off
    clip: float | None = None  # gradient norm above this is scaled down to it
    skip: float | None = None  # a step with a gradient norm above this is skipped
    flip: bool = False  # mirror half of the images left to right
    precision: Literal["float32", "bf16"] = "float32"
    channels_last: bool = False  # memory format of images and kernels
    eval_every: int = 1000  # steps between validations

    def __post_init__(self) -> None:
        hints = typing.get_type_hints(Stage)
        for name in self.__slots__:
            value = getattr(self, name)
            try:
                object.__setattr__(self, name, _convert(value, hints[name]))
            except TypeError as error:
                raise ValueError(f"{name} is {error}, not {value!r}") from None
        if (self.steps is None) == (self.epochs is None):
            raise ValueError("give either steps or epochs")
        _positive(self, "steps", "epochs", "batch", "lr", "clip", "skip", "eval_every")
        if (self.warmup or 0) < 0 or self.weight_decay < 0:
            raise ValueError("warmup and weight_decay are not negative")
        if not (0 <= self.ema < 1 and 0 <= self.final_lr <= 1):
            raise ValueError("ema lies in [0, 1) and final_lr in [0, 1]")
        if not all(0 <= beta < 1 for beta in self.betas):
            raise ValueError("betas lie in [0, 1)")

    def total_steps(self, samples: int) -> int:
        """Optimizer steps on a fit split of this many samples (incomplete batches are dropped)."""
        if self.epochs is None:
            return self.steps or 1
        return max(1, round(self.epochs * self.steps_per_epoch(samples)))

    def steps_per_epoch(self, samples: int) -> int:
        return max(1, samples // self.batch)

    def warmup_steps(self, total: int) -> int:
        """Of ``total`` steps, those in which the learning rate rises."""
        return min(200, total // 20) if self.warmup is None else self.warmup

    def lr_at(self, step: int, total: int) -> float:
        """The learning rate of step ``step`` (from 0) of ``total``: a pure function."""
        warmup = self.warmup_steps(total)
        if step < warmup:
            return self.lr * (step + 1) / (warmup + 1)
        if self.schedule == "constant":
            return self.lr
        done = min(1.0, (step - warmup) / max(1, total - warmup))
        half_wave = 0.5 * (1 + math.cos(math.pi * done))
        return self.lr * (self.final_lr + (1 - self.final_lr) * half_wave)


@dataclass(frozen=True, slots=True)
class Size:
    """One size of a recipe: the stages, and the spec where it is not the recipe's own."""

    model: Stage | None  # None: the weights are given
    prior: Stage | None = None
    spec: str | None = None


@dataclass(frozen=True, slots=True)
class Recipe:
    """Everything that training a model needs beside its data."""

    name: str  # of the model; of the run's folder
    spec: str
    data: str  # a data set's name
    sizes: dict[str, Size] = field(default_factory=dict)  # "cpu", "gpu"
    summary: str = ""  # one line for the card
    limits: str = ""  # what the model cannot do, for the card
    license: str = "apache-2.0"  # of the weights
    seed: int = 0
    priority: int = 100  # the queue trains lower numbers first
    labelled: int | None = None  # rows of each class that have a label in training; None: all
    weights: str = ""  # of the model whose prior alone is fitted: what `aezoo.create` loads
    sha256: str = ""  # of its model.safetensors

    def size(self, name: str) -> Size:
        if name not in self.sizes:
            raise RecipeError(
                f"the recipe {self.name!r} has no size {name!r}; it has: {', '.join(self.sizes)}"
            )
        return self.sizes[name]

    def spec_of(self, size: str) -> str:
        return self.size(size).spec or self.spec

    def settled(self, size: str, samples: int) -> Recipe:
        """The recipe on a fit split of this many samples: the warm-ups of one size are numbers.

        Raises:
            RecipeError: one lasts as long as its stage, which never comes to its ``lr``.
        """
        chosen, stages = self.size(size), {}
        for name, where in (("model", size), ("prior", f"{size}.prior")):
            if (stage := getattr(chosen, name)) is None:
                continue
            total = stage.total_steps(samples)
            warmup = stage.warmup_steps(total)
            if warmup >= total:
                raise RecipeError(
                    f"{self.name}: the stage [{where}] has a warm-up of {warmup:,} steps and "
                    f"{total:,} in all, so it would never come to its learning rate; give it more "
                    f"steps or epochs, or a smaller warmup: left away it is {min(200, total // 20)}"
                )
            stages[name] = dataclasses.replace(stage, warmup=warmup)
        sizes = {**self.sizes, size: dataclasses.replace(chosen, **stages)}
        return dataclasses.replace(self, sizes=sizes)

    def stage_hash(self, size: str, stage: str) -> str:
        """16 hex digits over all that decides a stage's numbers, for checkpoints.

        Changing the second stage keeps the first stage's checkpoint valid.
        """
        chosen = self.size(size)
        stages = {} if chosen.model is None else {"model": chosen.model}
        if stage == "prior" and chosen.prior is not None:
            stages["prior"] = chosen.prior
        facts: dict[str, Any] = {"weights": self.sha256} if self.sha256 else {}
        if self.labelled is not None:
            facts["labelled"] = self.labelled
        facts |= {
            "spec": str(parse(self.spec_of(size))),
            "data": self.data,
            "seed": self.seed,
            "stages": {name: dataclasses.asdict(value) for name, value in stages.items()},
        }
        return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()[:16]


def load_recipe(file: str | Path) -> Recipe:
    """Read a recipe file; the model's name is that of its folder, of a run's that of the run.

    Raises:
        RecipeError: naming the file and the key, with the nearest known key.
    """
    path = Path(file)
    try:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise RecipeError(f"cannot read the recipe {path}: {error.strerror}") from error
    except tomllib.TOMLDecodeError as error:
        raise RecipeError(f"{path}: not valid TOML: {error}") from error
    given = "weights" in table
    sizes = {name: _size(table.pop(name), name, path, given) for name in SIZES if name in table}
    if not sizes:
        raise RecipeError(f"{path}: a recipe has a table [cpu] or [gpu]; this has neither")
    if "name" in table:
        raise RecipeError(f"{path}: 'name' is not given in the file; it is the folder's name")
    hints = typing.get_type_hints(Recipe)
    known = [name for name in hints if name not in ("name", "sizes")]
    for key, value in table.items():
        if key not in known:
            raise RecipeError(f"{path}: unknown key {key!r}{suggest(key, [*known, *SIZES])}")
        try:
            _convert(value, hints[key])
        except TypeError as error:
            raise RecipeError(f"{path}: {key} is {error}, not {value!r}") from None
    for key in ("spec", "data"):
        if key not in table:
            raise RecipeError(f"{path}: the key {key!r} is missing")
    if given != ("sha256" in table):
        raise RecipeError(f"{path}: weights and sha256 are given together, or neither is")
    if given and table["weights"].startswith("local:"):
        source = path.parent / table["weights"].removeprefix("local:")
        table["weights"] = f"local:{os.path.normpath(source)}"
    folder = path.resolve().parent
    name = folder.parent.name if folder.name == "final" else folder.name
    return Recipe(name=name, sizes=sizes, **table)


def dumps(recipe: Recipe) -> str:
    """The recipe as TOML, without what has its default; `load_recipe` reads it."""
    lines = [
        f"{f.name} = {json.dumps(value, ensure_ascii=False)}"
        for f in dataclasses.fields(recipe)
        if f.name not in ("name", "sizes") and (value := getattr(recipe, f.name)) != f.default
    ]
    for name, size in recipe.sizes.items():
        for where, stage in ((name, size.model), (f"{name}.prior", size.prior)):
            own = {} if stage is None else _changed(stage)
            if where == name and size.spec is not None:
                own["spec"] = size.spec
            if own:
                lines += ["", f"[{where}]", *(f"{k} = {json.dumps(v)}" for k, v in own.items())]
    return "\n".join(lines) + "\n"


def _default(rows: int | None, *, epochs: float, batch: int, **more: Any) -> Stage:
    """So many passes over the fit split's rows, where they are known and no fewer steps."""
    stage = Stage(epochs=epochs, batch=batch, **more)
    if rows is None or stage.total_steps(rows) >= SHORTEST:
        return stage
    return Stage(steps=SHORTEST, batch=batch, eval_every=200, **more)


def _rows(data: str) -> int | None:
    """How many rows a data set has to fit; None of a folder of pictures."""
    from aezoo import registry
    from aezoo.data.shape import shape_of

    if shape_of(data) is None:
        return None
    found = registry.dataset(data)
    return dict(found.splits)["train"] - found.validation


def default_recipe(spec: str, data: str, *, name: str | None = None, seed: int = 0) -> Recipe:
    """A recipe of sensible defaults for a spec that has none; ``aezoo train SPEC`` uses it.

    A spec without ``input`` gets the data set's shape; a folder of pictures is cut to the
    spec's. A learnable prior of a ``vqvae`` or ``ae`` gets a second stage. A small data set
    gets `SHORTEST` steps a stage, however many passes these are.
    """
    from aezoo.data.shape import shape_of

    tree, shape = parse(spec), shape_of(data)
    if "input" not in dict(tree.kwargs) and shape is not None:
        tree = Spec(tree.name, tree.args, (*tree.kwargs, ("input", shape)))
    prior = dict(tree.kwargs).get("prior")
    has_prior = tree.name in ("ae", "vqvae") and getattr(prior, "name", None) not in (
        None,
        "normal",
        "uniform",
    )
    rows = _rows(data)
    cpu = Size(
        model=_default(rows, epochs=20, batch=128),
        prior=_default(rows, epochs=10, batch=64) if has_prior else None,
    )
    gpu = Size(
        model=_default(rows, epochs=100, batch=256, precision="bf16"),
        prior=_default(rows, epochs=50, batch=256, precision="bf16") if has_prior else None,
    )
    return Recipe(
        name=name or f"{slug(tree)}-{Path(data).name}",
        spec=str(tree),
        data=data,
        sizes={"cpu": cpu, "gpu": gpu},
        seed=seed,
    )


# -- reading


def _changed(stage: Stage) -> dict[str, Any]:
    """The fields that do not have their default; "none" in the place of None."""
    values = {f.name: (getattr(stage, f.name), f.default) for f in dataclasses.fields(stage)}
    return {k: "none" if v is None else v for k, (v, default) in values.items() if v != default}


def _size(table: Any, name: str, path: Path, given: bool) -> Size:
    if not isinstance(table, dict):
        raise RecipeError(f"{path}: [{name}] is a table, not {table!r}")
    table = dict(table)
    prior = table.pop("prior", None)
    spec = table.pop("spec", None)
    if spec is not None and not isinstance(spec, str):
        raise RecipeError(f"{path}: {name}.spec is a spec string, not {spec!r}")
    if given and (table or prior is None):
        raise RecipeError(
            f"{path}: a recipe with weights trains the prior alone, so its [{name}] has the table "
            f"[{name}.prior]{f', and no {next(iter(table))!r}' if table else ''}"
        )
    model = None if given else _stage(table, name, path, extra=("prior", "spec"))
    if prior is None:
        return Size(model, spec=spec)
    if not isinstance(prior, dict):
        raise RecipeError(f"{path}: [{name}.prior] is a table, not {prior!r}")
    return Size(model, _stage(prior, f"{name}.prior", path), spec)


def _stage(table: dict, where: str, path: Path, extra: tuple[str, ...] = ()) -> Stage:
    known = [f.name for f in dataclasses.fields(Stage)]
    for key in table:
        if key not in known:
            hint = suggest(key, [*known, *extra])
            raise RecipeError(f"{path}: unknown key {f'{where}.{key}'!r}{hint}")
    try:
        return Stage(**table)
    except ValueError as error:
        raise RecipeError(f"{path}: [{where}]: {error}") from error


def _convert(value: Any, hint: Any) -> Any:
    """A value as the annotated type; TypeError says what was expected."""
    origin, options = typing.get_origin(hint), typing.get_args(hint)
    if origin is types.UnionType:  # X | None: TOML has no null, so "none" is written
        if value is None or value == "none":
            return None
        inner = next(option for option in options if option is not type(None))
        try:
            return _convert(value, inner)
        except TypeError as error:
            raise TypeError(f"{error} or 'none'") from error
    if origin is Literal:
        if value not in options:
            raise TypeError("one of " + ", ".join(map(repr, options)))
        return value
    if origin is tuple:
        if not isinstance(value, list | tuple) or len(value) != len(options):
            raise TypeError(f"a list of {len(options)} numbers")
        return tuple(_convert(v, option) for v, option in zip(value, options, strict=True))
    names = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}
    if hint is float and isinstance(value, int) and not isinstance(value, bool):
        return float(value)
    if not isinstance(value, hint) or (hint is int and isinstance(value, bool)):
        raise TypeError(names[hint])
    return value


def _positive(stage: Stage, *names: str) -> None:
    for name in names:
        value = getattr(stage, name)
        if value is not None and not value > 0:
            raise ValueError(f"{name} is a positive number, not {value}")
