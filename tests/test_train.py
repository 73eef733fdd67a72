"""Training: recipes, the loop's promises (exact resume, skipped steps), the queue."""

from __future__ import annotations

import csv
import dataclasses
import importlib.util
import itertools
import json
import math
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file
from torch import nn
from torch.utils._python_dispatch import TorchDispatchMode

from aezoo.cli.make import with_stages
from aezoo.errors import TrainingError, UnknownDatasetError
from aezoo.latents import Losses
from aezoo.train import loop
from aezoo.train.average import WeightAverage
from aezoo.train.checkpoint import load_checkpoint, save_checkpoint
from aezoo.train.loop import fit
from aezoo.train.ranks import Ranks, _GlobalNoise
from aezoo.train.recipe import Recipe, RecipeError, Size, Stage, default_recipe, load_recipe
from aezoo.train.report import CsvLog

ROOT = Path(__file__).resolve().parent.parent

VAE = "vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))"
VAEGAN = VAE.replace(",input", ",objective=vaegan(critic=patch(4,layers=1)),input")
VQGAN = (
    "vqvae(res(8,depth=1,down=2),vq(8,4,revive=0.0),unres(8,depth=1),objective=vqgan("
    "critic=patch(4,layers=1),start=2,network=resnet10t,layers=(0,1),pretrained=false),"
    "input=(1,8,8))"
)
VQ = (
    "vqvae(res(8,depth=1),vq(8,4,revive=REVIVE),unres(8,depth=1),"
    "prior=pixelcnn(8,layers=2),input=(1,8,8))"
)
STAGE = Stage(steps=40, batch=60, warmup=5, eval_every=15, flip=True, clip=1000.0)


def recipe(spec: str, **changes: object) -> Recipe:
    stage = dataclasses.replace(STAGE, **changes)
    prior = stage if "pixelcnn" in spec else None
    return Recipe("tiny", spec, "digits", {"cpu": Size(stage, prior)})


def train(spec: str, folder: Path, **options: object):
    from aezoo.train.run import train as run

    changes = options.pop("changes", {})
    return run(recipe(spec, **changes), run_dir=folder, quiet=True, **options)


def rows_of(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(path.read_text().splitlines()))


# -- recipes

GOOD = """
spec = "vae(mlp(8),gaussian(2),mlp(8),input=(1,8,8))"
data = "digits"
seed = 3
[cpu]
epochs = 2
betas = [0.8, 0.9]
clip = "none"
[gpu]
spec = "vae(mlp(16),gaussian(2),mlp(16),input=(1,8,8))"
steps = 10
"""


def write(folder: Path, text: str) -> Path:
    path = folder / "tiny-digits" / "recipe.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)
    return path


def test_a_recipe_is_read(tmp_path: Path) -> None:
    found = load_recipe(write(tmp_path, GOOD))
    assert (found.name, found.seed, found.data) == ("tiny-digits", 3, "digits")
    assert found.sizes["cpu"].model == Stage(epochs=2, betas=(0.8, 0.9))
    assert found.spec_of("gpu") != found.spec_of("cpu") == found.spec
    assert found.stage_hash("cpu", "model") != found.stage_hash("gpu", "model")


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("data =", "dat =", "unknown key 'dat'; did you mean 'data'?"),
        ("clip =", "clipp =", "unknown key 'cpu.clipp'; did you mean 'clip'?"),
        ("epochs = 2", 'epochs = "2"', "[cpu]: epochs is a number or 'none', not '2'"),
        ("epochs = 2", "epochs = true", "epochs is a number"),
        ("epochs = 2", "epochs = 2\nsteps = 3", "either steps or epochs"),
        ("epochs = 2", "epochs = -2", "epochs is a positive number"),
        ("[0.8, 0.9]", "[0.8]", "betas is a list of 2 numbers"),
        ("seed = 3", "seed = 3.5", "seed is a whole number"),
        ("seed = 3", "seed = ", "not valid TOML"),
        ('data = "digits"', "", "the key 'data' is missing"),
        ("steps = 10", 'steps = 10\nprecision = "fp16"', "precision is one of 'float32', 'bf16'"),
        ("steps = 10", "steps = 10\nprior = 3", "[gpu.prior] is a table"),
    ],
)
def test_a_wrong_recipe_names_file_and_key(
    tmp_path: Path, old: str, new: str, message: str
) -> None:
    assert old in GOOD
    path = write(tmp_path, GOOD.replace(old, new, 1))
    with pytest.raises(RecipeError) as error:
        load_recipe(path)
    assert str(path) in str(error.value)
    assert message in str(error.value)


