"""diveq: the paper's step and its gradients, the peer's own, and that a codebook learns by it."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch import Tensor

import aezoo
from aezoo.components.quantizers.diveq import step
from aezoo.resolve import bind
from aezoo.spec import parse


def made(spec: str = "diveq(8,4)", shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def rows(n: int = 50, d: int = 4, seed: int = 1) -> tuple[Tensor, Tensor, Tensor]:
    """z, e and noise, float64."""
    generator = torch.Generator().manual_seed(seed)
    z, e, v = torch.randn(3, n, d, generator=generator, dtype=torch.float64)
    return z, e, v


def test_the_step_is_as_long_as_the_way() -> None:
    z, e, v = rows()
    for noise in (0.0, 0.1, 10.0):
        found = step(z, e, noise * v) - z
        torch.testing.assert_close(found.norm(dim=1), (e - z).norm(dim=1))
    torch.testing.assert_close(step(z, e, 0 * v), e)
    away = e - z + 0.1 * v  # in the direction of the noisy way
    cosine = ((step(z, e, 0.1 * v) - z) * away).sum(1) / ((e - z).norm(dim=1) * away.norm(dim=1))
    torch.testing.assert_close(cosine, torch.ones(50).double())


def test_the_gradients_by_hand() -> None:
    """u constant: d/de = (u.g) d/|d|, and d/dz = g less the same."""
    z, e, v = rows()
    for given in (z, e):
        given.requires_grad_()
    g = rows(seed=2)[0]
    to_z, to_e = torch.autograd.grad(step(z, e, 0.3 * v), (z, e), g)
    d = (e - z).detach()
    u = (d + 0.3 * v) / (d + 0.3 * v).norm(dim=1, keepdim=True)
    expected = (u * g).sum(1, keepdim=True) * d / d.norm(dim=1, keepdim=True)
    torch.testing.assert_close(to_e, expected)
    torch.testing.assert_close(to_z, g - expected)


def test_where_z_is_a_code_vector() -> None:
    z, _, v = rows()
    z.requires_grad_()
    e = z.detach().clone().requires_grad_()
    for noise in (0 * v, v):
        found = step(z, e, noise)
        torch.testing.assert_close(found, e)
        to_z, to_e = torch.autograd.grad(found.sum(), (z, e))
        assert torch.equal(to_z, torch.ones_like(z)) and not to_e.any()


def test_it_is_the_peers() -> None:
    peer = pytest.importorskip("vector_quantize_pytorch.vector_quantize_pytorch")
    z, e, g = rows()
    for given in (z, e):
        given.requires_grad_()
    torch.manual_seed(3)
    theirs = peer.directional_reparam(z, e, 0.02)
    torch.manual_seed(3)
    ours = step(z, e, math.sqrt(0.02) * torch.randn_like(z))
    torch.testing.assert_close(ours, theirs)
    for a, b in zip(*(torch.autograd.grad(y, (z, e), g) for y in (ours, theirs)), strict=True):
        torch.testing.assert_close(a, b)


def test_the_whole_quantizer_is_the_peers() -> None:
    """Of the same codebook and the same draws: z, codes, and the gradient of both."""
    library = pytest.importorskip("vector_quantize_pytorch")
    ours = made("diveq(8,4,revive=0.0)", (4, 3, 5)).train()
    theirs = library.VectorQuantize(
        dim=4, codebook_size=8, directional_reparam=True, directional_reparam_variance=1e-3,
        accept_image_fmap=True, threshold_ema_dead_code=1e-9,
    ).train()  # fmt: skip
    ours.started.fill_(True)
    with torch.no_grad():
        theirs._codebook.embed.copy_(ours.codebook[None])
    h = torch.randn(2, 4, 3, 5)
    w = torch.randn(2, 4, 3, 5)
    found = []
    for quantizer, codebook in ((ours, ours.codebook), (theirs, theirs._codebook.embed)):
        x = h.clone().requires_grad_()
        torch.manual_seed(7)
        if quantizer is ours:
            latent = ours.quantize(x, sample=False, generator=None)
            z, codes = latent.z, latent.codes
        else:
            z, codes, _ = theirs(x)
        slopes = torch.autograd.grad((z * w).sum(), (x, codebook))
        found.append((z, codes, slopes[0], slopes[1].reshape(8, 4)))
    for a, b in zip(*found, strict=True):
        torch.testing.assert_close(a, b)


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)])
def test_evaluated_it_is_the_nearest_code_vector(shape: tuple[int, ...]) -> None:
    quantizer = made(shape=shape).eval()
    h = 100 * torch.randn(3, *shape)
    latent = quantizer(h)
    assert torch.equal(latent.z, quantizer.lookup(latent.codes))
    flat = quantizer.project(h).movedim(1, -1).reshape(-1, 4)
    expected = torch.cdist(flat, quantizer.codebook).argmin(1)
    assert torch.equal(latent.codes.flatten(), expected)
    assert latent.penalty is None


def test_the_noise_in_training() -> None:
    """Small noise v moves the end by its part across the way: sigma^2 (D - 1) in the square."""
    quantizer = made("diveq(4,16,variance=1e-4,revive=0.0)", (16, 40, 40)).train()
    quantizer.started.fill_(True)
    with torch.no_grad():
        quantizer.codebook.mul_(10)
    h = torch.randn(2, 16, 40, 40)
    latent, again = (
        quantizer.quantize(h, sample=False, generator=torch.Generator().manual_seed(1))
        for _ in range(2)
    )
    error = (latent.z - quantizer.lookup(latent.codes)).square().sum(1).mean()
    assert float(error.detach()) == pytest.approx(1e-4 * 15, rel=0.05)
    assert torch.equal(latent.z, again.z)


def test_the_reconstruction_alone_teaches_codebook_and_encoder() -> None:
    """Four clusters, four codes: the distortion becomes the clusters' own spread."""
    torch.manual_seed(0)
    centres = torch.tensor([[0.1, 0.1], [0.1, 0.9], [0.9, 0.1], [0.9, 0.9]])
    x = (centres[torch.arange(512) % 4] + 0.02 * torch.randn(512, 2)).view(-1, 1, 2)
    model: Any = aezoo.create("vqvae(mlp(16),diveq(4,2),mlp(16),input=(1,2))").train()
    optimizer = torch.optim.Adam(model.parameters(), 1e-2)
    before = model.bottleneck.codebook.detach().clone()
    for _ in range(300):
        optimizer.zero_grad()
        model.loss(x).total.backward()
        optimizer.step()
    with torch.no_grad():
        x_hat = model.eval().reconstruct(x)
    assert float((x_hat - x).square().mean()) < 2 * 0.02**2
    assert len(model.encode_codes(x).unique()) == 4
    assert not torch.equal(model.bottleneck.codebook, before)
