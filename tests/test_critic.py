"""An objective's critic, and what anneals: trained in turns, resumed exactly, never published."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file
from torch import nn

import aezoo
from aezoo.data.sets import load
from aezoo.latents import Losses
from aezoo.train import loop
from aezoo.train.loop import Critic, fit
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.stages import ModelTask

STAGE = Stage(steps=300, batch=2, warmup=0, lr=0.05, ema=0.0, eval_every=100, betas=(0.5, 0.9))


class Scalar(nn.Module):
    def __init__(self, value: float) -> None:
        super().__init__()
        self.value = nn.Parameter(torch.tensor(value))


class SaddleTask:
    """min over s, max over c of (s - 1) c - c^2 / 2; the saddle is at s = 1, c = 0."""

    samples = 10

    def __init__(self, stop_at: int = -1, critic_lr: float | None = None) -> None:
        self.module, self.stop_at = Scalar(-1.0), stop_at
        self.critic = Critic(Scalar(0.7), self.critic_losses, critic_lr)
        self.scheduled: list[tuple[int, int]] = []

    def schedule(self, step: int, total: int) -> None:
        self.scheduled.append((step, total))

    def batch(self, step: int) -> tuple[torch.Tensor, ...]:
        if step == self.stop_at:
            raise RuntimeError("the power is gone")
        return ()

    def losses(self) -> Losses:
        total = (self.module.value - 1) * self.critic.module.value
        return Losses(total, {"saddle": total.detach()})

    def critic_losses(self) -> Losses:
        c = self.critic.module.value
        total = -((self.module.value.detach() - 1) * c - c.square() / 2)
        return Losses(total, {"critic": total.detach()})

    def validate(self) -> dict[str, float]:
        return {"loss": float((self.module.value.detach() - 1).abs())}


def run(task: SaddleTask, folder: Path):
    options = {"name": "model", "seed": 0, "recipe_hash": "x", "ranks": Ranks(), "quiet": True}
    return fit(task, STAGE, folder, **options)


def test_model_and_critic_meet_at_the_saddle(tmp_path: Path) -> None:
    task = SaddleTask()
    assert run(task, tmp_path).finished
    assert task.module.value.item() == pytest.approx(1, abs=0.05)
    assert task.critic.module.value.item() == pytest.approx(0, abs=0.05)
    assert task.scheduled == [(step, 300) for step in range(300)]
    assert "critic" in (tmp_path / "log.csv").read_text().splitlines()[0]


def test_the_models_step_leaves_the_critic_alone(tmp_path: Path) -> None:
    task = SaddleTask(critic_lr=1e-12)
    run(task, tmp_path)
    assert task.critic.module.value.item() == pytest.approx(0.7, abs=1e-6)


def test_a_killed_run_goes_on_with_its_critic_bit_for_bit(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "SAVE_EVERY", 0.0)
    run(SaddleTask(), tmp_path / "whole")
    with pytest.raises(RuntimeError, match="the power is gone"):
        run(SaddleTask(stop_at=137), tmp_path / "cut")
    run(SaddleTask(), tmp_path / "cut")
    whole, cut = (load_file(tmp_path / f / "checkpoint.safetensors") for f in ("whole", "cut"))
    assert whole.keys() == cut.keys()
    assert any(name.startswith("critic/") for name in whole)
    for name, tensor in whole.items():
        assert torch.equal(tensor, cut[name]), name


class Pulled(nn.Module):
    """Squared error, and a critic that is shown x and its reconstruction."""

    critic_lr = 1e-3

    def __init__(self) -> None:
        super().__init__()
        self.critic = nn.Sequential(nn.Flatten(), nn.Linear(64, 1))
        self.share = 0.0

    def schedule(self, step: int, total: int) -> None:
        self.share = step / total

    def forward(self, model: nn.Module, x: torch.Tensor, output) -> Losses:
        error = output.distortion.mean()
        total = error - self.share * self.critic(output.x_hat).mean()
        return Losses(total, {"distortion": error.detach()}, criterion=error)

    def critic_losses(self, model: nn.Module, x: torch.Tensor, output) -> Losses:
        total = (self.critic(output.x_hat.detach()) - self.critic(x)).mean()
        return Losses(total, {"critic": total.detach()})


def test_a_models_critic_is_trained_and_is_no_part_of_the_model(tmp_path: Path) -> None:
    model = aezoo.create("ae(mlp(16),point(4),mlp(16),input=(1,8,8))")
    names = set(model.state_dict())
    model.__dict__["objective"] = objective = Pulled()
    assert set(model.state_dict()) == names
    before = objective.critic[1].weight.detach().clone()
    stage = dataclasses.replace(STAGE, steps=60, batch=32, lr=1e-3)
    task = ModelTask(model, load("digits", "fit"), load("digits", "validation"), stage, 0, Ranks())
    options = {"name": "model", "seed": 0, "recipe_hash": "x", "ranks": Ranks(), "quiet": True}
    done = fit(task, stage, tmp_path, **options)
    assert objective.share == pytest.approx(59 / 60)
    assert not torch.equal(before, objective.critic[1].weight)
    # The criterion, not the total with the critic in it, is what chose the weights.
    assert done.validation["loss"] == pytest.approx(done.validation["distortion"])
    model.to(torch.float64)
    assert objective.critic[1].weight.dtype == torch.float64
