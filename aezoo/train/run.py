"""Train a recipe from its first stage to a folder that the Hub could hold."""

from __future__ import annotations

import dataclasses
import json
import os
import platform
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import torch

from aezoo.build import build
from aezoo.data.labels import check_labels, hide_labels
from aezoo.data.sets import load
from aezoo.data.shape import shape_of
from aezoo.errors import TrainingError
from aezoo.hub.origin import TRAINING
from aezoo.records import Dataset
from aezoo.train import expost
from aezoo.train.checkpoint import write_atomic
from aezoo.train.loop import Fitted, fit, solve
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Recipe, Stage, dumps
from aezoo.train.stages import ModelTask, PriorTask, fits_prior

FINAL = "final"  # the folder of the finished model, inside the run's


@dataclass(frozen=True, slots=True)
class Trained:
    """What `train` returns."""

    model: Any  # the Autoencoder, in eval mode; with the best weights where finished
    finished: bool  # False: the budget was spent; train again to go on
    folder: Path  # of the run; ``folder / "final"`` is the model where finished
    training: dict[str, Any]  # what training.json holds


def train(
    recipe: Recipe,
    size: str = "cpu",
    *,
    device: str | torch.device | None = None,
    run_dir: str | Path,
    budget: float | None = None,
    resume: bool = True,
    threads: int | None = None,
    quiet: bool = False,
    final: str | Path | None = None,
    start: Any = None,
) -> Trained:
    """Train a recipe's model, or go on with it.

    ``run_dir`` gets a folder a stage (``model``, ``prior``), each with its checkpoint, best
    weights and CSV logs, and at the end ``final``: the model as `save_pretrained` writes it,
    ``training.json`` and ``recipe.toml``.

    Args:
        size: "cpu" or "gpu", a table of the recipe.
        device: None: cuda for the gpu size where there is one, else cpu.
        budget: seconds after which to stop with a checkpoint; None: until it is finished.
        resume: go on from the checkpoint in ``run_dir`` where there is one.
        threads: of the CPU; None leaves torch's choice.
        final: the finished model's folder where it is not ``run_dir / "final"``.
        start: the model whose weights the recipe names, where it is at hand.

    Raises:
        RecipeError, TrainingError, DataError, SpecError.
    """
    began = time.monotonic()
    if threads is not None:
        torch.set_num_threads(threads)
    if device is None:
        device = "cuda" if size == "gpu" and torch.cuda.is_available() else "cpu"
    deadline = None if budget is None else began + budget
    ranks = Ranks(device)
    if ranks.device.type == "cuda":
        _make_deterministic()
    chosen = recipe.size(size)
    torch.manual_seed(recipe.seed)
    model = build(recipe.spec_of(size)).to(ranks.device)
    if chosen.model is None:
        expost.begin(model, _named(recipe) if start is None else start, recipe)
    second = chosen.model is None or fits_prior(model)
    if second and chosen.prior is None:
        raise TrainingError(
            f"{recipe.name}: the prior of {model.spec} is fitted in a second stage, but the "
            f"recipe has no table [{size}.prior]"
        )
    if chosen.prior is not None and not second:
        raise TrainingError(
            f"{recipe.name}: the recipe has a table [{size}.prior], but {model.spec} has no "
            "prior to fit afterwards"
        )
    size_of_pictures = model.input_shape if shape_of(recipe.data) is None else None
    data = load(recipe.data, "fit", size=size_of_pictures)
    validation = load(recipe.data, "validation", size=size_of_pictures)
    check_labels(model, data.dataset)
    if recipe.labelled is not None:
        if not hasattr(model.cond, "infer"):
            raise TrainingError(
                f"{recipe.name}: labelled={recipe.labelled} leaves samples without a label, and "
                f"{model.spec} cannot learn from them; it needs cond=inferred(10,mlp(64)), say"
            )
        data = hide_labels(data, recipe.labelled, recipe.seed)
    recipe = recipe.settled(size, len(data))
    chosen = recipe.size(size)
    if chosen.model is None:
        expost.check_data(model, data.dataset)
    model.input_range = _range(model, data.dataset)
    fitted: dict[str, Fitted] = {}
    stages = {"model": (ModelTask, chosen.model), "prior": (PriorTask, chosen.prior)}
    for name, (kind, stage) in stages.items():
        if stage is None:
            continue
        if stage.channels_last:
            model.to(memory_format=torch.channels_last)
        model.train()
        task = kind(model, data, validation, stage, recipe.seed, ranks)
        folder = Path(run_dir) / name
        if task.solves:
            fitted[name] = solve(
                task, folder, name=name, seed=recipe.seed, ranks=ranks, quiet=quiet
            )
            continue
        fitted[name] = fit(
            task,
            stage,
            folder,
            name=name,
            seed=recipe.seed,
            recipe_hash=recipe.stage_hash(size, name),
            ranks=ranks,
            deadline=deadline,
            resume=resume,
            quiet=quiet,
        )
        if not fitted[name].finished:
            break
    expected = (chosen.model is not None) + second
    finished = all(f.finished for f in fitted.values()) and len(fitted) == expected
    if finished and second:
        model.prior_fitted = True
    model.eval().requires_grad_(True)
    facts = _training(recipe, size, ranks, fitted, len(data), finished)
    if ranks.main:
        whole = Path(run_dir) / FINAL if final is None else Path(final)
        _write(model, recipe, facts, Path(run_dir), whole if finished else None)
    ranks.wait()
    return Trained(model, finished, Path(run_dir), facts)


