"""The Hamiltonian VAE: Jacobians by autograd, p(x) by quadrature, the algorithm by hand."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor
from torch.distributions import Independent, MultivariateNormal, Normal

import aezoo
from aezoo.bench.run import run
from aezoo.components.log_joint import gradient, reads_log_joint
from aezoo.components.posteriors.configs import Hamiltonian
from aezoo.components.posteriors.hamiltonian import HamiltonianPosterior, leapfrog
from aezoo.errors import CapabilityError, ShapeError, TrainingError
from aezoo.latents import Latent
from aezoo.metrics.likelihood import importance_bound
from aezoo.models.families import VAE
from aezoo.resolve import resolve, resolved
from aezoo.testing.subject import stir


def made(
    posterior: str = "hamiltonian(2,3)",
    *more: str,
    decoder: str = "mlp(8,act=tanh)",
    likelihood: str = "bernoulli",
) -> VAE:
    """A small model in float64, with weights that make p(z|x) no Gaussian."""
    torch.manual_seed(0)
    given = ",".join([f"mlp(8,act=tanh),{posterior},{decoder}", f"likelihood={likelihood}", *more])
    model: Any = aezoo.create(f"vae({given},input=(1,2,3))").double()
    stir(model, 0.1)
    with torch.no_grad():
        for p in model.decoder.parameters():
            p.mul_(2.0)
    return model


def pixels(n: int = 4) -> Tensor:
    return torch.rand(n, 1, 2, 3, generator=torch.Generator().manual_seed(7)).round().double()


def exactly(model: VAE, x: Tensor, cond: Tensor | None = None) -> Tensor:
    """log p(x), (B,): p(x|z) p(z) summed over a grid of z with one or two dimensions."""
    side, n = 7.0, 71
    grid = torch.linspace(-side, side, n, dtype=torch.float64)
    d = model.latent_shape[0]
    z = grid[:, None] if d == 1 else torch.cartesian_prod(grid, grid)
    found = []
    with torch.no_grad():
        for i, one in enumerate(x):
            told = None if cond is None else cond[i].expand(len(z))
            found.append(model.log_joint(one.expand(len(z), 1, 2, 3), z, told).logsumexp(0))
    return torch.stack(found) + d * math.log(2 * side / (n - 1))


def weights(model: VAE, x: Tensor, n: int, cond: Tensor | None = None, seed: int = 0) -> Tensor:
    """log p(x, z) - log q(z|x) of n draws a row: (n, B)."""
    xs = x.repeat(n, 1, 1, 1)
    conds = None if cond is None else cond.repeat(n)
    with torch.no_grad():
        output = model(xs, conds, generator=torch.Generator().manual_seed(seed))
        log_w = -output.distortion - model.log_ratio(output.latents, conds)
        if reads_log_joint(model.bottleneck):  # one draw's rate is its log q - log p
            torch.testing.assert_close(log_w, output.elbo)
    return log_w.view(n, len(x))


def linear(posterior: str) -> Any:
    """A model whose p(z|x) and p(x) are normal, and its p(x)."""
    torch.manual_seed(0)
    model: Any = aezoo.create(
        f"vae(flatten,{posterior},linear,likelihood=gaussian(0.7),input=(1,2,3))"
    ).double()
    layer = next(m for m in model.decoder.modules() if isinstance(m, torch.nn.Linear))
    with torch.no_grad():
        layer.weight.copy_(torch.randn(6, 2))
    w, b = layer.weight.detach(), layer.bias.detach()
    return model, MultivariateNormal(b, w @ w.T + 0.49 * torch.eye(6).double())


# -- the map


def bound_map(model: VAE, x: Tensor) -> Any:
    """(z_0, gamma), a vector of 2 D -> (z_K, rho_K), for one x."""
    posterior: Any = model.bottleneck
    alphas, root = posterior.tempering()
    epsilon = posterior.step_sizes()

    def force(z: Tensor) -> Tensor:
        return gradient(lambda z: model.log_joint(x, z), z)

    def whole(start: Tensor) -> Tensor:
        z, gamma = start.chunk(2)
        return torch.cat(leapfrog(z[None], gamma[None] / root, force, epsilon, alphas), 1)[0]

    return whole


@pytest.mark.parametrize("steps", [1, 3])
@pytest.mark.parametrize("dim", [1, 2, 3])
def test_volumes_are_kept_but_for_the_temperature(dim: int, steps: int) -> None:
    model = made(f"hamiltonian({dim},{steps},step=0.4,beta=0.3)")
    (x,) = pixels(1).split(1)
    whole = bound_map(model, x)
    _, root = model.bottleneck.tempering()
    for seed in range(3):
        start = torch.randn(2 * dim, generator=torch.Generator().manual_seed(seed)).double()
        jacobian = torch.autograd.functional.jacobian(whole, start)
        assert (jacobian - torch.eye(2 * dim)).abs().max() > 0.1  # it does something
        sign, log_det = torch.linalg.slogdet(jacobian)
        assert sign > 0
        # From (z_0, rho_0) it is beta_0^(d/2); from gamma = sqrt(beta_0) rho_0 it is 1.
        torch.testing.assert_close(log_det, torch.zeros(()).double(), atol=1e-9, rtol=0)
        from_rho = log_det + dim * root.log()
        torch.testing.assert_close(from_rho, dim / 2 * (root**2).log(), atol=1e-9, rtol=0)


def test_steps_can_be_taken_back() -> None:
    model = made("hamiltonian(2,5,step=0.3,beta=0.3)")
    x = pixels(3)
    posterior: Any = model.bottleneck
    alphas, _ = posterior.tempering()
    epsilon = posterior.step_sizes()
    one = torch.ones((), dtype=torch.float64)

    def force(z: Tensor) -> Tensor:
        return gradient(lambda z: model.log_joint(x, z), z)

    with torch.no_grad():
        z0, rho0 = torch.randn(2, 3, 2, dtype=torch.float64)
        z, rho = leapfrog(z0, rho0, force, epsilon, [one] * 5)
        back, turned = leapfrog(z, -rho, force, epsilon, [one] * 5)  # the momentum turned round
        torch.testing.assert_close((back, -turned), (z0, rho0), atol=1e-10, rtol=1e-10)
        z, rho = leapfrog(z0, rho0, force, epsilon, alphas)
        assert (z - z0).abs().max() > 0.1
        for alpha in reversed(alphas.unbind()):  # with cooling: warmed, and time turned round
            z, rho = leapfrog(z, rho / alpha, force, -epsilon, [one])
        torch.testing.assert_close((z, rho), (z0, rho0), atol=1e-10, rtol=1e-10)


def test_energy_is_kept_to_second_order() -> None:
    model = made()
    x = pixels(3)
    z0, rho0 = torch.randn(2, 3, 2, dtype=torch.float64)
    one = torch.ones((), dtype=torch.float64)

    def energy(z: Tensor, rho: Tensor) -> Tensor:
        return -model.log_joint(x, z) + 0.5 * rho.square().sum(1)

    def off(steps: int) -> Tensor:
        epsilon = torch.full((2,), 1.0 / steps, dtype=torch.float64)
        moved = leapfrog(
            z0, rho0, lambda z: gradient(lambda z: model.log_joint(x, z), z), epsilon, [one] * steps
        )
        return (energy(*moved) - energy(z0, rho0)).abs()

    with torch.no_grad():
        ratio = off(20) / off(40)
    torch.testing.assert_close(ratio, torch.full_like(ratio, 4.0), atol=0.3, rtol=0)


def test_tempering_is_the_papers() -> None:
    posterior = HamiltonianPosterior(Hamiltonian(2, 4, beta=0.25), in_shape=(3,)).double()
    alphas, root = posterior.tempering()
    torch.testing.assert_close(root, torch.full((), 0.5).double(), atol=1e-7, rtol=0)
    by_hand = [1 / ((1 - 1 / 0.5) * k**2 / 16 + 1 / 0.5) for k in range(5)]  # sqrt(beta_k)
    assert by_hand[-1] == 1.0
    expected = torch.tensor([by_hand[k - 1] / by_hand[k] for k in range(1, 5)]).double()
    torch.testing.assert_close(alphas, expected, atol=1e-6, rtol=0)
    torch.testing.assert_close(alphas.prod(), root)
    assert (alphas < 1).all()
    torch.testing.assert_close(
        posterior.step_sizes(2), torch.full((2, 1, 1), 0.2).double(), atol=1e-7, rtol=0
    )


def test_the_algorithm_by_hand() -> None:
    """A linear decoder, whose grad U is known, in NumPy, step by step as it is written."""
    torch.manual_seed(0)
    model: Any = aezoo.create(
        "vae(flatten,hamiltonian(2,3,step=0.1,beta=0.4),linear,likelihood=gaussian(0.5),"
        "input=(1,2,3))"
    ).double()
    x = torch.randn(1, 1, 2, 3).double()
    with torch.no_grad():
        latent = model.encode(x, sample=True, generator=torch.Generator().manual_seed(3))
        generator = torch.Generator().manual_seed(3)
        first = model.bottleneck.start(model.features(x), sample=True, generator=generator)
        gamma = torch.randn(1, 2, generator=generator, dtype=torch.float64)[0].numpy()
        layer = next(m for m in model.decoder.modules() if isinstance(m, torch.nn.Linear))
        w, b = layer.weight.numpy(), layer.bias.numpy()
        z, at = first.z[0].numpy(), x.flatten().numpy()
        normal = first.q.base_dist
        mu, sigma = normal.loc[0].numpy(), normal.scale[0].numpy()

    def grad_u(z: np.ndarray) -> np.ndarray:
        return z - w.T @ (at - w @ z - b) / 0.25

    epsilon, beta_0, steps = np.array([0.1, 0.1]), 0.4, 3
    log_q = float((-0.5 * ((z - mu) / sigma) ** 2 - np.log(sigma) - 0.5 * np.log(2 * np.pi)).sum())
    rho = gamma / np.sqrt(beta_0)
    # log N(rho_0 | 0, 1 / beta_0)
    log_rho = float((-0.5 * beta_0 * rho**2 + 0.5 * np.log(beta_0 / (2 * np.pi))).sum())
    root = np.sqrt(beta_0)
    for k in range(1, steps + 1):
        rho = rho - epsilon / 2 * grad_u(z)
        z = z + epsilon * rho
        rho = rho - epsilon / 2 * grad_u(z)
        new = 1 / ((1 - 1 / np.sqrt(beta_0)) * k**2 / steps**2 + 1 / np.sqrt(beta_0))
        rho, root = rho * root / new, new
    log_last = float((-0.5 * rho**2 - 0.5 * np.log(2 * np.pi)).sum())
    expected = log_q + log_rho - np.log(beta_0) - log_last  # d / 2 is 1
    np.testing.assert_allclose(latent.z[0].numpy(), z, rtol=1e-6)
    np.testing.assert_allclose(latent.q.log_prob(latent.z).item(), expected, rtol=1e-6)


# -- the bound


def test_without_steps_it_is_the_gaussian() -> None:
    model, plain = made("hamiltonian(2,3,step=1e-9)"), made("gaussian(2)")
    own = dict(model.named_parameters())
    for name, p in plain.named_parameters():
        p.data.copy_(own[name.replace("bottleneck.", "bottleneck.start.")].data)
    x, n = pixels(), 4000
    torch.testing.assert_close(model.encode(x).z, plain.encode(x).z, atol=1e-6, rtol=0)
    ours, theirs = weights(model, x, n), weights(plain, x, n)  # draw by draw
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=0)
    with torch.no_grad():  # with the KL in closed form
        exact = plain(x.repeat(n, 1, 1, 1), generator=torch.Generator().manual_seed(5)).elbo
    off = ours.mean(0) - exact.view(n, 4).mean(0)
    assert (off.abs() < 5 * ours.std(0) / math.sqrt(n)).all()


@pytest.mark.parametrize(
    ("dim", "prior", "cond"),
    [(1, "normal", False), (2, "normal", True), (2, "realnvp(2,8)", False)],
)
def test_weights_are_unbiased_and_bounds_in_order(dim: int, prior: str, cond: bool) -> None:
    more = [f"prior={prior}", *(["cond=label(3)"] if cond else [])]
    model = made(f"hamiltonian({dim},3,step=0.3,beta=0.4)", *more)
    with torch.no_grad():  # a wide q, whose weights p / q are bounded
        model.bottleneck.start.project.bias[dim:] += 0.7
    x, y = pixels(), torch.arange(4) % 3 if cond else None
    exact = exactly(model, x, y)
    n = 5_000
    log_w = weights(model, x, n, y)
    ratio = (log_w - exact).exp()
    error = ratio.std(0) / math.sqrt(n)
    assert ((ratio.mean(0) - 1).abs() < 4 * error + 1e-6).all()
    assert error.max() < 0.05
    elbo = log_w.mean(0)
    iwae = log_w.view(-1, 10, 4).logsumexp(1).mean(0) - math.log(10)
    assert ((elbo < iwae) & (iwae < exact)).all()
    generator = torch.Generator().manual_seed(1)
    for found in (
        model.log_prob(x, y, k=50, generator=generator).double().detach(),
        importance_bound(model, x, y, k=200, generator=generator),
    ):
        torch.testing.assert_close(found, exact, atol=0.3, rtol=0)
        assert (found > elbo).all()


def test_the_weights_of_a_linear_model_in_closed_form() -> None:
    model, marginal = linear("hamiltonian(2,4,step=0.2,beta=0.5)")
    x = marginal.sample((4,)).view(4, 1, 2, 3)
    ratio = (weights(model, x, 10_000) - marginal.log_prob(x.flatten(1))).exp()
    error = ratio.std(0) / math.sqrt(10_000)
    assert ((ratio.mean(0) - 1).abs() < 4 * error + 1e-6).all() and error.max() < 0.1


def test_the_bound_is_better_where_the_encoder_is_bad() -> None:
    """q(z|x) is the prior, whatever x: the steps go to p(z|x), and learn to."""
    torch.manual_seed(0)
    found = {}
    for posterior in ("gaussian(2)", "hamiltonian(2,5,step=0.2)"):
        model, marginal = linear(posterior)
        start = getattr(model.bottleneck, "start", model.bottleneck)
        with torch.no_grad():
            start.project.weight.zero_()
            start.project.bias.zero_()
        found[posterior[:1]] = model
    x = marginal.sample((8,)).view(8, 1, 2, 3)
    exact = marginal.log_prob(x.flatten(1)).mean()
    plain, ours = (weights(found[name], x, 2000).mean() for name in "gh")
    model = found["h"].requires_grad_(False)
    learning = [model.bottleneck.raw_step, model.bottleneck.raw_beta]
    for p in learning:
        p.requires_grad_(True)
    optimiser = torch.optim.Adam(learning, lr=0.05)
    for _ in range(60):
        optimiser.zero_grad()
        model.loss(x.repeat(8, 1, 1, 1)).total.backward()
        optimiser.step()
    learned = weights(model, x, 2000).mean()
    assert plain + 3 < ours
    assert ours + 0.1 < learned < exact


# -- gradients


def test_the_losss_gradient_is_that_of_finite_differences() -> None:
    model = made("hamiltonian(2,3,step=0.3,beta=0.4)")
    x = pixels()

    def loss() -> Tensor:
        return model.loss(x, generator=torch.Generator().manual_seed(2)).total

    loss().backward()
    missing = [name for name, p in model.named_parameters() if p.grad is None]
    assert not missing
    for name, p in model.named_parameters():
        assert p.grad is not None
        at, grad = p.data.view(-1), p.grad.view(-1)
        i = int(grad.abs().argmax())
        assert grad[i] != 0, name
        values = []
        for step in (1e-5, -1e-5):
            at[i] += step
            with torch.no_grad():
                values.append(loss().item())
            at[i] -= step
        numeric = (values[0] - values[1]) / 2e-5
        assert numeric == pytest.approx(grad[i].item(), rel=1e-5, abs=1e-7), name


def test_the_same_numbers_with_and_without_gradients() -> None:
    model = made("hamiltonian(2,3)", "cond=label(3)")
    x, y = pixels(), torch.arange(4) % 3

    def found() -> tuple[Tensor, ...]:
        output = model(x, y, generator=torch.Generator().manual_seed(2))
        return output.elbo, output.latents[0].z, model.encode(x, y).z, model.reconstruct(x, y)

    recorded = found()
    assert all(t.requires_grad for t in recorded)
    with torch.no_grad():
        quiet = found()
        assert not torch.is_grad_enabled()
    assert not any(t.requires_grad for t in quiet)
    with torch.inference_mode():
        inferred = found()
        again = model.reconstruct(x.clone(), y.clone())  # tensors that were made in here
    torch.testing.assert_close(quiet, recorded, atol=1e-12, rtol=1e-12)
    torch.testing.assert_close(inferred, quiet, atol=0, rtol=0)
    torch.testing.assert_close(again, quiet[3], atol=0, rtol=0)
    assert all(p.grad is None for p in model.parameters())


def test_gradient_of_a_log_joint() -> None:
    centre = torch.randn(3, 2, requires_grad=True)

    def log_joint(z: Tensor) -> Tensor:
        return -0.25 * (z - centre).pow(4).sum(1)

    z = torch.randn(3, 2)
    with torch.no_grad():
        found = gradient(log_joint, z)
    assert not found.requires_grad
    torch.testing.assert_close(found, -((z - centre.detach()) ** 3))
    (second,) = torch.autograd.grad(gradient(log_joint, z).sum(), centre)
    torch.testing.assert_close(second, 3 * (z - centre.detach()) ** 2)


# -- in a model


@pytest.mark.parametrize(
    "spec",
    [
        "vae(res(8,depth=1,down=2),hamiltonian(3,2),unres(8,depth=1),input=(3,8,12))",
        "vae(vit(16,depth=1,patch=4),hamiltonian(3,2),unvit(16,depth=1,patch=4),input=(3,8,8))",
        "vae(mlp(16),hamiltonian(4),mlp(16),likelihood=logistic_mixture(2),cond=half(left),"
        "objective=iwae(3),input=(1,4,4))",
        "vae(mlp(16),hamiltonian(4),mlp(16),corruption=gaussian(0.3),objective=beta(4.0),"
        "prior=mog(3),input=(1,4,4))",
    ],
)
def test_it_trains_with_what_else_there_is(spec: str) -> None:
    torch.manual_seed(0)
    model: Any = aezoo.create(spec).train()
    x = torch.rand(4, *model.input_shape)
    cond = model.condition(x)
    model.loss(x, cond).total.backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in model.parameters())
    if model.capabilities.any_size:
        larger = torch.rand(2, 3, 16, 8)
        with torch.no_grad():
            assert model.reconstruct(larger).shape == larger.shape
            assert model.elbo(larger).isfinite().all()


def test_it_is_benched() -> None:
    torch.manual_seed(0)
    spec = "vae(mlp(16),hamiltonian(2,2),mlp(16),likelihood=bernoulli,input=(1,8,8))"
    said: list[str] = []
    rows = run(
        aezoo.create(spec),
        data="digits",
        metrics="likelihood(k=20),posterior,reconstruction",
        device="cpu",
        n=64,
        say=said.append,
    )
    found = {row.metric: row.value for row in rows}
    assert found["-elbo"] == pytest.approx(found["rate"] + found["distortion"])
    assert found["nll-iwae-20"] < found["-elbo"]
    assert math.isfinite(found["mse"])
    assert any("no closed mean" in text for text in said)


class SemiAmortised(torch.nn.Module):
    """What else the contract is for: q's mean goes up log p(x, z) before z is drawn."""

    reads_log_joint = True

    def __init__(self, start: Any):
        super().__init__()
        self.start, self.out_shape = start, start.out_shape

    def forward(self, h: Tensor, *, log_joint: Any, sample: bool = False, generator: Any = None):
        q = self.start(h).q.base_dist
        mu = q.loc
        for _ in range(10):
            mu = mu + 0.05 * gradient(log_joint, mu)
        z = mu
        if sample:
            z = mu + q.scale * torch.randn(mu.shape, generator=generator, dtype=mu.dtype)
        return Latent(z=z, q=Independent(Normal(mu, q.scale), 1))


