"""MS-SSIM as an objective: the metric's own number, and a gradient that is finite everywhere."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.components.ssim import WEIGHTS, ms_ssim, smallest
from aezoo.errors import CapabilityError, ShapeError
from aezoo.objectives.configs import MSSSIM
from aezoo.objectives.ms_ssim import FLOOR, dissimilarity, fitting, power

TWO = (0.5, 0.5)
OBJECTIVE = "ms_ssim(window=3,weights=(0.5,0.5))"
VAE = "vae(mlp(16),gaussian(4),mlp(16),objective={},input=(1,8,8))"


def pictures(n: int = 3, noise: float = 0.1) -> tuple[Tensor, Tensor]:
    """Smooth pictures (n,2,8,10) and noisy copies of them, float64, in [0,1]."""
    generator = torch.Generator().manual_seed(0)
    coarse = torch.rand(n, 2, 4, 4, generator=generator, dtype=torch.float64)
    x = torch.nn.functional.interpolate(coarse, (8, 10), mode="bicubic").clamp(0, 1)
    drawn = torch.randn(x.shape, generator=generator, dtype=torch.float64)
    return x, (x + noise * drawn).clamp(0, 1)


def test_its_default_is_the_papers() -> None:
    assert MSSSIM().weights == WEIGHTS
    assert smallest(MSSSIM().window, len(MSSSIM().weights)) == 176


def test_of_pictures_that_are_alike_it_is_the_metric() -> None:
    x, y = pictures()
    expected = 1 - ms_ssim(x, y, window=3, weights=TWO)
    torch.testing.assert_close(dissimilarity(x, y, 3, TWO), expected)
    assert (expected > 0.01).all()
    torch.testing.assert_close(dissimilarity(x, x, 3, TWO), torch.zeros(3).double())
    large = torch.rand(1, 1, 176, 176)
    near = (large + 0.1 * torch.rand_like(large)).clamp(0, 1)
    torch.testing.assert_close(dissimilarity(large, near, 11, WEIGHTS), 1 - ms_ssim(large, near))


@pytest.mark.parametrize("weight", [0.0448, 0.3, 1.0, 2.0])
def test_the_power_goes_on_below_its_floor(weight: float) -> None:
    above = torch.linspace(FLOOR, 1, 50).double()
    torch.testing.assert_close(power(above, weight), above**weight)
    value = torch.linspace(-1, 1, 2001).double().requires_grad_()
    found = power(value, weight)
    (slope,) = torch.autograd.grad(found.sum(), value)
    assert (slope > 0).all() and (found > 0).all() and torch.isfinite(slope).all()
    assert (found.diff() > 0).all()
    around = torch.tensor([FLOOR - 1e-9, FLOOR, FLOOR + 1e-9]).double().requires_grad_()
    (slope,) = torch.autograd.grad(power(around, weight).sum(), around)
    expected = torch.full((3,), weight * FLOOR ** (weight - 1)).double()
    torch.testing.assert_close(slope, expected, rtol=1e-5, atol=0)


EXTREMES = {
    "identical": lambda x: x,
    "its negative": lambda x: 1 - x,
    "constant": lambda x: torch.full_like(x, 0.3),
    "black": torch.zeros_like,
    "white": torch.ones_like,
    "shuffled": lambda x: x.flip(3),
    "a checkerboard": lambda x: (torch.arange(x.numel()).view(x.shape) % 2).to(x),
    "far outside": lambda x: 1e3 * (x - 0.5),
    "constant and far outside": lambda x: torch.full_like(x, -1e3),
    "wild": lambda x: torch.where(x > 0.5, 1e6, -1e6).to(x),
}  # fmt: skip


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("name", EXTREMES)
@pytest.mark.parametrize("constant", [False, True])
def test_the_gradient_is_finite(name: str, dtype: torch.dtype, constant: bool) -> None:
    x = pictures()[0].to(dtype)
    x = torch.full_like(x, 0.5) if constant else x
    y = EXTREMES[name](x).clone().requires_grad_()
    found = dissimilarity(x, y, 3, (0.3, 0.7))
    (slope,) = torch.autograd.grad(found.sum(), y)
    assert torch.isfinite(found).all() and torch.isfinite(slope).all()
    assert (found > -1e-6).all() and (found < 1).all()


@pytest.mark.parametrize("name", ["its negative", "constant", "black", "white", "shuffled"])
def test_there_is_a_way_out_of_where_the_metric_is_flat(name: str) -> None:
    """A step against the gradient comes nearer, and what it says is what the step gains."""
    x = pictures()[0]
    y = EXTREMES[name](x).clone().requires_grad_()
    if name in ("its negative", "shuffled"):
        assert (ms_ssim(x, y.detach(), window=3, weights=TWO) < 0.2).all()
    before = dissimilarity(x, y, 3, TWO)
    (slope,) = torch.autograd.grad(before.sum(), y)
    square = slope.square().flatten(1).sum(1)
    assert (square > 0).all()
    step = 1e-5 / square.sqrt()
    after = dissimilarity(x, y - step.view(-1, 1, 1, 1) * slope, 3, TWO)
    torch.testing.assert_close(before - after, step * square, rtol=0.05, atol=0)


def test_the_gradient_is_that_of_finite_differences() -> None:
    x, y = pictures(2, noise=0.3)
    for other in (y, 1 - x):
        assert torch.autograd.gradcheck(
            lambda p: dissimilarity(x, p, 3, (0.3, 0.7)), other.clone().requires_grad_()
        )


def test_the_loss_is_the_papers() -> None:
    """C * (1 - MS-SSIM) + KL, and the likelihood's scale learns from its own likelihood."""
    spec = VAE.format("ms_ssim(2.0,window=3,weights=(0.5,0.5))").replace(
        "objective", "likelihood=gaussian(learned),objective"
    )
    torch.manual_seed(0)
    model: Any = aezoo.create(spec)
    x = torch.rand(5, 1, 8, 8)
    output = model(x)
    losses = model.objective(model, x, output)
    unlike = dissimilarity(x, output.x_hat, 3, TWO).mean()
    torch.testing.assert_close(losses.total, 2 * 64 * unlike + output.rate.mean())
    torch.testing.assert_close(losses.terms["ms_ssim"], 1 - unlike.detach())
    assert losses.criterion is None  # its own total chooses the best weights
    losses.total.backward(retain_graph=True)
    found = model.likelihood.raw_scale.grad
    (expected,) = torch.autograd.grad(output.distortion.mean(), model.likelihood.raw_scale)
    torch.testing.assert_close(found, expected)


