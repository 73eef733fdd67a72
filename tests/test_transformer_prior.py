"""``transformer``: what a place reads, that sampling is the distribution, and that it learns."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

import aezoo
from aezoo.components.priors.configs import TransformerConfig
from aezoo.components.priors.raster import draw
from aezoo.components.priors.transformer import TransformerPrior, neighbours, rotations, turn
from aezoo.errors import ShapeError

SHAPES = [(5,), (3, 4), (2, 3, 2), (2, 2, 1, 3)]


def prior(shape, codes: int = 5, cond: int | None = None, **config) -> TransformerPrior:
    torch.manual_seed(0)
    config = TransformerConfig(**{"width": 16, "layers": 2, "heads": 2} | config)
    return TransformerPrior(config, shape, codes, cond).eval()


@pytest.mark.parametrize("shape", SHAPES)
def test_neighbours_are_those_around_that_come_before(shape):
    found = neighbours(shape, torch.device("cpu"))
    places = list(itertools.product(*map(range, shape)))
    assert found.shape == (len(places), (3 ** len(shape) - 1) // 2)
    steps = [s for s in itertools.product((-1, 0, 1), repeat=len(shape)) if s < (0,) * len(shape)]
    for i, place in enumerate(places):
        around = [tuple(p + s for p, s in zip(place, step, strict=True)) for step in steps]
        want = [places.index(a) if a in places else len(places) for a in around]
        want[-1] = i - 1 if i else len(places)  # the one before in raster order
        assert found[i].tolist() == want


@pytest.mark.parametrize("shape", SHAPES)
def test_a_place_sees_every_code_before_it_and_none_after(shape):
    p, count = prior(shape), math.prod(shape)
    codes = torch.randint(5, (1, *shape), generator=torch.Generator().manual_seed(1))
    with torch.inference_mode():
        logits = p.logits(codes).flatten(2)
        for i in range(count):
            other = codes.flatten(1).clone()
            other[:, i] = (other[:, i] + 1) % 5
            moved = (p.logits(other.reshape(codes.shape)).flatten(2) - logits).abs().amax((0, 1))
            assert (moved[: i + 1] == 0).all() or moved[: i + 1].max() < 1e-6
            assert (moved[i + 1 :] > 1e-7).all()


@pytest.mark.parametrize("shape", SHAPES)
def test_causality_by_gradient(shape, monkeypatch):
    """The gradient of a place's logits reaches all codes before it, and no other."""
    p = prior(shape).double()
    p.embed.weight.requires_grad_(False)
    count = math.prod(shape)
    around = neighbours(shape, torch.device("cpu"))
    seen = torch.randn(1, count + 1, 16, dtype=torch.float64)  # stands for what codes embed to
    seen[:, -1] = 0
    seen.requires_grad_()
    monkeypatch.setattr(p, "_read", lambda codes, told: seen[:, around].sum(2))
    logits = p.logits(torch.zeros(1, *shape, dtype=torch.int64))[0].flatten(1)
    for place in range(count):
        (gradient,) = torch.autograd.grad(
            (logits[:, place] * torch.randn(5).double()).sum(), seen, retain_graph=True
        )
        reached = (gradient[0, :count] != 0).any(-1)
        assert reached[:place].all()
        assert not reached[place:].any()


@pytest.mark.parametrize("built", SHAPES)
@pytest.mark.parametrize("condition", ["none", "a sample", "a place"])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_cached_sampling_is_naive_sampling(built, condition, temperature):
    p = prior(built, cond=None if condition == "none" else 3, dropout=0.5)
    shape = tuple(n + 1 for n in built)  # another size than it was built for
    conds = {"none": None, "a sample": torch.randn(3, 3), "a place": torch.randn(3, 3, *shape)}
    cond = conds[condition]
    fast = p.sample(
        3, shape=shape, cond=cond, generator=torch.Generator().manual_seed(2),
        temperature=temperature,
    )  # fmt: skip
    noise = torch.rand((3, math.prod(shape)), generator=torch.Generator().manual_seed(2))
    slow = torch.zeros(3, math.prod(shape), dtype=torch.int64)
    with torch.inference_mode():
        for i in range(slow.shape[1]):
            logits = p.logits(slow.reshape(3, *shape), cond).flatten(2)
            slow[:, i] = draw(logits[:, :, i], noise[:, i], temperature)
    assert torch.equal(fast, slow.reshape(3, *shape))


@pytest.mark.parametrize("shape", SHAPES)
def test_a_condition_a_place_that_is_everywhere_the_same_is_one_a_sample(shape):
    p = prior(shape, cond=3)
    codes, cond = torch.randint(5, (2, *shape)), torch.randn(2, 3)
    everywhere = cond.reshape(2, 3, *[1] * len(shape)).expand(2, 3, *shape)
    with torch.inference_mode():
        torch.testing.assert_close(p.log_prob(codes, everywhere), p.log_prob(codes, cond))
        other = p.log_prob(codes, torch.randn(2, 3, *shape))
    assert not torch.allclose(other, p.log_prob(codes, cond))
    with pytest.raises(ShapeError, match="one a position"):
        p.log_prob(codes, everywhere[..., :-1])