def test_a_semi_amortised_posterior_is_served_as_well() -> None:
    model, marginal = linear("gaussian(2)")
    x = marginal.sample((16,)).view(16, 1, 2, 3)
    exact = marginal.log_prob(x.flatten(1)).mean()
    with torch.no_grad():
        plain = model.elbo(x.repeat(50, 1, 1, 1)).mean()
        model.bottleneck = SemiAmortised(model.bottleneck)
        better = model.elbo(x.repeat(50, 1, 1, 1)).mean()
    assert plain + 1 < better < exact
    model.loss(x).total.backward()  # the KL in closed form, through ten steps to the encoder
    assert model.bottleneck.start.project.weight.grad.abs().max() > 0
    digits = aezoo.create("vae(mlp(16),gaussian(2),mlp(16),likelihood=bernoulli,input=(1,8,8))")
    digits.bottleneck = SemiAmortised(digits.bottleneck)
    rows = run(digits, data="digits", metrics="likelihood,posterior", device="cpu", n=64)
    assert {"-elbo", "active-units", "mutual-information"} <= {row.metric for row in rows}


def test_what_it_cannot_do_is_said() -> None:
    model = made("hamiltonian(2,2)")
    x = pixels()
    h = model.features(x)
    with pytest.raises(CapabilityError, match=re.escape("infer(h, cond, x=x)")):
        model.infer(h)
    latent = model.infer(h, x=x, sample=True)
    assert latent.q is not None
    with pytest.raises(CapabilityError, match="no density in closed form"):
        latent.q.log_prob(latent.z + 1)
    parts = "hamiltonian(2,2),mlp(8)"
    with pytest.raises(ShapeError, match="take the family vae"):
        aezoo.create(f"ae(mlp(8),{parts},input=(1,2,3))")
    with pytest.raises(ShapeError, match="a part of z"):
        aezoo.create("vae(mlp(8),joint(hamiltonian(2,2),gumbel(1,3)),mlp(8),input=(1,2,3))")
    with pytest.raises(CapabilityError, match="of which the prior is a part"):
        aezoo.create(f"vae(mlp(8),{parts},prior=vamp(3),input=(1,2,3))")
    for objective in ("dreg(3)", "piwae(2,2)", "btcvae(4.0)"):
        other = made("hamiltonian(2,2)", f"objective={objective}")
        with pytest.raises(CapabilityError, match="take the posterior gaussian"):
            other.loss(x)