def test_the_bound_stays_the_likelihoods() -> None:
    torch.manual_seed(0)
    model: Any = aezoo.create(VAE.format(OBJECTIVE)).eval()
    plain: Any = aezoo.create(VAE.format("elbo")).eval()
    plain.load_state_dict(model.state_dict())
    x = torch.rand(5, 1, 8, 8)
    bounds = [
        m.elbo(x, generator=torch.Generator().manual_seed(1)) for m in (model, plain)
    ]  # fmt: skip
    assert torch.equal(*bounds)
    assert model.capabilities.bound == plain.capabilities.bound == "elbo"


def test_the_loss_does_not_know_the_batchs_size_nor_the_pictures_range() -> None:
    model: Any = aezoo.create(
        VAE.format(OBJECTIVE).replace("gaussian(4)", "point(4)").replace("vae", "ae")
    )
    x = torch.rand(4, 1, 8, 8)
    one, many = (model.loss(rows).total for rows in (x, x.repeat(3, 1, 1, 1)))
    torch.testing.assert_close(one, many)
    output = model(x)
    before = model.objective(model, x, output).terms["ms_ssim"]
    model.input_range = (-1.0, 1.0)
    output.p = torch.distributions.Independent(
        torch.distributions.Normal(2 * output.x_hat - 1, 1.0), 3
    )
    output._x_hat = None
    torch.testing.assert_close(model.objective(model, 2 * x - 1, output).terms["ms_ssim"], before)


def test_under_autocast_it_is_computed_in_float32() -> None:
    model: Any = aezoo.create(VAE.format(OBJECTIVE))
    x = torch.rand(4, 1, 8, 8)
    output = model(x)
    expected = model.objective(model, x, output).total
    with torch.autocast("cpu", torch.bfloat16):
        found = model.objective(model, x, output).total
    assert torch.equal(found, expected)


@pytest.mark.parametrize("side", [8, 16, 28, 32, 64, 256])
def test_a_picture_too_small_is_told_what_fits(side: int) -> None:
    spec = "ae(mlp(4),point(2),mlp(4),objective={},input=" + f"(1,{side},{side + 1}))"
    if side < 176:
        with pytest.raises(ShapeError, match=f"needs 176 pixels a side, and there are {side}"):
            aezoo.create(spec.format("ms_ssim"))
    named = fitting(side)
    model = aezoo.create(spec.format(named.removesuffix(" fits")))
    assert math.isclose(sum(model.objective.config.weights), 1, abs_tol=1e-3)
    assert torch.isfinite(model.loss(torch.rand(2, *model.input_shape)).total)


def test_what_it_cannot_compare() -> None:
    with pytest.raises(CapabilityError, match="compares pictures"):
        aezoo.create("ae(mlp(4),point(2),mlp(4),objective=ms_ssim,input=(1,64))")
    with pytest.raises(ShapeError, match="no two scales fit: take elbo"):
        aezoo.create("ae(mlp(4),point(2),mlp(4),objective=ms_ssim,input=(1,5,5))")
    model = aezoo.create(
        VAE.format(OBJECTIVE).replace(
            "objective", "likelihood=pixelcnn(4,width=4,layers=1),objective"
        )
    )
    with pytest.raises(CapabilityError, match="looks at the mean"):
        model.loss(torch.rand(2, 1, 8, 8))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("window=4", "odd and at least 3"),
        ("window=1", "odd and at least 3"),
        ("weights=()", "one a scale"),
        ("weights=(0.5,-0.5)", "one a scale"),
        ("weight=-1.0", "at least"),
    ],
)
def test_arguments_that_make_no_sense(arguments: str, said: str) -> None:
    with pytest.raises(aezoo.SpecError, match=said):
        aezoo.create(VAE.format(f"ms_ssim({arguments})"))
