"""The device that is not the CPU: it keeps a GPU's rules, and training and the bench work on it."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

import aezoo
from aezoo.bench import run
from aezoo.data.sets import load
from aezoo.testing.elsewhere import elsewhere
from aezoo.train.loop import fit
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask, PriorTask, fits_prior

STAGE = Stage(steps=4, batch=16, lr=2e-3, warmup=1, ema=0.5, eval_every=2)
SPECS = [
    "vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))",
    "vae(mlp(16),gaussian(4),mlp(16),cond=label(10),prior=realnvp,input=(1,8,8))",
    "vqvae(res(8,depth=1),vq(8,4),unres(8,depth=1),prior=pixelcnn(8,layers=2),input=(1,8,8))",
    "ae(mlp(16),point(4),mlp(16),prior=normal,objective=aae(critic=mlp(16)),input=(1,8,8))",
]


def test_its_tensors_keep_the_rules_of_a_gpu() -> None:
    with elsewhere() as device:
        x, here = torch.ones(3, 4).to(device), torch.ones(3, 4)
        assert x.device == device and here.device.type == "cpu" != device
        for moved in (x.cpu(), x.to("cpu"), x.to(here), torch.zeros_like(x, device="cpu")):
            assert moved.device == here.device and moved.numpy().shape == (3, 4)
        for made in (torch.tensor(4.0, device=device), torch.as_tensor([1.0], device=x.device)):
            assert made.device == device and (x + made).device == device
        for stays in (x + 1, x * torch.tensor(2.0), x[torch.tensor([0])], x.double(), here.to(x)):
            assert stays.device == device
        for made in (torch.tensor([1.0], device=device), torch.as_tensor(x), x.new_tensor([1.0]),
                     torch.asarray([1.0], device=device), torch.as_tensor(here, device=device),
                     x.new_zeros(1), torch.rand(1, device=device)):  # fmt: skip
            assert made.device == device
        assert torch.tensor(x.tolist()).device == here.device
        assert x.sum().item() == 12 and (2 * x).tolist() == [[2.0] * 4] * 3
        mixed = [
            lambda: x + here,
            lambda: torch.cat([x, here]),
            lambda: torch.stack([x.sum(), torch.tensor(0.0)]),
            lambda: here[x.long()],
            lambda: nn.functional.embedding(torch.tensor([0]), x),
            lambda: nn.Linear(4, 2)(x),
        ]
        for compute in mixed:
            with pytest.raises(RuntimeError, match="tensors on two devices"):
                compute()
        with pytest.raises(RuntimeError, match="generator of the CPU"):
            torch.randn(3, device=device, generator=torch.Generator())
        with pytest.raises(TypeError, match="move it first"):
            x.numpy()


def test_a_layer_learns_there_what_it_learns_here() -> None:
    def learned(layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        optimizer = torch.optim.AdamW(layer.parameters(), 0.1)
        for _ in range(3):
            optimizer.zero_grad()
            layer(x).square().sum().backward()
            optimizer.step()
        return layer.get_parameter("weight").detach().cpu()

    def layer() -> nn.Module:
        torch.manual_seed(0)
        return nn.Linear(4, 2)

    here = learned(layer(), torch.ones(3, 4))
    with elsewhere() as device:
        there = learned(layer().to(device), torch.ones(3, 4, device=device))
    torch.testing.assert_close(there, here)


@pytest.mark.parametrize("spec", SPECS)
def test_a_model_is_trained_and_measured_there_as_here(spec: str, tmp_path: Path) -> None:
    def measured(device: torch.device, folder: Path) -> dict[str, float]:
        torch.manual_seed(0)
        model = aezoo.create(spec).train().to(device)
        splits = load("digits", "fit[:64]"), load("digits", "validation[:32]")
        kinds = {"model": ModelTask} | ({"prior": PriorTask} if fits_prior(model) else {})
        for name, kind in kinds.items():
            task = kind(model, *splits, STAGE, 0, Ranks(device))
            done = fit(task, STAGE, folder / name, name=name, seed=0, recipe_hash="x",
                       ranks=Ranks(device), quiet=True)  # fmt: skip
            assert done.finished
        model.prior_fitted = model.prior is not None
        model.requires_grad_(True).eval()
        rows = run([model], data="digits", n=40, device=device, quiet=True,
                   metrics="reconstruction,likelihood(k=3),codes,posterior,probes")  # fmt: skip
        return {f"{row.metric} {row.protocol}": row.value for row in rows}

    here = measured(torch.device("cpu"), tmp_path / "here")
    with elsewhere() as device:
        there = measured(device, tmp_path / "there")
    assert there.keys() == here.keys() and len(here) > 5
    for name, value in here.items():
        assert there[name] == pytest.approx(value, rel=1e-3, abs=1e-4), name
