"""fit_prior: any prior on any finished model's latents; what stays, what is said, resuming."""

from __future__ import annotations

import dataclasses
import json
import math
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from test_train import ROOT, environment, wait_for_step
from typer.testing import CliRunner

import aezoo
from aezoo.cli.app import app
from aezoo.data.sets import load
from aezoo.errors import CapabilityError, ShapeError, TrainingError
from aezoo.hub.save import digest
from aezoo.spec import SpecError
from aezoo.train.expost import begin
from aezoo.train.ranks import Ranks
from aezoo.train.recipe import Recipe, RecipeError, Size, Stage, dumps, load_recipe
from aezoo.train.run import train
from aezoo.train.stages import PriorTask

AE = "ae(mlp(16),point(4),mlp(16),input=(1,8,8))"
HVAE = "hvae(levels(mlp(8),mlp(8)),ladder(2,1),mlp(8),input=(1,8,8))"
VAE = "vae(mlp(16),gaussian(3),mlp(16),input=(1,8,8))"
VQ = "vqvae(res(8,depth=1),vq(8,4,revive=0.0),unres(8,depth=1),input=(1,8,8))"
PPCA = "vae(flatten,gaussian(3),linear,likelihood=gaussian(learned),objective=ppca,input=(1,8,8))"
SHORT: dict[str, Any] = {"steps": 40, "batch": 60, "warmup": 5, "lr": 3e-3, "eval_every": 20}


def made(spec: str, **overrides: object) -> Any:
    torch.manual_seed(0)
    return aezoo.create(spec, **overrides).eval()


def fitted(model: Any, prior: str, out: Path, **options: Any) -> Any:
    options = {"data": "digits", "quiet": True} | SHORT | options
    return aezoo.fit_prior(model, prior, out=out, **options)


def rest(model: Any) -> dict[str, torch.Tensor]:
    return {n: t for n, t in model.state_dict().items() if not n.startswith("prior")}


@pytest.mark.parametrize(
    ("spec", "prior", "bound"),
    [
        (AE, "mog(3)", None),
        (AE, "realnvp(2,8)", None),
        (VAE, "mog(3)", "elbo"),
        (VAE.replace("gaussian(3)", "iaf(3,2,8)"), "maf(2,8)", "elbo"),
        (VQ, "pixelcnn(8,layers=2)", "vq-bound"),
    ],
)
def test_the_prior_is_new_and_the_rest_is_as_it_was(spec, prior, bound, tmp_path):
    model = made(spec)
    done = fitted(model, prior, tmp_path / "new")
    new = done.model
    assert done.finished and new.prior_fitted and not new.training
    assert new.bound.config.prior.entry.component.name == prior.partition("(")[0]
    assert new.capabilities.sample and new.capabilities.bound == bound
    for name, tensor in rest(model).items():
        assert torch.equal(tensor, rest(new)[name]), name
    assert new.sample(3).shape == (3, 1, 8, 8)
    x = torch.rand(5, 1, 8, 8)
    assert torch.equal(model.reconstruct(x), new.reconstruct(x))
    again = aezoo.create(f"local:{tmp_path / 'new'}")
    draws = [m.sample(3, generator=torch.Generator().manual_seed(1)) for m in (new, again)]
    assert torch.equal(*draws)
    facts = json.loads((tmp_path / "new/training.json").read_text())
    assert facts == done.training
    assert facts["weights"] == {"source": None, "sha256": digest(model)}
    assert set(facts["stages"]) == {"prior"}
    assert math.isfinite(facts["stages"]["prior"]["validation"]["nats_per_dim"])


def test_a_vae_has_a_smaller_rate_and_its_bound_is_one(tmp_path):
    """The rate is the new prior's; importance weights bound the ELBO from above as ever."""
    model = made(VAE)
    with torch.no_grad():
        model.bottleneck.project.bias[:3] += 3  # far from the prior
    done = fitted(model, "mog(5)", tmp_path / "new", steps=200)
    images = torch.tensor(load("digits", "validation").images)[:100] / 255
    x = images.repeat(20, 1, 1, 1)
    g = [torch.Generator().manual_seed(1) for _ in range(3)]
    with torch.no_grad():
        before, after = model(x, generator=g[0]).rate.mean(), done.model(x, generator=g[1]).rate
        bound = done.model.log_prob(images, k=64, generator=g[2])
        elbo = done.model.elbo(x).reshape(20, 100).mean(0)
    assert after.mean() < before - 10
    assert bool((elbo < bound + 0.1).all())


