"""lfq and bsq: entropies against all 2^D codes, numbers of the codes, and the library's figures."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

import aezoo
from aezoo.components.quantizers import configs
from aezoo.components.quantizers.bits import bit_entropies, mean_entropy, numbered, signs_of
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str, shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def corners(dim: int) -> Tensor:
    """All codes in the order of their numbers, the first bit counting 1: (2^D, D) of 1 and -1."""
    rows = [list(reversed(c)) for c in itertools.product((-1.0, 1.0), repeat=dim)]
    return torch.tensor(rows, dtype=torch.float64)


def entropy(p: Tensor) -> Tensor:
    return torch.special.entr(p).sum(-1)


# -- numbers


@pytest.mark.parametrize(("dim", "q"), [(1, 1), (4, 1), (4, 2), (6, 3), (40, 2)])
def test_codes_and_signs_are_one_to_one(dim, q):
    values = torch.randn(5, dim, 3, 2)
    codes = numbered(values, q)
    assert codes.shape == ((5, q, 3, 2) if q > 1 else (5, 3, 2))
    assert 0 <= codes.min() <= codes.max() < 2 ** (dim // q)
    assert torch.equal(signs_of(codes, dim, q, torch.float32), torch.where(values > 0, 1.0, -1.0))


def test_the_first_channel_counts_one():
    """Eq. 4 of arXiv:2310.05737: the sum of 2^(i-1) over the positive channels."""
    assert torch.equal(numbered(corners(5), 1), torch.arange(32))
    assert numbered(torch.tensor([[1.0, -1, -1, 1]]), 1).item() == 1 + 8
    assert numbered(torch.tensor([[1.0, -1, -1, 1]]), 2).tolist() == [[1, 2]]
    assert numbered(torch.zeros(1, 3), 1).item() == 0  # sign(0) is -1, as in eq. 3


# -- entropies


@pytest.mark.parametrize("dim", [1, 2, 5, 8])
def test_the_entropy_of_a_place_is_that_over_all_codes(dim):
    z = torch.randn(20, dim, dtype=torch.float64)
    logits = 4 * z / 0.7
    distances = (z[:, None] - corners(dim)).square().sum(-1)
    p = (-distances / 0.7).softmax(-1)
    torch.testing.assert_close(bit_entropies(logits).sum(1), entropy(p))


@pytest.mark.parametrize("dim", [1, 2, 5, 8])
def test_the_entropy_of_a_batch_is_that_over_all_codes(dim):
    logits = torch.randn(20, dim, dtype=torch.float64, requires_grad=True)
    p = (logits[:, None] * corners(dim) / 2).sum(-1).softmax(-1).mean(0)
    ours = mean_entropy(logits, 18)
    torch.testing.assert_close(ours, entropy(p))
    (g,) = torch.autograd.grad(ours, logits, retain_graph=True)
    (expected,) = torch.autograd.grad(entropy(p), logits)
    torch.testing.assert_close(g, expected)


def test_the_entropies_of_groups_add_up_to_more():
    """joint=1 is the factorized bound; larger groups are nearer, and all bits together exact."""
    logits = 3 * torch.randn(4, 6, dtype=torch.float64)
    found = [mean_entropy(logits, joint).item() for joint in (1, 2, 3, 6)]
    assert found[0] > found[1] > found[3]
    assert found[0] > found[2] > found[3]
    p = torch.sigmoid(logits).mean(0)
    torch.testing.assert_close(found[0], entropy(torch.stack([p, 1 - p], -1)).sum().item())
    halves = sum(mean_entropy(half, 9).item() for half in logits.split(3, 1))
    torch.testing.assert_close(found[2], halves)


def test_entropies_of_sure_bits_and_their_gradients_are_finite():
    logits = torch.tensor([[0.0, 1e4, -1e4, 400.0, -50.0]], requires_grad=True)
    values = bit_entropies(logits)
    torch.testing.assert_close(values[0, :3], torch.tensor([math.log(2), 0.0, 0.0]))
    total = values.sum() + mean_entropy(logits, 18)
    (grad,) = torch.autograd.grad(total, logits)
    assert torch.isfinite(grad).all()


def test_the_batchs_entropy_holds_no_table_for_each_place():
    """2^18 codes of 64 places: nothing is as large as 64 * 2^18, nor a quarter of it."""
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor):
                seen.append(out.numel())
            return out

    with Watch():
        mean_entropy(torch.randn(64, 18), 18)
    assert max(seen) <= 1 << 18
    with Watch():
        made("lfq(48,q=2)")(torch.randn(2, 6, 3, 4))
    assert max(seen) <= 1 << 18


# -- the quantizers


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", ["lfq(4)", "lfq(4,q=2)", "bsq(4)", "bsq(4,q=4)"])
def test_the_nearest_of_all_codes(spec, shape):
    quantizer = made(spec, shape).eval()
    h = torch.randn(5, *shape)
    latent = quantizer(h)
    side = 0.5 if spec.startswith("bsq") else 1.0  # 1/sqrt(4)
    v = quantizer.project(h).movedim(1, -1)
    v = F.normalize(v, dim=-1) if spec.startswith("bsq") else v
    all_codes = corners(4).float() * side
    nearest = (v[..., None, :] - all_codes).square().sum(-1).argmin(-1)
    torch.testing.assert_close(latent.z.movedim(1, -1), all_codes[nearest])
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)
    q = quantizer.config.q
    assert latent.codes.shape == (5, *quantizer.code_shape)
    assert quantizer.num_codes == 2 ** (4 // q)
    codes = latent.codes.unsqueeze(1) if q == 1 else latent.codes
    weights = quantizer.num_codes ** torch.arange(q).reshape(-1, *[1] * (len(shape) - 1))
    assert torch.equal((codes * weights).sum(1), nearest)


@pytest.mark.parametrize("spec", ["lfq(4)", "bsq(4)"])
def test_straight_through_is_the_identity(spec):
    quantizer = made(spec)
    h = torch.randn(2, 6, 3, 4, requires_grad=True)
    w = torch.randn(2, 4, 3, 4)
    v = quantizer.project(h)
    v = F.normalize(v, dim=1) if spec.startswith("bsq") else v
    (expected,) = torch.autograd.grad((v * w).sum(), h)
    (grad,) = torch.autograd.grad((quantizer(h).z * w).sum(), h)
    torch.testing.assert_close(grad, expected)
    assert grad.abs().sum() > 0


@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize(
    "spec",
    ["lfq(4,temperature=0.7,gamma=0.5,beta=0.3)", "bsq(4,tau=3.0,gamma=0.5,entropy=0.3)"],
)
def test_the_penalty_by_enumeration(spec, training):
    """E[H(q)] - gamma H(E[q]) over all 16 codes, summed over a sample's 12 places."""
    quantizer = made(spec).double().train(training)
    config = quantizer.config
    h = torch.randn(3, 6, 3, 4, dtype=torch.float64)
    v = quantizer.project(h).movedim(1, -1)
    commitment = 0.0
    if isinstance(config, configs.LFQ):
        p = (-(v[..., None, :] - corners(4)).square().sum(-1) / 0.7).softmax(-1)
        error = v - torch.where(v > 0, 1.0, -1.0)
        commitment = config.beta * error.square().sum((1, 2, 3))
    else:
        u = F.normalize(v, dim=-1)
        p = (3.0 * (u[..., None, :] * corners(4) / 2).sum(-1)).softmax(-1)
    expected = entropy(p).sum((1, 2))
    if training:
        expected = expected - 0.5 * 12 * entropy(p.mean((0, 1, 2)))
    torch.testing.assert_close(quantizer(h).penalty, config.entropy * expected + commitment)


