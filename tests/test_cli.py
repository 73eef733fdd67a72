"""The `aezoo` command: what it prints, what it writes, what it costs to start."""

from __future__ import annotations

import json
import os
import re
import socket
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import plugin_packages
import pytest
import torch
from PIL import Image
from typer.testing import CliRunner

import aezoo
from aezoo import inventory, registry
from aezoo.cli import options
from aezoo.cli.app import app
from aezoo.cli.arguments import arguments
from aezoo.cli.make import recipe_for, with_stages
from aezoo.metrics import inception_weights
from aezoo.resolve import resolve

ROOT = Path(aezoo.__file__).parent.parent
SPEC = "vqvae(res(16),vq(32,8),unres(16),prior=pixelcnn(8,layers=1))"
DIGITS = "vae(mlp(32),gaussian(4),mlp(32),input=(1,8,8))"


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> Path:
    """Stand-ins with fresh weights, saved as real models are."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    specs = {
        "photos": SPEC,
        "digits": DIGITS,
        "labelled": "vae(mlp(32),gaussian(4),mlp(32),cond=label(10),input=(1,8,8))",
        "sound": "vae(mlp(32),gaussian(4),mlp(32),input=(1,64))",
        "film": "vae(res(8,depth=1),gaussian(2),unres(8,depth=1),input=(1,4,8,8))",
        "fixed-film": "vae(mlp(8),gaussian(2),mlp(8),input=(1,4,8,8))",
        "posed": "vae(mlp(8),gaussian(4),mlp(8),cond=continuous(2),input=(1,8,8))",
        "halved": "vae(mlp(8),gaussian(4),mlp(8),cond=half(left),input=(1,8,8))",
    }
    for name, spec in specs.items():
        model = aezoo.create(spec).eval()
        model.prior_fitted = name == "photos"
        model.save_pretrained(folder / name)
    return folder


@pytest.fixture
def photograph(tmp_path) -> Path:
    path = tmp_path / "photo.jpg"
    noise = np.random.default_rng(0).integers(0, 256, (37, 50, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    return path


def run(*args: object, code: int = 0):
    result = CliRunner().invoke(app, [str(a) for a in args])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    assert result.exit_code == code, result.output
    return result


def unboxed(error: str) -> str:
    """An error's letters alone: a long path is broken wherever the box ends."""
    return re.sub(r"[\s│╭╮╰╯─]", "", error)


def command(*args: object, **env: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)} | env
    return subprocess.run(
        [sys.executable, "-m", "aezoo", *map(str, args)],
        capture_output=True, text=True, env=environment, check=False,
    )  # fmt: skip


# -- starting


@pytest.mark.parametrize(
    "args", [["--version"], ["list"], ["list", "--components"], ["list", "--json"], ["plugins"],
             ["info", "vq"], ["info", "vq", "--json"], ["list", "--kind", "prior"]]
)  # fmt: skip
def test_looking_imports_nothing_heavy(args):
    code = (
        "import sys\nfrom aezoo.cli.app import main\n"
        f"sys.argv = ['aezoo', *{args!r}]\n"
        "try: main()\nexcept SystemExit as end: assert not end.code, end.code\n"
        "heavy = {'torch', 'numpy', 'timm', 'rich', 'PIL', 'safetensors', 'huggingface_hub'}\n"
        "sys.exit(str(heavy & set(sys.modules)) if heavy & set(sys.modules) else 0)"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, env=environment, check=False
    )
    assert done.returncode == 0, done.stderr


def test_version():
    assert run("--version").stdout == f"aezoo {aezoo.__version__}\n"
    assert command("--version").stdout == f"aezoo {aezoo.__version__}\n"


@pytest.mark.parametrize("name", ["list", "info", "plugins", "spec", "train", "reconstruct",
                                  "interpolate", "sample", "publish", "quickstart"])  # fmt: skip
def test_every_command_has_help(name):
    assert name in run("--help").stdout
    assert "Usage" in run(name, "--help").stdout


# -- looking


def test_list_names_components_and_models():
    assert re.search(r"^quantizer +fsq +finite", run("list", "--components").stdout, re.MULTILINE)
    kinds = {row["kind"] for row in json.loads(run("list", "--kind", "prior", "--json").stdout)}
    assert kinds == {"prior"}
    names = {row["name"] for row in json.loads(run("list", "--components", "--json").stdout)}
    assert names == {r.qualified for r in registry.components()}
    models = {row["name"] for row in json.loads(run("list", "--json").stdout)}
    assert models == {m.name for m in registry.models()}


