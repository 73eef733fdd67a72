"""What is measured: a model, its weights' hash, and the rows of a split."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from aezoo.data.labels import check_labels
from aezoo.data.sets import SPLIT, ImageSet, load
from aezoo.errors import MetricError


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """A model on a device, and how rows call it."""

    name: str
    model: Any
    weights: str  # SHA-256 of model.safetensors
    data: str  # the data set it was trained on, "" where nobody knows


def subject(model: Any, device: torch.device) -> Subject:
    """A zoo name, a source, a folder or an Autoencoder, in eval mode on the device.

    Raises:
        AezooError: it cannot be loaded.
    """
    from aezoo import registry
    from aezoo.factory import create
    from aezoo.factory import load as load_model
    from aezoo.hub.config import WEIGHTS
    from aezoo.hub.save import digest
    from aezoo.hub.zoo import file_record

    if not isinstance(model, (str, Path)):
        return Subject(str(model.spec), model.to(device).eval(), digest(model), "")
    name = str(model)
    if "(" in name and not Path(name).exists():
        create(name, pretrained=True)  # raises: a spec has no weights
    loaded = load_model(f"local:{name}" if name.startswith(("/", ".", "~")) else model)
    loaded = loaded.to(device).eval()
    folder = Path(name.removeprefix("local:")).expanduser()
    if (folder / WEIGHTS).is_file():
        facts = _training(folder)
        title = facts.get("name") or folder.resolve().name  # no path of this machine in a row
        return Subject(title, loaded, file_record(folder / WEIGHTS).sha256, facts.get("data", ""))
    if name.startswith(("hf://", "hf-hub:")):
        return Subject(name, loaded, digest(loaded), "")
    entry = registry.model(name)
    known = [file.sha256 for file in entry.files if file.name == WEIGHTS]
    return Subject(entry.name, loaded, known[0] if known else digest(loaded), entry.data)


def rows_of(subject: Subject, data: str | None, split: str, n: int | None) -> ImageSet:
    """The first ``n`` rows of a split, or all, of the data set given, else the model's own.

    Raises:
        MetricError: nobody knows the model's data set, or its shape is another.
        DataError, UnknownDatasetError: as `aezoo.data.sets.load`.
    """
    name = data or subject.data
    if not name:
        raise MetricError(
            f"{subject.name} does not say what it was trained on; name the data set: --data cifar10"
        )
    shape = tuple(subject.model.input_shape)
    is_folder = name.startswith((".", "/")) and len(shape) == 3
    images = load(name, split, size=(shape[0], shape[1], shape[2]) if is_folder else None)
    have = tuple(images.images.shape[1:])
    sized = subject.model.capabilities.any_size and have[0] == shape[0] and len(have) == len(shape)
    if have != shape and not sized:
        raise MetricError(
            f"{subject.name} takes samples of shape {shape}, and those of {name} are {have}"
        )
    if subject.model.input_range != images.dataset.range:
        takes, are = subject.model.input_range, images.dataset.range
        raise MetricError(
            f"{subject.name} takes values in {takes}, and those of {name} are in {are}"
        )
    check_labels(subject.model, images.dataset)
    return images if n is None or n >= len(images) else _first(images, n)


def part(images: ImageSet, start: int, stop: int) -> ImageSet:
    """Rows start to stop; their bits, where the set is binary, stay what they are."""
    place = slice(start, stop)
    return dataclasses.replace(
        images,
        images=images.images[place],
        labels=images.labels[place],
        start=images.start + start,
    )


def _first(images: ImageSet, n: int) -> ImageSet:
    if n < 1:
        raise MetricError(f"n is {n}; expected at least 1")
    match = SPLIT.fullmatch(images.split)
    assert match is not None
    start = int(match[2] or 0)
    text = f"{match[1]}[{start or ''}:{start + n}]"
    return dataclasses.replace(part(images, 0, n), split=text)


def _training(folder: Path) -> dict[str, Any]:
    file = folder / "training.json"
    return json.loads(file.read_text(encoding="utf-8")) if file.is_file() else {}
