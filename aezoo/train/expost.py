"""A prior fitted on the latents of a model that is finished (ex-post density estimation).

Ghosh, Sajjadi, Vergari, Black, Schölkopf, From Variational to Deterministic Autoencoders, 2020,
arXiv:1903.12436, section 4. So a plain autoencoder generates, and a VAE with a mismatch between
its prior and its aggregated posterior, the mean of q(z|x) over the data, is cured of it.

What is saved is a model like any other, and a recipe that says on whose weights its prior was
fitted. The family's bound stays a bound: its rate is that of the prior that is there.
"""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from aezoo.errors import TrainingError
from aezoo.hub.origin import trained_on
from aezoo.records import Dataset
from aezoo.resolve import Bound, display, override
from aezoo.spec import suggest
from aezoo.train.recipe import Recipe, Size, Stage

SLOTS = ("prior", "prior_cond")
DEFAULTS = {"steps": 2000, "eval_every": 200}


def fit_prior(
    source: Any,
    prior: str,
    *,
    out: str | Path,
    data: str | None = None,
    prior_cond: str | None = None,
    overrides: Mapping[str, Any] | None = None,
    seed: int = 0,
    device: str | torch.device = "cpu",
    budget: float | None = None,
    resume: bool = True,
    threads: int | None = None,
    quiet: bool = False,
    **stage: Any,
) -> Any:
    """Fit a prior on a finished model's latents or codes; the same model with that prior.

        done = aezoo.fit_prior("ae-mnist", "mog(10)", out="runs/ae-mnist-mog", epochs=20)
        done.model.sample(16)

    ``out`` gets the model as `save_pretrained` writes it, ``training.json``, ``recipe.toml``, and
    a folder ``prior`` with checkpoint and logs; the same call goes on where one was stopped.
    Random latents are drawn anew in every step.

    Args:
        source: an Autoencoder, the name of a zoo model, ``hf://org/name``, or a folder.
        prior: a spec's text: ``"mog(10)"``, ``"realnvp"``; over codes ``"pixelcnn(64)"``.
        data: whose latents; None: what the model was trained on.
        prior_cond: what the prior alone is conditioned on, ``"label(10)"``.
        overrides: further arguments of the prior to replace, ``{"prior.covariance": "full"}``.
        budget: seconds after which to stop with a checkpoint; None: until it is finished.
        resume: go on from the checkpoint in ``out`` where there is one.
        stage: fields of `aezoo.train.recipe.Stage`: ``epochs``, ``steps``, ``batch``, ``lr`` ...

    Returns:
        `aezoo.train.run.Trained`: ``model``, in eval mode, ``finished``, ``training``.

    Raises:
        SpecError, ShapeError: there is no such prior, or it does not suit the latents.
        TrainingError: the data is not known or not the model's, or the prior learns nothing.
    """
    from aezoo.hub.save import digest
    from aezoo.train.run import train

    out = Path(out)
    model: Any = source if isinstance(source, torch.nn.Module) else _load(source)
    name, weights = _place(source, model, out)
    if data is None and not isinstance(source, torch.nn.Module):
        data = trained_on(source)
    if not data:
        raise TrainingError(
            f"{name} does not say what it was trained on; name the data set whose latents the "
            'prior is fitted on: data="cifar10", or --data cifar10'
        )
    if not hasattr(model.bound.config, "prior"):
        raise TrainingError(
            f"{model.spec} has the prior of every level in {model.bound.config.bottleneck}, where "
            "it learns with the rest; there is none to fit afterwards"
        )
    changes = {"prior": prior} | ({} if prior_cond is None else {"prior_cond": prior_cond})
    bound = changed(model.bound, changes | dict(overrides or {}))
    recipe = Recipe(
        name=out.resolve().name,
        spec=str(display(bound)),
        data=data,
        sizes={"cpu": Size(None, _stage(stage))},
        summary=f"{bound.config.prior} fitted on the latents of {name}",
        license=model.license or "apache-2.0",
        seed=seed,
        weights=weights,
        sha256=digest(model),
    )
    if (out / "config.json").exists() and not (out / "prior" / "checkpoint.safetensors").exists():
        raise TrainingError(f"{out} holds another model already; name another folder")
    return train(
        recipe, "cpu", device=device, run_dir=out, final=out, start=model, budget=budget,
        resume=resume, threads=threads, quiet=quiet,
    )  # fmt: skip