def test_a_size_that_is_not_there() -> None:
    with pytest.raises(RecipeError, match="no size 'gpu'; it has: cpu"):
        recipe(VAE).size("gpu")


def test_every_recipe_of_the_zoo_is_good() -> None:
    from aezoo.build import build
    from aezoo.registry import dataset
    from aezoo.train.stages import fits_prior

    recipes = [load_recipe(path) for path in ROOT.glob("model_cards/*/recipe.toml")]
    assert len(recipes) >= 5
    for found in recipes:
        assert found.summary
        for name, size in found.sizes.items():
            model = build(found.spec_of(name), device="meta")
            assert model.input_shape == dataset(found.data).shape
            assert fits_prior(model) == (size.prior is not None)


def test_the_default_recipe_fits_the_data() -> None:
    found = default_recipe("vqvae(res(8),vq(8,4),unres(8),prior=pixelcnn(8,layers=2))", "digits")
    assert "input=(1,8,8)" in found.spec
    assert found.sizes["cpu"].prior is not None
    assert default_recipe("vae(mlp(8),gaussian(2),mlp(8))", "digits").sizes["cpu"].prior is None
    # the warm-up is a small part of any training, and a large set is passed over some times
    for stage in (found.size("cpu").model, found.size("cpu").prior, found.size("gpu").model):
        assert stage is not None
        assert (stage.total_steps(1137), stage.warmup_steps(2000)) == (2000, 100)
    large = default_recipe("ae(mlp(8),point(2),mlp(8))", "cifar10").size("cpu").model
    assert large is not None
    assert large.epochs == 20


def test_the_learning_rate_is_a_pure_function_of_the_step() -> None:
    stage = Stage(steps=100, lr=1.0, warmup=9, final_lr=0.1)
    rates = [stage.lr_at(step, 100) for step in range(100)]
    assert rates[:9] == pytest.approx([0.1 * (i + 1) for i in range(9)])
    assert rates[9] == 1.0
    assert all(a > b for a, b in itertools.pairwise(rates[9:]))
    assert stage.lr_at(100, 100) == pytest.approx(0.1)
    assert dataclasses.replace(stage, schedule="constant").lr_at(99, 100) == 1.0


def test_the_warm_up_is_a_small_part_of_a_short_training() -> None:
    spec = "vae(mlp(8),gaussian(2),mlp(8))"
    short = with_stages(default_recipe(spec, "digits"), "cpu", {"epochs": "20"})
    stage = short.settled("cpu", 1200).size("cpu").model
    assert stage is not None
    assert (stage.total_steps(1200), stage.warmup) == (180, 9)
    assert stage.lr_at(9, 180) == stage.lr
    assert [Stage(steps=n).warmup_steps(n) for n in (1, 4000, 10**6)] == [0, 200, 200]
    # what was told is kept, and the numbers decide the hash
    told = Recipe("x", spec, "digits", {"cpu": Size(Stage(steps=100, warmup=60))})
    assert told.settled("cpu", 1200) == told
    own = Recipe("x", spec, "digits", {"cpu": Size(Stage(steps=100, warmup=5))})
    left = Recipe("x", spec, "digits", {"cpu": Size(Stage(steps=100))})
    hashes = [r.settled("cpu", 9).stage_hash("cpu", "model") for r in (own, left, told)]
    assert hashes[0] == hashes[1] != hashes[2]


def test_a_warm_up_as_long_as_the_training(tmp_path: Path) -> None:
    from aezoo.train.run import train as run

    spec = VQ.replace("REVIVE", "0.0")
    first, second = Stage(steps=50, batch=60), Stage(epochs=2, batch=60, warmup=40)
    found = Recipe("x", spec, "digits", {"cpu": Size(first, second)})
    message = r"x: the stage \[cpu.prior\] has a warm-up of 40 steps and 40 in.* left away it is 2"
    with pytest.raises(RecipeError, match=message):
        run(found, run_dir=tmp_path, quiet=True)
    assert not list(tmp_path.iterdir())


