"""The posterior noisy: its normalisation, its noise's distribution, and what it is for."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor

import aezoo
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str = "noisy(5)", shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("posterior",)).build(in_shape=shape)


@pytest.mark.parametrize("shape", SHAPES)
def test_z_has_mean_0_and_variance_1_at_each_place(shape: tuple[int, ...]) -> None:
    posterior = made(shape=shape).eval().double()
    h = torch.randn(3, *shape, dtype=torch.float64)
    latent = posterior(h, sample=True)
    z, point = latent.z, posterior.point(h).z
    assert z.shape == (3, *posterior.out_shape) == (3, 5, *shape[1:])
    assert latent.q is None and latent.codes is None and latent.penalty is None
    centred = point - point.mean(1, keepdim=True)
    expected = centred / (centred.square().mean(1, keepdim=True) + 1e-5).sqrt()
    torch.testing.assert_close(z, expected)
    torch.testing.assert_close(posterior(h).z, z)  # without noise there is one z


def test_an_encoder_cannot_outgrow_the_noise() -> None:
    posterior = made("noisy(64)", (64,)).eval()
    h = torch.randn(10, 64)
    before = posterior(h).z
    with torch.no_grad():
        for weight in posterior.parameters():
            weight.mul_(1000)
    torch.testing.assert_close(posterior(h).z, before, atol=1e-3, rtol=0)


def noise_of(posterior: Any, h: Tensor, seed: int = 1) -> Tensor:
    z = posterior.train()(h, generator=torch.Generator().manual_seed(seed)).z
    return (z - posterior.eval()(h).z).detach()


def test_the_noise_is_the_papers() -> None:
    """Of each sample a deviation, |N(0, tau^2)|; divided by it N(0, 1) at every value."""
    posterior = made("noisy(40,tau=0.8)", (6, 10, 10))
    noise = noise_of(posterior, torch.randn(600, 6, 10, 10)).double().flatten(1)
    deviation = noise.std(1)  # of 4,000 values, to within a hundredth of itself
    assert stats.kstest(deviation.numpy(), stats.halfnorm(scale=0.8).cdf).pvalue > 0.01
    assert stats.kstest(deviation.numpy(), stats.uniform(0, 0.8).cdf).pvalue < 1e-6
    unit = (noise / deviation[:, None])[:, ::97].flatten()
    assert stats.kstest(unit.numpy(), "norm").pvalue > 0.01
    correlations = torch.corrcoef(noise[:40])
    assert (correlations - torch.eye(40)).abs().max() < 0.1


def test_draws_follow_the_generator_and_no_other() -> None:
    posterior, h = made(), torch.randn(4, 6, 3, 4)
    assert torch.equal(noise_of(posterior, h), noise_of(posterior, h))
    assert not torch.equal(noise_of(posterior, h), noise_of(posterior, h, seed=2))
    state = torch.get_rng_state()
    noise_of(posterior, h)
    assert torch.equal(torch.get_rng_state(), state)
    assert not noise_of(made("noisy(5,tau=0.0)"), h).any()


def test_the_noise_changes_no_gradient() -> None:
    posterior = made()
    h, w = torch.randn(2, 6, 3, 4, requires_grad=True), torch.randn(2, 5, 3, 4)
    found = [
        torch.autograd.grad((posterior.train(mode)(h).z * w).sum(), h)[0] for mode in (True, False)
    ]
    torch.testing.assert_close(*found)
    assert found[0].abs().sum() > 0


def test_a_vae_with_it_has_no_bound() -> None:
    model = aezoo.create("vae(mlp(8),noisy(4),mlp(8),objective=reconstruction,input=(1,4,4))")
    assert model.capabilities.bound is None
    with pytest.raises(aezoo.SpecError, match="at least 3"):
        aezoo.create("ae(mlp(8),noisy(2),mlp(8),input=(1,4,4))")


def test_the_decoder_bears_what_a_prior_misses() -> None:
    """Trained alike but for the noise: of latents beside the data's own it makes fewer errors."""
    generator = torch.Generator().manual_seed(0)
    mix = torch.randn(4, 16, generator=generator)
    x = torch.sigmoid(torch.randn(512, 4, generator=generator) @ mix).view(-1, 1, 4, 4)
    errors = {}
    for tau in (0.0, 0.8):
        torch.manual_seed(0)
        model: Any = aezoo.create(f"ae(mlp(64),noisy(16,tau={tau}),mlp(64),input=(1,4,4))").train()
        optimizer = torch.optim.Adam(model.parameters(), 3e-3)
        for step in range(400):
            optimizer.zero_grad()
            model.loss(x[step % 8 :: 8]).total.backward()
            optimizer.step()
        with torch.no_grad():
            z = model.eval().encode(x).z
            beside = z + 0.4 * torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
            errors[tau] = float((model.decode(beside) - x).square().mean())
    assert errors[0.8] < 0.7 * errors[0.0], errors
