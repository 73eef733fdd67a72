"""What a model is given that does not suit it is refused in aezoo's words, not in torch's."""

from __future__ import annotations

import copy
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.errors import CapabilityError, ShapeError

PLAIN = "vae(mlp(8),gaussian(3),mlp(8),input=(1,8,8))"
MAPS = "vqvae(res(8,depth=1,down=2),vq(8,4),unres(8,depth=1),input=(1,8,8))"
SQVAE = MAPS.replace("vq(8,4)", "sqvae(8,4)")
LABEL = "vae(mlp(8),gaussian(3),mlp(8),cond={},input=(1,8,8))"
LADDER = "hvae(levels(mlp(8),mlp(8)),ladder(4,2,hidden=8),mlp(8),cond=label(10),input=(1,8,8))"
X = torch.rand(3, 1, 8, 8)


def made(spec: str) -> Any:
    return aezoo.create(spec).eval()


@pytest.mark.parametrize(
    "spec", [PLAIN, MAPS, LADDER, LABEL.format("inferred(10,mlp(8)),objective=semi")]
)
@pytest.mark.parametrize(
    ("x", "message"),
    [
        (X.double(), r"weights of torch.float32, and x is of torch.float64; .*x.to\(torch.float32"),
        (X.to("meta"), r"is on cpu and x on meta; give it x.to\(model.device\)"),
        (X[:, :, 0], r"takes x of shape \(B, 1, 8, 8\)"),
        (X.expand(3, 2, 8, 8), r"takes x of shape \(B, 1, 8, 8\)"),
        (X[:0], "at least one sample, and x has none"),
    ],
)
def test_x_that_does_not_suit(spec: str, x: Tensor, message: str) -> None:
    y = torch.zeros(len(x), dtype=torch.int64) if "cond" in spec else None
    with pytest.raises(ShapeError, match=message):
        made(spec)(x, y)


def test_shapes_alone_have_a_dtype_too() -> None:
    model = aezoo.create(PLAIN, device="meta")
    assert model(X.to("meta")).x_hat.shape == X.shape
    with pytest.raises(ShapeError, match=r"and x is of torch\.float64"):
        model(X.double().to("meta"))


def test_x_that_is_no_tensor() -> None:
    numbers: Any = np.zeros((3, 1, 8, 8), np.float32)
    with pytest.raises(TypeError, match=r"takes a torch.Tensor, not ndarray; torch.as_tensor"):
        made(PLAIN)(numbers)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
def test_autocast_chooses_the_dtype(name: str) -> None:
    with torch.autocast("cpu", getattr(torch, name)):
        assert made(PLAIN).encode(X.to(getattr(torch, name))).z.shape == (3, 3)


@pytest.mark.parametrize("name", ["bfloat16", "float16"])
@pytest.mark.parametrize("spec", [PLAIN, MAPS, MAPS.replace("vq(8,4)", "rvq(2,8,4)"), SQVAE])
def test_a_model_turned_to_half_precision(spec: str, name: str) -> None:
    """Bottlenecks give float32 whatever the weights are; what decodes it has those weights."""
    half, whole = getattr(torch, name), made(spec)
    turned = copy.deepcopy(whole).to(half)
    z = whole.encode(X).z
    assert torch.allclose(turned.decode(z), whole.decode(z), atol=0.05)
    assert turned.reconstruct(X.to(half)).shape == X.shape
    assert turned.elbo(X.to(half)).isfinite().all()
    turned.prior_fitted = True
    assert turned.sample(2).shape == (2, 1, 8, 8)


