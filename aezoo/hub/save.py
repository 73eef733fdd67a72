"""A model to a folder: config.json, model.safetensors, README.md."""

from __future__ import annotations

import hashlib
import os
import tempfile
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import save, save_file

from aezoo.errors import WeightsError
from aezoo.hub import config as configs


def save_pretrained(
    model: Any,
    folder: str | os.PathLike[str],
    card: str | None = None,
    *,
    license: str | None = None,
) -> Path:
    """Write a model into ``folder`` (made if it is not there) and return the folder.

    The same model always gives the same bytes. Everything is written under temporary names
    first; an error or a full disk leaves what was in the folder as it was.

    Args:
        model: An Autoencoder.
        folder: Where to; other files in it are left alone.
        card: Markdown for README.md. None: ``model.card``, or no README where it is None too.
        license: SPDX name for the weights; None: the one the model was loaded with, else
            "apache-2.0".

    Raises:
        WeightsError: two of the model's tensors share memory (they could not be told apart
            after loading), a tensor is on the meta device, or of another precision than the
            model of that spec has, as after ``model.half()``: it would not load.
    """
    folder = Path(folder)
    card = model.card if card is None else card
    config = configs.config_of(model, license)
    tensors = _tensors(model)
    _check_precision(model, tensors)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=folder, prefix=".saving-") as temporary:
        new = Path(temporary)
        (new / configs.CONFIG).write_text(configs.dumps(config), encoding="utf-8")
        save_file(tensors, new / configs.WEIGHTS, metadata={"format": "pt"})
        if card is not None:
            (new / configs.CARD).write_text(card, encoding="utf-8")
        # config.json goes first and comes last: killed in between, the folder holds no model,
        # never the weights of one under the config of another.
        (folder / configs.CONFIG).unlink(missing_ok=True)
        (new / configs.WEIGHTS).replace(folder / configs.WEIGHTS)
        if card is not None:
            (new / configs.CARD).replace(folder / configs.CARD)
        (new / configs.CONFIG).replace(folder / configs.CONFIG)
    return folder


def digest(model: Any) -> str:
    """SHA-256 of the model.safetensors that `save_pretrained` would write.

    Raises:
        WeightsError: as `save_pretrained` does.
    """
    return hashlib.sha256(save(_tensors(model), metadata={"format": "pt"})).hexdigest()


def _check_precision(model: Any, tensors: dict[str, torch.Tensor]) -> None:
    from aezoo.build import build

    for name, fresh in build(model.bound, device="meta").state_dict().items():
        if name in tensors and tensors[name].dtype != fresh.dtype:
            raise WeightsError(
                f"{name!r} is of {tensors[name].dtype}, and saved models have it in {fresh.dtype}; "
                f"save model.to({fresh.dtype}), and turn what is loaded"
            )


def _tensors(model: Any) -> dict[str, torch.Tensor]:
    """The state dict on the CPU: sorted, contiguous, no two tensors in the same memory."""
    owner: dict[tuple[int, int], str] = {}
    tensors = {}
    for name, tensor in sorted(model.state_dict().items()):
        if tensor.is_meta:
            raise WeightsError(
                f"{name!r} is on the meta device and holds no numbers; load or train first"
            )
        place = (tensor.untyped_storage().data_ptr(), tensor.storage_offset())
        if tensor.numel() and place in owner:
            raise WeightsError(
                f"{owner[place]!r} and {name!r} are the same memory; keep a tied tensor in one "
                "part and read it from there, so that it is saved once"
            )
        owner[place] = name
        # A view into a larger storage would drag that storage along.
        whole = tensor.untyped_storage().nbytes() == tensor.numel() * tensor.element_size()
        tensor = tensor.detach().cpu().contiguous()
        tensors[name] = tensor if whole else tensor.clone()
    return tensors