def test_the_second_stage_may_change_without_the_first() -> None:
    one, other = recipe(VQ), recipe(VQ)
    other.sizes["cpu"] = dataclasses.replace(other.sizes["cpu"], prior=Stage(steps=7))
    assert one.stage_hash("cpu", "model") == other.stage_hash("cpu", "model")
    assert one.stage_hash("cpu", "prior") != other.stage_hash("cpu", "prior")


# -- the loop, on a task that misbehaves when told to


class Line(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.slope = nn.Parameter(torch.tensor([1.0]))
        self.register_buffer("seen", torch.zeros(()))


class LineTask:
    """Pulls the slope to 3; at the ``bad`` steps the loss, and its buffer, are NaN."""

    samples = 10
    critic = None

    def __init__(self, bad: set[int] = frozenset(), size: float = math.nan) -> None:
        self.module, self.bad, self.size = Line(), bad, size

    def schedule(self, step: int, total: int) -> None:
        pass

    def batch(self, step: int) -> tuple[torch.Tensor, ...]:
        return (torch.tensor(self.size if step in self.bad else 1.0),)

    def losses(self, x: torch.Tensor) -> Losses:
        self.module.seen.add_(x)
        total = (x * (self.module.slope - 3) ** 2).sum()
        return Losses(total, {"distance": total.detach()})

    def validate(self) -> dict[str, float]:
        return {"loss": float((self.module.slope.detach() - 3).abs())}


def fit_line(task: LineTask, folder: Path, quiet: bool = True, **changes: object):
    stage = dataclasses.replace(Stage(steps=200, batch=2, warmup=0, lr=0.1, ema=0.9), **changes)
    options = {"name": "model", "seed": 0, "recipe_hash": "x", "ranks": Ranks(), "quiet": quiet}
    return fit(task, stage, folder, **options)


def test_fit_finds_the_minimum(tmp_path: Path) -> None:
    task = LineTask()
    done = fit_line(task, tmp_path)
    assert done.finished
    assert done.step == 200
    assert task.module.slope.item() == pytest.approx(3, abs=1e-3)
    assert task.module.seen.item() == 200


def test_what_is_interrupted_says_that_it_goes_on(tmp_path: Path, capsys) -> None:
    class Interrupted(LineTask):
        def schedule(self, step: int, total: int) -> None:
            if step == 20:
                signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        fit_line(Interrupted(), tmp_path, quiet=False)
    assert "stopped after step 21; the same run goes on from there" in capsys.readouterr().err
    assert fit_line(LineTask(), tmp_path).step == 200


def test_a_step_that_is_not_finite_changes_nothing(tmp_path: Path) -> None:
    task = LineTask(bad={3, 4, 5, 60})
    done = fit_line(task, tmp_path)
    assert done.skipped == 4
    assert task.module.slope.item() == pytest.approx(3, abs=1e-3)
    assert task.module.seen.item() == 196  # the buffers of a skipped step are undone
    (state,) = [v for k, v in load_file(tmp_path / "checkpoint.safetensors").items() if "step" in k]
    assert state.item() == 196  # of the optimizer


def test_a_bad_first_step_keeps_what_is_finite(tmp_path: Path) -> None:
    """A codebook starts at the first step, and only there."""
    task = LineTask(bad={0}, size=1e6)
    assert fit_line(task, tmp_path, steps=1, skip=100.0).skipped == 1
    assert task.module.seen.item() == 1e6
    task = LineTask(bad={0})
    fit_line(task, tmp_path / "nan", steps=1)
    assert task.module.seen.item() == 0


def test_a_step_above_skip_is_skipped(tmp_path: Path) -> None:
    task = LineTask(bad={50}, size=1e6)
    assert fit_line(task, tmp_path, skip=100.0).skipped == 1


def test_many_bad_steps_in_a_row_stop_the_run_and_keep_the_checkpoint(tmp_path: Path) -> None:
    fit_line(LineTask(), tmp_path, steps=40)
    before = (tmp_path / "checkpoint.safetensors").read_bytes()
    with pytest.raises(TrainingError, match=r"last 10 steps up to step 50 .* not finite"):
        fit_line(LineTask(bad=set(range(40, 200))), tmp_path)
    assert (tmp_path / "checkpoint.safetensors").read_bytes() == before


def test_the_best_weights_on_validation_are_kept(tmp_path: Path) -> None:
    class Drifts(LineTask):
        calls = 0

        def validate(self) -> dict[str, float]:
            self.calls += 1
            return {"loss": abs(self.calls - 2.0)}  # the second is the best

    task = Drifts()
    done = fit_line(task, tmp_path, eval_every=50, schedule="constant")
    assert (done.best_step, done.validation) == (100, {"loss": 0.0})


def test_another_recipes_checkpoint_is_refused(tmp_path: Path) -> None:
    fit_line(LineTask(), tmp_path, steps=10)
    with pytest.raises(TrainingError, match="belongs to another recipe"):
        fit(
            LineTask(), Stage(steps=10, batch=2), tmp_path,
            name="model", seed=0, recipe_hash="y", ranks=Ranks(), quiet=True,
        )  # fmt: skip


@pytest.mark.parametrize("damage", ["cut", "foreign"])
def test_a_damaged_checkpoint_is_named(tmp_path: Path, damage: str) -> None:
    from safetensors.torch import save_file

    path = tmp_path / "checkpoint.safetensors"
    fit_line(LineTask(), tmp_path, steps=10)
    if damage == "cut":
        path.write_bytes(path.read_bytes()[:-4])
    else:
        save_file({"w": torch.zeros(1)}, path)
    with pytest.raises(TrainingError, match=r"checkpoint.*start anew"):
        fit_line(LineTask(), tmp_path)


def test_a_checkpoint_of_another_model_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "checkpoint.safetensors"
    fit_line(LineTask(), tmp_path, steps=10)
    groups, facts = load_checkpoint(path)
    groups["model"]["slope"] = torch.zeros(2)
    save_checkpoint(path, groups, facts)
    with pytest.raises(TrainingError, match=r"slope is torch.float32 \(2,\)"):
        fit_line(LineTask(), tmp_path)


def test_the_average_of_weights() -> None:
    weight = nn.Parameter(torch.tensor([0.0]))
    average = WeightAverage({"w": weight}, decay=0.5)
    weight.data.fill_(1.0)
    average.update(0, torch.tensor(0.0))  # a skipped step
    assert average.tensors["w"].item() == 0.0
    average.update(0, torch.tensor(1.0))  # warm-up: decay 1/10
    assert average.tensors["w"].item() == pytest.approx(0.9)
    average.update(1000, torch.tensor(1.0))
    assert average.tensors["w"].item() == pytest.approx(0.95)
    with average.swapped_in():
        assert weight.item() == pytest.approx(0.95)
    assert weight.item() == 1.0


def test_the_csv_log_drops_what_came_after_the_checkpoint(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    log = CsvLog(path, 0)
    for step in (50, 100, 150):
        log.write({"step": step, "loss": step / 7})
    CsvLog(path, 100).write({"step": 150, "loss": 1.0})
    rows = rows_of(path)
    assert [row["step"] for row in rows] == ["50", "100", "150"]
    assert rows[-1]["loss"] == "1"
    assert not CsvLog(path, 10).columns
    assert not path.exists()


# -- whole runs


def test_two_stages_make_a_model_that_loads(tmp_path: Path) -> None:
    from aezoo.models.base import Autoencoder

    done = train(VQ.replace("REVIVE", "0.03"), tmp_path)
    assert done.finished
    assert done.model.prior_fitted
    assert not done.model.training
    assert done.model.sample(2).shape == (2, 1, 8, 8)
    facts = json.loads((tmp_path / "final/training.json").read_text())
    assert facts == done.training
    assert set(facts["stages"]) == {"model", "prior"}
    assert facts["stages"]["prior"]["validation"]["nats_per_dim"] > 0
    assert 0 < facts["stages"]["model"]["validation"]["usage"] <= 1
    kept = load_recipe(tmp_path / "final/recipe.toml")
    assert (kept.name, kept.spec_of("cpu"), kept.seed) == (tmp_path.name, facts["spec"], 0)
    assert kept.size("cpu").prior is not None
    loaded = Autoencoder.from_pretrained(f"local:{tmp_path / 'final'}")
    x = torch.rand(2, 1, 8, 8)
    assert torch.equal(loaded.reconstruct(x), done.model.reconstruct(x))


def test_a_stage_too_few_or_too_many_is_refused(tmp_path: Path) -> None:
    from aezoo.train.run import train as run

    few, many = recipe(VQ.replace("REVIVE", "0.0")), recipe(VAE)
    few.sizes["cpu"] = Size(STAGE)
    many.sizes["cpu"] = Size(STAGE, STAGE)
    with pytest.raises(TrainingError, match=r"no table \[cpu.prior\]"):
        run(few, run_dir=tmp_path, quiet=True)
    with pytest.raises(TrainingError, match="no prior to fit afterwards"):
        run(many, run_dir=tmp_path, quiet=True)


def test_a_budget_stops_the_run_and_the_next_goes_on(tmp_path: Path) -> None:
    whole = train(VAE, tmp_path / "whole")
    cut = train(VAE, tmp_path / "cut", budget=0.0)
    assert not cut.finished
    assert cut.training["stages"]["model"]["steps"] == 1
    again = train(VAE, tmp_path / "cut")
    assert again.finished
    assert bytes_of(whole.folder) == bytes_of(again.folder)


def test_resume_false_starts_anew(tmp_path: Path) -> None:
    train(VAE, tmp_path, budget=0.0)
    done = train(VAE, tmp_path, resume=False)
    assert done.training["stages"]["model"]["steps"] == 40
    assert len(rows_of(tmp_path / "model/validation.csv")) == 3


def test_precision_and_memory_format(tmp_path: Path) -> None:
    spec = "vae(conv(8,16,hidden=16),gaussian(4),deconv(16,8,hidden=16),input=(1,8,8))"
    done = train(spec, tmp_path, changes={"precision": "bf16", "channels_last": True, "steps": 6})
    assert all(p.dtype == torch.float32 for p in done.model.parameters())
    assert math.isfinite(done.training["stages"]["model"]["validation"]["loss"])


SCRIPT = """
import sys
sys.path.insert(0, {tests!r})
import test_train
from aezoo.train import loop
if len(sys.argv) > 3:
    loop.SAVE_EVERY = 0.0
test_train.train(sys.argv[1], sys.argv[2])
"""


def script(tmp_path: Path) -> Path:
    path = tmp_path / "script.py"
    path.write_text(SCRIPT.format(tests=str(ROOT / "tests")))
    return path


def environment() -> dict[str, str]:
    # One thread: the order of sums is then the same in every process.
    return os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT)}


