"""What textbooks say of autoencoders, seen on scikit-learn's real digits with fixed seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from sklearn.metrics import roc_auc_score
from sklearn.svm import SVC
from torch import Tensor, nn

import aezoo
from aezoo.data.sets import load, scaled
from aezoo.metrics.frechet import distance, from_rows
from aezoo.train.recipe import default_recipe
from aezoo.train.run import train

Digits = tuple[Tensor, Tensor]  # x (N, 1, 8, 8) in [0, 1] and labels (N,)


def part(split: str) -> Digits:
    found = load("digits", split)
    return scaled(torch.tensor(found.images)), torch.tensor(found.labels)


@pytest.fixture(scope="module")
def fit() -> Digits:
    return part("fit")


@pytest.fixture(scope="module")
def validation() -> Digits:
    return part("validation")


def trained(spec: str, data: Digits, steps: int, lr: float = 2e-3) -> Any:
    """Adam on batches of 128 with a cosine of learning rates; in eval mode."""
    torch.manual_seed(0)
    model = aezoo.create(spec, input=(1, 8, 8)).train()
    optimizer = torch.optim.Adam(model.parameters(), lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, steps)
    x, y = data
    for _ in range(steps):
        rows = torch.randint(len(x), (128,))
        optimizer.zero_grad()
        cond = y[rows] if model.capabilities.conditional else None
        model.loss(x[rows], cond).total.backward()
        optimizer.step()
        schedule.step()
    return model.eval()


@torch.no_grad()
def errors(model: Any, seen: Tensor, target: Tensor) -> Tensor:
    """(N,) mean squared error of what is made of ``seen``."""
    return (model.reconstruct(seen) - target).square().flatten(1).mean(1)


def solved(spec: str, folder: Path) -> Any:
    """What `aezoo train` makes of a spec with a closed form."""
    return train(default_recipe(spec, "digits"), run_dir=folder, quiet=True).model


def test_a_nonlinear_autoencoder_beats_pca(fit: Digits, validation: Digits, tmp_path: Path) -> None:
    x = validation[0]
    pca = solved("ae(flatten,point(4),linear,objective=pca)", tmp_path)
    linear = float(errors(pca, x, x).mean())
    model = trained("ae(mlp(256,128),point(4),mlp(128,256))", fit, 1000)
    own = float(errors(model, x, x).mean())
    # measured: 0.0386 and 0.0227
    assert own < 0.85 * linear


def test_beta_trades_rate_for_distortion(fit: Digits, validation: Digits) -> None:
    rates, distortions = [], []
    for beta in (0.5, 2.0, 8.0):
        model = trained(
            f"vae(mlp(128),gaussian(8),mlp(128),likelihood=gaussian(0.2),objective=beta({beta}))",
            fit,
            500,
        )
        with torch.no_grad():
            output = model(validation[0])
        rates.append(float(output.rate.mean()))
        distortions.append(float(output.distortion.mean()))
    # measured: rates 13.5, 5.8, 1.0; distortions -25.0, -17.0, 5.5 nats
    assert rates[0] > rates[1] > rates[2]
    assert distortions[0] < distortions[1] < distortions[2]


def test_a_denoising_autoencoder_is_better_on_noisy_pictures(
    fit: Digits, validation: Digits
) -> None:
    spec = "ae(mlp(128),point(32),mlp(128){})"
    clean = validation[0]
    plain = trained(spec.format(""), fit, 600)
    denoising = trained(spec.format(",corruption=gaussian(0.3)"), fit, 600)
    noisy = clean + 0.3 * torch.randn(clean.shape, generator=torch.Generator().manual_seed(3))
    before = float(errors(plain, noisy, clean).mean())
    after = float(errors(denoising, noisy, clean).mean())
    # measured: 0.0367 and 0.0231
    assert after < 0.7 * before


def test_conditional_samples_are_what_was_asked_for(fit: Digits) -> None:
    model = trained(
        "vae(mlp(128),gaussian(8),mlp(128),likelihood=gaussian(0.2),cond=label(10))", fit, 800
    )
    judge = SVC().fit(fit[0].flatten(1).numpy(), fit[1].numpy())
    asked = torch.arange(10).repeat_interleave(50)
    with torch.no_grad():
        drawn = model.sample(500, asked, generator=torch.Generator().manual_seed(4))
    share = float((judge.predict(drawn.flatten(1).numpy()) == asked.numpy()).mean())
    # measured: 0.960
    assert share > 0.8


def test_an_outlier_is_reconstructed_worse(fit: Digits) -> None:
    """A digit that is unlike the others: a 6, half a 0 and half an 8, has but 0.75 to 0.88."""
    held_out = 0
    x, y = fit
    model = trained("ae(mlp(128),point(6),mlp(128))", (x[y != held_out], y[y != held_out]), 800)
    seen, labels = part("test")
    odd = (labels == held_out).numpy()
    auroc = float(roc_auc_score(odd, errors(model, seen, seen).numpy()))
    # measured: 0.978
    assert auroc >= 0.95


def features_of(data: Digits) -> nn.Module:
    """A small classifier of the digits, without its last layer: x -> (N, 32)."""
    torch.manual_seed(0)
    body = nn.Sequential(nn.Flatten(), nn.Linear(64, 128), nn.ReLU(), nn.Linear(128, 32), nn.ReLU())
    whole = nn.Sequential(body, nn.Linear(32, 10))
    optimizer = torch.optim.Adam(whole.parameters(), 2e-3, weight_decay=1e-4)
    x, y = data
    for _ in range(600):
        rows = torch.randint(len(x), (128,))
        optimizer.zero_grad()
        nn.functional.cross_entropy(whole(x[rows]), y[rows]).backward()
        optimizer.step()
    return body.eval()


def test_random_latents_need_a_prior_that_fits(fit: Digits, tmp_path: Path) -> None:
    """The Fréchet distance to the test digits, in the features of a classifier of digits."""
    seen = features_of(fit)
    plain = trained("ae(mlp(128),point(8),mlp(128))", fit, 1000)
    vae = trained("vae(mlp(128),gaussian(8),mlp(128),likelihood=gaussian(0.2))", fit, 1000)

    def repaired(model: Any, name: str) -> Any:
        out = tmp_path / name
        options: dict[str, Any] = {"steps": 200, "warmup": 20, "quiet": True}
        return aezoo.fit_prior(model, "mog(10)", data="digits", out=out, **options).model

    mixture, both = repaired(plain, "ae"), repaired(vae, "vae")
    with torch.no_grad():
        real = from_rows(seen(part("test")[0]))

        def far(x: Tensor) -> float:
            return distance(real, from_rows(seen(x)))

        def draw(model: Any) -> Tensor:
            return model.sample(2000, generator=torch.Generator().manual_seed(5))

        unit = torch.randn(2000, 8, generator=torch.Generator().manual_seed(5))
        random, own = far(plain.decode(unit)), far(draw(vae))
        fitted, cured = far(draw(mixture)), far(draw(both))
    # measured: 68.8 and 11.7; with the mixture 3.7 and 3.9
    assert random > 2 * own
    assert fitted < 0.2 * random
    assert fitted < own
    assert cured < own
