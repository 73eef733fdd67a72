"""A folder to a model: every check first, then the weights are mapped, not read."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open

from aezoo import known, registry
from aezoo.errors import (
    ChecksumError,
    IncompatibleWeightsError,
    PluginMissingError,
    ShapeError,
    WeightsError,
)
from aezoo.hub.config import CARD, CONFIG, MAX_BYTES, WEIGHTS, ComponentRecord, Config, loads
from aezoo.hub.formats import format_of
from aezoo.hub.sources import refuse_incomplete, refuse_pickle
from aezoo.spec import SpecError


def load_folder(folder: str | os.PathLike[str], *, device: Any = None) -> Any:
    """The model in a folder that `aezoo.hub.save.save_pretrained` wrote, in eval mode.

    Or one of another library, where a plugin reads its format (`aezoo.hub.foreign`).

    The weights are memory-mapped copy-on-write: a page is read when it is first used, and
    training the model never changes the file.

    Args:
        folder: Holds config.json, model.safetensors and, where there is a card, README.md.
        device: Where the model goes; None is the CPU.

    Raises:
        WeightsError: there is no model in the folder.
        UnsafeWeightsError: there are only pickles, or one was asked for.
        ChecksumError: the weights file is cut off or damaged.
        IncompatibleWeightsError: config, weights and installed components do not fit.
        PluginMissingError: a component's plugin is not installed; says what to install.
    """
    from aezoo.build import build
    from aezoo.hub.foreign import load_foreign

    folder = Path(folder)
    if found := format_of(folder):
        return load_foreign(folder, found, device=device)
    config = read_config(folder)
    check_components(config.components, str(folder / CONFIG))
    try:
        model: Any = build(config.spec, device="meta")
    except (SpecError, ShapeError) as error:
        raise IncompatibleWeightsError(
            f"{folder / CONFIG}: the installed components cannot build 'spec': {error}"
        ) from error
    if tuple(model.input_shape) != config.input.shape:
        raise IncompatibleWeightsError(
            f"{folder / CONFIG}: 'input.shape' is {config.input.shape}, but 'spec' takes "
            f"{tuple(model.input_shape)}"
        )
    with opened(folder / WEIGHTS) as tensors:
        compare(model.state_dict(), tensors, folder / WEIGHTS)
        model.load_state_dict(tensors, strict=True, assign=True)
    materialise(model, config.spec)
    model.prior_fitted = config.prior_fitted
    model.input_range = config.input.range
    model.card = read_card(folder)
    model.license = config.license  # saved again with the model
    if device is not None:
        model.to(device)
    return model.eval()


def read_config(folder: Path) -> Config:
    """config.json of a model's folder, after a look whether a model is there at all."""
    refuse_pickle(folder.name)
    if not folder.is_dir():
        raise WeightsError(
            f"{folder} is not a folder; a model is a folder with {CONFIG} and {WEIGHTS}"
        )
    refuse_incomplete((p.name for p in folder.iterdir()), str(folder))
    with (folder / CONFIG).open("rb") as file:
        return loads(file.read(MAX_BYTES + 1), str(folder / CONFIG))


def check_components(components: tuple[ComponentRecord, ...], where: str) -> None:
    """Every component is installed, in the version that the weights were made with."""
    for saved in components:
        namespace = saved.name.partition("/")[0] if "/" in saved.name else None
        try:
            found = registry.component((saved.kind,), saved.name)
        except PluginMissingError as error:
            raise PluginMissingError(
                f"{where} needs the {saved.kind} {saved.name!r}, and no plugin {namespace!r} is "
                f"installed or allowed; {_what_to_install(saved, namespace)}"
            ) from error
        except SpecError as error:
            raise IncompatibleWeightsError(
                f"{where} needs the {saved.kind} {saved.name!r} of {saved.distribution} "
                f"{saved.distribution_version}, which the installed one lacks: {error.message}; "
                f"install it: pip install {saved.distribution}=={saved.distribution_version}"
            ) from error
        if found.distribution != saved.distribution:
            raise IncompatibleWeightsError(
                f"{where} was saved with {saved.name!r} of {saved.distribution}; here "
                f"{found.distribution} {found.distribution_version} provides it, which need not "
                "be the same"
            )
        if found.component.version != saved.version:
            raise IncompatibleWeightsError(
                f"{where} was saved with version {saved.version} of the {saved.kind} "
                f"{saved.name!r}; {found.distribution} {found.distribution_version} has version "
                f"{found.component.version}, which computes other numbers from the same weights. "
                "Install the old one: pip install "
                f"{saved.distribution}=={saved.distribution_version}"
            )


