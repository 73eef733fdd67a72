"""rfsq: each step against a direct loop over the grid's points, and plain FSQ where q is 1."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str, shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def by_loop(y: float, level: int, q: int) -> tuple[list[int], float]:
    """The digits of one channel, and what is left: the nearest grid point, step after step."""
    digits, left = [], y
    for k in range(q):
        size = (level - 1.0) ** -k
        grid = [size * (2 * i / (level - 1) - 1) for i in range(level)]
        digits.append(min(range(level), key=lambda i: abs(left - grid[i])))
        left -= grid[digits[-1]]
    return digits, left


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", ["rfsq(3,3,4)", "rfsq(2,5,4,3)", "rfsq(1,9)"])
def test_every_step_rounds_what_is_left(spec, shape):
    quantizer = made(spec, shape).double()
    levels, q = quantizer.levels.tolist(), quantizer.q
    h = torch.randn(2, *shape, dtype=torch.float64)
    latent = quantizer(h)
    assert latent.codes.shape == (2, *quantizer.code_shape) == (2, q, *shape[1:])
    assert latent.penalty is None
    y = quantizer.project(h).tanh().movedim(1, -1).reshape(-1, len(levels))
    codes = latent.codes.movedim(1, -1).reshape(-1, q)
    z = latent.z.movedim(1, -1).reshape(-1, len(levels))
    for place in range(len(y)):
        expected = [0] * q
        for channel, level in enumerate(levels):
            value = y[place, channel].item()
            digits, left = by_loop(value, level, q)
            for k, digit in enumerate(digits):
                expected[k] += digit * math.prod(levels[:channel])
            assert z[place, channel].item() == pytest.approx(value - left)
            assert abs(left) <= (level - 1.0) ** -q + 1e-12  # each step gains a factor L-1
        assert codes[place].tolist() == expected
    torch.testing.assert_close(quantizer.lookup(latent.codes), latent.z)


def test_the_first_steps_alone_give_a_coarser_z():
    quantizer = made("rfsq(3,5,4)").eval()
    h = torch.randn(8, 6, 3, 4)
    codes, y = quantizer(h).codes, quantizer.project(h).tanh()
    errors = [(y - quantizer.lookup(codes[:, :n])).abs().max().item() for n in (1, 2, 3)]
    assert errors[0] <= 1 / 3 + 1e-6
    assert errors[1] <= 1 / 9 + 1e-6
    assert errors[2] <= 1 / 27 + 1e-6
    assert errors[0] > errors[1] > errors[2]


def test_straight_through_is_the_identity_of_tanh():
    quantizer = made("rfsq(2,3,4)")
    h = torch.randn(2, 6, 3, 4, requires_grad=True)
    w = torch.randn(2, 2, 3, 4)
    (expected,) = torch.autograd.grad((quantizer.project(h).tanh() * w).sum(), h)
    (grad,) = torch.autograd.grad((quantizer(h).z * w).sum(), h)
    torch.testing.assert_close(grad, expected)
    assert grad.abs().sum() > 0


def rows_of(z: Tensor) -> Tensor:
    return z.flatten(2).mT


def test_one_step_is_the_librarys_symmetric_fsq():
    vqp = pytest.importorskip("vector_quantize_pytorch")
    quantizer = made("rfsq(1,5,4,3)")
    h = torch.randn(3, 6, 3, 4)
    z, codes = vqp.FSQ([5, 4, 3], preserve_symmetry=True)(rows_of(quantizer.project(h)))
    latent = quantizer(h)
    torch.testing.assert_close(rows_of(latent.z), z)
    assert torch.equal(latent.codes.flatten(1), codes.long())


def test_a_second_step_is_the_librarys_on_what_is_left():
    """Its ResidualFSQ shrinks by L a step; by hand, with its own rounding, (L-1)^-1 is used."""
    vqp = pytest.importorskip("vector_quantize_pytorch")
    quantizer = made("rfsq(2,5,5)")
    fsq = vqp.FSQ([5, 5], preserve_symmetry=True, bound_hard_clamp=True)
    h = torch.randn(3, 6, 3, 4)
    y = rows_of(quantizer.project(h).tanh())
    first, codes = fsq(y)
    second, more = fsq((y - first) * 4)
    latent = quantizer(h)
    torch.testing.assert_close(rows_of(latent.z), first + second / 4)
    assert torch.equal(latent.codes.flatten(2), torch.stack([codes, more], 1).long())


def test_wild_inputs_stay_in_the_table():
    quantizer = made("rfsq(2,3,4)")
    for value in (math.nan, math.inf, -math.inf, 1e30):
        codes = quantizer(torch.full((2, 6, 3, 4), value)).codes
        assert 0 <= codes.min() <= codes.max() < 12
    assert quantizer(torch.full((2, 6, 3, 4), math.nan)).z.isnan().all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rfsq(0,3)", "q must be at least 1"),
        ("rfsq(2)", "needs the argument 'levels'"),
        ("rfsq(2,2,3)", "each from 3 to 1000"),  # two levels never get finer: (L-1)^-1 is 1
        ("rfsq(2,1000,1000,1000)", "at most 2\\^24"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(spec, message):
    with pytest.raises(aezoo.SpecError, match=message):
        bind(parse(spec), ("quantizer",))
