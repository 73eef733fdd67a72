"""Weights saved and loaded are the same model."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from aezoo.components.priors.exact import log_prob
from aezoo.hub.load import load_folder
from aezoo.hub.save import save_pretrained
from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject, batch, by_level


def weights_round_trip(subject: Subject) -> None:
    """A model saved as safetensors and loaded strictly gives the same outputs bit for bit.

    Fix: keep all that the outputs depend on in parameters and persistent buffers, each a
    tensor of its own (none a view of another), and nothing in plain attributes.
    """
    model = subject.build()
    _train_once(model)
    with tempfile.TemporaryDirectory() as folder:
        save_pretrained(model, folder)
        loaded = load_folder(Path(folder))
        before, after = outputs(model), outputs(loaded)
    for name, value in before.items():
        require(
            torch.equal(value, after[name]),
            f"{name} differs after loading, by up to "
            f"{(value.double() - after[name].double()).abs().max():.3g}",
        )
    kept = model.state_dict()
    for name, value in loaded.state_dict().items():
        require(torch.equal(value, kept[name]), f"the tensor {name} is another after loading")


def _train_once(model: Any) -> None:
    """One forward pass in training mode, so that statistics differ from their start."""
    x, cond = batch(model, 8, seed=3)
    model.train()
    with torch.no_grad():
        model.loss(x, cond)
    model.eval()


def outputs(model: Any, seed: int = 2) -> dict[str, Tensor]:
    """What a model in eval mode computes of one batch, by name."""
    x, cond = batch(model)
    found = {}
    with torch.no_grad():
        output = model(x, cond, generator=torch.Generator().manual_seed(seed))
        found["distortion"] = output.distortion
        latent = model.encode(x, cond, sample=True, generator=torch.Generator().manual_seed(seed))
        for name in ("z", "codes", "penalty"):
            if getattr(latent, name) is not None:
                found |= by_level(name, getattr(latent, name))
        if model.corruption is not None:
            generator = torch.Generator().manual_seed(seed)
            found["corrupted x"] = model.corruption(x, generator=generator)
        for i, level in enumerate(latent.levels, 1):
            found[f"z of level {i}"] = level.z
        if model.capabilities.sample and model.prior is None:
            drawn = model.sample(4, cond, generator=torch.Generator().manual_seed(seed))
            found["a sample"] = drawn
        if output.rate is not None:
            found["rate"] = output.rate
        if model.prior is not None:
            generator = torch.Generator().manual_seed(seed)
            z = model.prior.sample(2, cond=_prior_cond(model, cond), generator=generator)
            found |= by_level("prior's sample", z)
            embedded = _prior_cond(model, cond)
            found["prior's log_prob"] = log_prob(model.prior, z, embedded, generator)
    return found


def _prior_cond(model: Any, cond: Any) -> Any:
    embedded = model.embed_for_prior(cond)
    return None if embedded is None else embedded[:2]
