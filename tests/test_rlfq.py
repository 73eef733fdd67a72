"""rlfq: each step is lfq on what is left, doubled; its codes are the binary digits of a grid."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.components.quantizers.configs import LFQ as Config
from aezoo.components.quantizers.configs import RLFQ
from aezoo.components.quantizers.lfq import LFQ
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str = "rlfq(3,4)", shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def quantized(quantizer: Any, z_e: Tensor) -> Any:
    return quantizer.quantize(z_e, sample=False, generator=None)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("q", [1, 2, 4])
def test_it_is_the_nearest_point_of_a_grid(shape: tuple[int, ...], q: int) -> None:
    """Sums of 1, 1/2, 1/4 ... with signs lie evenly, and greedy signs find the nearest."""
    quantizer = made(f"rlfq({q},4)", shape).double()
    h = torch.randn(3, *shape, dtype=torch.float64)
    latent, z_e = quantizer(2 * h), quantizer.project(2 * h)
    assert latent.codes.shape == (3, *quantizer.code_shape) == (3, q, *shape[1:])
    signs = itertools.product((-1.0, 1.0), repeat=q)
    grid = torch.tensor([sum(s * 0.5**k for k, s in enumerate(c)) for c in signs]).double()
    apart = torch.full((2**q - 1,), 0.5 ** (q - 2)).double()
    torch.testing.assert_close(grid.sort().values.diff(), apart)
    nearest = grid[(z_e.unsqueeze(-1) - grid).abs().argmin(-1)]
    torch.testing.assert_close(latent.z, nearest)
    assert torch.equal(latent.z, quantizer.lookup(latent.codes))


def test_each_step_is_lfq_on_what_is_left() -> None:
    """Codes, and penalties: distances in the step's own size, the commitment in z's."""
    options: dict[str, Any] = {"entropy": 0.3, "gamma": 0.7, "joint": 2, "temperature": 0.5}
    quantizer = made("rlfq(3,4,entropy=0.3,gamma=0.7,joint=2,temperature=0.5,beta=0.2)").train()
    z_e = torch.randn(5, 4, 3, 4)
    latent = quantized(quantizer, z_e)
    left, penalty = z_e, torch.zeros(5)
    for k in range(3):
        step = LFQ(Config(4, beta=0.2 * 0.25**k, **options), in_shape=(4, 3, 4)).train()
        found = quantized(step, left * 2**k)
        assert torch.equal(latent.codes[:, k], found.codes)
        assert found.penalty is not None
        penalty = penalty + found.penalty
        left = left - found.z / 2**k
    torch.testing.assert_close(latent.penalty, penalty)


def test_one_step_is_lfq() -> None:
    config = RLFQ(1, 4)
    assert config.step == Config(4)
    ours, theirs = made("rlfq(1,4)").train(), made("lfq(4)").train()
    h = torch.randn(5, 6, 3, 4)
    a, b = ours(h), theirs(h)
    assert torch.equal(a.z, b.z)
    assert torch.equal(a.codes[:, 0], b.codes)
    assert torch.equal(a.penalty, b.penalty)


def test_it_is_the_librarys() -> None:
    vqp = pytest.importorskip("vector_quantize_pytorch")
    quantizer = made("rlfq(3,4)").eval()
    theirs = vqp.ResidualLFQ(dim=4, num_quantizers=3, codebook_size=16).eval()
    z_e = torch.randn(5, 4, 7)
    z, codes, _ = theirs(z_e.mT)
    latent = quantized(quantizer, z_e)
    torch.testing.assert_close(latent.z, z.mT)
    reversed_bits = torch.tensor([int(f"{i:04b}"[::-1], 2) for i in range(16)])
    assert torch.equal(reversed_bits[latent.codes], codes.permute(0, 2, 1))  # their last counts 1


def test_the_gradient_passes_straight() -> None:
    quantizer = made("rlfq(3,4,entropy=0.0)")
    z_e = torch.randn(2, 4, 3, 4, requires_grad=True)
    w = torch.randn(2, 4, 3, 4)
    latent = quantized(quantizer, z_e)
    (slope,) = torch.autograd.grad((latent.z * w).sum(), z_e, retain_graph=True)
    assert torch.equal(slope, w)
    (slope,) = torch.autograd.grad(latent.penalty.sum(), z_e)
    expected = torch.zeros_like(z_e)
    for n in (1, 2, 3):  # of each step, of all that is said so far
        expected += 2 * 0.25 * (z_e - quantizer.lookup(latent.codes[:, :n])).detach()
    torch.testing.assert_close(slope, expected)


def test_the_first_steps_alone_give_a_coarser_z() -> None:
    quantizer = made().eval()
    z_e = 4 * torch.rand(8, 4, 3, 4) - 2
    codes = quantized(quantizer, z_e).codes
    errors = [(z_e - quantizer.lookup(codes[:, :n])).abs().max().item() for n in (1, 2, 3)]
    assert all(error <= bound for error, bound in zip(errors, (1, 0.5, 0.25), strict=True))
    assert errors[0] > errors[1] > errors[2]


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("rlfq(0,4)", "q must be at least 1"),
        ("rlfq(2,25)", "at most 2\\^24"),
        ("rlfq(2,4,temperature=0.0)", "temperature must be above 0"),
        ("rlfq(2,4,beta=-1.0)", "beta must be at least"),
    ],
)
def test_arguments_that_make_no_sense(spec: str, said: str) -> None:
    with pytest.raises(aezoo.SpecError, match=said):
        bind(parse(spec), ("quantizer",))