def test_list_shows_papers():
    assert "arXiv:2309.15505" in run("list", "fsq", "--papers").stdout
    assert "arXiv" not in run("list", "fsq", "--components").stdout
    rows = json.loads(run("list", "fsq", "--components", "--json").stdout)
    assert "arXiv:2309.15505" in next(r["paper"] for r in rows if r["name"] == "fsq")


def test_list_takes_a_pattern():
    names = {r["name"] for r in json.loads(run("list", "res*", "--components", "--json").stdout)}
    assert "res" in names
    assert all(name.startswith("res") for name in names)
    nothing = run("list", "zzz")
    assert (nothing.stdout, nothing.stderr) == ("", "nothing matches 'zzz'\n")


def test_an_unknown_kind_is_a_usage_error():
    assert "kinds are family, encoder" in " ".join(
        re.sub(r"[│╭╮╰╯─]", " ", run("list", "--kind", "quantiser", code=2).stderr).split()
    )


def test_info_of_a_component_says_its_arguments():
    facts = json.loads(run("info", "vq", "--json").stdout)
    assert facts["model"] is None
    (vq,) = facts["components"]
    by_name = {a["name"]: a for a in vq["arguments"]}
    assert by_name["codes"] == {"name": "codes", "type": "int", "default": None, "comment": "K"}
    assert by_name["update"]["type"] == "ema | gradient"
    assert by_name["update"]["default"] == "ema"
    text = run("info", "vq").stdout
    assert "arXiv:1711.00937" in text
    assert re.search(r"codes +int +required +K", text)


def test_a_name_of_several_kinds_is_shown_for_each():
    kinds = {c["kind"] for c in json.loads(run("info", "gaussian", "--json").stdout)["components"]}
    assert kinds == {"posterior", "likelihood", "corruption"}


def test_every_component_can_be_shown():
    for registered in registry.components():
        assert registered.component.summary in run("info", registered.qualified).stdout
        for argument in arguments(registered.component.config):
            assert argument.type


def test_arguments_say_which_components_and_how_many_values():
    found = {a.name: a for a in arguments(registry.component(("family",), "vae").component.config)}
    assert found["encoder"].type == "encoder"
    assert found["cond"].type == "condition | none"
    assert found["likelihood"].default == "gaussian"
    assert found["input"].type == "(int, ...)"
    widths = arguments(registry.component(("encoder",), "mlp").component.config)[0]
    assert widths.type == "int, ..."


def test_info_of_a_zoo_model(monkeypatch, models):
    from aezoo.hub import zoo

    (models / "photos" / "training.json").write_text(json.dumps(TRAINING), encoding="utf-8")
    entry = zoo.entry_for(models / "photos", summary="a stand-in", data="cifar10")
    monkeypatch.setattr(registry, "model", lambda name: entry)
    line = inventory.item("model", entry, "", "", "")
    monkeypatch.setattr(registry, "items", lambda kinds=(): [line] if "model" in kinds else [])
    text = run("info", "photos").stdout
    for part in (
        "a stand-in",
        SPEC.split(",prior")[0],
        "arXiv:1711.00937",
        entry.files[0].sha256,
        "2.0 min on a small machine",
        "mse ≤ 0.0031 dB  cifar10 test[:1000], N=1000",
    ):
        assert part in text
    facts = json.loads(run("info", "photos", "--json").stdout)["model"]
    assert facts["codes"] is True
    assert facts["conditional"] is False
    assert facts["training"] == TRAINING
    assert facts["files"][1]["size"] == entry.files[1].size
    assert "photos" in run("list").stdout
    assert "vqvae" in run("spec", "photos").stdout


TRAINING = {
    "size": "cpu", "seed": 0, "date": "2026-01-02", "seconds": 120.0, "device": "a small machine",
    "torch": "2.9", "figures": [{"metric": "mse", "value": 0.0031, "unit": "dB", "bound": "≤",
    "data": "cifar10", "split": "test[:1000]", "n": 1000, "protocol": "pixels in [0,1]"}],
}  # fmt: skip


def test_info_suggests_what_was_meant():
    error = run("info", "pixelcn", code=2).stderr
    assert "did you mean 'pixelcnn'?" in error
    assert f"`aezoo spec '{DIGITS}'` explains a spec" in run("info", DIGITS, code=2).stderr


def test_plugins_shows_every_state(tmp_path, monkeypatch):
    plugin_packages.lay_out(tmp_path, "good", plugin_packages.TOY)
    plugin_packages.lay_out(tmp_path, "bad", "raise RuntimeError('no such luck [here]')")
    with plugin_packages.installed_in(tmp_path, monkeypatch):
        rows = {r["namespace"]: r for r in json.loads(run("plugins", "--json").stdout)}
        assert rows["good"]["state"] == "ok"
        assert rows["good"]["provides"] == ["quantizer good/toy"]
        assert rows["bad"]["state"] == "broken"
        text = run("plugins").stdout
        assert "RuntimeError: no such luck [here]" in text
        assert "quantizer good/toy" in text
        listed = run("list", "--kind", "quantizer")
        assert "good/toy" in listed.stdout
        assert listed.stderr == "not loaded: bad; `aezoo plugins` says why\n"


