"""Pretrained models: the files are the recorded ones, and a model comes out of them."""

from __future__ import annotations

from pathlib import Path

from aezoo.errors import WeightsError
from aezoo.hub.config import CARD
from aezoo.hub.load import load_folder
from aezoo.hub.sources import _cached, check
from aezoo.resolve import display, resolve
from aezoo.testing.outcome import Broken, NotApplicable, require
from aezoo.testing.subject import Subject, batch


def pretrained_loads(subject: Subject) -> None:
    """A model's files have the recorded sizes and SHA-256, load strictly, and bring a card.

    Fix: write the folder with `save_pretrained`, put the card (README.md) beside it, and
    record the files as they are: aezoo.records.FileRecord(name, size, sha256).
    """
    import torch

    entry = subject.record
    folder = _folder(entry)
    for file in entry.files:
        try:
            check(folder / file.name, file)
        except (WeightsError, OSError) as error:
            raise Broken(str(error)) from error
    model = load_folder(folder)
    require(
        model.spec == display(resolve(entry.spec)),
        f"the record's spec is {entry.spec}, and the files hold {model.spec}",
        f'write spec="{model.spec}" in the record',
    )
    require(
        (model.card or "").strip(),
        f"there is no card {CARD} beside the weights",
        "write one (`aezoo card`): data, numbers with their protocol, licence, limits",
    )
    require(
        model.license == entry.license,
        f"its weights' licence is {model.license} in config.json and {entry.license} in the record",
    )
    x, cond = batch(model, 2)
    with torch.no_grad():
        found = model.reconstruct(x, cond)
    require(
        found.shape == x.shape and bool(torch.isfinite(found).all()),
        "its reconstructions are not finite",
    )


def _folder(entry) -> Path:
    """Where the files are on this machine. Nothing is downloaded: that may be gigabytes."""
    if entry.folder is not None:
        require(Path(entry.folder).is_dir(), f"its folder {entry.folder} is not there")
        return Path(entry.folder)
    cached = _cached(entry.repo, entry.revision) if entry.repo else []
    if not cached:
        raise NotApplicable(
            f"its weights are not on this machine; aezoo.create({entry.name!r}, pretrained=True) "
            "downloads them, and the check then reads them from the cache"
        )
    return cached[0].parent