def test_random_latents_are_drawn_anew_in_every_step():
    """From the aggregated posterior: its variance is that of the means and the mean variance."""
    model = made(VAE, prior="mog(2)")
    split = load("digits", "fit")
    stage = Stage(steps=2, batch=len(split))
    task = PriorTask(model, split, load("digits", "validation"), stage, 0, Ranks())
    x = torch.tensor(split.images) / 255
    with torch.no_grad():
        q = model.encode(x).q.base_dist
    torch.manual_seed(1)
    first, second = task.batch(0)[0], task.batch(0)[0]
    assert not torch.equal(first, second)
    expected = q.loc.var(0) + q.scale.square().mean(0)
    torch.testing.assert_close(first.var(0), expected, rtol=0.15, atol=0)
    torch.manual_seed(1)
    assert torch.equal(first, task.batch(0)[0])


def test_of_a_flow_posterior_the_features_are_kept():
    model = made(VAE.replace("gaussian(3)", "planar(3,2)"), prior="mog(2)")
    split = load("digits", "fit")
    stage = Stage(steps=2, batch=100)
    task = PriorTask(model, split, load("digits", "validation"), stage, 0, Ranks())
    z, _ = task.batch(0)
    assert z.shape == (100, 3) and not torch.equal(z, task.batch(0)[0])


def test_flips_and_labels_go_with_their_rows(tmp_path):
    model = made(AE)
    done = fitted(model, "realnvp(2,8)", tmp_path / "new", prior_cond="label(10)", flip=True)
    assert str(done.model.bound.config.prior_cond) == "label(10)"
    assert done.model.capabilities.conditional
    assert done.model.sample(4, torch.arange(4)).shape == (4, 1, 8, 8)
    learned = fitted(
        model, "maf(2,8)", tmp_path / "learned", overrides={"prior_cond": "label(10,dim=3)"}
    )
    assert "prior_cond.embedding.weight" in learned.model.state_dict()


def test_the_recipe_makes_it_again(tmp_path):
    made(AE).save_pretrained(tmp_path / "ae")
    done = fitted(tmp_path / "ae", "mog(3)", tmp_path / "new")
    text = (tmp_path / "new/recipe.toml").read_text()
    assert str(tmp_path) not in text and 'weights = "local:../ae"' in text
    recipe = load_recipe(tmp_path / "new/recipe.toml")
    assert recipe.sha256 == digest(made(AE))
    again = train(recipe, run_dir=tmp_path / "again", quiet=True)
    assert digest(again.model) == digest(done.model)
    aezoo.create(AE).save_pretrained(tmp_path / "ae")  # other weights
    with pytest.raises(TrainingError, match="sha256"):
        train(recipe, run_dir=tmp_path / "third", quiet=True)
    nowhere = dataclasses.replace(recipe, weights="")
    with pytest.raises(TrainingError, match="where they are"):
        train(nowhere, run_dir=tmp_path / "third", quiet=True)


def test_a_recipe_is_written_as_it_is_read(tmp_path):
    sizes = {
        "cpu": Size(None, Stage(epochs=2.5, betas=(0.5, 0.9), flip=True, ema=0.0)),
        "gpu": Size(None, Stage(steps=7, precision="bf16"), spec=VAE),
    }
    recipe = Recipe("new", AE, "digits", sizes, 'say "hé"', seed=3, weights="a", sha256="b")
    path = tmp_path / "new" / "recipe.toml"
    path.parent.mkdir()
    path.write_text(dumps(recipe))
    assert load_recipe(path) == recipe
    for old, new, message in (
        ('sha256 = "b"', "", "together"),
        ("[cpu.prior]", "[cpu]\nlr = 0.1\n[cpu.prior]", "the prior alone"),
    ):
        path.write_text(dumps(recipe).replace(old, new))
        with pytest.raises(RecipeError, match=message):
            load_recipe(path)