# -- spec


def test_spec_explains():
    text = run("spec", SPEC).stdout
    assert re.search(r"bottleneck +vq\(32,8\) +\(16,8,8\) -> \(8,8,8\) of 32 codes", text)
    facts = json.loads(run("spec", SPEC, "--json").stdout)
    assert facts["display"] in text
    assert facts["resolved"] in text
    assert facts["hash"] in text


def test_spec_takes_another_input_and_other_arguments():
    facts = json.loads(
        run("spec", SPEC, "--input", "3,64,64", "--set", "quantizer.codes=128", "--json").stdout
    )
    assert facts["input"] == [3, 64, 64]
    assert "vq(128,8)" in facts["display"]


def test_carets_survive_on_stderr():
    done = command("spec", "vae(conv(32,64),gaussian(16),deconv(64,32),likelihood=[gaussian])")
    assert done.returncode == 2
    assert done.stdout == ""
    lines = done.stderr.splitlines()
    assert lines[0].startswith("error: ")
    assert lines[1].strip() == "vae(conv(32,64),gaussian(16),deconv(64,32),likelihood=[gaussian])"
    assert lines[1][lines[2].index("^")] == "["
    assert len(lines) == 3


def test_a_long_spec_is_not_wrapped():
    spec = f"vae(mlp({','.join(['1234'] * 30)}),gaussian(16),mlp(32),objective=nope)"
    lines = run("spec", spec, code=2).stderr.splitlines()
    at = lines[2].index("^")
    assert lines[1][at : at + 4] == "nope"


def test_errors_have_no_traceback_unless_asked_for():
    assert "Traceback" not in command("info", "nothing-like-it").stderr
    shown = command("info", "nothing-like-it", AEZOO_TRACEBACK="1")
    assert shown.returncode == 2
    assert "Traceback" in shown.stderr
    assert "UnknownModelError" in shown.stderr


def test_errors_are_red_on_a_terminal():
    result = CliRunner().invoke(app, ["info", "nothing-like-it"], color=True)
    assert "\x1b[31merror: " in result.stderr


# -- options


def test_times():
    given = ["25m", "1h30m", "90s", "90", "1.5h", "2h 5m"]
    assert [options.seconds(t) for t in given] == [1500, 5400, 90, 90, 5400, 7500]
    for bad in ("", "m", "25x", "ten", "-5m", "0"):
        with pytest.raises(Exception, match="expected a time"):
            options.seconds(bad)


def test_shapes():
    assert options.shape("3,64,64") == options.shape("(3, 64, 64)") == (3, 64, 64)
    for bad in ("", "3,a", "3,-1", "3.5,2", "64", "3,,64"):
        with pytest.raises(Exception, match="expected a shape"):
            options.shape(bad)


def test_settings():
    assert options.changes(["a.b=1", "input=(1,8,8)"]) == {"a.b": "1", "input": "(1,8,8)"}
    for bad in ("a", "=1", "a="):
        with pytest.raises(Exception, match="expected KEY=VALUE"):
            options.changes([bad])


def test_devices():
    assert options.device("cpu").type == "cpu"
    assert options.device("auto").type in ("cpu", "cuda", "mps")
    for bad in ("gpu", "meta", "cuda:99"):
        with pytest.raises(Exception, match=r"expected auto|no "):
            options.device(bad)


# -- pictures


def test_reconstruct_keeps_the_size_and_prints_the_error(models, photograph, tmp_path):
    out = tmp_path / "back.png"
    text = run("reconstruct", models / "photos", photograph, "--out", out, "--plain").stdout
    with Image.open(out) as image:
        assert (image.format, image.size, image.mode) == ("PNG", (50, 37), "RGB")
        back = np.asarray(image)
    with Image.open(photograph) as image:
        original = np.asarray(image)
    model = aezoo.create(f"local:{models / 'photos'}")
    x = torch.from_numpy(original.copy()).movedim(-1, 0)[None] / 255
    with torch.inference_mode():
        y = model.reconstruct(x).clamp(0, 1)
    assert np.abs(back - y[0].movedim(0, -1).numpy() * 255).max() <= 0.5 + 1e-3
    mse = float((y - x).square().mean())
    assert f"50x37  mse {mse:.6f}  psnr {-10 * np.log10(mse):.2f} dB" in text


