"""The pretrained model: what it promises, on real held-out videos."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import aezoo
import aezoo_video
from aezoo import registry
from aezoo.data.sets import batches, load

NAME = "video/vqvae-moving-digits"
MODELS = Path(aezoo_video.__file__).parent / "models"
RESULTS = Path(__file__).parents[1] / "results"

needs_data = pytest.mark.skipif(
    not os.environ.get("AEZOO_DATA"), reason="AEZOO_DATA is not set: it names the folder with MNIST"
)


@pytest.fixture(scope="module")
def model():
    return aezoo.create(NAME, pretrained=True)


def test_the_zoo_knows_it():
    entry = registry.model(NAME)
    assert entry.data == "video/moving-digits"
    assert sum(file.size for file in entry.files) < 9_000_000


def test_samples_are_videos_that_the_seed_decides(model):
    with torch.inference_mode():
        one, other = (model.sample(2, generator=torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(one, other)
    assert one.shape == (2, 1, 13, 32, 32)
    assert 0 <= float(one.min()) <= float(one.max()) <= 1
    ink = one.mean((1, 3, 4))  # a frame has digits, and black around them
    assert 0.005 < float(ink.min()) <= float(ink.max()) < 0.2


def test_it_takes_video_of_other_sizes_and_lengths(model):
    x = torch.zeros(1, 1, 6, 40, 50)
    with torch.inference_mode():
        assert model.encode_codes(x).shape == (1, 3, 10, 13)
        assert model.reconstruct(x).shape == x.shape
        assert model.elbo(x).isfinite().all()


def test_the_card_says_what_its_files_say():
    from aezoo.bench import cards

    rows = cards.results(RESULTS)
    assert cards.check(NAME.partition("/")[2], MODELS, rows, "video") == []


@needs_data
def test_held_out_videos_come_back(model):
    rows = load("video/moving-digits", "test[:100]")
    ((x, _),) = batches(rows, 100)
    with torch.inference_mode():
        out = model(x)
        first = model.encode_codes(x[:, :, :5])
    assert float((out.x_hat - x).square().mean()) < 0.007  # of a black video: 0.027
    assert float(out.rate.mean()) < 1_000  # uniform: 1597 nats
    assert float(-out.elbo.mean()) / x[0].numel() < 0.5  # nats per dimension
    assert torch.equal(first, out.latents[0].codes[:, :2])  # later frames changed nothing