def _what_to_install(saved: ComponentRecord, namespace: str | None) -> str:
    """A config.json may come from anybody: what only it names is said to be its word alone."""
    wanted = f"{saved.distribution}=={saved.distribution_version}"
    plugin = known.of(namespace or "")
    if plugin is None:
        return (
            f"install it: pip install {wanted} (so says {CONFIG}; look at who publishes it, for "
            "aezoo's own index does not know it)"
        )
    if plugin.distribution == saved.distribution:
        return f"install it: pip install {wanted}"
    return (
        f"{plugin.distribution} has this namespace, but {CONFIG} names {wanted}; look at who "
        "publishes that before you install it"
    )


@contextlib.contextmanager
def opened(path: Path) -> Iterator[dict[str, torch.Tensor]]:
    """The tensors of a safetensors file, mapped: shapes are known, no number is read yet."""
    try:
        with safe_open(path, framework="pt") as file:
            yield {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ChecksumError(
            f"{path} ({path.stat().st_size:,} bytes) is cut off or damaged: {error}; get it anew"
        ) from error


def compare(expected: dict[str, torch.Tensor], found: dict[str, torch.Tensor], path: Path) -> None:
    """Names, shapes and dtypes of the file are the model's; else list a few that are not."""
    troubles = [
        ("missing", sorted(expected.keys() - found.keys())),
        ("not the model's", sorted(found.keys() - expected.keys())),
        (
            "of another shape or type",
            [
                f"{name} {_form(found[name])} where {_form(expected[name])} is expected"
                for name in sorted(expected.keys() & found.keys())
                if _form(found[name]) != _form(expected[name])
            ],
        ),
    ]
    if any(names for _, names in troubles):
        lines = [
            f"{len(names)} {what}: {', '.join(names[:3])}{', ...' if len(names) > 3 else ''}"
            for what, names in troubles
            if names
        ]
        raise IncompatibleWeightsError(
            f"{path} is not the weights of the model in {CONFIG}: " + "; ".join(lines)
        )


def _form(tensor: torch.Tensor) -> str:
    return f"{tuple(tensor.shape)} {str(tensor.dtype).removeprefix('torch.')}"


def materialise(model: Any, spec: Any) -> None:
    """Give numbers to tensors that no file holds: non-persistent buffers of other libraries.

    An objective's critic is in no file either, and begins anew.
    """
    from aezoo.build import build

    objective = model.objective
    if isinstance(objective, torch.nn.Module) and any(p.is_meta for p in objective.parameters()):
        with torch.random.fork_rng(devices=[]):  # loading draws nothing
            fresh = model.bound.config.objective.build()
            if hasattr(fresh, "attach"):
                fresh.attach(model)
        model.__dict__["objective"] = fresh
    waiting = [(n, b) for n, b in model.named_buffers() if b.is_meta]
    if not waiting:
        return
    made = dict(build(spec, device="cpu").named_buffers())
    for name, _ in waiting:
        parent, _, leaf = name.rpartition(".")
        model.get_submodule(parent).register_buffer(leaf, made[name], persistent=False)


def read_card(folder: Path) -> str | None:
    """README.md of a model's folder, where it has one."""
    path = folder / CARD
    return path.read_text(encoding="utf-8", errors="replace") if path.is_file() else None