def test_reconstruct_puts_the_original_at_the_left(models, photograph, tmp_path):
    run("reconstruct", models / "photos", photograph, "--out", tmp_path / "pair.png")
    with Image.open(tmp_path / "pair.png") as image, Image.open(photograph) as original:
        factor = 6  # 50 * 6 >= 256
        assert image.size == (2 * 50 * factor + 4, 37 * factor)
        assert image.getpixel((5 * factor, 7 * factor)) == original.getpixel((5, 7))


def test_reconstruct_resizes_for_a_model_of_one_size(models, photograph, tmp_path):
    run("reconstruct", models / "digits", photograph, "--out", tmp_path / "d.png", "--plain")
    with Image.open(tmp_path / "d.png") as image:
        assert (image.size, image.mode) == ((8, 8), "L")


def test_reconstruct_scales_large_pictures_down_when_asked(models, photograph, tmp_path):
    out = tmp_path / "s.png"
    run("reconstruct", models / "photos", photograph, "--out", out, "--plain", "--max-side", 25)
    with Image.open(out) as image:
        assert image.size == (25, 18)


def test_several_pictures_go_into_a_folder_under_names_of_their_own(models, photograph, tmp_path):
    other = tmp_path / "other" / "photo.png"
    other.parent.mkdir()
    Image.new("RGB", (9, 9)).save(other)
    before = other.read_bytes()
    out = tmp_path / "other"
    run("reconstruct", models / "photos", photograph, other, "--out", out)
    assert sorted(p.name for p in out.iterdir()) == ["photo-2.png", "photo-3.png", "photo.png"]
    assert other.read_bytes() == before


def test_reconstruct_refuses_before_it_loads(models, photograph, tmp_path):
    two = ["reconstruct", models / "photos", photograph, photograph]
    assert "need a folder" in run(*two, "--out", tmp_path / "x.png", code=2).stderr
    one = ["reconstruct", models / "photos", photograph]
    assert "PNG" in run(*one, "--out", tmp_path / "x.jpg", code=2).stderr
    before = photograph.read_bytes()
    assert "name another" in run(*one, "--out", photograph, code=2).stderr
    assert photograph.read_bytes() == before


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("vqvae-cifar11", "there is no model 'vqvae-cifar11'"),
        (SPEC, "a bare spec has no pretrained weights"),
        ("./nowhere", "nowhere is not a folder"),
    ],
)
def test_a_model_that_is_not_there_is_an_error(source, said, photograph, tmp_path):
    error = run("reconstruct", source, photograph, "--out", tmp_path / "x.png", code=2).stderr
    assert said in error
    assert not (tmp_path / "x.png").exists()


@pytest.mark.parametrize(
    "args",
    [
        ["sample", "{models}/digits", "--out", "{file}/x.png"],
        ["reconstruct", "{models}/photos", "{file}", "--out", "{file}/inside"],
        ["bench", "{models}/digits", "--out", "{file}"],
        ["train", DIGITS, "--runs", "{file}"],
        ["fit-prior", "{models}/digits", "--prior", "mog(2)", "--out", "{file}"],
        ["quickstart", "--out", "{file}"],
        ["convert", "x.wav", "--to", "theo", "--out", "{file}/x.wav"],
    ],
)
def test_what_cannot_be_written_is_said_before_the_work(args, models, photograph):
    filled = [str(a).format(models=models, file=photograph) for a in args]
    before = photograph.read_bytes()
    said = unboxed(run(*filled, code=2).stderr)
    assert unboxed(f"{photograph} is a file, and no folder; name another place") in said
    assert photograph.read_bytes() == before


def test_what_the_system_says_of_a_file_is_an_error(models, tmp_path, monkeypatch):
    out = tmp_path / "x.png"

    def closed(*args, **kwargs):
        raise PermissionError(13, "Permission denied", str(out))

    monkeypatch.setattr("os.replace", closed)
    said = run("sample", models / "digits", "-n", 1, "--out", out, code=2).stderr
    assert said.startswith(f"error: {out}: Permission denied; name a place that can be used")
    assert "Traceback" not in said and list(tmp_path.iterdir()) == []


def test_what_is_no_picture_is_an_error(models, tmp_path):
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"no picture")
    error = run("reconstruct", models / "photos", bad, "--out", tmp_path / "x.png", code=2).stderr
    assert "bad.jpg: cannot be read as a picture" in error
    for path, said in ((tmp_path, "is a folder; name the pictures"), ("no.png", "no file no.png")):
        args = ["reconstruct", models / "photos", path, "--out", tmp_path / "x.png"]
        assert said in run(*args, code=2).stderr
    sound = run("sample", models / "sound", "--out", tmp_path / "x.png", code=2).stderr
    assert "not a model of pictures" in sound


