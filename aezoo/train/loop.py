"""The training loop: one for every stage, and resumable bit for bit.

A step depends on nothing but the weights, the optimizer's state and (seed, stage, step):
the order of the data is a pure function of (seed, epoch), the random generators are
seeded anew before each step, the learning rate is a pure function of the step. So a run
that was killed and goes on from its checkpoint ends in the same bytes as one that was not.

A step never waits for the device: a step whose gradient norm is not finite, or above the
recipe's ``skip``, is skipped inside the fused optimizer (``found_inf``), and the figures
are read only every `LOG_EVERY` steps.

Where the objective has a critic, each step of the model is followed by one of the critic.
"""

from __future__ import annotations

import contextlib
import hashlib
import math
import signal
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Protocol, Self

import torch
from torch import Tensor, nn

from aezoo.errors import TrainingError
from aezoo.latents import Losses
from aezoo.train.average import WeightAverage
from aezoo.train.checkpoint import (
    copy_into,
    load_checkpoint,
    load_module,
    require_recipe,
    save_checkpoint,
)
from aezoo.train.learner import Learner
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Stage
from aezoo.train.report import CsvLog, Reporter

LOG_EVERY = 50  # steps between two looks at the device's figures
SAVE_EVERY = 180.0  # seconds between two checkpoints
MAX_STREAK = 10  # skipped steps in a row after which the run stops


@dataclass(frozen=True, slots=True)
class Critic:
    """A network with losses of its own, and its learning rate where it is not the stage's."""

    module: nn.Module
    losses: Callable[[], Losses]  # on the batch that the task's own have just seen
    lr: float | None = None
    betas: tuple[float, float] = (0.5, 0.9)


class Task(Protocol):
    """What a stage trains. Its module's parameters that require gradients are trained."""

    module: nn.Module  # holds the weights; its state_dict is what checkpoints keep
    samples: int  # rows of the fit split
    critic: Critic | None  # trained against the module, with its own steps

    def schedule(self, step: int, total: int) -> None:
        """Called before each step; what anneals is a pure function of the two numbers."""
        ...

    def batch(self, step: int) -> tuple[Tensor, ...]:
        """This process's inputs of step ``step``; generators are seeded beforehand."""
        ...

    def losses(self, *inputs: Tensor) -> Losses:
        """The losses of a batch."""
        ...

    def validate(self) -> dict[str, float]:
        """Figures on the validation split; ``loss`` chooses the best weights."""
        ...


@dataclass(frozen=True, slots=True)
class Fitted:
    """How a call of `fit` ended."""

    finished: bool  # False: the budget was spent first; call again to go on
    step: int
    seconds: float  # of training and validation, over all resumes
    validation: dict[str, float]  # of the best weights
    best_step: int
    skipped: int  # steps


def fit(
    task: Task,
    stage: Stage,
    folder: Path,
    *,
    name: str,
    seed: int,
    recipe_hash: str,
    ranks: Ranks,
    deadline: float | None = None,
    resume: bool = True,
    quiet: bool = False,
) -> Fitted:
    """Train one stage, or go on with it, until it is done or the deadline has passed.

    ``folder`` gets ``checkpoint.safetensors`` (the newest state), ``best.safetensors``
    (the averaged weights that were best on validation), ``log.csv`` and
    ``validation.csv``. At the end the module holds the best weights.

    Args:
        deadline: a ``time.monotonic()`` at which to stop, with a checkpoint.

    Raises:
        TrainingError: when too many steps in a row were skipped, or a checkpoint does
            not belong to this recipe. The last checkpoint is kept.
        KeyboardInterrupt, SystemExit: on SIGINT and SIGTERM, after a checkpoint.
    """
    run = _Run(task, stage, folder, name, seed, recipe_hash, ranks)
    if resume and run.checkpoint.exists():
        run.load()
    if run.step < run.total:
        reporter = Reporter(name, run.total, quiet=quiet or not ranks.main)
        try:
            with _Stop() as stop:
                run.train(reporter, stop, deadline)
        finally:
            reporter.close()
    finished = run.step >= run.total
    if finished:
        ranks.wait()  # for the best weights' file
        run.load_best()
    return Fitted(
        finished, run.step, run.seconds, run.best_figures, run.best_step, int(run.skipped)
    )