@pytest.mark.parametrize("shape", [(3,), (2, 2), (1, 2, 2)])
@pytest.mark.parametrize("width", [None, 3])
def test_probabilities_sum_to_one(shape, width):
    p = prior(shape, codes=3, cond=width)
    count = math.prod(shape)
    codes = torch.tensor(list(itertools.product(range(3), repeat=count))).reshape(-1, *shape)
    cond = None if width is None else torch.randn(1, 3, *shape).expand(len(codes), -1, *shape)
    with torch.inference_mode():
        assert float(p.log_prob(codes, cond).double().exp().sum()) == pytest.approx(1, abs=1e-5)


def test_turning_keeps_lengths_and_knows_distances_alone():
    angles = rotations((3, 4, 5), 16, torch.device("cpu"))
    assert angles.shape == (60, 8)
    q, k = torch.randn(1, 1, 1, 16), torch.randn(1, 1, 1, 16)
    turned = turn(q.expand(1, 1, 60, 16), angles), turn(k.expand(1, 1, 60, 16), angles)
    torch.testing.assert_close(turned[0].norm(dim=-1), q.norm().expand(1, 1, 60))
    scores = (turned[0] @ turned[1].mT)[0, 0].reshape(3, 4, 5, 3, 4, 5)
    step = scores[1:, 1:, 1:, :-1, :-1, :-1].flatten(0, 2).flatten(1)
    same = torch.stack([step[i, i] for i in range(len(step))])  # one step along every axis
    torch.testing.assert_close(same, same[:1].expand_as(same))


def test_it_learns_a_rule_over_time():
    shape = (3, 2, 2)
    p = prior(shape, codes=4).train()
    first = torch.randint(4, (64, 1, 2, 2), generator=torch.Generator().manual_seed(0))
    codes = torch.cat([first, (first + 1) % 4, (first + 2) % 4], 1)
    optimizer = torch.optim.Adam(p.parameters(), 1e-2)
    for _ in range(80):
        loss = -p.log_prob(codes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 4 * math.log(4) + 0.5  # the first frame is free, the rest follows
    drawn = p.eval().sample(16, generator=torch.Generator().manual_seed(1))
    assert ((drawn[:, 1] == (drawn[:, 0] + 1) % 4).float().mean()) > 0.95


def test_it_knows_which_of_several_codes_a_place_it_reads():
    """Codes (q,*L) of which each level has values of its own: no neighbour says which is meant."""
    shape = (2, 4, 4)
    p = prior(shape, codes=4).train()
    generator = torch.Generator().manual_seed(0)
    level = torch.tensor([0, 2]).reshape(2, 1, 1)
    optimizer = torch.optim.Adam(p.parameters(), 1e-2)
    for _ in range(60):
        codes = level + torch.randint(2, (64, *shape), generator=generator)
        loss = -p.log_prob(codes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 32 * math.log(2) + 1  # not telling them apart: 32 log 4


def test_it_stands_behind_every_quantizer():
    """Residual codes and levels: a condition a place comes from the level above."""
    for spec in (
        "vqvae(res(8,depth=1),rvq(3,8,4),unres(8,depth=1),prior=transformer(16,1,2),input=(1,8,8))",
        "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
        "unres(8,depth=1),prior=levels(transformer(8,1,2),transformer(8,1,2),width=4),"
        "cond=label(3),input=(1,8,8))",
    ):
        model = aezoo.create(spec).eval()
        model.prior_fitted = True
        x, y = torch.rand(2, 1, 8, 8), torch.tensor([0, 2]) if "label" in spec else None
        assert model.elbo(x, y).shape == (2,)
        assert model.sample(2, y).shape == x.shape


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="prior over codes"):
        TransformerPrior(TransformerConfig(), (4, 2, 2))
    with pytest.raises(ShapeError, match="at least one axis"):
        TransformerPrior(TransformerConfig(), (), 4)
    with pytest.raises(ShapeError, match=r"1 pair.*give width 6"):
        prior((2, 2, 2), width=2, heads=1)
    p = prior((2, 2, 2))
    with pytest.raises(ShapeError, match="another number of axes"):
        p.log_prob(torch.zeros(1, 2, 2, dtype=torch.int64))
    with pytest.raises(ShapeError, match="without a condition"):
        p.sample(1, cond=torch.zeros(1, 3))
    with pytest.raises(ShapeError, match=r"pass cond \(B,3\)"):
        prior((2, 2, 2), cond=3).sample(1)
    with pytest.raises(ValueError, match="temperature"):
        p.sample(1, temperature=-1.0)
    bad: dict[str, Any]
    for bad in ({"width": 0}, {"layers": 0}, {"width": 12, "heads": 4}, {"dropout": 1.0}):
        with pytest.raises(ValueError, match="must be"):
            TransformerConfig(**bad)
