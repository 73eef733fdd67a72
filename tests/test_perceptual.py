"""Perceptual distances: their definitions, and a network that is a guest of the objective."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import timm
import torch
import torch.nn.functional as F
from safetensors.torch import load_file
from timm.data.config import resolve_data_config

import aezoo
from aezoo.components.backbone import feature_maps
from aezoo.data.sets import load
from aezoo.errors import CapabilityError, ShapeError, WeightsNotCachedError
from aezoo.objectives.perceptual import Perceptual, angular, squared
from aezoo.train.loop import fit
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask

NETWORK = "network=resnet10t,layers=(0,1),pretrained=false"
DFC = f"vae(mlp(16),gaussian(4),mlp(16),objective=dfc({NETWORK}),input=(1,8,8))"
VQGAN = (
    "vqvae(res(8,depth=1,down=2),vq(8,4),unres(8,depth=1),objective=vqgan("
    f"critic=patch(4,layers=1),{NETWORK},perceptual=0.5),input=(3,8,8))"
)


def perceptual(shape: tuple[int, ...] = (3, 16, 12), name: str = "resnet10t") -> Perceptual:
    made = Perceptual(name, (0, 2), pretrained=False)
    made.shape = shape
    return made


@pytest.mark.parametrize("distance", [squared, angular])
def test_equal_pictures_are_at_no_distance_and_a_step_comes_nearer(distance: Any) -> None:
    looks = perceptual()
    x, y = torch.rand(2, 4, 3, 16, 12)
    assert distance(looks(x), looks(x)).tolist() == [0, 0, 0, 0]
    with torch.no_grad():
        theirs = looks(x)
    y.requires_grad_()
    before = distance(looks(y), theirs)
    assert (before > 0).all()
    (slope,) = torch.autograd.grad(before.sum(), y)
    length = slope.flatten(1).norm(dim=1).view(-1, 1, 1, 1)
    nearer = distance(looks(y - 0.1 * slope / length), theirs)
    assert (nearer < before).all()


def test_the_distances_by_hand() -> None:
    ours, theirs = [
        [torch.randn(2, 3, 2, 4, dtype=torch.float64), torch.randn(2, 5, 1, 2, dtype=torch.float64)]
        for _ in range(2)
    ]
    for b in range(2):
        sums = angles = 0.0
        for a, c in zip(ours, theirs, strict=True):
            channels, height, width = a.shape[1:]
            sums += float((a[b] - c[b]).square().sum()) / (2 * channels * height * width)
            for i in range(height):
                for j in range(width):
                    u, v = a[b, :, i, j], c[b, :, i, j]
                    cosine = float(u @ v / (u.norm() * v.norm()))
                    angles += 2 * (1 - cosine) / (height * width)
        assert float(squared(ours, theirs)[b]) == pytest.approx(sums)
        assert float(angular(ours, theirs)[b]) == pytest.approx(angles)


def test_what_the_network_is_shown() -> None:
    """timm's own mean and standard deviation, of pixels in [0, 1]; grey as three channels."""
    looks = perceptual((1, 16, 16))
    x = torch.rand(2, 1, 16, 16)
    maps = looks(x)
    config = resolve_data_config({}, model=looks.network)
    mean, std = (torch.tensor(config[key]).view(1, 3, 1, 1) for key in ("mean", "std"))
    expected = looks.network((x.repeat(1, 3, 1, 1) - mean) / std)
    assert [tuple(m.shape) for m in maps] == [(2, 64, 8, 8), (2, 128, 2, 2)]
    for ours, theirs in zip(maps, expected, strict=True):
        assert torch.equal(ours, theirs)
    for ours, theirs in zip(looks(2 * x - 1, (-1.0, 1.0)), expected, strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=1e-4)


def test_maps_with_channels_last_are_turned() -> None:
    looks = perceptual((3, 32, 32), "swin_tiny_patch4_window7_224")
    assert [tuple(m.shape[1:]) for m in looks(torch.rand(1, 3, 32, 32))] == [
        (96, 8, 8),
        (384, 2, 2),
    ]


def test_the_network_is_frozen_and_always_the_same() -> None:
    looks, again = perceptual(), perceptual()
    x = torch.rand(2, 3, 16, 12)
    state = torch.get_rng_state()
    with torch.inference_mode():
        looks(x)  # the first call may be in any mode
    assert torch.equal(torch.get_rng_state(), state)
    looks.train()
    assert not any(m.training for m in looks.modules())
    assert not any(p.requires_grad for p in looks.parameters())
    before = [b.clone() for b in looks.buffers()]
    y = x.clone().requires_grad_()
    torch.stack([m.sum() for m in looks(y)]).sum().backward()
    assert y.grad is not None
    assert all(torch.equal(a, b) for a, b in zip(before, looks.buffers(), strict=True))
    torch.manual_seed(99)
    for ours, theirs in zip(looks(x), again(x), strict=True):
        assert torch.equal(ours, theirs)


def test_dfc_is_the_papers() -> None:
    model: Any = aezoo.create(
        "vae(mlp(16),gaussian(4),mlp(16),objective=dfc("
        f"{NETWORK},alpha=0.5,beta=7.0),input=(1,8,8))"
    )
    x = torch.rand(3, 1, 8, 8)
    output = model(x)
    losses = model.objective(model, x, output)
    looks = model.objective.perceptual
    feature = squared(looks(x), looks(output.x_hat)).mean()
    torch.testing.assert_close(losses.total, 0.5 * output.rate.mean() + 7 * feature)
    losses.total.backward(retain_graph=True)
    (scale,) = torch.autograd.grad(output.distortion.mean(), model.likelihood.raw_scale)
    torch.testing.assert_close(model.likelihood.raw_scale.grad, scale)
    assert losses.criterion is None


