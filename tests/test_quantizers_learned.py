"""pq, cosine_vq and simvq: codes by brute force, gradients by the losses, peers' figures."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

import aezoo
from aezoo.components.quantizers.vq import VQ
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str, shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def brute(rows: Tensor, e: Tensor) -> Tensor:
    """rows (..., D), e (K, D) -> the index of the nearest, (...)."""
    return (rows[..., None, :] - e).square().sum(-1).argmin(-1)


# -- product quantization


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_pq_takes_the_nearest_code_of_each_group(shape, update):
    quantizer = made(f"pq(2,8,4,update={update})", shape).eval()
    h = torch.randn(5, *shape)
    latent = quantizer(h)
    assert latent.codes.shape == (5, *quantizer.code_shape) == (5, 2, *shape[1:])
    rows = quantizer.project(h).detach().movedim(1, -1)
    expected, penalty = [], torch.zeros(5)
    for i, group in enumerate(quantizer.groups):
        part, e = rows[..., 2 * i : 2 * i + 2], group.codebook.detach()
        codes = brute(part, e)
        assert torch.equal(latent.codes[:, i], codes)
        expected.append(e[codes])
        penalty += (0.25 + (update == "gradient")) * (part - e[codes]).square().flatten(1).sum(1)
    torch.testing.assert_close(latent.z.movedim(1, -1), torch.cat(expected, -1))
    torch.testing.assert_close(latent.penalty, penalty)
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)


def test_pq_of_one_group_is_vq():
    pq, vq = made("pq(1,8,4,revive=0.0)"), made("vq(8,4,revive=0.0)")
    vq.load_state_dict({k.replace("groups.0.", ""): v for k, v in pq.state_dict().items()})
    for quantizer in (pq.groups[0], vq):
        quantizer.started.fill_(True)
    for seed in range(3):
        h = torch.randn(4, 6, 3, 4, generator=torch.Generator().manual_seed(seed))
        one, other = pq(h), vq(h)
        assert torch.equal(one.z, other.z)
        assert torch.equal(one.codes[:, 0], other.codes)
        assert torch.equal(one.penalty, other.penalty)
    assert torch.equal(pq.groups[0].codebook, vq.codebook)


@pytest.mark.parametrize("estimator", ["straight_through", "rotation"])
def test_the_groups_learn_apart(estimator):
    """Each group is a vq of its own channels: state, output and gradient."""
    quantizer = made(f"pq(2,8,4,revive=0.0,estimator={estimator})")
    h = torch.randn(4, 6, 3, 4, requires_grad=True)
    parts = quantizer.project(h).detach().chunk(2, 1)
    alone = []
    for i, part in enumerate(parts):
        vq = VQ(quantizer.groups[i].config, in_shape=(2, 3, 4))
        vq.project = torch.nn.Identity()
        vq.load_state_dict({**quantizer.groups[i].state_dict(), "started": torch.tensor(True)})
        alone.append((vq, vq(part.requires_grad_())))
        quantizer.groups[i].started.fill_(True)
    latent = quantizer(h)
    assert torch.equal(latent.z, torch.cat([found.z for _, found in alone], 1))
    for (vq, _), group in zip(alone, quantizer.groups, strict=True):
        assert torch.equal(vq.codebook, group.codebook)
    w = torch.randn_like(latent.z)
    (ours,) = torch.autograd.grad((latent.z * w).sum(), h)
    wanted = [
        torch.autograd.grad((found.z * v).sum(), part)[0]
        for (_, found), part, v in zip(alone, parts, w.chunk(2, 1), strict=True)
    ]
    (expected,) = torch.autograd.grad((quantizer.project(h) * torch.cat(wanted, 1)).sum(), h)
    torch.testing.assert_close(ours, expected)


# -- codebooks that learn by gradient: on the sphere, and behind a linear map


def inputs_of(quantizer: Any, h: Tensor) -> Tensor:
    """What is quantized, (B, *L, D)."""
    rows = quantizer.project(h).movedim(1, -1)
    return F.normalize(rows, dim=-1) if "CosineVQ" in type(quantizer).__name__ else rows


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("spec", ["cosine_vq(8,4)", "simvq(8,4,beta=0.5)"])
def test_the_nearest_code_and_the_penalty(spec, shape):
    quantizer = made(spec, shape).eval()
    h = torch.randn(5, *shape)
    latent = quantizer(h)
    rows, e = inputs_of(quantizer, h), quantizer.vectors()
    codes = brute(rows, e)
    assert torch.equal(latent.codes, codes)
    torch.testing.assert_close(latent.z.movedim(1, -1), e[codes])
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)
    weight = 1 + quantizer.beta
    torch.testing.assert_close(
        latent.penalty, weight * (rows - e[codes]).square().reshape(5, -1).sum(1)
    )


@pytest.mark.parametrize("spec", ["cosine_vq(8,4)", "simvq(8,4)"])
def test_the_gradients_are_those_of_the_two_terms(spec):
    """The commitment reaches the encoder, the other term the codebook, the decoder's z neither."""
    quantizer = made(spec)
    h = torch.randn(3, 6, 3, 4, requires_grad=True)
    latent = quantizer(h)
    learned = [p for n, p in quantizer.named_parameters() if not n.startswith("project")]
    assert len(learned) == 1
    given = (learned[0], h)
    ours = torch.autograd.grad(latent.penalty.sum() + (3 * latent.z).sum(), given)
    rows, e = inputs_of(quantizer, h), quantizer.vectors()[latent.codes]
    expected = 0.25 * (rows - e.detach()).square().sum() + (rows.detach() - e).square().sum()
    theirs = torch.autograd.grad(expected + 3 * rows.sum(), given)
    torch.testing.assert_close(ours, theirs)