def test_sample_writes_a_grid_that_the_seed_decides(models, tmp_path):
    for name, seed in (("a", 0), ("b", 0), ("c", 1)):
        out = tmp_path / f"{name}.png"
        run("sample", models / "photos", "-n", 6, "--seed", seed, "--out", out, "--columns", 3)
    with Image.open(tmp_path / "a.png") as image:
        assert image.size == (3 * 64 + 2 * 2, 2 * 64 + 2)
    a, b, c = ((tmp_path / f"{n}.png").read_bytes() for n in "abc")
    assert a == b
    assert a != c


def test_video_goes_in_and_out_as_gif(models, tmp_path):
    from aezoo import pictures

    clip = np.random.default_rng(0).integers(0, 256, (6, 12, 16, 1), dtype=np.uint8)
    path, out = tmp_path / "clip.gif", tmp_path / "out"
    path.write_bytes(pictures.gif(clip))
    said = run("reconstruct", models / "film", path, "--out", out, "--plain").stdout
    assert "16x12x6" in said
    model = aezoo.create(f"local:{models / 'film'}")
    with torch.inference_mode():
        y = model.reconstruct(pictures.tensor(clip)).clamp(0, 1)
    assert (pictures.read_frames(out / "clip.gif", 1) == pictures.pixels(y)[0]).all()
    run("reconstruct", models / "film", path, "--out", tmp_path / "pair.gif", "--max-side", 8)
    assert pictures.read_frames(tmp_path / "pair.gif", 1).shape == (6, 192, 2 * 256 + 4, 1)
    run("sample", models / "film", "-n", 6, "--columns", 3, "--out", tmp_path / "s.gif")
    assert pictures.read_frames(tmp_path / "s.gif", 1).shape == (4, 2 * 64 + 2, 3 * 64 + 4, 1)
    wrong = run("sample", models / "film", "--out", tmp_path / "s.png", code=2).stderr
    assert "s.gif" in unboxed(wrong)
    wrong = run("sample", models / "photos", "--out", tmp_path / "s.gif", code=2).stderr
    assert "s.png" in unboxed(wrong)
    error = run("reconstruct", models / "fixed-film", path, "--out", out, code=2).stderr
    assert "takes 4 frames of 8x8 alone" in " ".join(error.split())


def test_interpolate_draws_the_way_between_two_pictures(models, photograph, tmp_path):
    other = tmp_path / "other.png"
    Image.new("L", (20, 30), 90).save(other)
    out = tmp_path / "way.png"
    said = run("interpolate", models / "digits", photograph, other, "--steps", 3, "--out", out)
    with Image.open(out) as image:
        assert (image.size, image.mode) == ((5 * 64 + 4 * 2, 64), "L")
        got = np.asarray(image)[::8].reshape(8, -1)
    model = aezoo.create(f"local:{models / 'digits'}")
    from aezoo import pictures
    from aezoo.data.folder import picture

    a, b = (pictures.tensor(picture(p, (1, 8, 8)).transpose(1, 2, 0)) for p in (photograph, other))
    with torch.inference_mode():
        way = [row.clamp(0, 1) for row in model.interpolate(a, b, 3)]
    shown = pictures.pixels(torch.cat([a, *way, b]))
    for i, image in enumerate(shown):
        assert (got[:, i * 66 : i * 66 + 64 : 8] == image[..., 0]).all()
    ends = [float((y - x).square().mean()) for x, y in ((a, way[0]), (b, way[-1]))]
    assert f"3 steps, mse of the ends {ends[0]:.6f} and {ends[1]:.6f}" in said.stdout
    run("interpolate", models / "digits", photograph, other, "--plain", "--out", out)
    with Image.open(out) as image:
        assert image.size == (8 * 64 + 7 * 2, 64)


