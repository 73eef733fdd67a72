"""What models are conditioned on beside labels: numbers, pictures, labels that few rows have."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import aezoo
from aezoo.bench.run import BenchError, run
from aezoo.components.conditions.configs import Continuous
from aezoo.components.conditions.continuous import ContinuousCondition
from aezoo.data.cache import cached
from aezoo.data.labels import check_labels, hide_labels
from aezoo.data.sets import ImageSet, Resident, batches, load
from aezoo.data.sprites import SIZES
from aezoo.errors import (
    AezooError,
    CapabilityError,
    DataError,
    ShapeError,
    TrainingError,
)
from aezoo.models.join import fold_of, folded, joined_channels
from aezoo.objectives.elbo import ElboObjective
from aezoo.registry import dataset
from aezoo.resolve import bind
from aezoo.spec import SpecError, parse
from aezoo.train.recipe import Recipe, Size, Stage
from aezoo.train.run import train

CPU = torch.device("cpu")


def learn(model: Any, data: ImageSet, steps: int, lr: float = 2e-3, batch: int = 64) -> None:
    """Adam, as the trainer gives data and conditions to a model."""
    resident = Resident(data)
    optimizer = torch.optim.Adam(model.parameters(), lr)
    for _ in range(steps):
        x, y = resident.batch(torch.randint(len(data), (batch,)))
        optimizer.zero_grad()
        model.objective(model, x, model(x, model.condition(x, y))).total.backward()
        optimizer.step()


@torch.no_grad()
def bound(model: Any, data: ImageSet) -> Tensor:
    """(N,) ELBO of each row, its condition given."""
    ((x, y),) = batches(data, len(data))
    return model.eval().elbo(x, model.condition(x, y), generator=torch.Generator().manual_seed(1))


# -- numbers


def test_numbers_are_embedded_and_drawn_between_their_bounds() -> None:
    plain = ContinuousCondition(Continuous(3))
    y = torch.rand(5, 3)
    assert plain.dim == 3 and torch.equal(plain(y), y)
    wide = ContinuousCondition(Continuous(3, dim=7, low=(-1.0, 0.0, 5.0), high=(1.0, 0.5, 5.0)))
    assert wide(y).shape == (5, 7)
    draws = [wide.draw(4000, device=CPU, generator=torch.Generator().manual_seed(0)) for _ in "ab"]
    assert torch.equal(*draws)
    mean, spread = draws[0].mean(0), draws[0].std(0)
    torch.testing.assert_close(mean, torch.tensor([0.0, 0.25, 5.0]), atol=0.05, rtol=0)
    torch.testing.assert_close(spread, torch.tensor([2.0, 0.5, 0.0]) / 12**0.5, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("continuous(2,low=(0.0,1.0,2.0))", "low is one number, or one for each of 2 values"),
        ("continuous(2,low=3.0)", "low is above high"),
        ("continuous(0)", "values must be at least 1"),
    ],
)
def test_bounds_that_are_none(spec: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        aezoo.create(f"vae(mlp(4),gaussian(2),mlp(4),cond={spec},input=(1,4,4))")


@pytest.mark.parametrize("y", [torch.zeros(2, 2), torch.zeros(2, 3, dtype=torch.int64)])
def test_numbers_of_another_kind_are_refused(y: Tensor) -> None:
    model = aezoo.create("vae(mlp(4),gaussian(2),mlp(4),cond=continuous(3),input=(1,4,4))")
    with pytest.raises(ShapeError, match="3 numbers a sample"):
        model.encode(torch.rand(2, 1, 4, 4), y)


def test_the_pose_of_sprites_is_their_label() -> None:
    pose, plain = load("sprites-pose", "test[:500]"), load("sprites", "test[:500]")
    assert pose.labels.dtype == np.float32 and pose.labels.shape == (500, 4)
    assert pose.dataset.factors == ("scale", "orientation", "x", "y")
    assert np.array_equal(pose.images.copy(), plain.images.copy())
    found = pose.labels * [SIZES[1] - 1, SIZES[2], SIZES[3] - 1, SIZES[4] - 1]
    np.testing.assert_allclose(found, plain.images.factors()[:, 1:], atol=1e-4)
    assert pose.labels.min() == 0 and pose.labels[:, [0, 2, 3]].max() == 1
    assert pose.labels[:, 1].max() == np.float32(39 / 40)


def test_factors_are_kept_in_the_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path))
    rows, factors = np.zeros((3, 1, 2, 2), np.uint8), np.ones((3, 2), np.float32)
    for make in (lambda: (rows, factors), lambda: pytest.fail("it is there already")):
        found = cached("numbers", "one", make)
        assert np.array_equal(found[1], factors) and found[1].dtype == np.float32


@pytest.mark.parametrize(
    ("cond", "data", "message"),
    [
        ("label(10)", "sprites-pose", r"reads class labels.*take cond=continuous\(4\)"),
        ("continuous(3)", "sprites-pose", "reads 3 numbers.*scale, orientation, x, y"),
        ("continuous(4)", "digits", "reads 4 numbers a sample, and digits has 10 classes"),
        ("label(3)", "digits", r"tells 3 classes apart.*take cond=label\(10\)"),
    ],
)
def test_data_and_condition_must_fit(cond: str, data: str, message: str, tmp_path: Path) -> None:
    shape = "1,8,8" if data == "digits" else "1,64,64"
    spec = f"vae(mlp(4),gaussian(2),mlp(4),cond={cond},input=({shape}))"
    with pytest.raises(DataError, match=message):
        check_labels(aezoo.create(spec), dataset(data))
    recipe = Recipe("x", spec, data, {"cpu": Size(Stage(steps=1, batch=2))})
    with pytest.raises(DataError, match=message):
        train(recipe, run_dir=tmp_path / "run", quiet=True)
    assert not (tmp_path / "run").exists()


def small_sprites(split: str) -> ImageSet:
    """Sprites at a quarter of their size, in levels of grey."""
    found = load("sprites-pose", split)
    pixels = torch.tensor(found.images.copy()).float()
    pixels = F.avg_pool2d(pixels, 4).round().to(torch.uint8).numpy()
    record = dataclasses.replace(found.dataset, shape=(1, 16, 16))
    return dataclasses.replace(found, images=pixels, dataset=record)


def test_a_model_is_told_the_pose() -> None:
    """Samples stand where they were asked to, and little is left for two dimensions to say."""
    fit, held_out = small_sprites("fit[:4000]"), small_sprites("validation[:500]")
    nats = {}
    for cond in ("", ",cond=continuous(4,dim=32)"):
        torch.manual_seed(0)
        model = aezoo.create(
            f"vae(mlp(128),gaussian(2),mlp(128,128),likelihood=bernoulli{cond},input=(1,16,16))"
        ).train()
        learn(model, fit, 300)
        nats[cond] = -float(bound(model, held_out).mean())
    told, knows_not = nats.pop(",cond=continuous(4,dim=32)"), nats.pop("")
    with torch.no_grad():
        asked = model.cond.draw(300, device=CPU, generator=torch.Generator().manual_seed(3))
        drawn = model.sample(300, asked, generator=torch.Generator().manual_seed(4))
    mass = drawn.sum((1, 2, 3))
    at = torch.arange(16.0)
    x, y = ((drawn.sum(axis) * at).sum(-1) / mass for axis in ((1, 2), (1, 3)))
    found = [float(torch.stack(pair).corrcoef()[0, 1])
             for pair in ((x, asked[:, 2]), (y, asked[:, 3]), (mass, asked[:, 0]))]  # fmt: skip
    # measured: 18.0 and 28.8 nats; correlations 0.99, 0.99 and 0.83
    assert told < knows_not - 6
    assert min(found[:2]) > 0.95 and found[2] > 0.6


# -- pictures


def test_parts_of_x() -> None:
    x = torch.rand(2, 1, 6, 8)
    for name, given in {
        "half(left)": (slice(None), slice(None, 4)),
        "half(right)": (slice(None), slice(4, None)),
        "half(top)": (slice(None, 3), slice(None)),
        "half(bottom)": (slice(3, None), slice(None)),
        "quadrants": (slice(3, None), slice(None, 4)),
        "quadrants(2)": (slice(None), slice(None, 4)),
    }.items():
        model = aezoo.create(f"ae(mlp(4),point(2),mlp(4),cond={name},input=(1,6,8))")
        expected = torch.zeros_like(x)
        expected[(..., *given)] = x[(..., *given)]
        y = model.condition(x, torch.tensor([3, 4]))  # labels are none of its business
        assert torch.equal(y, expected) and torch.equal(model.cond(y), y), name
        assert torch.equal(model.cond(x), y), "a whole picture tells no more than its part"
    three = aezoo.create("ae(mlp(4),point(2),mlp(4),cond=quadrants(3),input=(1,6,8))").condition(x)
    assert torch.equal(three[..., :3, 4:], torch.zeros(2, 1, 3, 4))
    assert torch.equal(three != 0, three == x)
    sound = aezoo.create("ae(mlp(4),point(2),mlp(4),cond=half(right),input=(1,7))")
    told = sound.condition(torch.ones(1, 1, 7))
    assert told.tolist() == [[[0, 0, 0, 1, 1, 1, 1]]]


def test_less_of_x() -> None:
    x = torch.rand(2, 3, 8, 12)
    model = aezoo.create("ae(mlp(4),point(2),mlp(4),cond=lowres(4),input=(3,8,12))")
    torch.testing.assert_close(model.condition(x), F.avg_pool2d(x, 4))
    model = aezoo.create("ae(mlp(4),point(2),mlp(4),cond=lowres(4),input=(3,5,12))")
    assert model.condition(x[:, :, :5]).shape == (2, 3, 2, 3) == (2, *model.cond.out_shape)
    model = aezoo.create("ae(mlp(4),point(2),mlp(4),cond=grey,input=(3,8,12))")
    white = torch.ones(1, 3, 8, 12)
    torch.testing.assert_close(model.condition(white), torch.ones(1, 1, 8, 12))
    from PIL import Image

    pixels = (x[0] * 255).round().to(torch.uint8)
    pillow = torch.tensor(np.array(Image.fromarray(pixels.permute(1, 2, 0).numpy()).convert("L")))
    ours = model.condition(pixels[None] / 255)[0, 0] * 255
    assert (ours - pillow).abs().max() < 1  # pillow rounds


@pytest.mark.parametrize(
    ("cond", "shape", "message"),
    [
        ("grey", "1,8,8", "3 channels, RGB, not with 1"),
        ("half(top)", "1,8", r"take half\(left\)"),
        ("quadrants", "1,8", "quadrants serves inputs with 2, 3 spatial axes"),
    ],
)
def test_data_that_has_no_such_part(cond: str, shape: str, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        aezoo.create(f"ae(mlp(4),point(2),mlp(4),cond={cond},input=({shape}))")


@pytest.mark.parametrize("size", [(8,), (6, 10), (2, 4, 6), (5, 7)])
def test_a_map_joins_a_latent_with_all_that_it_says(size: tuple[int, ...]) -> None:
    c = torch.rand(2, 3, *size)
    half = tuple(-(-n // 2) for n in size)
    for places in ((), (1,) * len(size), half, size):
        fold = fold_of((3, *size), places)
        found = folded(c, places, fold)
        assert found.shape == (2, joined_channels((3, *size), places), *places)
        if all(n % m == 0 for n, m in zip(size, places, strict=False)):
            assert torch.equal(found.flatten().sort().values, c.flatten().sort().values)
    if size == (6, 10):  # the four values of a place, in raster order
        expected = [c[:, :, a::2, b::2] for a in (0, 1) for b in (0, 1)]
        found = folded(c, (3, 5), (2, 2)).unflatten(1, (3, 4))
        assert torch.equal(found, torch.stack(expected, 2))


IMAGE = "vae(res(6,depth=1),gaussian(2),unres(6,depth=1),cond={},input=(3,8,12))"


@pytest.mark.parametrize("cond", ["half(left)", "lowres(2)", "grey"])
def test_methods_that_are_given_x_know_the_condition(cond: str) -> None:
    torch.manual_seed(0)
    model = aezoo.create(IMAGE.format(cond))
    x = torch.rand(2, 3, 8, 12)
    y = model.condition(x)
    assert y is not None
    able = model.capabilities
    assert able.conditional and not able.draws_cond

    def seeded() -> torch.Generator:
        return torch.Generator().manual_seed(1)

    assert torch.equal(model.encode(x).z, model.encode(x, y).z)
    assert torch.equal(model.reconstruct(x), model.reconstruct(x, y))
    output = model(x, generator=seeded())
    assert torch.equal(output.distortion, model(x, y, generator=seeded()).distortion)
    assert torch.equal(output.cond, y)
    assert torch.equal(model.elbo(x, generator=seeded()), model.elbo(x, y, generator=seeded()))
    weighted = [model.log_prob(x, c, k=3, generator=seeded()) for c in (None, y)]
    assert torch.equal(*weighted)
    way = model.interpolate(x[:1], x[1:], steps=3)
    torch.testing.assert_close(way[0], model.reconstruct(x[:1]))
    torch.testing.assert_close(way[2], model.reconstruct(x[1:]))
    assert model.sample(2, y).shape == x.shape
    with pytest.raises(CapabilityError, match=r"cannot draw; model.condition\(x\)"):
        model.sample(2)
    with pytest.raises(CapabilityError, match=r"model.condition\(x\) gives that of x"):
        model.decode(model.encode(x).z)
    with pytest.raises(ShapeError, match="is embedded as"):
        model.encode(x, y[:, :0])
    larger = torch.rand(2, 3, 16, 12)
    assert model.reconstruct(larger).shape == larger.shape


def test_a_noisy_input_is_told_the_clean_part() -> None:
    model = aezoo.create(IMAGE.format("half(left)"), corruption="gaussian(0.5)").train()
    x = torch.rand(2, 3, 8, 12)
    assert torch.equal(model(x).cond, model.condition(x))


def test_two_conditions_are_of_one_kind() -> None:
    spec = "vae(mlp(4),gaussian(2),mlp(4),prior=realnvp(2,8),cond={},prior_cond={},input=(1,8,8))"
    with pytest.raises(ShapeError, match="leave prior_cond away"):
        aezoo.create(spec.format("half(left)", "label(3)"))
    aezoo.create(spec.format("label(3)", "label(3,dim=2)"))


@pytest.mark.parametrize(
    "spec",
    [
        "vae(mlp(8),gaussian(2),mlp(8),prior=realnvp(2,8),cond=half(left),input=(1,4,6))",
        "vae(mlp(8),gaussian(2),mlp(8),prior=vamp(3),cond=half(left),input=(1,4,6))",
        "vae(res(4,depth=1,down=2),gaussian(2),unres(4,depth=1),prior=vamp(3),cond=lowres(2),"
        "input=(1,4,6))",
        "vqvae(res(4,depth=1,down=2),fsq(3,3),unres(4,depth=1),prior=pixelcnn(4,layers=1),"
        "cond=lowres(2),input=(1,4,6))",
        "vqvae(res(4,depth=1,down=2),fsq(3,3),unres(4,depth=1),prior=pixelcnn(4,layers=1),"
        "prior_cond=lowres(2),input=(1,4,6))",
    ],
)
def test_priors_read_maps(spec: str) -> None:
    model = aezoo.create(spec)
    model.prior_fitted = True
    x = torch.rand(3, 1, 4, 6)
    assert model.elbo(x).shape == (3,)
    assert model.sample(3, model.condition(x)).shape == x.shape


def digits(split: str, columns: slice = slice(None)) -> ImageSet:
    found = load("digits", split)
    images = np.ascontiguousarray(found.images[..., columns])
    record = dataclasses.replace(found.dataset, shape=images.shape[1:])
    return dataclasses.replace(found, images=images, dataset=record)


DIGITS = "vae(mlp(256),gaussian(8),mlp(256),likelihood=gaussian(0.2){},input=(1,8,{}))"


def test_the_right_half_is_told_by_the_left() -> None:
    """A bound on log p(right | left) against one on log p(right), held-out digits, and the error
    of the mean of p(x|z) for z from the prior: what is seen before the right half is."""
    right = slice(4, None)
    models = []
    for cond, width, columns in (("", 4, right), (",cond=half(left)", 8, slice(None))):
        torch.manual_seed(0)
        models.append(aezoo.create(DIGITS.format(cond, width)).train())
        learn(models[-1], digits("fit", columns), 600, lr=1e-3)
    alone, told = models
    without = float(bound(alone, digits("validation", right)).mean())
    ((x, _),) = batches(digits("validation"), 237)
    with torch.no_grad():
        output = told.eval()(x, generator=torch.Generator().manual_seed(1))
        nats = output.p.base_dist.log_prob(x)[..., right].flatten(1).sum(1) - output.rate
        guessed = told.sample(237, told.condition(x), generator=torch.Generator().manual_seed(2))
        blind = alone.sample(237, generator=torch.Generator().manual_seed(2))
        errors = [float((g - x[..., right]).square().mean()) for g in (guessed[..., right], blind)]
    # measured: 7.4 and 5.9 nats; errors 0.088 and 0.137
    assert nats.mean() > without + 0.7
    assert errors[0] < 0.75 * errors[1]


def test_a_picture_is_told_by_a_smaller_one() -> None:
    found = []
    for cond in ("", ",cond=lowres(2)"):
        torch.manual_seed(0)
        model = aezoo.create(DIGITS.format(cond, 8)).train()
        learn(model, digits("fit"), 600, lr=1e-3)
        found.append(float(bound(model, digits("validation")).mean()))
    ((x, _),) = batches(digits("validation"), 237)
    y = model.condition(x)
    with torch.no_grad():
        drawn = model.sample(237, y, generator=torch.Generator().manual_seed(2))
    repeated = F.interpolate(y, scale_factor=2.0, mode="nearest")
    errors = [float((guess - x).square().mean()) for guess in (drawn, repeated)]
    # measured: 14.9 and 27.5 nats; errors 0.037 and, of places merely repeated, 0.052
    assert found[1] > found[0] + 8
    assert errors[0] < 0.85 * errors[1]


# -- labels that few samples have

M2 = (
    "vae(mlp(64),gaussian(8),mlp(64),likelihood=bernoulli,cond=inferred(10,mlp(64)),"
    "objective=semi({}),input=(1,8,8))"
)


def tiny_m2() -> Any:
    """One z of one dimension, three labels."""
    torch.manual_seed(0)
    return aezoo.create(
        "vae(mlp(4),gaussian(1),mlp(4),likelihood=bernoulli,cond=inferred(3,mlp(4)),"
        "objective=semi(2.0),input=(1,2,2))"
    ).double()


def log_p(model: Any, x: Tensor, y: int) -> Tensor:
    """(B,) log p(x|y) by integrating over z on a grid."""
    z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
    labels = torch.full_like(z, y, dtype=torch.int64)
    p = model.p(z[:, None], labels)
    log_x = torch.stack([p.log_prob(row.expand(len(z), *row.shape)) for row in x])
    log_z = -0.5 * z.square() - 0.5 * np.log(2 * np.pi)
    return (log_x + log_z).logsumexp(1) + (z[1] - z[0]).log()


def test_semi_is_what_enumeration_gives() -> None:
    model = tiny_m2()
    x, y = torch.rand(5, 1, 2, 2).double(), torch.tensor([0, -1, 2, -1, 1])
    # The same draws of z for every label of a row, in the order of the objective's one pass.
    torch.manual_seed(3)
    output = model(x, y)
    assert torch.equal(output.label, y)
    state = torch.get_rng_state()
    losses = model.objective(model, x, output)
    torch.set_rng_state(state)
    torch.empty(15, 3).exponential_()  # of labels, that were all known
    draws = torch.randn(15, 1, dtype=torch.float64).view(5, 3)
    log_q = model.cond.log_q(x)
    torch.testing.assert_close(log_q.exp().sum(1), torch.ones(5).double())
    total = 0.0
    for i in range(5):
        costs = []
        for label in range(3):
            told = torch.tensor([label])
            q = model.encode(x[i : i + 1], told).q
            z = q.base_dist.loc + q.base_dist.scale * draws[i, label]
            kl = torch.distributions.kl_divergence(
                q.base_dist, torch.distributions.Normal(0.0, 1.0)
            ).sum()
            costs.append(-model.p(z, told).log_prob(x[i : i + 1])[0] + kl + np.log(3))
        if y[i] >= 0:
            total = total + costs[y[i]] - 2.0 * log_q[i, y[i]]
        else:
            terms = [log_q[i, k].exp() * (costs[k] + log_q[i, k]) for k in range(3)]
            total = total + sum(terms)
    torch.testing.assert_close(losses.total, total / 5)
    losses.total.backward()
    assert all(p.grad is not None and p.grad.any() for p in model.parameters())


def test_bounds_of_a_label_that_is_not_known_are_bounds() -> None:
    """On log p(x) without a label, on log p(x|y) with one; both by integration."""
    model = tiny_m2().eval()
    x = torch.rand(3, 1, 2, 2).double()
    each = torch.stack([log_p(model, x, y) for y in range(3)])
    exact = each.logsumexp(0) - np.log(3)
    with torch.no_grad():
        many = x.repeat_interleave(20_000, 0)
        drawn = model.elbo(many, generator=torch.Generator().manual_seed(0)).view(3, -1)
        mean, error = drawn.mean(1), drawn.std(1) / 20_000**0.5
        # sum_y q(y|x) (ELBO(x|y) + log p(y) - log q(y|x)): what `elbo` is a draw of.
        log_q = model.cond.log_q(x)
        told = torch.stack(
            [model.elbo(many, torch.full((60_000,), y)).view(3, -1).mean(1) for y in range(3)], 1
        )
        expected = (log_q.exp() * (told - np.log(3) - log_q)).sum(1)
        assert (mean - expected).abs().max() < 5 * error.max() + 0.02
        assert (mean < exact + 5 * error).all()
        assert (told < each.T + 0.02).all()
        tight = model.log_prob(x, k=2000, generator=torch.Generator().manual_seed(1))
        torch.testing.assert_close(tight.double(), exact, atol=0.02, rtol=0)
        with_label = model.log_prob(x, torch.tensor([2, 2, 2]), k=2000)
        torch.testing.assert_close(with_label.double(), each[2], atol=0.02, rtol=0)


def test_log_prob_of_a_batch_with_few_labels_is_that_of_each_row() -> None:
    model = tiny_m2().eval()
    x, y = torch.rand(3, 1, 2, 2).double(), torch.tensor([-1, 1, -1])
    with torch.no_grad():
        each = torch.stack([log_p(model, x, label) for label in range(3)])
        exact = torch.where(y < 0, each.logsumexp(0) - np.log(3), each[1])
        found = model.log_prob(x, y, k=2000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(found.double(), exact, atol=0.02, rtol=0)


@pytest.mark.parametrize(
    "objective", ["iwae(50)", "miwae(2,25)", "ciwae(50)", "piwae(2,25)", "dreg(50)"]
)
def test_importance_weighted_bounds_pay_for_the_label_they_infer(objective: str) -> None:
    """q(y|x) sure of the label that x is likeliest with: log p(x|y) is no bound on log p(x)."""
    model = tiny_m2()
    x = torch.rand(1, 1, 2, 2).double()
    with torch.no_grad():
        model.decoder.layers[-2].weight.mul_(5)
        each = torch.cat([log_p(model, x, y) for y in range(3)])
        model.cond.head.weight.zero_()
        model.cond.head.bias.copy_(50 * F.one_hot(each.argmax(), 3))
    exact = each.logsumexp(0) - np.log(3)
    torch.manual_seed(0)
    xs = x.expand(500, -1, -1, -1)
    losses = bind(parse(objective), ("objective",)).build()(model, xs, model(xs))
    paid = {"ciwae(50)": 0.05}.get(objective, 0.0)  # a part of its value is the ELBO's
    assert each.max() > exact + 0.1
    assert losses.terms["bound"] < exact
    assert losses.terms["bound"] > each.max() - np.log(3) - 0.05 - 5 * paid
    torch.testing.assert_close(losses.total.detach(), -losses.terms["bound"])
    losses.total.backward()


def test_labels_are_inferred_from_q() -> None:
    model = tiny_m2()
    x = torch.rand(1, 1, 2, 2).double().expand(60_000, -1, -1, -1)
    y = torch.full((60_000,), -1)
    y[:20_000] = 2
    found, nats = model.cond.infer(x, y, generator=torch.Generator().manual_seed(0))
    assert (found[:20_000] == 2).all() and not nats[:20_000].any()
    log_q = model.cond.log_q(x[:1])[0]
    share = found[20_000:].bincount(minlength=3) / 40_000
    assert (share - log_q.exp()).abs().max() < 5 * 0.5 / 40_000**0.5
    torch.testing.assert_close(nats[20_000:], log_q[found[20_000:]] + np.log(3))
    assert torch.equal(model.condition(x, y), y) and model.condition(x)[0] == log_q.argmax()
    assert model.reconstruct(x[:2]).shape == (2, 1, 2, 2)
    assert model.interpolate(x[:1], x[:1], steps=3).shape == (3, 1, 1, 2, 2)
    model = model.float()
    assert model.sample(4).shape == model.sample(4, torch.tensor([0, 1, 2, 0])).shape


def test_labels_are_left_in_every_class_and_always_the_same() -> None:
    fit = load("digits", "fit")
    few, again, other = (hide_labels(fit, 10, seed) for seed in (0, 0, 1))
    known = few.labels >= 0
    assert np.bincount(few.labels[known]).tolist() == [10] * 10
    assert np.array_equal(few.labels[known], fit.labels[known])
    assert np.array_equal(few.labels, again.labels)
    assert not np.array_equal(few.labels, other.labels)
    assert np.flatnonzero(known)[:5].tolist() == np.flatnonzero(few.labels + 1)[:5].tolist()
    with pytest.raises(DataError, match="rows of 0 in fit"):
        hide_labels(fit, 1000, 0)
    with pytest.raises(DataError, match="no classes"):
        hide_labels(small_sprites("fit[:20]"), 1, 0)


def test_semi_needs_a_condition_that_is_inferred(tmp_path: Path) -> None:
    with pytest.raises(CapabilityError, match=r"cond=inferred"):
        aezoo.create("vae(mlp(4),gaussian(2),mlp(4),cond=label(3),objective=semi,input=(1,8,8))")
    plain = "vae(mlp(4),gaussian(2),mlp(4),cond=label(10),input=(1,8,8))"
    recipe = Recipe("x", plain, "digits", {"cpu": Size(Stage(steps=1, batch=2))}, labelled=10)
    with pytest.raises(TrainingError, match="labelled=10 leaves samples without a label"):
        train(recipe, run_dir=tmp_path, quiet=True)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("cond=inferred(10,mlp(4))", r"objective elbo has no term .* take objective=semi, or, "),
        ("cond=inferred(10,mlp(4)),objective=iwae(5)", r"objective iwae\(5\) .* cond=label\(10\)"),
        ("prior_cond=inferred(10,mlp(4)),prior=realnvp", r"the prior's labels; .*objective=semi"),
        ("cond=label(10),prior_cond=inferred(10,mlp(4))", "leave prior_cond away"),
    ],
)
def test_labels_are_inferred_by_what_an_objective_trains(arguments: str, message: str) -> None:
    with pytest.raises(AezooError, match=message):
        aezoo.create(f"vae(mlp(4),gaussian(2),mlp(4),{arguments},input=(1,8,8))")


def test_an_objective_of_others_may_train_what_infers_labels(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ElboObjective, "learns_labels", True, raising=False)
    model = aezoo.create("vae(mlp(4),gaussian(2),mlp(4),cond=inferred(3,mlp(4)),input=(1,8,8))")
    assert model(torch.rand(2, 1, 8, 8)).label is not None


def test_a_recipe_says_how_many_labels_there_are(tmp_path: Path) -> None:
    stage = Stage(steps=3, batch=32, warmup=1, ema=0, eval_every=3)
    recipe = Recipe("x", M2.format(1.0), "digits", {"cpu": Size(stage)}, labelled=10)
    hashes = [dataclasses.replace(recipe, labelled=n).stage_hash("cpu", "model") for n in (None, 9)]
    assert len({recipe.stage_hash("cpu", "model"), *hashes}) == 3
    done = train(recipe, run_dir=tmp_path, quiet=True)
    assert done.finished and done.training["labelled"] == 10


def test_m2_learns_from_digits_without_labels() -> None:
    """The classifier with 10 labels a class, against the same net that sees these labels alone,
    stopped where it does best on what is held out."""
    few, held_out = hide_labels(load("digits", "fit"), 10, 0), load("digits", "validation")
    ((x, y),) = batches(held_out, 237)

    @torch.no_grad()
    def accuracy(classifier: Any) -> float:
        return float((classifier.of(x) == y).float().mean())

    torch.manual_seed(0)
    model = aezoo.create(M2.format(10.0)).train()
    learn(model, few, 2000)
    seen, labels = Resident(few).batch(torch.tensor(np.flatnonzero(few.labels >= 0)))
    torch.manual_seed(0)
    alone = aezoo.create(M2.format(10.0)).cond
    optimizer = torch.optim.Adam(alone.parameters(), 2e-3)
    best = 0.0
    for _ in range(200):
        optimizer.zero_grad()
        F.nll_loss(alone.log_q(seen), labels).backward()
        optimizer.step()
        best = max(best, accuracy(alone))
    # measured: 0.949 to 0.962 over 4 seeds, torch 2.6 and 2.15, and 0.878 to 0.916; 0.916 here
    assert accuracy(model.eval().cond) > best + 0.02


# -- the bench


@pytest.mark.parametrize(
    ("cond", "given"),
    [("half(left)", "half(left)"), ("inferred(10,mlp(4)),objective=semi", "inferred(10,mlp(4))")],
)
def test_figures_say_what_was_given(cond: str, given: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    model = aezoo.create(f"vae(mlp(4),gaussian(2),mlp(4),cond={cond},input=(1,8,8))").eval()
    rows = run([model], data="digits", split="test[:40]", metrics="likelihood(k=2),reconstruction",
               device="cpu", out=tmp_path, quiet=True)  # fmt: skip
    assert {"-elbo", "mse"} <= {row.metric for row in rows}
    assert all(row.protocol.endswith(f", given {given}") for row in rows)
    assert len(list(tmp_path.rglob("*-samples.png"))) == 1


def test_the_share_of_labels_that_are_inferred_right() -> None:
    torch.manual_seed(0)
    model = aezoo.create(M2.format(1.0)).eval()
    (row,) = run([model], data="digits", metrics="labels", device="cpu", quiet=True)
    data = load("digits", "test")
    x, y = Resident(data).batch(torch.arange(len(data)))
    with torch.inference_mode():
        right = float((model.cond.log_q(x).argmax(1) == y).double().mean())
    assert (row.metric, row.value, row.n) == ("label-accuracy", right, len(y))
    assert 0 < right < 0.5
    told = aezoo.create("vae(mlp(4),gaussian(2),mlp(4),cond=label(10),input=(1,8,8))").eval()
    with pytest.raises(BenchError, match="infers no labels"):
        run([told], data="digits", metrics="labels", device="cpu", quiet=True)


def test_what_cannot_be_measured_with_a_condition() -> None:
    model = aezoo.create("vae(mlp(4),gaussian(2),mlp(4),cond=half(left),input=(1,8,8))").eval()
    with pytest.raises(BenchError, match="a sample needs a condition, and the model cannot draw"):
        run([model], data="digits", split="test[:40]", metrics="fid", device="cpu", quiet=True)
    posed = aezoo.create("vae(mlp(4),gaussian(2),mlp(4),cond=continuous(4),input=(1,8,8))").eval()
    with pytest.raises(BenchError, match="reads 4 numbers a sample, and digits has 10 classes"):
        run([posed], data="digits", metrics="reconstruction", device="cpu", quiet=True)