def solve(
    task: Any, folder: Path, *, name: str, seed: int, ranks: Ranks, quiet: bool = False
) -> Fitted:
    """A stage in closed form: ``task.solve()``, and its figures on the validation split.

    It writes no checkpoint: where a run is resumed, it is done again.
    """
    began = time.monotonic()
    reporter = Reporter(name, 1, quiet=quiet or not ranks.main)
    try:
        _seed(step_seed(seed, name, 0), ranks.device)
        task.solve()
        task.module.eval()
        _seed(step_seed(seed, "validation", 0), ranks.device)
        figures = task.validate()
        if ranks.main:
            CsvLog(folder / "validation.csv", -1).write({"step": 0} | figures)
        reporter.say("solved: " + " ".join(f"{k} {v:.5g}" for k, v in figures.items()))
    finally:
        reporter.close()
    return Fitted(True, 0, time.monotonic() - began, figures, 0, 0)


class _Run:
    """The state of one stage while it trains."""

    def __init__(
        self,
        task: Task,
        stage: Stage,
        folder: Path,
        name: str,
        seed: int,
        recipe_hash: str,
        ranks: Ranks,
    ):
        if stage.batch % ranks.world:
            raise TrainingError(
                f"the batch of {stage.batch} does not split over {ranks.world} processes; "
                "run on a number of processes that divides it"
            )
        self.task, self.stage, self.folder = task, stage, folder
        self.name, self.seed, self.recipe_hash, self.ranks = name, seed, recipe_hash, ranks
        self.checkpoint = folder / "checkpoint.safetensors"
        self.best = folder / "best.safetensors"
        self.total = stage.total_steps(task.samples)
        self.weights = {n: p for n, p in task.module.named_parameters() if p.requires_grad}
        self.learner = Learner(
            self.weights, lr=stage.lr, betas=stage.betas, weight_decay=stage.weight_decay
        )
        self.critic = _critic_learner(task.critic, stage)
        self.average = WeightAverage(self.weights, stage.ema) if stage.ema else None
        self.guard = _BufferGuard(task.module)
        self.window = _Window(ranks)
        self.step = 0
        self.seconds = 0.0
        self.best_loss = math.inf
        self.best_step = 0
        self.best_figures: dict[str, float] = {}
        self.skipped = torch.zeros((), device=ranks.device)  # steps, over the whole stage
        self.streak = torch.zeros((), device=ranks.device)  # skipped steps in a row, now

    # -- training

    def train(self, reporter: Reporter, stop: _Stop, deadline: float | None) -> None:
        log = CsvLog(self.folder / "log.csv", self.step) if self.ranks.main else None
        validations = CsvLog(self.folder / "validation.csv", self.step) if log else None
        module = self.ranks.prepare(_LossModule(self.task, self.stage, self.ranks.device))
        critic = None
        if self.task.critic is not None:
            critic = self.ranks.prepare(_CriticModule(self.task, self.stage, self.ranks.device))
        window = self.window
        saved = time.monotonic()
        before, began = self.seconds, saved
        many = self.ranks.world > 1  # then the decision to stop is taken together, now and then
        while self.step < self.total:
            norm, losses = self._step(module, critic)
            self.step += 1
            window.add(norm, losses)
            self.seconds = before + time.monotonic() - began
            last = self.step == self.total
            if self.step % LOG_EVERY == 0 or last:
                figures = window.read()
                self._check_streak()
                if log:
                    log.write(self._row(figures))
                    reporter.show(self.step, figures)
            if self.step % self.stage.eval_every == 0 or last:
                figures = self._validate()
                self.seconds = before + time.monotonic() - began
                if validations:
                    validations.write({"step": self.step} | figures)
                    text = " ".join(f"{k} {v:.5g}" for k, v in figures.items())
                    reporter.say(f"validation at step {self.step}: {text}")
            if many and self.step % 10 and not last:
                continue
            now = time.monotonic()
            halt = self.ranks.any(
                stop.signal is not None or (deadline is not None and now >= deadline)
            )
            due = self.ranks.any(now - saved >= SAVE_EVERY) if many else now - saved >= SAVE_EVERY
            if halt or due or last:
                self.save()
                saved = now
            if halt:
                break
        if stop.signal is not None:
            reporter.say(f"stopped after step {self.step}; the same run goes on from there")
        stop.act()

    def _step(self, module: nn.Module, critic: nn.Module | None = None) -> tuple[Tensor, Losses]:
        stage, lr = self.stage, self.stage.lr_at(self.step, self.total)
        _seed(step_seed(self.seed, self.name, self.step), self.ranks.device)
        self.task.schedule(self.step, self.total)
        with self.ranks.noise(stage.batch):
            losses = module(*self.task.batch(self.step))
        norm, ok = self.learner.step(losses.total, lr, clip=stage.clip, skip=stage.skip)
        self.guard.keep(ok, first=self.step == 0)
        bad = (~ok).to(torch.float32)
        if self.average is not None:
            self.average.update(self.step, 1 - bad)
        self.skipped += bad
        self.streak.add_(1).mul_(bad)
        if critic is not None and self.critic is not None and self.task.critic is not None:
            with self.ranks.noise(stage.batch):
                theirs = critic()
            share = 1.0 if self.task.critic.lr is None else self.task.critic.lr / stage.lr
            self.critic.step(theirs.total, lr * share, clip=stage.clip)
            losses = replace(losses, terms=losses.terms | theirs.terms)
        return norm, losses

    def _check_streak(self) -> None:
        streak = int(self.streak)
        if streak >= MAX_STREAK:
            limit = "" if self.stage.skip is None else f" or was above skip = {self.stage.skip:g}"
            raise TrainingError(
                f"{self.name}: the last {streak} steps up to step {self.step} were skipped, for "
                f"the gradient norm was not finite{limit}; the last checkpoint is kept in "
                f"{self.folder}. Lower lr, lengthen warmup, or set clip or skip in the recipe"
            )

    def _row(self, figures: dict[str, float]) -> dict[str, float]:
        per_epoch = self.stage.steps_per_epoch(self.task.samples)
        return {
            "step": self.step,
            "epoch": round(self.step / per_epoch, 4),
            "lr": self.stage.lr_at(self.step - 1, self.total),
            "seconds": round(self.seconds, 2),
            "skipped": int(self.skipped),
        } | figures

    def _validate(self) -> dict[str, float]:
        """Figures of the averaged weights on the validation split; keeps the best weights."""
        module = self.task.module
        weights = self.average.swapped_in() if self.average else contextlib.nullcontext()
        with weights:
            module.eval()
            _seed(step_seed(self.seed, "validation", 0), self.ranks.device)
            figures = self.task.validate()
            module.train()
            better = math.isfinite(figures["loss"]) and figures["loss"] < self.best_loss
            if better or not self.best_figures:
                self.best_loss = figures["loss"] if better else math.inf
                self.best_step, self.best_figures = self.step, figures
                if self.ranks.main:
                    self._save_best(module.state_dict())
        return figures

    # -- files

    def facts(self) -> dict:
        return {
            "recipe": self.recipe_hash,
            "stage": self.name,
            "step": self.step,
            "seconds": self.seconds,
            "best_loss": self.best_loss if math.isfinite(self.best_loss) else None,
            "best_step": self.best_step,
            "best_figures": self.best_figures,
            "window": {"names": self.window.names, "steps": self.window.steps},
        }

    def save(self) -> None:
        if not self.ranks.main:
            return
        groups = {
            "model": self.task.module.state_dict(),
            "optimizer": self.learner.state(),
            "counters": {"skipped": self.skipped, "streak": self.streak},
        }
        if self.window.sums is not None:
            groups["window"] = {"sums": self.window.sums}
        if self.average is not None:
            groups["ema"] = self.average.tensors
        groups |= self._critic_groups()
        save_checkpoint(self.checkpoint, groups, self.facts())

    def load(self) -> None:
        path = self.checkpoint
        groups, facts = load_checkpoint(path)
        require_recipe(path, facts, self.recipe_hash)
        load_module(self.task.module, groups.get("model", {}), path)
        self.guard = _BufferGuard(self.task.module)
        copy_into(self.learner.state(), groups.get("optimizer", {}), path)
        for name, tensors in self._critic_groups().items():
            copy_into(tensors, groups.get(name, {}), path)
        if self.average is not None:
            copy_into(self.average.tensors, groups.get("ema", {}), path)
        copy_into({"skipped": self.skipped, "streak": self.streak}, groups["counters"], path)
        self.step, self.seconds = facts["step"], facts["seconds"]
        self.best_step, self.best_figures = facts["best_step"], facts["best_figures"]
        self.window.names, self.window.steps = facts["window"]["names"], facts["window"]["steps"]
        if "window" in groups:
            self.window.sums = groups["window"]["sums"].to(self.ranks.device)
        if facts["best_loss"] is not None:
            self.best_loss = facts["best_loss"]

    def _critic_groups(self) -> dict[str, dict[str, Tensor]]:
        if self.critic is None or self.task.critic is None:
            return {}
        state = self.task.critic.module.state_dict()
        return {"critic": state, "critic_optimizer": self.critic.state()}

    def _save_best(self, state: dict[str, Tensor]) -> None:
        save_checkpoint(self.best, {"model": state}, self.facts())

    def load_best(self) -> None:
        groups, facts = load_checkpoint(self.best)
        require_recipe(self.best, facts, self.recipe_hash)
        load_module(self.task.module, groups["model"], self.best)