def test_interpolate_takes_rows_video_and_conditions(models, photograph, tmp_path):
    from aezoo import pictures

    out = tmp_path / "way.png"
    rows = ["interpolate", models / "digits", "--rows", "3,14", "--out", out]
    assert "--data digits" in run(*rows, code=2).stderr  # it was not trained
    run(*rows, "--data", "digits", "--steps", 2)
    x = aezoo.load_data("digits", "test[3:4]").images[0, 0]
    with Image.open(out) as image:
        assert (np.asarray(image)[:64:8, :64:8] == x).all()
    assert "rows that are not there" in run(
        *rows[:2], "--rows", "0,9999", "--data", "digits", "--out", out, code=2
    ).stderr  # fmt: skip

    clip = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    for name, frames in (("a", clip), ("b", clip[::-1]), ("c", clip[:2])):
        (tmp_path / f"{name}.gif").write_bytes(pictures.gif(frames))
    a, b, c = (tmp_path / f"{name}.gif" for name in "abc")
    film = ["interpolate", models / "film", a]
    run(*film, b, "--steps", 2, "--plain", "--out", tmp_path / "way.gif")
    assert pictures.read_frames(tmp_path / "way.gif", 1).shape == (4, 64, 2 * 64 + 2, 1)
    error = run(*film, c, "--out", tmp_path / "way.gif", code=2).stderr
    assert "both need one size" in " ".join(error.split())

    labelled = ["interpolate", models / "labelled", photograph, photograph, "--out", out]
    assert "--cond 3" in run(*labelled, code=2).stderr
    run(*labelled, "--cond", 3)
    run("interpolate", models / "halved", photograph, photograph, "--out", out)


def test_interpolate_refuses(models, photograph, tmp_path):
    way = ["interpolate", models / "photos", photograph]
    out = tmp_path / "x.png"
    error = run(*way, photograph, "--out", out, code=2).stderr
    assert "from one code to another there is no way" in " ".join(error.split())
    for wrong in ([], [photograph, photograph], [photograph, "--rows", "0,1"]):
        assert "nametwopictures" in unboxed(run(*way, *wrong, "--out", out, code=2).stderr)
    alone = ["interpolate", models / "digits", "--out", out]
    assert "nametwopictures" in unboxed(run(*alone, code=2).stderr)
    assert "tworowssuchas3,14" in unboxed(run(*alone, "--rows", "3", code=2).stderr)
    two = ["interpolate", models / "digits", photograph, photograph]
    assert "isof--rows" in unboxed(run(*two, "--data", "digits", "--out", out, code=2).stderr)
    assert "PNG" in run(*two, "--out", tmp_path / "x.jpg", code=2).stderr
    png = tmp_path / "a.png"
    Image.new("L", (8, 8)).save(png)
    before = png.read_bytes()
    error = run("interpolate", models / "digits", png, png, "--out", png, code=2).stderr
    assert "nameanotherfile" in unboxed(error) and png.read_bytes() == before


def test_sample_takes_labels(models, tmp_path):
    sample = ["sample", models / "labelled", "-n", 4, "--out", tmp_path / "x.png"]
    run(*sample, "--cond", "3")
    run(*sample, "--cond", "0,9")
    run(*sample)
    assert "0 to 9" in run(*sample, "--cond", "10", code=2).stderr
    assert "expected labels" in run(*sample, "--cond", "x", code=2).stderr
    plain = ["sample", models / "digits", "-n", 4, "--out", tmp_path / "x.png"]
    assert "takes no condition" in run(*plain, "--cond", "3", code=2).stderr


def test_reconstruct_needs_the_label_of_a_conditional_model(models, photograph, tmp_path):
    one = ["reconstruct", models / "labelled", photograph, "--out", tmp_path / "x.png"]
    assert "--cond 3" in run(*one, code=2).stderr
    run(*one, "--cond", 3)


def test_sample_takes_numbers_and_pictures(models, photograph, tmp_path):
    sample = ["sample", models / "posed", "-n", 3, "--out", tmp_path / "x.png"]
    run(*sample, "--cond", "0.5,0.25")
    run(*sample)
    assert "expected 2 numbers" in run(*sample, "--cond", "0.5", code=2).stderr
    half = ["sample", models / "halved", "-n", 3, "--out", tmp_path / "x.png"]
    run(*half, "--cond", photograph)
    assert "--cond picture.png" in " ".join(run(*half, code=2).stderr.split())
    back = ["reconstruct", models / "posed", photograph, "--out", tmp_path / "z.png"]
    assert "--cond 0.5,0.5" in run(*back, code=2).stderr
    run("reconstruct", models / "halved", photograph, "--out", tmp_path / "y.png")


