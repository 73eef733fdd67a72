"""sqvae: its penalty and rate are the paper's KL, its draws the paper's categorical."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, MultivariateNormal, Normal

import aezoo
from aezoo.components.one_hot import annealed, gumbel
from aezoo.resolve import bind
from aezoo.spec import parse

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str = "sqvae(8,4)", shape: tuple[int, ...] = (6, 3, 4)) -> Any:
    torch.manual_seed(0)
    return bind(parse(spec), ("quantizer",)).build(in_shape=shape)


def rows_of(quantizer: Any, h: torch.Tensor) -> torch.Tensor:
    return quantizer.project(h).movedim(1, -1).reshape(-1, 4)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("sample", [False, True])
def test_in_eval_mode_the_code_is_the_nearest(shape, sample):
    quantizer = made("sqvae(8,4,sigma=0.5)", shape).eval()
    h = torch.randn(5, *shape)
    latent = quantizer(h, sample=sample)
    rows, e = quantizer.project(h).movedim(1, -1), quantizer.codebook
    codes = (rows[..., None, :] - e).square().sum(-1).argmin(-1)
    assert torch.equal(latent.codes, codes)
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)
    squares = torch.cdist(rows.reshape(5, -1, 4), e.expand(5, -1, -1)).square()
    expected = -torch.logsumexp(-squares / (2 * 0.25), -1).sum(1)
    torch.testing.assert_close(latent.penalty, expected, atol=1e-4, rtol=1e-4)


def drawn_kl(quantizer: Any, h: torch.Tensor, n: int) -> torch.Tensor:
    """(n,) draws of rate + penalty, each summed over all places of h."""
    places = rows_of(quantizer, h).shape[0]
    generator = torch.Generator().manual_seed(3)
    with torch.no_grad():
        draws = [quantizer(h, sample=True, generator=generator).penalty.sum() for _ in range(n)]
    return torch.stack(draws) + places * math.log(quantizer.num_codes)


def test_rate_and_penalty_are_the_kl_to_the_codebooks_mixture():
    """KL(N(z_e, s^2) | mixture of N(b_k, s^2)): eq. 5 with the codes summed out, by torch."""
    quantizer = made("sqvae(8,4,sigma=0.7)").double().train()
    h = torch.randn(1, 6, 3, 4, dtype=torch.float64)
    means, s = rows_of(quantizer, h).detach(), 0.7
    mixture = MixtureSameFamily(
        Categorical(torch.ones(8).double()),
        MultivariateNormal(quantizer.codebook.detach(), s * s * torch.eye(4).double()),
    )
    z = means + s * torch.randn(20_000, *means.shape, dtype=torch.float64)
    q = Normal(means, s)
    expected = (q.log_prob(z).sum(-1) - mixture.log_prob(z)).sum(1)
    ours = drawn_kl(quantizer, h, 4000)
    error = (expected.var() / len(expected) + ours.var() / len(ours)).sqrt()
    assert abs(ours.mean() - expected.mean()) < 4 * error
    assert ours.mean() > 0


def test_the_penalty_is_the_papers_sum_over_codes():
    """For the same Z: sum_k P_k [(|Z-b_k|^2 - |Z-z_e|^2) / 2s^2 + log P_k] over 8 codes."""
    quantizer = made("sqvae(8,4,sigma=0.7)").double().train()
    h = torch.randn(3, 6, 3, 4, dtype=torch.float64)
    found = quantizer(h, sample=True, generator=torch.Generator().manual_seed(1)).penalty
    means = rows_of(quantizer, h)
    noise = torch.randn(
        means.shape, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    z = means + 0.7 * noise
    squares = (z[:, None] - quantizer.codebook).square().sum(-1)
    p = (-squares / (2 * 0.49)).softmax(-1)
    gain = (squares - (z - means).square().sum(-1, keepdim=True)) / (2 * 0.49) + p.log()
    expected = (p * gain).sum(-1).reshape(3, 12).sum(1)
    torch.testing.assert_close(found, expected)


def test_the_gradients_of_the_penalty_are_those_of_finite_differences():
    quantizer = made("sqvae(4,4,sigma=0.7)", (6, 2)).double().train()
    h = torch.randn(2, 6, 2, dtype=torch.float64, requires_grad=True)
    book, log_var = quantizer.codebook, quantizer.log_var

    def penalty(h, book, log_var):
        given = {"codebook": book, "log_var": log_var}
        generator = torch.Generator().manual_seed(1)
        return torch.func.functional_call(
            quantizer, given, (h,), {"sample": True, "generator": generator}
        ).penalty

    assert torch.autograd.gradcheck(penalty, (h, book, log_var))


def test_the_codes_of_the_draws_have_the_probabilities_of_the_paper():
    """The mean over Z of P(b_k|Z), and how often each code comes up."""
    quantizer = made("sqvae(4,4)", (4,)).train()
    with torch.no_grad():
        quantizer.project.weight.copy_(torch.eye(4))
        quantizer.project.bias.zero_()
        quantizer.codebook.copy_(torch.eye(4) * 2)
    h = torch.tensor([[1.0, 0.5, 0.0, 0.2]])
    n = 100_000
    counts = quantizer(h.expand(n, -1), sample=True).codes.bincount(minlength=4)
    z = h + torch.randn(n, 4)  # s is 1
    squares = torch.cdist(z, quantizer.codebook.detach()).square()
    p = (-squares / 2).softmax(-1).mean(0)
    assert (counts / n - p).abs().max() < 4 * (0.25 * 2 / n) ** 0.5


def test_at_a_low_temperature_z_is_the_code_of_the_draw():
    quantizer = made("sqvae(8,4,tau=0.0001)").train()
    latent = quantizer(torch.randn(3, 6, 3, 4), sample=True)
    torch.testing.assert_close(quantizer.lookup(latent.codes), latent.z, atol=1e-3, rtol=1e-3)
    assert len(latent.codes.unique()) > 1


def test_the_relaxed_draw_is_a_mean_of_codes_and_lets_every_gradient_through():
    quantizer = made().train()
    h = torch.randn(3, 6, 3, 4, requires_grad=True)
    latent = quantizer(h, sample=True)
    low, high = quantizer.codebook.min(0).values, quantizer.codebook.max(0).values
    z = latent.z.movedim(1, -1)
    assert ((low - 1e-5 <= z) & (z <= high + 1e-5)).all()
    given = (h, quantizer.codebook, quantizer.log_var)
    for value in (latent.z.square().sum(), latent.penalty.sum()):
        assert all(g.abs().sum() > 0 for g in torch.autograd.grad(value, given, retain_graph=True))


def test_without_a_draw_the_gradient_passes_straight():
    quantizer = made().train()
    h = torch.randn(3, 6, 3, 4, requires_grad=True)
    w = torch.randn(3, 4, 3, 4)
    (grad,) = torch.autograd.grad((quantizer(h).z * w).sum(), h)
    (expected,) = torch.autograd.grad((quantizer.project(h) * w).sum(), h)
    torch.testing.assert_close(grad, expected)


def test_the_temperature_falls_over_the_run():
    quantizer = made("sqvae(8,4,tau=2.0,tau_end=0.5)")
    taus = []
    for step in range(101):
        quantizer.schedule(step, 101)
        taus.append(quantizer.tau)
    assert taus[0] == 2.0
    assert taus[-1] == pytest.approx(0.5)
    assert taus[50] == pytest.approx(1.0)
    assert annealed(0.7, None, 5, 10) == 0.7


def test_gumbel_noise_draws_by_argmax():
    logits = torch.tensor([0.5, -1.0, 2.0]).expand(50_000, -1)
    counts = (logits + gumbel(logits, torch.Generator().manual_seed(0))).argmax(1).bincount()
    assert (counts / 50_000 - logits[0].softmax(0)).abs().max() < 0.01


def test_quantization_anneals_itself():
    """s falls as the reconstruction gets better (the paper's section 4.2): on real digits."""
    from aezoo.data.sets import load

    torch.manual_seed(0)
    spec = "vqvae(mlp(64),sqvae(32,8),mlp(64),likelihood=gaussian(learned),input=(1,8,8))"
    model = aezoo.create(spec).train()
    x = torch.tensor(load("digits", "train[:256]").images).float() / 255
    optimizer = torch.optim.Adam(model.parameters(), 3e-3)
    sigmas, usages = [], []
    for step in range(300):
        model.bottleneck.schedule(step, 300)
        output = model(x)
        loss = model.objective(model, x, output).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        sigmas.append(output.latents[0].metrics["sigma"].item())
        usages.append(output.latents[0].metrics["usage"].item())
    assert sigmas[-1] < 0.8 * max(sigmas)
    assert usages[-1] > 0.5


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("sqvae(1,4)", "codes must be at least 2"),
        ("sqvae(8,4,sigma=0.0)", "sigma must be above 0"),
        ("sqvae(8,4,tau_end=-1.0)", "tau_end must be above 0"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(spec, message):
    with pytest.raises(aezoo.SpecError, match=message):
        bind(parse(spec), ("quantizer",))