def step_seed(seed: int, stage: str, step: int) -> int:
    """The seed of one step's randomness: 63 bits of SHA-256."""
    digest = hashlib.sha256(f"{seed}/{stage}/{step}".encode()).digest()
    return int.from_bytes(digest[:8], "big") >> 1


def _seed(seed: int, device: torch.device) -> None:
    """Seed the generators in use. ``torch.manual_seed`` seeds those of all backends: 0.3 ms,
    and where a backend is not initialised it queues the call, step after step."""
    torch.default_generator.manual_seed(seed)
    if device.type == "cuda":
        with torch.cuda.device(device):
            torch.cuda.manual_seed(seed)


class _LossModule(nn.Module):
    """The loss as a module's forward pass, so that DistributedDataParallel sees it."""

    def __init__(self, task: Task, stage: Stage, device: torch.device):
        super().__init__()
        self.module = task.module
        self._losses = task.losses
        self._device, self._bf16 = device.type, stage.precision == "bf16"

    def forward(self, *inputs: Tensor) -> Losses:
        with torch.autocast(self._device, torch.bfloat16, enabled=self._bf16):
            return self._losses(*inputs)


class _CriticModule(nn.Module):
    """The critic's loss as a module's forward pass; its parameters are the critic's alone."""

    def __init__(self, task: Task, stage: Stage, device: torch.device):
        super().__init__()
        assert task.critic is not None
        self.module = task.critic.module
        self._losses = task.critic.losses
        self._device, self._bf16 = device.type, stage.precision == "bf16"

    def forward(self) -> Losses:
        with torch.autocast(self._device, torch.bfloat16, enabled=self._bf16):
            return self._losses()