def wait_for_step(process: subprocess.Popen, checkpoint: Path, step: int) -> int:
    """Until the checkpoint is at ``step`` or later: its step."""
    for _ in range(6000):
        if checkpoint.exists():
            with safe_open(checkpoint, "pt") as file:
                at = json.loads(file.metadata()["facts"])["step"]
            if at >= step:
                return at
        assert process.poll() is None, "ended before it was killed"
        time.sleep(0.002)
    raise AssertionError(f"no checkpoint at step {step}")


def bytes_of(folder: Path) -> bytes:
    return (folder / "final/model.safetensors").read_bytes()


def log_of(folder: Path, stage: str) -> list[dict[str, str]]:
    rows = rows_of(folder / stage / "log.csv")
    return [{k: v for k, v in row.items() if k != "seconds"} for row in rows]


def test_killed_and_resumed_equals_never_killed(tmp_path: Path) -> None:
    """SIGKILL in each stage; the weights' bytes and the log's figures are the same."""
    spec, path = VQ.replace("REVIVE", "0.5"), script(tmp_path)
    command = [sys.executable, str(path), spec]
    subprocess.run([*command, str(tmp_path / "whole")], env=environment(), check=True)
    for stage in ("model", "prior"):
        process = subprocess.Popen(
            [*command, str(tmp_path / "killed"), "save at every step"], env=environment()
        )
        checkpoint = tmp_path / "killed" / stage / "checkpoint.safetensors"
        assert wait_for_step(process, checkpoint, 3) < 40
        process.send_signal(signal.SIGKILL)
        assert process.wait() == -signal.SIGKILL
    subprocess.run([*command, str(tmp_path / "killed")], env=environment(), check=True)
    assert bytes_of(tmp_path / "whole") == bytes_of(tmp_path / "killed")
    for stage in ("model", "prior"):
        assert log_of(tmp_path / "whole", stage) == log_of(tmp_path / "killed", stage)
    left = [p.name for p in (tmp_path / "killed/prior").iterdir() if p.suffix == ".safetensors"]
    assert sorted(left) == ["best.safetensors", "checkpoint.safetensors"]


