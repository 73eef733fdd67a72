"""The pretrained ``audio/vqvae-fsdd`` keeps its promises on the 300 test recordings, offline."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import aezoo
from aezoo.bench import cards, run
from aezoo.data.sets import Resident, load
from aezoo.errors import CapabilityError

NAME = "audio/vqvae-fsdd"
ROOT = Path(__file__).resolve().parent.parent
recordings = pytest.mark.skipif(
    not Path(os.environ.get("AEZOO_DATA", ""), "Jakobovski").is_dir(),
    reason="AEZOO_DATA names no folder with the spoken digits",
)


@pytest.fixture(scope="module")
def model():
    return aezoo.create(NAME, pretrained=True)


def test_it_is_in_the_zoo_with_its_card_and_small(model):
    assert NAME in aezoo.list_models()
    assert sum(file.size for file in aezoo.info(NAME).files) < 12 * 2**20
    assert model.card.count("## Measured") == 1


def test_a_second_of_speech_is_32_codes(model):
    assert not model.training
    assert model.input_range == (-1, 1)
    assert model.code_shape == (32,)
    assert model.bottleneck.num_codes == 128
    x = torch.rand(1, 1, 8192) * 2 - 1
    codes = model.encode_codes(x, torch.tensor([2]))
    assert codes.shape == (1, 32)
    assert torch.equal(
        model.decode_codes(codes, torch.tensor([2])), model.reconstruct(x, torch.tensor([2]))
    )
    with pytest.raises(CapabilityError, match="needs cond"):
        model.encode(x)


@pytest.mark.parametrize("length", [1000, 4096, 20_000])
def test_it_takes_other_lengths(model, length):
    x = torch.rand(2, 1, length) * 2 - 1
    assert model.reconstruct(x, torch.tensor([0, 5])).shape == x.shape


def test_it_speaks_as_whoever_is_asked_for(model):
    who = torch.tensor([0, 3, 5])
    draws = [model.sample(3, who, generator=torch.Generator().manual_seed(1)) for _ in range(2)]
    assert draws[0].shape == (3, 1, 8192)
    assert torch.equal(*draws)
    assert (draws[0].abs().amax(2) > 0.01).all()


def test_its_card_agrees_with_its_files_and_its_measurements():
    rows = cards.results(ROOT / "results")
    assert cards.check("vqvae-fsdd", ROOT / "aezoo_audio" / "models", rows, "audio") == []


@recordings
def test_speech_survives_the_codes_and_takes_on_another_voice():
    """Issue 4: >= 90 % of the originals' digit accuracy, and the target known in >= 80 %."""
    found = {
        row.metric: row.value
        for row in run(
            NAME, data="audio/fsdd-speakers", split="test", metrics="audio/conversion", device="cpu"
        )
    }
    assert found["digit-accuracy-original"] >= 0.97
    assert found["digit-accuracy-reconstructed"] >= 0.9 * found["digit-accuracy-original"]
    assert found["speaker-accuracy-reconstructed"] >= 0.95
    assert found["speaker-accuracy-converted"] >= 0.8


@recordings
def test_its_prior_knows_the_codes_of_unseen_recordings(model):
    rows = Resident(load("audio/fsdd-speakers", "test"))
    x, who = rows.batch(torch.arange(0, 300, 3))
    with torch.no_grad():
        nats = model(x, who).rate
    uniform = 32 * torch.log(torch.tensor(128.0))
    assert nats.mean() < 0.6 * uniform
