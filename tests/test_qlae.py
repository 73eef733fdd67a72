"""qlae: every value by a loop over all, the paper's two terms, and values that find their data."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.components.quantizers.qlae import nearest_values
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str = "qlae(5,4)", shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def places(z: Tensor) -> Tensor:
    """(B, D, *L) -> (N, D)."""
    return z.movedim(1, -1).reshape(-1, z.shape[1])


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", ["qlae(5,4)", "qlae(2,1)", "qlae(8,3)"])
def test_each_channel_takes_its_nearest_value(spec: str, shape: tuple[int, ...]) -> None:
    quantizer = made(spec, shape).double()
    with torch.no_grad():  # training leaves them in any order
        quantizer.values.add_(0.5 * torch.randn_like(quantizer.values))
    h = torch.randn(3, *shape, dtype=torch.float64)
    latent = quantizer(h)
    z_e = places(quantizer.project(h))
    assert latent.codes.shape == (3, *quantizer.code_shape)
    assert quantizer.code_shape == (quantizer.out_shape[0], *shape[1:])
    for z, codes, e in zip(places(latent.z), places(latent.codes), z_e, strict=True):
        for channel, values in enumerate(quantizer.values.tolist()):
            best = min(range(len(values)), key=lambda k: abs(values[k] - e[channel].item()))
            assert codes[channel] == best
            assert z[channel].item() == pytest.approx(values[best])
    assert torch.equal(latent.z, quantizer.lookup(latent.codes))


def test_between_two_values_and_on_equal_ones() -> None:
    values = torch.tensor([[1.0, -1.0, 0.0, 0.0]])
    rows = torch.tensor([[-9.0], [-0.5], [-0.49], [0.5], [0.51], [9.0], [math.inf], [math.nan]])
    found = nearest_values(rows, values)
    assert values[0, found[:7, 0]].tolist() == [-1, -1, 0, 0, 1, 1, 1]
    assert 0 <= found.min() <= found.max() < 4  # NaN stays in the table


def test_it_starts_evenly() -> None:
    expected = torch.tensor([-0.5, -0.25, 0.0, 0.25, 0.5]).repeat(4, 1)
    assert torch.equal(made().values, expected)


def test_the_penalty_and_its_gradients_are_the_papers() -> None:
    quantizer = made("qlae(5,4,beta=0.3)").double()
    h = torch.randn(2, 6, 3, 4, dtype=torch.float64)
    z_e = quantizer.project(h).detach().requires_grad_()
    latent = quantizer.quantize(z_e, sample=False, generator=None)
    v = quantizer.lookup(latent.codes).detach()
    expected = 1.3 * (z_e - v).square().flatten(1).sum(1)
    torch.testing.assert_close(latent.penalty, expected)
    to_z, to_values = torch.autograd.grad(latent.penalty.sum(), (z_e, quantizer.values))
    torch.testing.assert_close(to_z, 0.6 * (z_e - v))  # the commitment alone moves the encoder
    slopes = torch.zeros(4, 5, dtype=torch.float64)
    for e, codes in zip(places(z_e.detach()), places(latent.codes), strict=True):
        for channel, code in enumerate(codes):
            slopes[channel, code] += 2 * (quantizer.values[channel, code].detach() - e[channel])
    torch.testing.assert_close(to_values, slopes)


def test_straight_through_is_the_identity() -> None:
    quantizer = made()
    z_e = torch.randn(2, 4, 3, 4, requires_grad=True)
    w = torch.randn(2, 4, 3, 4)
    latent = quantizer.quantize(z_e, sample=False, generator=None)
    (slope,) = torch.autograd.grad((latent.z * w).sum(), z_e)
    assert torch.equal(slope, w)


def test_it_is_the_librarys() -> None:
    """Of an odd number of values: of an even one theirs do not reach 1/2."""
    vqp = pytest.importorskip("vector_quantize_pytorch")
    quantizer = made("qlae(5,3)")
    theirs = vqp.LatentQuantize([5, 5, 5], dim=3, commitment_loss_weight=0.7,
                                quantization_loss_weight=0.2).train()  # fmt: skip
    z_e = 0.4 * torch.randn(2, 3, 3, 4)
    latent = quantizer.quantize(z_e, sample=False, generator=None)
    z, codes, loss = theirs(z_e)
    torch.testing.assert_close(latent.z, z)
    radix = torch.tensor([1, 5, 25]).view(1, 3, 1, 1)
    assert torch.equal((latent.codes * radix).sum(1), codes.long())
    squares = latent.penalty.sum() / 2 / z_e.numel()  # theirs are means
    torch.testing.assert_close((0.7 + 0.2) * squares, loss)


def test_the_values_move_to_their_datas_means() -> None:
    """Two channels of three clusters each, not evenly apart: Lloyd's fixed point."""
    quantizer = made("qlae(3,2,beta=0.0)", (2, 300))
    means = torch.tensor([[-0.9, 0.1, 0.3], [-0.45, -0.1, 2.0]])
    z = means.repeat_interleave(100, 1)[None] + 0.02 * torch.randn(1, 2, 300)
    optimizer = torch.optim.SGD([quantizer.values], 2e-3)
    for _ in range(300):
        optimizer.zero_grad()
        quantizer.quantize(z, sample=False, generator=None).penalty.sum().backward()
        optimizer.step()
    expected = z[0].reshape(2, 3, 100).mean(2)
    torch.testing.assert_close(quantizer.values.detach(), expected, atol=1e-4, rtol=0)


def test_its_rate_is_that_of_every_channel() -> None:
    model: Any = aezoo.create("vqvae(mlp(8),qlae(5,3),mlp(8),input=(1,4))")
    output = model(torch.rand(2, 1, 4))
    assert output.rate.tolist() == pytest.approx([3 * math.log(5)] * 2)
    assert model.encode_codes(torch.rand(2, 1, 4)).shape == (2, 3)


@pytest.mark.parametrize(
    ("spec", "said"),
    [("qlae(1,3)", "codes"), ("qlae(3,0)", "dim"), ("qlae(3,2,beta=-1.0)", "beta")],
)
def test_arguments_that_make_no_sense(spec: str, said: str) -> None:
    with pytest.raises(aezoo.SpecError, match=f"{said} must be at least"):
        bind(parse(spec), ("quantizer",))
