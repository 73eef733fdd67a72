"""Codes of several levels (VQ-VAE-2): shapes, rates, hierarchy, training, saving."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import aezoo
from aezoo.errors import ShapeError
from aezoo.explain import explain
from aezoo.latents import levels
from aezoo.train.recipe import Recipe, Size, Stage
from aezoo.train.run import train

SPEC = (
    "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(6,3),vq(5,2)),"
    "unres(8,depth=1){},input=(1,8,8))"
)
LEARNED = SPEC.format(",prior=levels(pixelcnn(8,2),pixelcnn(8,2),width=4)")
THREE = (
    "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2),res(8,depth=1,down=2)),"
    "levels(vq(6,3),vq(5,2),fsq(3,3)),unres(8,depth=1),"
    "prior=levels(pixelcnn(8,2),pixelcnn(8,2),pixelcnn(8,2),width=4),input={})"
)


def make(spec: str, **overrides):
    torch.manual_seed(0)
    return aezoo.create(spec, **overrides).eval()


@pytest.mark.parametrize("size", [(16,), (16, 16), (12, 10), (8, 8, 8)])
def test_shapes_at_every_rank_and_at_odd_sizes(size: tuple[int, ...]) -> None:
    prior = {} if len(size) < 3 else {"prior": "uniform"}
    model = make(THREE.format((1, *size)), **prior)
    x = torch.rand(2, 1, *size)
    codes = model.encode_codes(x)
    assert [tuple(c.shape) for c in codes] == [
        (2, *(-(-n // 2**level) for n in size)) for level in (1, 2, 3)
    ]
    assert model.code_shape == tuple(tuple(c.shape[1:]) for c in codes)
    assert model.codebooks == ((6, 1), (5, 1), (9, 1))
    assert model.latent_shape == (3 + 2 + 2, *codes[0].shape[1:])
    torch.testing.assert_close(model.decode_codes(codes), model.reconstruct(x))
    output = model(x)
    assert len(output.latents) == 3
    torch.testing.assert_close(output.rate, sum(latent.rate for latent in output.latents))
    nats = sum(c[0].numel() * math.log(k) for c, k in zip(codes, (6, 5, 9), strict=True))
    torch.testing.assert_close(output.rate, torch.full((2,), nats))
    model.prior_fitted = True
    assert model.sample(3).shape == (3, 1, *size)


def test_a_model_takes_other_sizes_than_its_own() -> None:
    model = make(SPEC.format(""))
    x = torch.rand(1, 1, 13, 20)
    assert [tuple(c.shape) for c in model.encode_codes(x)] == [(1, 7, 10), (1, 4, 5)]
    assert model.reconstruct(x).shape == x.shape


def test_the_larger_map_is_quantized_knowing_the_smaller() -> None:
    """What the encoder says about level 1 alone does not settle its codes."""
    quantizer = make(SPEC.format("")).bottleneck
    h = tuple(torch.randn(64, 8, n, n) for n in (4, 2))
    other = (h[0], h[1].flip(0))
    first, second = quantizer(h), quantizer(other)
    assert torch.equal(second.codes[1], first.codes[1].flip(0))
    assert not torch.equal(second.codes[0], first.codes[0])
    changed = quantizer((h[0].flip(0), h[1]))
    assert torch.equal(changed.codes[1], first.codes[1])  # the top never reads what is below


def test_probabilities_of_all_codes_of_both_levels_sum_to_one() -> None:
    spec = (
        "vqvae(levels(res(4,depth=1,down=2),res(4,depth=1,down=2)),levels(vq(2,2),vq(3,2)),"
        "unres(4,depth=1),prior=levels(pixelcnn(4,2),pixelcnn(4,2),width=3),cond=label(2),"
        "input=(1,8))"
    )
    model = make(spec).double()
    low = torch.tensor(list(itertools.product(range(2), repeat=4)))
    top = torch.tensor(list(itertools.product(range(3), repeat=2)))
    pairs = (low.repeat_interleave(len(top), 0), top.repeat(len(low), 1))
    for label in (0, 1):
        cond = model.embed_for_prior(torch.full((len(pairs[0]),), label)).double()
        log_p = model.prior.log_prob(pairs, cond)
        assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)  # float32 logits
        parts = model.prior.log_probs(pairs, cond)
        torch.testing.assert_close(parts[0] + parts[1], log_p)
        # The top's own probabilities do not depend on what is below.
        assert parts[1].reshape(len(low), -1).std(0).max() < 1e-6
        assert parts[0].reshape(len(low), -1).std(1).max() > 1e-3


def test_samples_follow_the_probabilities() -> None:
    spec = (
        "vqvae(levels(res(4,depth=1,down=2),res(4,depth=1,down=2)),levels(vq(2,2),vq(2,2)),"
        "unres(4,depth=1),prior=levels(pixelcnn(4,2),pixelcnn(4,2),width=3),input=(1,4))"
    )
    model = make(spec)
    with torch.no_grad():
        for parameter in model.prior.parameters():
            parameter.mul_(3)
    low, top = model.prior.sample(20_000, generator=torch.Generator().manual_seed(1))
    every = torch.tensor(list(itertools.product(range(2), repeat=3)))
    p = model.prior.log_prob((every[:, :2], every[:, 2:]), None).exp()
    index = low[:, 0] * 4 + low[:, 1] * 2 + top[:, 0]
    seen = torch.bincount(index, minlength=8) / 20_000
    sd = (p * (1 - p) / 20_000).sqrt()
    assert (p - 1 / 8).abs().max() > 0.02  # something to follow
    assert ((seen - p).abs() < 5 * sd).all()


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("vqvae(levels(res(8),res(8)),vq(8,4),unres(8))", "quantizers for all levels: levels"),
        ("vqvae(res(8),levels(vq(8,4),vq(8,4)),unres(8))", "encoder of as many levels"),
        (
            "vqvae(levels(res(8),res(8),res(8)),levels(vq(8,4),vq(8,4)),unres(8))",
            "encoder of as many levels",
        ),
        (SPEC.format(",prior=pixelcnn(8,2)"), "priors for all levels: levels"),
        (SPEC.format(",prior=levels(pixelcnn(8,2),pixelcnn(8,2),pixelcnn(8,2))"), "as many levels"),
        ("ae(levels(res(8),res(8)),point(4),unres(8))", "take one encoder without levels"),
    ],
)
def test_numbers_of_levels_must_agree(text: str, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        make(text)


def test_decode_codes_wants_every_level_within_its_range() -> None:
    model = make(SPEC.format(""))
    low, top = model.encode_codes(torch.rand(1, 1, 8, 8))
    with pytest.raises(ValueError, match=r"2 level\(s\); 1 are given"):
        model.decode_codes(low)
    with pytest.raises(ValueError, match="from 0 to 4"):
        model.decode_codes((low, top + 5))


def test_explain_shows_both_levels() -> None:
    parts = {part.role: part for part in explain(LEARNED).parts}
    assert parts["encoder"].gives == ((8, 4, 4), (8, 2, 2))
    assert parts["prior"].gives == ((4, 4), (2, 2))
    assert parts["prior"].codes == (6, 5)


def test_training_both_stages_saving_and_measuring(tmp_path) -> None:
    stage = Stage(steps=120, batch=64, lr=3e-3, warmup=5, eval_every=60, ema=0.9)
    recipe = Recipe(
        name="two-levels",
        spec=LEARNED,
        data="digits",
        sizes={"cpu": Size(model=stage, prior=stage)},
    )
    trained = train(recipe, "cpu", run_dir=tmp_path, quiet=True)
    assert trained.finished
    facts = trained.training["stages"]
    assert {"usage0", "usage1", "perplexity0", "perplexity1"} <= facts["model"]["validation"].keys()
    model = trained.model
    uniform = 16 * math.log(6) + 4 * math.log(5)
    assert facts["prior"]["validation"]["loss"] < 0.9 * uniform
    assert facts["prior"]["validation"]["nats_per_dim"] == pytest.approx(
        facts["prior"]["validation"]["loss"] / 20
    )
    model.save_pretrained(tmp_path / "saved")
    again = aezoo.create(f"local:{tmp_path / 'saved'}")
    x = torch.rand(5, 1, 8, 8)
    assert torch.equal(again(x).rate, model(x).rate)
    assert torch.equal(again.reconstruct(x), model.reconstruct(x))
    seeds = (torch.Generator().manual_seed(2) for _ in range(2))
    assert torch.equal(
        *(m.sample(3, generator=g) for m, g in zip((again, model), seeds, strict=True))
    )
    rows = aezoo.bench.run(again, data="digits", metrics="codes,likelihood,reconstruction", n=64)
    figures = {row.metric: row.value for row in rows}
    assert {"usage-level-1", "usage-level-2", "perplexity-level-1"} <= figures.keys()
    codes = levels(again.encode_codes(_digits(64)))
    assert figures["usage-level-2"] == pytest.approx(len(codes[1].unique()) / 5)


def _digits(n: int) -> torch.Tensor:
    from aezoo.data.sets import batches, load

    return next(batches(load("digits", "test"), n))[0]