@pytest.mark.parametrize(
    ("spec", "shape", "message"),
    [
        (PLAIN, (3, 4), r"decodes z of shape \(B, 3\), not \(3, 4\)"),
        (PLAIN, (3, 3, 2, 2), r"decodes z of shape \(B, 3\), not"),
        (MAPS, (3, 5, 4, 4), r"decodes z of shape \(B, 4, 4, 4\), or any other sizes behind"),
        (MAPS, (3, 4), r"decodes z of shape \(B, 4, 4, 4\)"),
    ],
)
def test_z_that_does_not_suit(spec: str, shape: tuple[int, ...], message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        made(spec).decode(torch.zeros(shape))


@pytest.mark.parametrize(
    ("spec", "shape", "expected"),
    [
        (MAPS, (4, 4), r"codes of shape \(B, 4, 4\), or of a map of any other size, not \(4, 4\)"),
        (MAPS, (3, 1, 4, 4), r"codes of shape \(B, 4, 4\)"),
        (MAPS.replace("vq(8,4)", "rvq(2,8,4)"), (3, 3, 4, 4), r"of shape \(B, 2, 4, 4\), or"),
        ("vqvae(mlp(8),fsq(8,5),mlp(8),input=(1,8,8))", (3, 1), r"codes of shape \(B\), not"),
    ],
)
def test_codes_that_do_not_suit(spec: str, shape: tuple[int, ...], expected: str) -> None:
    model = made(spec)
    with pytest.raises(ShapeError, match=expected):
        model.decode_codes(torch.zeros(shape, dtype=torch.int64))
    assert model.decode_codes(model.encode_codes(X)).shape == X.shape


@pytest.mark.parametrize("spec", [PLAIN, MAPS, LADDER])
def test_ends_of_a_way_that_do_not_suit_each_other(spec: str) -> None:
    model = made(spec)
    y = torch.zeros(3, dtype=torch.int64) if "cond" in spec else None
    assert model.interpolate(X, X, 4, y).shape == (4, *X.shape)
    for other in (X[:2], torch.rand(3, 1, 6, 8)):
        with pytest.raises(ShapeError, match=r"x0 is of shape \(3, 1, 8, 8\)|takes x of shape"):
            model.interpolate(X, other, 4, y)


@pytest.mark.parametrize("wrong", [1.5, "4", None, torch.tensor([1, 2])])
def test_counts_that_are_no_whole_numbers(wrong: Any) -> None:
    model = made(PLAIN)
    for name, ask in {
        "n": lambda: model.sample(wrong),
        "k": lambda: model.log_prob(X, k=wrong),
        "steps": lambda: model.interpolate(X, X, wrong),
    }.items():
        with pytest.raises(TypeError, match=f"{name} must be a whole number, not"):
            ask()
    assert model.sample(np.int64(2)).shape == (2, 1, 8, 8)


def test_weights_say_not_whether_a_prior_was_fitted() -> None:
    """As a state dict from elsewhere brings them; saved models record it."""
    spec = MAPS[:-1] + ",prior=pixelcnn(8,layers=1))"
    model = made(spec)
    model.load_state_dict(made(spec).state_dict())
    with pytest.raises(CapabilityError, match=r"brought a fitted one.*model\.prior_fitted = True"):
        model.sample(1)
    model.prior_fitted = True
    assert model.sample(1).shape == (1, 1, 8, 8)


def test_z_of_another_size_or_dtype() -> None:
    assert made(MAPS).decode(torch.zeros(2, 4, 6, 5)).shape == (2, 1, 12, 10)
    with pytest.raises(ShapeError, match=r"and z is of torch\.float64"):
        made(PLAIN).decode(torch.zeros(3, 3).double())


@pytest.mark.parametrize("spec", [LADDER, LABEL.format("label(10)"), LABEL.format("label(10,4)")])
@pytest.mark.parametrize(
    ("y", "message"),
    [
        (torch.tensor([1, 2]), r"3 sample\(s\) and 2 condition\(s\)"),
        (torch.tensor([1.0, 2.0, 3.0]), r"one label a sample, int64 \(B,\), not torch.float32"),
        (torch.tensor([[1], [2], [3]]), r"one label a sample, int64 \(B,\)"),
        (torch.tensor([1, 2, 10]), r"cond=label.*from 0 to 9, and they go from 1 to 10"),
        (torch.tensor([1, 2, -1]), r"inferred\(...\) takes -1, unknown"),
    ],
)
def test_labels_that_do_not_suit(spec: str, y: Tensor, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        made(spec)(X, y)
    with pytest.raises(ShapeError, match=message):
        made(spec).sample(3, y)


@pytest.mark.parametrize("spec", [LADDER, LABEL.format("label(10)"), LABEL.format("label(10,4)")])
def test_labels_that_are_no_tensor_of_samples(spec: str) -> None:
    model, single = made(spec), torch.tensor(3)
    for wrong in ([1, 2, 3], 3, np.array([1, 2, 3])):
        given: Any = wrong
        for ask in (lambda g: model.encode(X, g), lambda g: model.sample(3, g)):
            with pytest.raises(TypeError, match=r"cond as a torch.Tensor, not .*torch.as_tensor"):
                ask(given)
    for ask in (lambda g: model.encode(X, g), lambda g: model.sample(3, g)):
        with pytest.raises(ShapeError, match=r"cond is a single number; cond.expand\(B\)"):
            ask(single)
    short = torch.tensor([1, 2, 3], dtype=torch.int32)
    assert torch.equal(model.encode(X, short).z, model.encode(X, short.long()).z)


def test_labels_that_may_be_unknown() -> None:
    model = made(LABEL.format("inferred(10,mlp(8)),objective=semi"))
    for y in (torch.zeros(2, dtype=torch.int64), torch.zeros(3), torch.zeros(3, 3)):
        with pytest.raises(ShapeError, match=r"int64 \(3,\), -1 where it is unknown"):
            model(X, y)
    with pytest.raises(ShapeError, match=r"takes x of shape \(B, 1, 8, 8\)"):
        model.condition(torch.rand(3, 1, 9, 9))


@pytest.mark.parametrize("spec", [PLAIN, LADDER])
def test_numbers_below_what_there_is(spec: str) -> None:
    model = made(spec)
    with pytest.raises(ValueError, match="n must be at least 0, not -1"):
        model.sample(-1)
    with pytest.raises(ValueError, match="steps must be at least 1, not 0"):
        model.interpolate(X, X, steps=0)