def test_nothing_half_written_stays(models, tmp_path, monkeypatch):
    from aezoo import pictures

    out = tmp_path / "out" / "x.png"
    sample = ["sample", models / "digits", "-n", 4, "--out", out]
    run(*sample)
    before = out.read_bytes()

    def full(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.replace", full)
    assert "No space left" in run(*sample, "--seed", 3, code=2).stderr
    assert [p.name for p in out.parent.iterdir()] == ["x.png"]
    assert out.read_bytes() == before
    assert pictures.read(out, 1).shape[2] == 1


# -- training and publishing


def test_train_a_spec_and_use_what_came_out(tmp_path):
    args = ["train", "vae(mlp(16),gaussian(2),mlp(16))", "--stage", "epochs=1", "--quiet"]
    args += ["--runs", tmp_path, "--device", "cpu"]
    text = run(*args).stdout
    source = re.search(r'aezoo.create\("(local:.*)"\)', text)[1]
    assert aezoo.create(source).input_shape == (1, 8, 8)
    run("sample", source, "-n", 4, "--out", tmp_path / "x.png")
    run("info", "vae")


def test_train_with_few_labels(tmp_path):
    spec = "vae(mlp(8),gaussian(2),mlp(8),cond=inferred(10,mlp(8)),objective=semi)"
    args = ["--stage", "epochs=1", "--quiet", "--runs", tmp_path, "--device", "cpu"]
    run("train", spec, "--labelled", 3, *args)
    (facts,) = tmp_path.glob("*-labelled3/training.json")
    assert json.loads(facts.read_text())["labelled"] == 3
    plain = run("train", DIGITS, "--labelled", 3, *args, code=2).stderr
    assert "leaves samples without a label" in " ".join(plain.split())


def test_train_stops_at_the_budget_and_goes_on(tmp_path):
    args = ["train", "vae(mlp(16),gaussian(2),mlp(16))", "--stage", "steps=40000", "--quiet"]
    args += ["--runs", tmp_path, "--device", "cpu", "--budget", "1s"]
    assert "the same command goes on" in run(*args).stdout


def test_train_errors_are_errors(tmp_path):
    args = ["--runs", tmp_path, "--device", "cpu"]
    assert "there is no model 'vae-digit'" in run("train", "vae-digit", *args, code=2).stderr
    unknown = run("train", DIGITS, "--data", "digit", *args, code=2).stderr
    assert "did you mean 'digits'?" in unknown
    assert list(tmp_path.iterdir()) == []


def test_the_recipe_of_a_zoo_model_with_changes():
    plain = recipe_for("vae-digits", None, {})
    assert (plain.name, plain.data) == ("vae-digits", "digits")
    changed = recipe_for("vae-digits", None, {"posterior": "gaussian(4)"}, seed=7)
    assert "gaussian(4)" in changed.spec
    assert changed.name not in (plain.name, recipe_for("vae-digits", None, {}, seed=7).name)
    assert changed.seed == 7
    assert resolve(changed.spec).config.input == (1, 8, 8)


def test_a_spec_takes_the_shape_of_its_data():
    assert "input=(1,8,8)" in recipe_for("vae(mlp(16),gaussian(2),mlp(16))", None, {}).spec
    assert "input=(3,32,32)" in recipe_for("vae(mlp(16),gaussian(2),mlp(16))", "cifar10", {}).spec


def test_numbers_of_a_stage_can_be_replaced():
    recipe = recipe_for("vqvae-cifar10", None, {})
    got = with_stages(recipe, "cpu", {"steps": "7", "prior.lr": "0.5", "betas": "[0.5, 0.9]"})
    assert (got.sizes["cpu"].model.steps, got.sizes["cpu"].model.epochs) == (7, None)
    assert got.sizes["cpu"].prior.lr == 0.5
    assert got.sizes["cpu"].model.betas == (0.5, 0.9)
    assert got.sizes["gpu"] == recipe.sizes["gpu"]
    for key, said in (("epoch", "did you mean 'epochs'?"), ("x.lr", "no stage 'x'")):
        with pytest.raises(Exception, match=re.escape(said)):
            with_stages(recipe, "cpu", {key: "1"})
    for key, value in (("batch", "-1"), ("batch", "many"), ("batch", "1.5"), ("flip", "3")):
        with pytest.raises(Exception, match=key):
            with_stages(recipe, "cpu", {key: value})


def test_publish_says_what_it_would_send(models):
    text = run("publish", models / "digits", "--repo", "org/name", "--dry-run").stdout
    assert "model.safetensors" in text
    assert "nothing was sent" in text
    error = run("publish", models / "digits", "--repo", "a b", "--dry-run", code=2).stderr
    assert error.startswith("error: ")


def test_publish_sends_to_the_hub_and_it_loads_back(models, tmp_path):
    from aezoo.testing.localhub import LocalHub

    with LocalHub() as hub:
        environment = hub.env(tmp_path / "home")
        done = command("publish", models / "digits", "--repo", "org/name", **environment)
        assert done.returncode == 0, done.stderr
        source = re.search(r'aezoo.create\("(hf://.*)"\)', done.stdout)[1]
        out = tmp_path / "x.png"
        done = command("sample", source, "-n", 4, "--out", out, "--device", "cpu", **environment)
        assert done.returncode == 0, done.stderr
    assert hub.errors == []
    run("sample", models / "digits", "-n", 4, "--out", tmp_path / "y.png", "--device", "cpu")
    assert out.read_bytes() == (tmp_path / "y.png").read_bytes()


# -- quickstart


class _Page(HTMLParser):
    """What a page loads, and its text."""

    def __init__(self, html: str):
        super().__init__()
        self.loads: list[str] = []
        self.open: list[str] = []
        self.words: list[str] = []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        if tag not in ("meta", "img", "br", "rect"):
            self.open.append(tag)
        self.loads += [value for name, value in attrs if name in ("src", "href", "data")]

    def handle_endtag(self, tag):
        if tag not in ("meta", "img", "br", "rect"):
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.words.append(data)


@pytest.fixture
def no_network(monkeypatch):
    def refuse(*args):
        raise AssertionError(f"the network was used: {args}")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.fixture
def without_fid(monkeypatch):
    """FID's network takes half a minute; one test runs it."""
    monkeypatch.setattr(inception_weights, "at_hand", lambda: False)


def _check_page(out: Path) -> str:
    html = (out / "quickstart.html").read_text(encoding="utf-8")
    page = _Page(html)
    assert page.open == []
    assert len(page.loads) == 9  # two photographs in three views, samples, two of digits
    assert all(load.startswith("data:image/png;base64,") for load in page.loads)
    without_pictures = re.sub(r"base64,[^\"]*", "", html)
    assert not re.search(r"https?://|url\(|@import|<script|\bnan\b|\binf\b", without_pictures)
    for name, size in (("china", (968, 214)), ("flower", (968, 214))):
        with Image.open(out / f"{name}.png") as image:
            assert image.size == size
    assert sorted(p.name for p in out.iterdir()) == [
        "china.png", "digits.png", "flower.png", "quickstart.html", "samples.png",
    ]  # fmt: skip
    return " ".join(page.words)


def test_quickstart_from_end_to_end(models, tmp_path, no_network, without_fid):
    out = tmp_path / "page"
    result = run("quickstart", "--out", out, "--model", models / "photos", "--digits",
                 models / "digits", "--device", "cpu")  # fmt: skip
    assert f"the page: {out / 'quickstart.html'}" in result.stdout
    assert "reconstruct two photographs" in result.stderr
    words = _check_page(out)
    assert "PSNR" in words
    assert "nats per image" in words


def test_quickstart_figures_are_those_of_the_bench(models, tmp_path, without_fid):
    from aezoo.bench import run as bench
    from aezoo.cli.quickstart import DIGITS_METRICS, Steps, collect

    device = torch.device("cpu")
    result = collect(str(models / "photos"), str(models / "digits"), device, Steps(quiet=True))
    small = aezoo.create(f"local:{models / 'digits'}")
    rows = bench(small, data="digits", metrics=DIGITS_METRICS, device="cpu")
    assert [(r.metric, r.value) for r in result.digits_figures] == [
        (r.metric, r.value) for r in rows
    ]
    assert sum(result.codebook.counts) == 2 * 80 * 54
    assert result.codebook.bits_per_pixel == pytest.approx(5 * 80 * 54 / (320 * 214))
    photo = result.photographs[0]
    assert photo.original.shape == photo.codes.shape == photo.reconstruction.shape == (214, 320, 3)
    error = (photo.original / 255 - photo.reconstruction / 255) ** 2
    assert photo.mse == pytest.approx(error.mean(), rel=0.01)
    assert result.samples.shape == (4 * 64 + 3 * 4, 16 * 64 + 15 * 4, 4)
    assert set(np.unique(result.samples[..., 3])) == {0, 255}


def test_quickstart_without_scikit_learn_says_what_to_install(models, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "sklearn", None)
    error = run("quickstart", "--out", tmp_path / "page", code=2).stderr
    assert "pip install 'aezoo[bench]'" in error
    assert not (tmp_path / "page").exists()


def test_quickstart_refuses_models_that_cannot_do_it(models, tmp_path):
    args = ["quickstart", "--out", tmp_path / "page", "--device", "cpu", "--model"]
    assert "not colour pictures" in run(*args, models / "digits", code=2).stderr
    unfitted = tmp_path / "unfitted"
    aezoo.create(SPEC).save_pretrained(unfitted)
    assert "cannot draw samples" in run(*args, unfitted, code=2).stderr


def test_quickstart_with_the_zoo(tmp_path, no_network):
    run("quickstart", "--out", tmp_path / "page", "--device", "cpu")
    words = _check_page(tmp_path / "page")
    assert "vqvae-cifar10" in words
    assert ("reconstruction FID" in words) == inception_weights.at_hand()