@pytest.mark.parametrize(
    ("spec", "prior", "options", "error", "message"),
    [
        (VQ, "mog(3)", {}, ShapeError, "continuous latents"),
        (AE, "pixelcnn(8)", {}, ShapeError, "over codes"),
        (AE, "nothing(3)", {}, SpecError, "unknown prior"),
        (AE, "normal", {}, TrainingError, "nothing that could be fitted"),
        (AE, "mog(3)", {"prior_cond": "label(10)"}, TrainingError, "reads no condition"),
        (AE, "mog(3)", {"overrides": {"decoder": "mlp(8)"}}, TrainingError, "prior alone"),
        (AE, "mog(3)", {"data": None}, TrainingError, "name the data set"),
        (AE.replace("8,8", "8,9"), "mog(3)", {}, TrainingError, "what it was trained on"),
        (AE, "mog(3)", {"epochs": 1}, TrainingError, "either steps or epochs"),
        (AE, "mog(3)", {"speed": 1}, TrainingError, "no 'speed'; it has steps, epochs"),
        (AE, "mog(3)", {"warm_up": 1}, TrainingError, "did you mean 'warmup'"),
        ("levels", "mog(3)", {}, ShapeError, "levels"),
        (HVAE, "mog(3)", {}, TrainingError, r"in ladder\(2,1\)"),
        (PPCA, "mog(3)", {}, CapabilityError, "nor fitted afterwards; .* with objective=elbo"),
    ],
)
def test_what_cannot_be_fitted_is_said(spec, prior, options, error, message, tmp_path):
    if spec == "levels":
        spec = (
            "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
            "unres(8,depth=1),input=(1,8,8))"
        )
    with pytest.raises(error, match=message):
        fitted(made(spec), prior, tmp_path / "new", **options)
    assert not (tmp_path / "new" / "config.json").exists()


def test_another_model_is_not_overwritten(tmp_path):
    made(AE).save_pretrained(tmp_path / "ae")
    with pytest.raises(TrainingError, match="another model"):
        fitted(tmp_path / "ae", "mog(3)", tmp_path / "ae")
    fitted(tmp_path / "ae", "mog(3)", tmp_path / "new")
    with pytest.raises(TrainingError, match="another recipe"):
        fitted(tmp_path / "ae", "mog(4)", tmp_path / "new")


def test_only_the_prior_may_differ(tmp_path):
    recipe = Recipe("r", AE, "digits", sha256=digest(made(AE)))
    other = made(AE.replace("mlp(16),input", "mlp(16,act=gelu),input"), prior="mog(3)")
    with pytest.raises(TrainingError, match="in more than the prior"):
        begin(other, made(AE), recipe)


# -- processes


SCRIPT = """
import sys
from pathlib import Path
sys.path.insert(0, {tests!r})
import test_expost
from aezoo.train import loop
if len(sys.argv) > 3:
    loop.SAVE_EVERY = 0.0
test_expost.fitted(Path(sys.argv[1]), "mog(3)", Path(sys.argv[2]))
"""


def script(folder: Path) -> list[str]:
    made(VAE).save_pretrained(folder / "vae")
    path = folder / "script.py"
    path.write_text(SCRIPT.format(tests=str(ROOT / "tests")))
    return [str(path), str(folder / "vae")]


def test_killed_and_resumed_equals_never_killed(tmp_path):
    command = [sys.executable, *script(tmp_path)]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    subprocess.run([*command, str(whole)], env=environment(), check=True)
    process = subprocess.Popen([*command, str(killed), "save at every step"], env=environment())
    assert wait_for_step(process, killed / "prior/checkpoint.safetensors", 3) < 40
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (killed / "config.json").exists()
    subprocess.run([*command, str(killed)], env=environment(), check=True)
    a, b = ((folder / "model.safetensors").read_bytes() for folder in (whole, killed))
    assert a == b


def test_two_processes_give_what_one_gives(tmp_path):
    command = script(tmp_path)
    one, two = tmp_path / "one", tmp_path / "two"
    subprocess.run([sys.executable, *command, str(one)], env=environment(), check=True)
    torchrun = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node=2"]
    subprocess.run([*torchrun, *command, str(two)], env=environment(), check=True)
    a, b = (load_file(folder / "model.safetensors") for folder in (one, two))
    for name in a:
        torch.testing.assert_close(a[name], b[name], rtol=1e-2, atol=2e-4, msg=name)
    assert json.loads((two / "training.json").read_text())["processes"] == 2


# -- the command


def test_the_command(tmp_path):
    out = tmp_path / "new"
    options = ["--stage", "steps=20", "--stage", "warmup=5", "--set", "prior.covariance=full"]
    command = ["fit-prior", "vae-digits", "--prior", "mog(2)", "--out", str(out), *options]
    cut = CliRunner().invoke(app, [*command, "--quiet", "--budget", "0.0001s"])
    assert cut.exit_code == 0 and "goes on" in cut.output, cut.output
    done = CliRunner().invoke(app, [*command, "--quiet"])
    assert done.exit_code == 0 and "use it" in done.output, done.output
    model = aezoo.create(f"local:{out}")
    assert str(model.bound.config.prior) == "mog(2,covariance=full)"
    assert load_recipe(out / "recipe.toml").weights == "vae-digits"
    wrong = CliRunner().invoke(app, [*command, "--set", "decoder.act=gelu"])
    assert wrong.exit_code == 2 and "prior alone" in wrong.output
    assert "Usage" in CliRunner().invoke(app, ["fit-prior", "--help"]).output
