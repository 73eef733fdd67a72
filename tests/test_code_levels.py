"""A quantizer with several codes a place: rate, prior, metrics and training count every level."""

from __future__ import annotations

import math

import plugin_packages as packages
import pytest
import torch

import aezoo
from aezoo.components.quantizers.nearest import count_codes, perplexity
from aezoo.data.sets import load
from aezoo.explain import explain
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask

MODULES = '''\
import torch
from torch import nn

from aezoo.latents import Latent


class Toy(nn.Module):
    """Residual quantization in three levels of K codes: h (B,F,*L) -> codes (B,3,*L)."""

    def __init__(self, config, *, in_shape):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.code_shape = (3, *in_shape[1:])
        self.num_codes = config.codes
        self.project = nn.Linear(in_shape[0], config.dim)
        self.codebooks = nn.Parameter(torch.randn(3, config.codes, config.dim))

    def forward(self, h, *, sample=False, generator=None):
        z = self.project(h.movedim(1, -1))
        left, codes = z.detach(), []
        for book in self.codebooks:
            code = torch.cdist(left.flatten(0, -2), book).argmin(-1).view(left.shape[:-1])
            left = left - book[code].detach()
            codes.append(code)
        codes = torch.stack(codes, 1)
        found, z = self.lookup(codes), z.movedim(-1, 1)
        penalty = (z - found).square().flatten(1).sum(1)
        return Latent(z=z + (found - z).detach(), codes=codes, penalty=penalty)

    def lookup(self, codes):
        books = zip(self.codebooks, codes.unbind(1), strict=True)
        return sum(book[code] for book, code in books).movedim(-1, 1)
'''


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    packages.lay_out(tmp_path, modules=MODULES)
    with packages.installed_in(tmp_path, monkeypatch):
        yield


def make(size=(8, 8), prior="uniform"):
    spec = f"vqvae(res(8,depth=1),acme/toy(16,dim=4),unres(8,depth=1),prior={prior})"
    return aezoo.create(spec, input=(1, *size)).eval()


@pytest.mark.parametrize("size", [(8,), (8, 8), (8, 8, 4)])
def test_codes_have_an_axis_of_levels_in_every_rank(size):
    model = make(size)
    x = torch.rand(2, 1, *size)
    codes = model.encode_codes(x)
    places = tuple(n // 4 for n in size)
    assert codes.shape == (2, *model.code_shape) == (2, 3, *places)
    assert model.codebooks == ((16, 3),)
    torch.testing.assert_close(model.decode_codes(codes), model.reconstruct(x))
    assert model.sample(2).shape == (2, 1, *size)


def test_the_rate_is_that_of_every_level():
    model = make()
    rate = model(torch.rand(2, 1, 8, 8)).rate
    torch.testing.assert_close(rate, torch.full((2,), 3 * 4 * math.log(16)))


def test_a_learned_prior_reads_all_levels():
    """Of a sequence, codes (B,3,T) are a map, which pixelcnn can serve: coarse rows first."""
    model = make((16,), prior="pixelcnn(8,layers=2)")
    assert model.prior.shape == (3, 4)
    model.prior_fitted = True
    codes = model.encode_codes(torch.rand(2, 1, 16))
    assert model.prior.log_prob(codes).shape == (2,)
    assert model.sample(2).shape == (2, 1, 16)
    with pytest.raises(aezoo.AezooError, match="3"):
        make((8, 8), prior="pixelcnn(8,layers=2)")  # (3,H,W) is not


def test_explain_shows_the_codes_of_the_prior():
    spec = "vqvae(res(8),acme/toy(16,dim=4),unres(8),input=(1,8,8))"
    (prior,) = [p for p in explain(spec).parts if p.role == "prior"]
    assert prior.gives == (3, 2, 2)


def test_a_code_of_one_level_is_not_that_of_another():
    codes = torch.tensor([[[0, 0], [1, 1]], [[0, 0], [1, 0]]])  # (B=2, q=2, L=2)
    assert count_codes(codes, 3, q=2).tolist() == [4, 0, 0, 1, 3, 0]
    assert count_codes(codes, 3).tolist() == [5, 3, 0]


def test_bench_and_validation_count_level_by_level():
    model = make()
    split = load("digits", "test[:64]")
    codes = model.encode_codes(torch.tensor(split.images).float() / 255)
    counts = [codes[:, level].flatten().bincount(minlength=16) for level in range(3)]
    even = torch.stack([perplexity(c).log() for c in counts]).mean().exp().item()
    unused = sum(int((c == 0).sum()) for c in counts)

    rows = aezoo.bench.run(model, data="digits", split="test[:64]", metrics="codes")
    figures = {row.figure.metric: row.figure for row in rows}
    assert figures["dead-codes"].value == unused
    assert figures["usage"].value == pytest.approx(1 - unused / 48)
    assert figures["perplexity"].value == pytest.approx(even)
    assert "of 16 for each of 3 a place" in figures["perplexity"].protocol

    stage = Stage(steps=1, batch=8)
    found = ModelTask(model, split, split, stage, 0, Ranks()).validate()
    assert found["usage"] == pytest.approx(1 - unused / 48)
    assert found["perplexity"] == pytest.approx(even)
