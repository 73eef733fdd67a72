"""Residual vector quantization: level by level against brute force, and the gradient of one sum."""

from __future__ import annotations

import pytest
import torch

import aezoo
from aezoo.components.quantizers import configs
from aezoo.components.quantizers.rvq import RVQ
from aezoo.data.sets import load


def make(shape=(6, 3, 4), **options) -> RVQ:
    torch.manual_seed(0)
    return RVQ(configs.RVQ(3, 8, 4, **options), in_shape=shape)


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)])
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_each_level_takes_the_code_nearest_to_what_is_left(shape, update):
    quantizer = make(shape, update=update).eval()
    h = torch.randn(5, *shape)
    latent = quantizer(h)
    left = quantizer.project(h).detach().movedim(1, -1)
    total, penalty = torch.zeros_like(left), torch.zeros(5)
    for i, level in enumerate(quantizer.levels):
        book = level.codebook.detach()
        codes = (left[..., None, :] - book).square().sum(-1).argmin(-1)
        assert torch.equal(latent.codes[:, i], codes)
        penalty += (0.25 + (update == "gradient")) * (left - book[codes]).square().flatten(1).sum(1)
        left, total = left - book[codes], total + book[codes]
    torch.testing.assert_close(latent.z.movedim(1, -1), total)
    torch.testing.assert_close(latent.penalty, penalty)
    torch.testing.assert_close(quantizer.lookup(latent.codes), latent.z)
    assert latent.codes.shape[1:] == quantizer.code_shape


def test_straight_through_is_the_identity_once():
    quantizer = make().eval()
    h = torch.randn(2, 6, 3, 4, requires_grad=True)
    w = torch.randn(2, 4, 3, 4)
    (grad,) = torch.autograd.grad((quantizer(h).z * w).sum(), h)
    (expected,) = torch.autograd.grad((quantizer.project(h) * w).sum(), h)
    torch.testing.assert_close(grad, expected)


def test_more_levels_leave_less_and_perplexity_is_level_by_level():
    quantizer = make()
    h = torch.randn(64, 6, 3, 4)
    for _ in range(20):
        quantizer(h)
    latent = quantizer.eval()(h)
    z = quantizer.project(h)
    errors = [(z - quantizer.lookup(latent.codes[:, :n])).square().mean() for n in (1, 2, 3)]
    assert errors[0] > errors[1] > errors[2]
    counts = torch.stack([latent.codes[:, i].flatten().bincount(minlength=8) for i in range(3)])
    p = counts.double() / counts.sum(1, keepdim=True)
    even = torch.special.entr(p).sum(1).mean().exp()
    torch.testing.assert_close(latent.metrics["perplexity"], even)


def test_it_learns_digits():
    torch.manual_seed(0)
    spec = "vqvae(res(8,depth=1,down=1),rvq(2,16,4),unres(8,depth=1),input=(1,8,8))"
    model = aezoo.create(spec).train()
    x = torch.tensor(load("digits", "train[:128]").images).float() / 255
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    losses = []
    for _ in range(100):
        loss = model.loss(x).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]