class _BufferGuard:
    """Undoes what a skipped step did to the buffers: a codebook must not average NaN."""

    def __init__(self, module: nn.Module):
        kept = module.state_dict().keys()
        self.places = [
            (owner, name)
            for prefix, owner in module.named_modules()
            for name, _ in owner.named_buffers(recurse=False)
            if f"{prefix}.{name}".lstrip(".") in kept
        ]
        self.before = [getattr(*place).detach().clone() for place in self.places]

    @torch.no_grad()
    def keep(self, ok: Tensor, *, first: bool) -> None:
        """Keep the buffers if the step was ok, else restore them. No sync.

        The ``first`` step starts codebooks, once: of that, all that is finite is kept.
        """
        for place, before in zip(self.places, self.before, strict=True):
            buffer = getattr(*place)
            good = ok | torch.isfinite(buffer) if first else ok
            before.copy_(torch.where(good, buffer, before))
            buffer.copy_(before)


class _Window:
    """Running sums on the device of what a step reports, read at log steps."""

    def __init__(self, ranks: Ranks):
        self.ranks = ranks
        self.restart()

    def restart(self) -> None:
        self.sums: Tensor | None = None
        self.names: list[str] = []
        self.steps = 0

    def add(self, norm: Tensor, losses: Losses) -> None:
        self.names = ["loss", *losses.terms, "norm"]
        values = [losses.total.detach(), *losses.terms.values(), norm]
        row = torch.stack([value.to(torch.float32) for value in values])
        self.sums = row if self.sums is None else self.sums.add_(row)
        self.steps += 1

    def read(self) -> dict[str, float]:
        """Means over the window and the processes; starts a new window."""
        if self.sums is None:
            return {}
        means = self.ranks.sum(self.sums) / (self.steps * self.ranks.world)
        figures = dict(zip(self.names, means.tolist(), strict=True))
        self.restart()
        return figures


class _Stop:
    """SIGINT and SIGTERM ask the loop to stop after the step; a second SIGINT stops at once."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._old: dict[int, Any] = {}

    def __enter__(self) -> Self:
        if threading.current_thread() is threading.main_thread():
            for number in (signal.SIGINT, signal.SIGTERM):
                self._old[number] = signal.signal(number, self._asked)
        return self

    def _asked(self, number: int, frame: object) -> None:
        if number == signal.SIGINT and self.signal is not None:
            raise KeyboardInterrupt
        self.signal = number

    def act(self) -> None:
        """After the checkpoint: end the program in the way the signal would have."""
        if self.signal == signal.SIGINT:
            raise KeyboardInterrupt
        if self.signal is not None:
            raise SystemExit(128 + self.signal)

    def __exit__(self, *exc: object) -> None:
        for number, handler in self._old.items():
            signal.signal(number, handler)


def _critic_learner(critic: Critic | None, stage: Stage) -> Learner | None:
    if critic is None:
        return None
    weights = {n: p for n, p in critic.module.named_parameters() if p.requires_grad}
    return Learner(weights, lr=critic.lr or stage.lr, betas=critic.betas)