@pytest.mark.parametrize("spec", ["lfq(4)", "bsq(4)"])
def test_the_penalty_does_not_change_with_the_batch(spec):
    quantizer, h = made(spec), torch.randn(3, 6, 3, 4)
    once, twice = quantizer(h).penalty, quantizer(torch.cat([h, h])).penalty
    torch.testing.assert_close(torch.cat([once, once]), twice)
    quantizer.eval()  # and in eval mode a sample's is its own
    torch.testing.assert_close(quantizer(h[:1]).penalty, quantizer(h).penalty[:1])


@pytest.mark.parametrize("spherical", [False, True])
def test_the_librarys_layer_computes_the_same(spherical):
    """vector-quantize-pytorch's inv_temperature=100 is temperature=0.01, and tau=200 on a sphere.

    Its codes count the first channel most. It clamps p at 1e-5 in p log p, which ours does not.
    """
    vqp = pytest.importorskip("vector_quantize_pytorch")
    spec = "bsq(4,tau=200.0,gamma=0.5)" if spherical else "lfq(4,gamma=0.5,beta=0.25)"
    quantizer = made(spec)
    theirs = vqp.LFQ(
        dim=4, spherical=spherical, diversity_gamma=0.5, commitment_loss_weight=0.25
    ).train()
    h = 0.05 * torch.randn(3, 6, 3, 4, requires_grad=True)
    rows = quantizer.project(h).flatten(2).mT
    (z, codes, _), parts = theirs(rows, return_loss_breakdown=True)
    latent = quantizer(h)
    torch.testing.assert_close(latent.z.flatten(2).mT, z)
    flipped = torch.stack([((codes >> i) & 1) << (3 - i) for i in range(4)]).sum(0)
    assert torch.equal(latent.codes.flatten(1), flipped)
    expected = 0.1 * 12 * (parts.per_sample_entropy - 0.5 * parts.batch_entropy)
    if not spherical:
        expected = expected + 0.25 * 48 * parts.commitment
    torch.testing.assert_close(latent.penalty.mean(), expected, atol=1e-3, rtol=1e-3)


def test_wild_inputs_stay_in_the_table():
    for spec in ("lfq(4)", "bsq(4,q=2)"):
        quantizer = made(spec).eval()
        for value in (math.nan, math.inf, 1e30, 0.0):
            latent = quantizer(torch.full((2, 6, 3, 4), value))
            assert 0 <= latent.codes.min() <= latent.codes.max() < quantizer.num_codes
        assert quantizer(torch.full((2, 6, 3, 4), math.nan)).z.isnan().all()


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("lfq(0)", "dim must be at least 1"),
        ("lfq(25)", "at most 2\\^24 are counted, so give q=2"),
        ("bsq(36)", "q=2"),
        ("lfq(5,q=2)", "cannot be cut into 2"),
        ("lfq(4,temperature=0.0)", "temperature must be above 0"),
        ("lfq(4,joint=21)", "at most 20"),
        ("bsq(4,entropy=-1.0)", "entropy must be at least"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(spec, message):
    with pytest.raises(aezoo.SpecError, match=message):
        bind(parse(spec), ("quantizer",))