def _range(model: Any, dataset: Dataset) -> tuple[float, float]:
    """Of the data's values; TrainingError where the likelihood is one of other values."""
    own = getattr(model.likelihood, "range", (0.0, 1.0))
    if own is not None and tuple(own) != dataset.range:
        raise TrainingError(
            f"{model.bound.config.likelihood} is of values in {tuple(own)}, and those of "
            f"{dataset.name} are in {dataset.range}; choose another likelihood"
        )
    return dataset.range


def _make_deterministic() -> None:
    """Let CUDA's kernels give the same bits each time; what cannot, warns."""
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")  # read when cuBLAS starts
    torch.backends.cudnn.benchmark = False
    torch.backends.cudnn.deterministic = True
    torch.use_deterministic_algorithms(True, warn_only=True)
    # Nothing here reads memory that nobody wrote.
    memory = torch.utils.deterministic
    memory.fill_uninitialized_memory = False  # pyright: ignore[reportAttributeAccessIssue]


def _named(recipe: Recipe) -> Any:
    """The model whose weights the recipe names."""
    from aezoo.factory import load as load_model

    if not recipe.weights:
        raise TrainingError(
            f"{recipe.name}: the recipe has the sha256 of the weights that the prior is fitted "
            'for, and does not say where they are; give it weights = "..."'
        )
    return load_model(recipe.weights)


def _write(model: Any, recipe: Recipe, facts: dict, run_dir: Path, final: Path | None) -> None:
    """What is known of the run; and the model, where it is finished."""
    text = (json.dumps(facts, indent=2) + "\n").encode()
    write_atomic(run_dir / TRAINING, text)
    if final is not None:
        from aezoo.hub.save import save_pretrained

        save_pretrained(model, final, license=recipe.license)
        write_atomic(final / TRAINING, text)
        write_atomic(final / "recipe.toml", dumps(recipe).encode())


def _training(
    recipe: Recipe, size: str, ranks: Ranks, fitted: dict[str, Fitted], rows: int, finished: bool
) -> dict[str, Any]:
    """How the model came about: what a card says and a second run would need."""
    import aezoo

    both = {"model": recipe.size(size).model, "prior": recipe.size(size).prior}
    stages = {name: stage for name, stage in both.items() if stage is not None}
    given = {"weights": {"source": recipe.weights or None, "sha256": recipe.sha256}}
    return {
        "name": recipe.name,
        "spec": recipe.spec_of(size),
        **(given if recipe.sha256 else {}),
        **({} if recipe.labelled is None else {"labelled": recipe.labelled}),
        "data": recipe.data,
        "split": "fit",
        "seed": recipe.seed,
        "size": size,
        "finished": finished,
        "date": datetime.now(UTC).date().isoformat(),
        "seconds": round(sum(f.seconds for f in fitted.values()), 1),
        "device": device_name(ranks.device),
        "processes": ranks.world,
        "threads": torch.get_num_threads() if ranks.device.type == "cpu" else None,
        "torch": torch.__version__,
        "aezoo": aezoo.__version__,
        "stages": {name: _stage_facts(stages[name], fitted[name], rows) for name in fitted},
    }


def _stage_facts(stage: Stage, fitted: Fitted, rows: int) -> dict[str, Any]:
    if not fitted.step:  # solved: nothing of the stage was used
        return {
            "steps": 0,
            "closed_form": True,
            "seconds": round(fitted.seconds, 1),
            "validation": fitted.validation,
        }
    recipe = {k: v for k, v in dataclasses.asdict(stage).items() if v is not None}
    return {
        "recipe": recipe | {"betas": list(stage.betas)},
        "steps": fitted.step,
        "epochs": round(fitted.step / stage.steps_per_epoch(rows), 2),
        "seconds": round(fitted.seconds, 1),
        "skipped_steps": fitted.skipped,
        "best_step": fitted.best_step,
        "validation": fitted.validation,
    }


def device_name(device: torch.device) -> str:
    """The name that a person would call the device by."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        with Path("/proc/cpuinfo").open(encoding="utf-8") as file:
            for line in file:
                if line.startswith("model name"):
                    return f"{line.partition(':')[2].strip()}, {os.cpu_count()} cores"
    except OSError:
        return platform.processor() or platform.machine()
    return platform.processor() or platform.machine()