def test_sigterm_leaves_a_checkpoint(tmp_path: Path) -> None:
    command = [sys.executable, str(script(tmp_path)), VQ.replace("REVIVE", "0.5"), str(tmp_path)]
    process = subprocess.Popen([*command, "save at every step"], env=environment())
    at = wait_for_step(process, tmp_path / "model/checkpoint.safetensors", 2)
    process.terminate()
    assert process.wait() == 128 + signal.SIGTERM
    _, facts = load_checkpoint(tmp_path / "model/checkpoint.safetensors")
    assert facts["step"] >= at


@pytest.mark.parametrize("spec", [VAE, VQ.replace("REVIVE", "0.0"), VAEGAN, VQGAN])
def test_two_processes_give_what_one_gives(tmp_path: Path, spec: str) -> None:
    path = str(script(tmp_path))
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run([sys.executable, path, spec, str(one)], env=environment(), check=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    subprocess.run([*torchrun, path, spec, str(two)], env=environment(), check=True)
    a, b = (load_file(folder / "final/model.safetensors") for folder in (one, two))
    assert a.keys() == b.keys()
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-2, atol=2e-4, msg=name)
    facts = json.loads((two / "training.json").read_text())
    assert facts["processes"] == 2


LEAVE = """
import atexit, os, pathlib, runpy, sys

def threads():
    return len(os.listdir("/proc/self/task"))

atexit.register(lambda: out.write_text(f"{inside} {threads()}"))  # the first: called last
program, spec, folder = sys.argv[1:]
out = pathlib.Path(folder, "threads-" + os.environ["RANK"])
sys.argv = [program, spec, folder]
runpy.run_path(program, run_name="__main__")
inside = threads()
"""