def test_cosine_vq_lies_on_the_sphere_and_takes_the_largest_cosine():
    quantizer = made("cosine_vq(16,4)").eval()
    h = 100 * torch.randn(4, 6, 3, 4)
    latent = quantizer(h)
    torch.testing.assert_close(latent.z.norm(dim=1), torch.ones(4, 3, 4))
    raw = quantizer.project(h).movedim(1, -1)
    cosines = F.cosine_similarity(raw[..., None, :], quantizer.codebook, dim=-1)
    assert torch.equal(latent.codes, cosines.argmax(-1))
    assert torch.isfinite(quantizer(torch.zeros(2, 6, 3, 4)).penalty).all()


def test_cosine_vq_chooses_as_the_library_does():
    """vector-quantize-pytorch's cosine codebook, in eval mode, with the same code vectors."""
    vqp = pytest.importorskip("vector_quantize_pytorch")
    quantizer = made("cosine_vq(16,4)").eval()
    theirs = vqp.VectorQuantize(4, 16, use_cosine_sim=True).eval()
    h = torch.randn(3, 6, 3, 4)
    with torch.no_grad():
        theirs._codebook.embed.copy_(quantizer.vectors()[None])
        rows = quantizer.project(h).flatten(2).mT
        z, codes, _ = theirs(rows)
        latent = quantizer(h)
    assert torch.equal(latent.codes.flatten(1), codes)
    torch.testing.assert_close(latent.z.flatten(2).mT, z)


def test_simvq_is_the_librarys():
    """Codes, vectors and the loss, which is a mean where ours is a sum over a sample."""
    vqp = pytest.importorskip("vector_quantize_pytorch")
    quantizer = made("simvq(16,4)")
    theirs = vqp.SimVQ(4, 16, rotation_trick=False)
    h = torch.randn(3, 6, 3, 4)
    with torch.no_grad():
        theirs.frozen_codebook.copy_(quantizer.codebook / 2)  # sqrt(D) is 2
        theirs.code_transform.weight.copy_(quantizer.basis.weight)
    rows = quantizer.project(h).flatten(2).mT
    z, codes, loss = theirs(rows)
    latent = quantizer(h)
    assert torch.equal(latent.codes.flatten(1), codes)
    torch.testing.assert_close(latent.z.flatten(2).mT, z)
    torch.testing.assert_close(latent.penalty.mean(), loss * rows[0].numel())


def test_simvq_moves_all_codes_with_one():
    """A step that saw one code alone moves every code vector: the paper's point."""
    quantizer = made("simvq(16,4)")
    before = quantizer.vectors().detach()
    h = torch.randn(1, 6, 1, 1)
    frozen = quantizer.codebook.clone()
    quantizer(h).penalty.sum().backward()
    with torch.no_grad():
        quantizer.basis.weight -= 0.1 * quantizer.basis.weight.grad
    assert ((quantizer.vectors() - before).abs().sum(1) > 0).all()
    assert torch.equal(quantizer.codebook, frozen)
    assert "codebook" in quantizer.state_dict()


@pytest.mark.parametrize("spec", ["pq(2,8,4)", "cosine_vq(8,4)", "simvq(8,4)"])
def test_the_penalty_does_not_change_with_the_batch(spec):
    h = torch.randn(3, 6, 3, 4)
    quantizer = made(spec).eval()
    once, twice = quantizer(h).penalty, quantizer(torch.cat([h, h])).penalty
    torch.testing.assert_close(torch.cat([once, once]), twice)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("pq(3,8,4)", "cannot be cut into 3"),
        ("pq(0,8,4)", "groups must be at least 1"),
        ("pq(2,1,4)", "codes must be at least 2"),
        ("cosine_vq(1,4)", "codes must be at least 2"),
        ("simvq(8,0)", "dim must be at least 1"),
        ("simvq(8,4,beta=-1.0)", "beta must be at least"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(spec, message):
    with pytest.raises(aezoo.SpecError, match=message):
        bind(parse(spec), ("quantizer",))


@pytest.mark.parametrize("spec", ["pq(2,8,4)", "cosine_vq(16,4)", "simvq(16,4)"])
def test_codes_are_looked_up_under_autocast_as_they_were_encoded(spec: str) -> None:
    quantizer = made(spec).eval()
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
        latent = quantizer(torch.randn(5, 6, 3, 4))
        torch.testing.assert_close(quantizer.lookup(latent.codes), latent.z)