def test_no_prior_is_fitted_on_what_it_moves(tmp_path: Any) -> None:
    model = aezoo.create("vae(mlp(8),hamiltonian(2,2),mlp(8),input=(1,8,8))")
    with pytest.raises(TrainingError, match="would move while it is fitted"):
        aezoo.fit_prior(model, "mog(2)", out=tmp_path, data="digits", steps=5, quiet=True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ("2,0", "steps"),
        ("2,step=0.6", "below max_step = 0.5"),
        ("2,step=0.0", "above 0"),
        ("2,beta=1.0", "beta must be above 0 and below 1"),
    ],
)
def test_arguments_are_checked(arguments: str, said: str) -> None:
    with pytest.raises(aezoo.SpecError, match=re.escape(said)):
        aezoo.create(f"vae(mlp(8),hamiltonian({arguments}),mlp(8),input=(1,2,3))")


def test_other_posteriors_are_called_as_ever() -> None:
    model = made("gaussian(2)")
    assert not reads_log_joint(model.bottleneck) and reads_log_joint(HamiltonianPosterior)
    x = pixels()
    h = model.features(x)
    with torch.no_grad():
        one, two = (
            f(sample=True, generator=torch.Generator().manual_seed(1)).z
            for f in (
                lambda **k: model.infer(h, x=x, **k),
                lambda **k: model.bottleneck(h, **k),
            )
        )
    assert torch.equal(one, two)
    assert "hamiltonian" not in str(resolved(resolve("vae(mlp(8),gaussian(2),mlp(8))")))