@pytest.mark.skipif(not Path("/proc/self/task").is_dir(), reason="reads the threads in /proc")
def test_at_exit_no_thread_of_the_process_group_is_left(tmp_path: Path) -> None:
    """One that is busy then would abort the process: a finished run would look failed."""
    (tmp_path / "leave.py").write_text(LEAVE)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    command = [*torchrun, str(tmp_path / "leave.py"), str(script(tmp_path)), VAE, str(tmp_path)]
    subprocess.run(command, env=environment(), check=True)
    for rank in "01":
        inside, after = (tmp_path / f"threads-{rank}").read_text().split()
        assert int(inside) > 1 == int(after)


def test_noise_of_a_rank_is_its_slice_of_the_whole() -> None:
    def draws(rows: int) -> tuple[torch.Tensor, ...]:
        torch.manual_seed(1)
        like = torch.zeros(rows, 3)
        return torch.randn(rows, 5), torch.rand((rows, 2)), torch.randn_like(like), torch.rand(4)

    whole, parts = draws(6), []
    for rank in range(2):
        with _GlobalNoise(rank, 2, 3):
            parts.append(draws(3))
    for i in range(3):
        torch.testing.assert_close(torch.cat([parts[0][i], parts[1][i]]), whole[i])
    assert torch.equal(parts[0][3], whole[3])  # not of the batch: the same everywhere
    assert torch.equal(parts[1][3], whole[3])


