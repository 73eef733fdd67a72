"""The pretrained models keep what the zoo promises of them, on real held-out data, offline."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import torch

import aezoo
from aezoo.bench import run

DATA = os.environ.get("AEZOO_DATA", "")
real_data = pytest.mark.skipif(
    not Path(DATA, "uoft-cs").is_dir(),
    reason="AEZOO_DATA names no folder with the data sets in the Hub's layout",
)


def measured(model: str, split: str, metrics: str) -> dict[str, float]:
    return {row.metric: row.value for row in run(model, split=split, metrics=metrics, device="cpu")}


@pytest.mark.parametrize("name", [n for n in aezoo.list_models() if "/" not in n])
def test_every_model_loads_in_eval_mode_and_reconstructs(name: str) -> None:
    """Those of aezoo itself: a plugin tests its own, and many are on the Hub alone."""
    model = aezoo.create(name, pretrained=True)
    assert not model.training
    assert model.card is not None
    x = torch.rand(2, *model.input_shape)
    assert model.reconstruct(x).shape == x.shape
    assert model.card.count("## Measured") == 1


def test_the_zoo_is_there() -> None:
    assert {"ae-mnist", "vae-cifar10", "vae-digits", "vae-mnist", "vqvae-cifar10"} <= set(
        aezoo.list_models()
    )


@real_data
def test_vqvae_cifar10_reconstructs_unseen_photographs() -> None:
    figures = measured("vqvae-cifar10", "test[:1000]", "reconstruction")
    assert figures["mse"] <= 0.0035
    assert figures["psnr-mean-mse"] >= 24.5


@real_data
def test_vqvae_cifar10_uses_its_codes() -> None:
    assert measured("vqvae-cifar10", "validation", "codes")["usage"] >= 0.95


@real_data
def test_vqvae_cifar10_s_prior_has_learned_and_samples() -> None:
    model = aezoo.create("vqvae-cifar10", pretrained=True)
    figures = measured("vqvae-cifar10", "test[:200]", "likelihood")
    uniform = 64 * torch.log(torch.tensor(512.0)).item()
    assert figures["rate"] <= 0.75 * uniform
    pictures = model.sample(8, generator=torch.Generator().manual_seed(0))
    assert pictures.shape == (8, 3, 32, 32)
    # Objects and skies, not noise: neighbouring pixels are much alike.
    steps = (pictures[..., 1:] - pictures[..., :-1]).square().mean()
    assert steps <= 0.25 * pictures.var()


@real_data
def test_vae_mnist_s_likelihood() -> None:
    figures = measured("vae-mnist", "test[:1000]", "likelihood(k=200)")
    assert figures["-elbo"] <= 96
    assert figures["nll-iwae-200"] <= 91.5
    assert figures["nll-iwae-200"] < figures["-elbo"]


def test_vae_digits_s_likelihood() -> None:
    figures = measured("vae-digits", "test", "likelihood,reconstruction")
    assert figures["-elbo"] <= -20  # a density's nats
    assert figures["mse"] <= 0.02
