"""What the quantizers share: places as rows, gauges without a table, mixed-radix codes, float64."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode

import aezoo
from aezoo.components.quantizers.gauges import gauges, joined, occurrences
from aezoo.components.quantizers.nearest import perplexity, usage
from aezoo.components.quantizers.radix import bases_of, digits_of, number_of
from aezoo.components.quantizers.rows import codes_of, map_of, rows_of, sums_of
from aezoo.resolve import bind
from aezoo.spec import parse

#: Every quantizer of one map, small.
SPECS = [
    "vq(8,4)",
    "vq(8,4,update=gradient,estimator=rotation)",
    "fsq(4,5,2)",
    "rvq(2,8,4)",
    "pq(2,8,4)",
    "cosine_vq(8,4)",
    "simvq(8,4)",
    "lfq(4)",
    "bsq(4,q=2)",
    "rfsq(2,3,4)",
    "sqvae(8,4)",
]


def made(spec: str, shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


@pytest.mark.parametrize("places", [(), (5,), (3, 4), (2, 3, 2)])
def test_rows_go_back_to_their_places(places):
    z = torch.randn(3, 6, *places)
    rows = rows_of(z)
    assert torch.equal(map_of(rows, z), z)
    flat = torch.arange(len(rows))
    codes = codes_of(flat, z)
    assert codes.shape == (3, *places)
    for at in itertools.product(range(3), *(range(n) for n in places)):
        assert torch.equal(rows[codes[at]], z[(at[0], slice(None), *at[1:])])
    torch.testing.assert_close(sums_of(rows, z), z.flatten(1).sum(1))
    assert sums_of(rows[:0], z[:0]).shape == (0,)


@pytest.mark.parametrize("k", [3, 7, 40, 41, 1 << 40])
def test_occurrences_are_those_of_a_full_table(k):
    codes = torch.randint(min(k, 9), (2, 4, 5)) * max(1, min(k, 1 << 40) // 9)
    counts = occurrences(codes, k)
    assert len(counts) <= max(k if k <= 40 else 0, codes.numel())
    values, expected = codes.unique(return_counts=True)
    assert sorted(counts[counts > 0].tolist()) == sorted(expected.tolist())
    found = gauges(codes, k)
    torch.testing.assert_close(found["perplexity"], perplexity(expected))
    assert found["usage"].item() == pytest.approx(len(values) / k)
    assert occurrences(codes[:0], k).sum() == 0


def test_gauges_of_several_codes_are_joined():
    codes = torch.randint(5, (4, 3, 6))
    single = [gauges(codes[:, i], 5) for i in range(3)]
    both = joined(single)
    assert all(torch.equal(v, both[k]) for k, v in gauges(codes, 5, 3).items())
    expected = torch.stack([m["perplexity"] for m in single]).log().mean().exp()
    torch.testing.assert_close(both["perplexity"], expected)
    full = [usage(torch.bincount(codes[:, i].flatten(), minlength=5)) for i in range(3)]
    torch.testing.assert_close(both["usage"], torch.stack(full).mean())


def test_digits_and_numbers_are_one_to_one():
    levels = (3, 2, 4)
    bases = bases_of(levels)
    assert bases == [1, 3, 6]
    codes = torch.arange(24)
    digits = digits_of(codes, torch.tensor(bases), torch.tensor(levels))
    first_fastest = [list(reversed(d)) for d in itertools.product(*map(range, reversed(levels)))]
    assert digits.tolist() == first_fastest
    assert torch.equal(number_of(digits, torch.tensor(bases)), codes)


class NoSync(TorchDispatchMode):
    """Fails where the host would wait for the device: for a value, or a size that hangs on one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in ("_local_scalar_dense", "nonzero", "masked_select", "_unique2"), name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("spec", SPECS)
def test_a_training_step_does_not_wait_for_the_device(spec):
    quantizer = made(spec).train()
    quantizer(torch.randn(4, 6, 3, 4))  # the first batch may: it starts codebooks
    h = torch.randn(4, 6, 3, 4, requires_grad=True)
    with NoSync():
        latent = quantizer(h, sample=True)
        loss = latent.z.square().sum()
        if latent.penalty is not None:
            loss = loss + latent.penalty.sum()
        loss.backward()
        quantizer.eval()(h.detach())
    assert h.grad is not None
    assert h.grad.abs().sum() > 0


@pytest.mark.parametrize("spec", SPECS)
def test_a_float64_model_computes_in_float64(spec):
    """Training too: every figure agrees with float32's, and carries more digits than it has."""
    model = aezoo.create(f"vqvae(res(8,depth=1,down=1),{spec},unres(8,depth=1),input=(1,4,4))")
    torch.manual_seed(1)
    x = torch.rand(4, 1, 4, 4)
    model.eval()
    single = model.loss(x, generator=torch.Generator().manual_seed(2)).total
    model.double()
    losses = model.loss(x.double(), generator=torch.Generator().manual_seed(2)).total
    assert losses.dtype == torch.float64
    torch.testing.assert_close(losses.float(), single, atol=1e-4, rtol=1e-4)
    latent = model.encode(x.double())
    assert latent.z.dtype == torch.float64
    assert model.bottleneck.lookup(latent.codes).dtype == torch.float64
    torch.testing.assert_close(model.bottleneck.lookup(latent.codes), latent.z)
    for value in (latent.penalty,) if latent.penalty is not None else ():
        assert value.dtype == torch.float64
    model.train().loss(x.double()).total.backward()
    assert all(p.grad is not None and p.grad.dtype == torch.float64 for p in model.parameters())
    assert all(t.dtype != torch.float32 for t in model.state_dict().values())


def test_float64_averages_are_float64():
    """N of appendix A.1 to 1e-12: no factor has been through float32."""
    quantizer = made("vq(8,4,revive=0.0)").double()
    quantizer.started.fill_(True)
    codes = quantizer(torch.randn(5, 6, 3, 4).double()).codes.flatten()
    expected = 0.99 + 0.01 * torch.bincount(codes, minlength=8).double()
    torch.testing.assert_close(quantizer.counts, expected, atol=1e-12, rtol=0)


def test_fsq_in_float64_bounds_in_float64():
    quantizer = made("fsq(4,5)", (2,)).double()
    rows = torch.randn(50, 2, dtype=torch.float64)
    levels = torch.tensor([4.0, 5.0], dtype=torch.float64)
    half = (levels - 1) * 1.001 / 2
    offset = torch.tensor([0.5, 0.0], dtype=torch.float64)
    expected = (rows + (offset / half).atanh()).tanh() * half - offset
    torch.testing.assert_close(quantizer._bound(rows), expected, atol=1e-14, rtol=0)