def changed(bound: Bound, changes: Mapping[str, Any]) -> Bound:
    """A bound spec with another prior; TrainingError where something else would change too."""
    for path in changes:
        if path.split(".")[0] not in SLOTS:
            raise TrainingError(
                f"{path} is no argument of the prior, and of a finished model the prior alone can "
                f"be replaced: {' or '.join(SLOTS)}; train a model anew for another {path}"
            )
    return override(bound, changes)


def begin(model: Any, start: Any, recipe: Recipe) -> None:
    """Give a fresh model the finished one's weights, all but the prior's.

    Raises:
        TrainingError: they are not the recipe's, the models differ in more than the prior, or
            the prior cannot be fitted.
    """
    from aezoo.hub.save import digest
    from aezoo.train.checkpoint import copy_into

    found = digest(start)
    if found != recipe.sha256:
        raise TrainingError(
            f"{recipe.name}: the recipe is for weights of sha256 {recipe.sha256[:12]}..., and "
            f"those of {recipe.weights or start.spec} are {found[:12]}...; name the model meant"
        )
    if _rest(model.bound) != _rest(start.bound):
        raise TrainingError(
            f"{recipe.name}: the prior is fitted on {start.spec}, and {model.spec} differs from it "
            "in more than the prior"
        )
    _check_prior(model)
    own = {n: t for n, t in start.state_dict().items() if n.split(".")[0] not in SLOTS}
    targets = {n: t for n, t in model.state_dict().items() if n.split(".")[0] not in SLOTS}
    copy_into(targets, own, Path(recipe.weights or "the model"))
    model.load_state_dict(own, strict=False)  # for the modules' own hooks
    model.input_range = start.input_range


def check_data(model: Any, dataset: Dataset) -> None:
    """Raises TrainingError where a data set's samples are none that the model takes."""
    takes = tuple(model.input_shape), tuple(model.input_range)
    have = tuple(dataset.shape), tuple(dataset.range)
    if takes != have:
        raise TrainingError(
            f"{model.spec} takes samples of shape {takes[0]} with values in {takes[1]}, and those "
            f"of {dataset.name} are {have[0]} in {have[1]}; name what it was trained on"
        )


def _check_prior(model: Any) -> None:
    config = model.bound.config
    if model.prior is None or not any(True for _ in model.prior.parameters()):
        raise TrainingError(
            f"the prior {config.prior} has nothing that could be fitted; take one that learns: "
            "mog(10), realnvp, or over codes pixelcnn"
        )
    if config.prior_cond is not None and not config.prior.entry.component.caps.conditional:
        raise TrainingError(
            f"the prior {config.prior} reads no condition; leave prior_cond away, or take a prior "
            "that does: realnvp, or over codes pixelcnn"
        )


def _rest(bound: Bound) -> tuple[Any, Any]:
    """The family, and its arguments without the prior."""
    return bound.entry, dataclasses.replace(bound.config, prior=None, prior_cond=None)


def _stage(given: Mapping[str, Any]) -> Stage:
    """The stage asked for, its other numbers those of a prior on stored latents."""
    defaults = dict(DEFAULTS)
    if "epochs" in given:
        del defaults["steps"]
    known = [field.name for field in dataclasses.fields(Stage)]
    for key in given:
        if key not in known:
            hint = suggest(key, known) or f"; it has {', '.join(known)}"
            raise TrainingError(f"a prior's stage has no {key!r}{hint}")
    try:
        return Stage(**{**defaults, **given})
    except (ValueError, TypeError) as error:
        raise TrainingError(f"the prior's stage: {error}") from error


def _load(source: Any) -> Any:
    from aezoo.factory import create, load

    text = str(source)
    if "(" in text and not Path(text).exists():
        create(text, pretrained=True)  # raises: a spec has no weights
    return load(f"local:{text}" if text.startswith(("/", ".", "~")) else source)


def _place(source: Any, model: Any, out: Path) -> tuple[str, str]:
    """How the model is called, and where its weights are as the recipe says it."""
    if source is model:
        return str(model.spec), ""
    text = str(source)
    folder = Path(text.removeprefix("local:")).expanduser()
    if text.startswith(("hf://", "hf-hub:")) or not folder.is_dir():
        return text, text
    title = folder.resolve()
    return title.parent.name if title.name == "final" else title.name, (
        f"local:{os.path.relpath(folder, out)}"  # no path of this machine
    )