def test_the_loss_does_not_know_the_batchs_size() -> None:
    model: Any = aezoo.create(VQGAN).eval()
    x = torch.rand(2, 3, 8, 8)
    one, many = (model.loss(rows) for rows in (x, x.repeat(3, 1, 1, 1)))
    torch.testing.assert_close(one.total, many.total)
    torch.testing.assert_close(one.criterion, many.criterion)
    assert float(one.terms["perceptual"]) > 0
    plain = one.terms["distortion"] + one.terms["rate"] + one.terms["penalty"]
    torch.testing.assert_close(one.total.detach(), plain + one.terms["perceptual"])
    output = model(x)
    looks = model.objective.perceptual
    expected = 0.5 * 3 * 8 * 8 * angular(looks(x), looks(output.x_hat)).mean()
    torch.testing.assert_close(one.terms["perceptual"], expected.detach())


def test_the_network_is_in_no_weights_and_no_checkpoint(tmp_path: Path) -> None:
    model: Any = aezoo.create(DFC).train()
    names = set(model.state_dict())
    stage = Stage(steps=4, batch=8, lr=1e-3, eval_every=4)
    sets = load("digits", "fit"), load("digits", "validation")
    task: Any = ModelTask(model, *sets, stage, 0, Ranks("cpu"))
    options: Any = {"name": "model", "seed": 0, "recipe_hash": "x", "ranks": Ranks("cpu")}
    fit(task, stage, tmp_path, quiet=True, **options)
    assert model.objective.perceptual.network is not None
    assert set(model.state_dict()) == names
    for file in ("checkpoint.safetensors", "best.safetensors"):
        kept = load_file(tmp_path / file)
        assert sum(t.numel() for t in kept.values()) < 50_000  # resnet10t has millions
    model.save_pretrained(tmp_path / "saved")
    again: Any = aezoo.create(f"local:{tmp_path / 'saved'}")
    assert again.objective.perceptual.network is None  # until it is needed
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(again.reconstruct(x), model.eval().reconstruct(x))
    assert torch.isfinite(again.loss(x).total)


def test_it_goes_where_the_model_goes() -> None:
    model: Any = aezoo.create(DFC)
    model.loss(torch.rand(2, 1, 8, 8))
    model.double()
    assert torch.isfinite(model.loss(torch.rand(2, 1, 8, 8).double()).total)


def test_without_the_weights_a_model_works_until_it_trains(monkeypatch: pytest.MonkeyPatch) -> None:
    def offline(*args: object, **options: object) -> object:
        raise OSError("no route to host")

    monkeypatch.setattr(timm, "create_model", offline)
    model: Any = aezoo.create("vae(mlp(8),gaussian(2),mlp(8),objective=dfc,input=(3,8,8))")
    x = torch.rand(2, 3, 8, 8)
    assert model.reconstruct(x).shape == x.shape
    with pytest.raises(
        WeightsNotCachedError, match=r"(?s)vgg19\.tv_in1k.*timm\.create_model.*HF_HOME"
    ):
        model.loss(x)


def test_an_unknown_network_names_near_ones() -> None:
    with pytest.raises(ShapeError, match=r"timm has no model 'resnet17'; near: .*resnet"):
        feature_maps("resnet17", (0,), channels=3, size=(8, 8), pretrained=False)


def test_maps_that_the_network_lacks() -> None:
    looks = Perceptual("resnet10t", (0, 17), pretrained=False)
    looks.shape = (3, 32, 32)
    with pytest.raises(ShapeError, match="resnet10t does not have all of the maps 0, 17"):
        looks(torch.rand(2, 3, 32, 32))


def test_dfc_of_an_autoencoder_without_a_bound_is_its_features_alone() -> None:
    model = aezoo.create(DFC.replace("vae(", "ae(").replace("gaussian(4)", "point(4)"))
    x = torch.rand(3, 1, 8, 8)
    losses = model.objective(model, x, model(x))
    assert torch.equal(losses.total.detach(), 1660.0 * losses.terms["feature"])


def test_pictures_too_small_for_the_network() -> None:
    looks = Perceptual("vgg11", (0, 4), pretrained=False)
    looks.shape = (1, 8, 8)
    with pytest.raises(ShapeError, match=r"vgg11 cannot reduce 8 x 8 .* map 0, 4 .*earlier map"):
        looks(torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize("shape", ["(1,64)", "(2,8,8)", "(3,4,8,8)"])
def test_the_network_looks_at_pictures(shape: str) -> None:
    with pytest.raises(CapabilityError, match="looks at pictures of 1 or 3 channels"):
        aezoo.create(f"vae(mlp(8),gaussian(2),mlp(8),objective=dfc,input={shape})")


@pytest.mark.parametrize("layers", ["()", "(1,0)", "(0,0)", "(-1,)"])
def test_layers_are_counted_in_order(layers: str) -> None:
    with pytest.raises(aezoo.SpecError, match="layers are counted from 0"):
        aezoo.create(f"vae(mlp(8),gaussian(2),mlp(8),objective=dfc(layers={layers}))")


def test_dead_features_give_no_wild_gradient() -> None:
    a = torch.zeros(1, 4, 2, 2, requires_grad=True)
    (slope,) = torch.autograd.grad(angular([F.relu(a)], [torch.ones(1, 4, 2, 2)]).sum(), a)
    assert torch.isfinite(slope).all()
    assert not slope.any()
