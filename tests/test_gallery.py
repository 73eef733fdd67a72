"""Every variant of the gallery learns, and its weights come back bit for bit."""

from __future__ import annotations

import dataclasses
import importlib.util
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import torch

import aezoo
from aezoo.data.labels import hide_labels
from aezoo.data.sets import ImageSet, Resident, load
from aezoo.gallery import GALLERY, Example, citation
from aezoo.train.loop import fit
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask, PriorTask, fits_prior

SCRIPT = Path(__file__).resolve().parent.parent / "model_cards" / "gallery.py"
STEPS = 200
STAGE = Stage(
    steps=STEPS, batch=64, lr=2e-3, warmup=10, ema=0, eval_every=STEPS // 2, schedule="constant"
)


@cache
def splits(data: str) -> tuple[ImageSet, ImageSet]:
    """To train on and to hold out: all of digits, a little of other sets."""
    rows = "" if data == "digits" else "[:600]"
    return load(data, f"fit{rows}"), load(data, f"validation{rows}")


@pytest.fixture(autouse=True)
def _one_thread() -> Any:
    """The models are small: threads would wait for each other."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


def figures(task: Any) -> dict[str, float]:
    """On the validation split, with what anneals at its end, and always the same draws."""
    task.schedule(STEPS, STEPS)
    task.module.eval()
    torch.manual_seed(1)
    found = task.validate()
    task.module.train()
    return found


def improved(task: Any, stage: Stage, folder: Path) -> tuple[float, float]:
    """The task's loss on validation before training and after it."""
    before = figures(task)["loss"]
    fitted = fit(task, stage, folder, name="model", seed=0, recipe_hash="gallery",
                 ranks=Ranks("cpu"), quiet=True)  # fmt: skip
    assert fitted.finished
    assert fitted.skipped == 0
    return before, figures(task)["loss"]


@pytest.mark.parametrize("example", GALLERY, ids=[e.name.replace(" ", "-") for e in GALLERY])
def test_it_learns_and_comes_back(example: Example, tmp_path: Path) -> None:
    fit_rows, held_out = splits(example.data)
    if example.labelled is not None:
        fit_rows = hide_labels(fit_rows, example.labelled, 0)
    data = fit_rows, held_out
    stage = dataclasses.replace(STAGE, weight_decay=example.weight_decay)
    model = aezoo.create(example.spec).train()
    second = fits_prior(model)
    before, after = improved(
        ModelTask(model, *data, stage, 0, Ranks("cpu")), stage, tmp_path / "model"
    )
    assert after < before - 0.05 * abs(before), f"{before:.2f} -> {after:.2f}"
    if second:
        task = PriorTask(model, *data, stage, 0, Ranks("cpu"))
        before, after = improved(task, stage, tmp_path / "prior")
        assert after < 0.95 * before, f"prior: {before:.2f} -> {after:.2f}"
        model.prior_fitted = True
        model.requires_grad_(True)
    model.eval()
    model.save_pretrained(tmp_path / "saved")
    again = aezoo.create(f"local:{tmp_path / 'saved'}")
    assert again.spec == model.spec
    ours, theirs = model.state_dict(), again.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    x, y = Resident(data[1], binary="fixed").batch(torch.tensor([0, 5, 9]))
    cond = model.condition(x, y)
    with torch.inference_mode():
        told = cond if model.cond is not None else None
        made = []
        for m in (model, again):
            torch.manual_seed(3)  # where the likelihood has no mean, a draw stands for it
            made.append(m.reconstruct(x, told))
        assert torch.equal(*made)
        if model.capabilities.sample:
            drawn = [
                m.sample(3, cond, generator=torch.Generator().manual_seed(2))
                for m in (model, again)
            ]
            assert torch.equal(*drawn)
            assert drawn[0].shape == x.shape


def test_names_are_given_once() -> None:
    names = [example.name for example in GALLERY]
    assert len(set(names)) == len(names)


def test_every_example_has_its_paper() -> None:
    assert not [e.name for e in GALLERY if not citation(e)]


def test_the_page_is_up_to_date() -> None:
    found = importlib.util.spec_from_file_location("gallery_page", SCRIPT)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "python model_cards/gallery.py"


def test_citations_become_links() -> None:
    found = importlib.util.spec_from_file_location("gallery_page", SCRIPT)
    assert found and found.loader
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    assert module.linked("A, T, 2013, arXiv:1312.6114") == (
        "[A, T, 2013, arXiv:1312.6114](https://arxiv.org/abs/1312.6114)"
    )
    assert (
        module.linked("B, T, 2006, doi:10.1/x")
        == "[B, T, 2006, doi:10.1/x](https://doi.org/10.1/x)"
    )
    assert module.linked("C, T, openreview:ab9") == (
        "[C, T, openreview:ab9](https://openreview.net/forum?id=ab9)"
    )
    assert module.linked("D, NIPS 2006") == "D, NIPS 2006"
    assert module.linked("") == ""
