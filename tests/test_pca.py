"""pca and ppca: closed forms, against scikit-learn's and against gradient."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from sklearn.decomposition import PCA, FactorAnalysis
from test_train import ROOT, environment

import aezoo
from aezoo.components.likelihoods.location_scale import raw_of, scale_of
from aezoo.data.sets import load
from aezoo.errors import CapabilityError, TrainingError
from aezoo.objectives.moments import Moments, principal
from aezoo.train.recipe import Recipe, Size, Stage, default_recipe
from aezoo.train.run import train

AE = "ae(flatten,point(8),linear,objective=pca,input=(1,8,8))"
VAE = "vae(flatten,gaussian(8),linear,likelihood=gaussian(learned),objective=ppca,input=(1,8,8))"


def digits(split: str) -> torch.Tensor:
    return torch.tensor(load("digits", split).images) / 255


def solved(spec: str, folder: Path, **options: Any) -> Any:
    sizes = {"cpu": Size(Stage(epochs=1), Stage(steps=10) if "prior" in spec else None)}
    return train(Recipe("r", spec, "digits", sizes), run_dir=folder, quiet=True, **options)


@pytest.fixture(scope="module")
def theirs() -> PCA:
    return PCA(8, svd_solver="full").fit(digits("fit").flatten(1).double().numpy())


def test_pca_is_scikit_learns(theirs, tmp_path):
    done = solved(AE, tmp_path)
    x = digits("test")
    flat = x.flatten(1).double().numpy()
    with torch.no_grad():
        z = done.model.encode(x).z.double().numpy()
        x_hat = done.model.reconstruct(x).flatten(1).double().numpy()
    expected = theirs.transform(flat)
    signs = np.sign((z * expected).sum(0))
    np.testing.assert_allclose(z, expected * signs, atol=2e-5)
    np.testing.assert_allclose(x_hat, theirs.inverse_transform(expected), atol=1e-5)
    components = done.model.decoder.project.weight.detach().double().numpy().T
    np.testing.assert_allclose(components, theirs.components_ * signs[:, None], atol=1e-5)
    seen = digits("fit")
    with torch.no_grad():
        variance = done.model.encode(seen).z.double().var(0)
    np.testing.assert_allclose(variance, theirs.explained_variance_, rtol=1e-4)
    again = aezoo.create(f"local:{tmp_path / 'final'}")
    assert torch.equal(again.reconstruct(x), done.model.reconstruct(x))
    facts = json.loads((tmp_path / "final/training.json").read_text())["stages"]["model"]
    assert facts["closed_form"] and facts["steps"] == 0 and facts["seconds"] < 5
    assert facts["validation"]["mse"] > 0 and (tmp_path / "model/validation.csv").is_file()


def test_no_gradient_leads_lower(tmp_path):
    model = solved(AE, tmp_path).model
    model.loss(digits("fit")).total.backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad.abs().max() < 1e-3, name


def test_ppca_is_the_log_likelihood_of_scikit_learns(theirs, tmp_path):
    """Theirs divides the covariance by N - 1; the maximum likelihood divides by N."""
    model = solved(VAE, tmp_path).model
    assert model.capabilities.bound == "elbo" and model.capabilities.sample
    x, n = digits("test"), len(digits("fit"))
    ml = PCA(8, svd_solver="full").fit(digits("fit").flatten(1).double().numpy())
    ml.explained_variance_ = ml.explained_variance_ * (n - 1) / n
    ml.noise_variance_ = ml.noise_variance_ * (n - 1) / n
    expected = ml.score_samples(x.flatten(1).double().numpy())
    with torch.no_grad():
        one = model.log_prob(x, k=1)
        elbo = torch.stack([model.elbo(x) for _ in range(400)]).double()
        fit = float(model.log_prob(digits("fit")).double().mean())
    np.testing.assert_allclose(one, expected, atol=2e-3)  # one draw: the posterior is exact
    error = elbo.std(0) / 20
    assert float(((elbo.mean(0) - torch.tensor(expected)) / error).abs().max()) < 6
    seen = digits("fit").flatten(1).double().numpy()
    assert fit == pytest.approx(ml.score(seen), abs=1e-3)
    assert fit > theirs.score(seen)  # the maximum
    factors = FactorAnalysis(8, max_iter=2000).fit(seen)
    assert factors.score(seen) > fit  # a noise for each pixel: ppca is a special case


def test_ppca_is_where_gradient_stops(tmp_path):
    model = solved(VAE, tmp_path).model
    x = digits("fit")
    q = model.encode(x).q.base_dist
    torch.manual_seed(0)
    gradients = []
    for _ in range(60):
        model.zero_grad()
        model.loss(x).total.backward()
        gradients.append([p.grad.clone() for p in model.parameters()])
    for parts in zip(*gradients, strict=True):
        stacked = torch.stack(parts).double()
        error = stacked.std(0) / 60**0.5 + 5e-3
        assert float((stacked.mean(0) / error).abs().max()) < 6
    assert torch.equal(q.scale[0], q.scale[1])  # the same for every x


def test_ppca_samples_have_the_datas_moments(tmp_path):
    model = solved(VAE, tmp_path).model
    with torch.no_grad():
        drawn = model.sample(20_000, generator=torch.Generator().manual_seed(0)).flatten(1)
    seen = digits("fit").flatten(1)
    assert float((drawn.mean(0) - seen.mean(0)).abs().max()) < 0.02
    values = torch.linalg.eigvalsh(seen.T.cov()).flip(0)
    own = torch.linalg.eigvalsh(drawn.T.cov()).flip(0)
    noise = values[8:].mean()
    torch.testing.assert_close(own[:8], values[:8] - noise, rtol=0.05, atol=0)


def test_moments_merge_and_do_not_depend_on_batches():
    torch.manual_seed(0)
    x = 5 + torch.randn(1000, 6).double() @ torch.randn(6, 6).double()
    whole, first, second = (Moments(6, torch.device("cpu")) for _ in range(3))
    whole.add(x)
    for part in x[:300].split(7):
        first.add(part)
    second.add(x[300:])
    sums = iter([second.count, second.first, second.second])
    first.merge(lambda value: value + next(sums))
    torch.testing.assert_close(first.covariance(), whole.covariance())
    torch.testing.assert_close(whole.covariance(), x.T.cov(correction=0))
    mean, values, vectors = principal([(x, x)], lambda t: t, 6)
    torch.testing.assert_close(mean, x.mean(0))
    torch.testing.assert_close(vectors @ torch.diag(values) @ vectors.T, whole.covariance())
    assert bool((values[:-1] >= values[1:]).all())
    assert bool((vectors.gather(0, vectors.abs().argmax(0)[None]) > 0).all())


def test_sigma_of_pca_is_the_error_and_scales_have_a_floor(tmp_path):
    done = solved(AE.replace("objective", "likelihood=gaussian(learned),objective"), tmp_path)
    x = digits("fit")
    with torch.no_grad():
        error = (done.model.reconstruct(x) - x).square().mean().sqrt()
        sigma = done.model(x).p.base_dist.scale
    torch.testing.assert_close(sigma.mean(), error, rtol=1e-4, atol=0)
    scales = torch.tensor([0.002, 0.1, 3.0]).double()
    torch.testing.assert_close(scale_of(raw_of(scales)), scales)
    assert float(scale_of(raw_of(torch.tensor(0.0)))) == pytest.approx(1e-3, rel=1e-4)


def test_all_components_reconstruct_exactly(tmp_path):
    done = solved(AE.replace("point(8)", "point(64)"), tmp_path)
    x = digits("test")
    torch.testing.assert_close(done.model.reconstruct(x), x, atol=1e-5, rtol=0)


def test_a_prior_is_fitted_behind_it(tmp_path):
    done = solved(AE.replace("objective", "prior=mog(2),objective"), tmp_path)
    assert done.finished and done.model.prior_fitted
    assert set(done.training["stages"]) == {"model", "prior"}


def test_the_default_recipe_solves(tmp_path):
    recipe = default_recipe("ae(flatten,point(4),linear,objective=pca)", "digits")
    assert train(recipe, run_dir=tmp_path, quiet=True).finished


def test_two_processes_give_what_one_gives(tmp_path):
    code = (
        "import sys; sys.path.insert(0, sys.argv[1])\n"
        "import test_pca\ntest_pca.solved(test_pca.VAE, sys.argv[2])\n"
    )
    path = tmp_path / "script.py"
    path.write_text(code)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*torchrun, str(path), str(ROOT / "tests"), str(tmp_path / "two")]
    subprocess.run(command, env=environment(), check=True)
    solved(VAE, tmp_path / "one")
    a, b = (load_file(tmp_path / f / "final/model.safetensors") for f in ("one", "two"))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-4, atol=1e-5, msg=name)


@pytest.mark.parametrize(
    "spec",
    [
        "ae(mlp(8),point(4),linear,objective=pca)",
        "ae(flatten,point(4),mlp(8),objective=pca)",
        "ae(flatten,point(4),linear,objective=pca,likelihood=laplace)",
        "ae(flatten,point(4),linear,objective=pca,likelihood=gaussian(pixel))",
        "ae(flatten,point(4),linear,objective=pca,cond=label(10))",
        "ae(flatten,point(4),linear,objective=pca,corruption=gaussian(0.1))",
        "vae(flatten,gaussian(4),linear,objective=pca)",
        "vae(flatten,gaussian(4),linear,objective=ppca,likelihood=gaussian(0.1))",
        "vae(flatten,gaussian(4),linear,objective=ppca,likelihood=gaussian(learned),prior=mog(2))",
    ],
)
def test_other_models_have_no_closed_form(spec):
    with pytest.raises(CapabilityError, match=r"write (ae|vae)\(flatten|with objective=elbo"):
        aezoo.create(spec, input=(1, 4, 4))


def test_too_many_components_are_said():
    with pytest.raises(CapabilityError, match="at most 64"):
        aezoo.create(AE.replace("point(8)", "point(65)"))
    with pytest.raises(CapabilityError, match="at most 63"):
        aezoo.create(VAE.replace("gaussian(8)", "gaussian(64)"))


def test_values_that_are_not_finite_are_said():
    x = torch.full((3, 2), torch.nan)
    with pytest.raises(TrainingError, match="not finite"):
        principal([(x, x)], lambda t: t, 2)
    with pytest.raises(TrainingError, match="no rows"):
        principal([], lambda t: t, 2)