class NoReads(TorchDispatchMode):
    """Fails where a tensor's value is read by Python: on a GPU that would wait for it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func._schema.name not in ("aten::_local_scalar_dense", "aten::nonzero"), func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize(
    "spec",
    [VAE, VQ.replace("REVIVE", "0.5"), "ae(mlp(16),point(4),mlp(16),input=(1,8,8))", VAEGAN, VQGAN],
)
def test_a_step_reads_nothing_from_the_device(tmp_path: Path, spec: str) -> None:
    from aezoo.build import build
    from aezoo.data.sets import load
    from aezoo.train.stages import ModelTask

    stage, ranks = dataclasses.replace(STAGE, skip=1e9), Ranks()
    task = ModelTask(
        build(spec), load("digits", "fit"), load("digits", "validation"), stage, 0, ranks
    )
    run = loop._Run(task, stage, tmp_path, "model", 0, "x", ranks)
    module = loop._LossModule(task, stage, ranks.device)
    critic = loop._CriticModule(task, stage, ranks.device) if task.critic else None
    for run.step in range(3):  # the codebook starts; the optimizer makes its state; the GAN starts
        run._step(module, critic)
    with NoReads():
        norm, losses = run._step(module, critic)
        run.window.add(norm, losses)


# -- the queue


def zoo():
    spec = importlib.util.spec_from_file_location("zoo_queue", ROOT / "benchmarks/zoo.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules["zoo_queue"] = module
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "seconds"), [("90", 90), ("90s", 90), ("25m", 1500), ("1.5h", 5400)]
)
def test_durations(text: str, seconds: float) -> None:
    assert zoo().duration(text) == seconds


def test_the_queue_trains_measures_and_exports(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    queue = zoo()
    cards = tmp_path / "model_cards"
    for name, priority in (("one", 2), ("two", 1)):
        (cards / name).mkdir(parents=True)
        (cards / name / "recipe.toml").write_text(
            f'spec = "{VAE}"\ndata = "digits"\nsummary = "tiny"\npriority = {priority}\n'
            "[cpu]\nsteps = 30\nbatch = 60\neval_every = 30\n"
        )
    runs = tmp_path / "runs"
    assert [r.name for r in queue._recipes([], cards)] == ["two", "one"]
    options = ["--budget=5m", "--jobs=2", "--threads=1", f"--runs={runs}", f"--cards={cards}"]
    code = queue.main([*options, "--export"])
    said = capsys.readouterr().out
    assert code == 0, said
    assert said.count("finished") == 4, said
    for name in ("one", "two"):
        assert {p.name for p in (cards / name).iterdir()} == {
            "recipe.toml", "README.md", "config.json", "model.safetensors", "training.json",
        }  # fmt: skip
        assert "-elbo" in (cards / name / "README.md").read_text()
        figures = json.loads((cards / name / "training.json").read_text())["figures"]
        assert {"mse", "psnr", "-elbo", "rate"} <= {figure["metric"] for figure in figures}
    assert "nan" not in said
    index = json.loads((cards / "zoo.json").read_text())
    assert [entry["name"] for entry in index] == ["one", "two"]


def test_an_unknown_name_in_the_queue() -> None:
    with pytest.raises(SystemExit, match="no recipe 'nothing'"):
        zoo()._recipes(["nothing"], ROOT / "model_cards")


def test_a_folder_of_pictures_is_cut_to_the_spec(tmp_path: Path) -> None:
    from PIL import Image

    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for i in range(20):
        Image.new("RGB", (40 + i, 30), (10 * i, 0, 255 - 10 * i)).save(pictures / f"{i:02}.png")
    found = default_recipe("vae(conv(4),gaussian(2),deconv(4),input=(3,12,12))", str(pictures))
    assert found.name.endswith("-pictures")
    short = dataclasses.replace(found.size("cpu"), model=Stage(epochs=2, batch=6, eval_every=2))
    from aezoo.train.run import train as run

    found = dataclasses.replace(found, sizes={"cpu": short})
    done = run(found, run_dir=tmp_path / "run", quiet=True)
    assert done.finished
    assert done.model.input_shape == (3, 12, 12)
    assert done.training["stages"]["model"]["steps"] == 6  # 18 of the 20 are the fit split
    with pytest.raises(UnknownDatasetError, match="no folder"):
        default_recipe("vae(conv(4),gaussian(2),deconv(4))", str(tmp_path / "none"))
