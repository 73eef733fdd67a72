"""Cards: written from what is on file, and the check that finds every kind of disagreement."""

from __future__ import annotations

import dataclasses
import json
import re
import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import aezoo
from aezoo.bench import cards as made
from aezoo.bench.overview import overview, placed
from aezoo.bench.rows import Row, read_csv, write_csv
from aezoo.bench.run import run
from aezoo.cli.app import app
from aezoo.errors import MetricError
from aezoo.hub.cards import card, published
from aezoo.hub.config import config_of
from aezoo.hub.zoo import entry_for, write_index
from aezoo.records import Figure

SPEC = "vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))"
RECIPE = f"""
spec = "{SPEC}"
data = "digits"
summary = "a small one"
[cpu]
steps = 1
batch = 2
"""


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder laid out as the repository: model_cards/ and benchmarks/results/."""
    root = tmp_path_factory.mktemp("repository")
    cards = root / "model_cards"
    torch.manual_seed(0)
    for name in ("one", "two"):
        aezoo.create(SPEC).save_pretrained(cards / name)
        (cards / name / "recipe.toml").write_text(RECIPE)
        training = {"name": name, "data": "digits", "split": "fit", "seed": 0, "stages": {}}
        (cards / name / "training.json").write_text(json.dumps(training))
    (cards / "untrained").mkdir()
    (cards / "untrained" / "recipe.toml").write_text(RECIPE)
    write_index(
        [entry_for(cards / n, summary="a small one", data="digits") for n in ("one", "two")], cards
    )
    results = root / "benchmarks" / "results"
    run([cards / "one", cards / "two"], n=50, metrics="reconstruction,likelihood", device="cpu",
        out=results)  # fmt: skip
    for name in made.models(cards):
        made.write(name, cards, made.results(results))
    return root


@pytest.fixture
def root(original: Path, tmp_path: Path) -> Path:
    shutil.copytree(original, tmp_path / "r")
    return tmp_path / "r"


def wrong(root: Path, name: str = "one") -> list[str]:
    return made.check(name, root / "model_cards", made.results(root / "benchmarks/results"))


def results_file(root: Path) -> Path:
    (file,) = (root / "benchmarks/results").glob("*.csv")
    return file


def test_what_was_written_is_right(root: Path) -> None:
    assert made.models(root / "model_cards") == ["one", "two"]
    assert wrong(root) == wrong(root, "two") == []


def test_a_plugins_model_is_called_by_its_namespace(root: Path) -> None:
    cards, rows = root / "model_cards", made.results(root / "benchmarks/results")
    text = made.make("one", cards, rows, "acme").readme
    assert 'aezoo.create("acme/one", pretrained=True)' in text
    assert "\n# acme/one\n" in text
    assert made.check("one", cards, rows, "acme") != []
    made.write("one", cards, rows, "acme")
    assert made.check("one", cards, rows, "acme") == []
    assert made.check("one", cards, rows) != []
    where = [f"--cards={cards}", f"--results={root / 'benchmarks/results'}"]
    check = ["card", "one", "--check", *where]
    assert CliRunner().invoke(app, [*check, "--namespace=acme"]).exit_code == 0
    assert CliRunner().invoke(app, check).exit_code == 1


@pytest.mark.parametrize(
    ("spec", "task", "call"),
    [
        (
            "ae(mlp(4),point(2),mlp(4),input=(1,9))",
            "audio-to-audio",
            "reconstruct(x)  # x: (B, 1, 9)",
        ),
        ("ae(mlp(4),point(2),mlp(4),input=(1,2,3))", "image-to-image", "reconstruct(x)"),
        (
            "ae(mlp(4),point(2),mlp(4),cond=label(3),input=(1,2,3,3))",
            "video-to-video",
            "reconstruct(x, cond)  # x: (B, 1, 2, 3, 3), cond: (B,)",
        ),
        (
            "ae(mlp(4),point(2),mlp(4),cond=continuous(5),input=(1,2,3))",
            "image-to-image",
            "reconstruct(x, cond)  # x: (B, 1, 2, 3), cond: (B, 5)",
        ),
        (
            "ae(mlp(4),point(2),mlp(4),cond=lowres(2),input=(1,2,3))",
            "image-to-image",
            "reconstruct(x)  # x: (B, 1, 2, 3)",
        ),
    ],
)
def test_a_card_says_what_the_model_takes(spec: str, task: str, call: str) -> None:
    figure = Figure("mse", 0.1, "data", "test", 5, "as it is")
    text = card(config_of(aezoo.create(spec)), name="it", figures=[figure])
    assert f'type: "{task}"' in text
    assert f"model.{call}" in text


def test_a_card_shows_the_rows(root: Path) -> None:
    text = (root / "model_cards/one/README.md").read_text(encoding="utf-8")
    rows = [row for row in read_csv(results_file(root)) if row.model == "one"]
    assert len(rows) > 5
    for row in rows:
        assert f"| {row.metric} |" in text
        assert f"{row.value:.6g}" in text
        assert row.protocol in text
    assert "model-index:" in text
    assert "a small one" in text
    facts = json.loads((root / "model_cards/one/training.json").read_text(encoding="utf-8"))
    assert [f["value"] for f in facts["figures"]] == [row.value for row in rows]


def test_writing_twice_changes_nothing(root: Path) -> None:
    before = {p: p.read_bytes() for p in root.rglob("*") if p.is_file()}
    for name in ("one", "two"):
        made.write(name, root / "model_cards", made.results(root / "benchmarks/results"))
    assert {p: p.read_bytes() for p in root.rglob("*") if p.is_file()} == before


def test_the_newest_row_is_on_the_card_and_a_time_names_its_device(root: Path) -> None:
    rows = read_csv(results_file(root))
    old = next(row for row in rows if row.model == "one" and row.metric == "mse")
    new = dataclasses.replace(old, value=0.123, device="another", date="2099-01-01T00:00:00Z")
    timed = dataclasses.replace(old, metric="encode-per-second", unit="images/s")
    write_csv(root / "benchmarks/results/another.csv", [new, timed])
    assert wrong(root)  # the card is of yesterday
    made.write("one", root / "model_cards", made.results(root / "benchmarks/results"))
    assert wrong(root) == []
    text = (root / "model_cards/one/README.md").read_text(encoding="utf-8")
    assert "| mse | 0.123 |" in text
    assert f"{old.protocol}; {old.device} |" in text


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def other_weights(root: Path) -> None:
    torch.manual_seed(1)
    model = aezoo.create(SPEC)
    model.save_pretrained(root / "x")
    shutil.copy(root / "x/model.safetensors", root / "model_cards/one/model.safetensors")


def other_config(root: Path) -> None:
    config = root / "model_cards/one/config.json"
    config.write_text(config.read_text().replace("gaussian(4", "gaussian(5"), encoding="utf-8")


def other_values(root: Path) -> None:
    rows = [dataclasses.replace(r, value=r.value + 1) for r in read_csv(results_file(root))]
    write_csv(results_file(root), rows)


def other_spec_hash(root: Path) -> None:
    file = results_file(root)
    rows: list[Row] = [dataclasses.replace(r, spec_hash="0" * 64) for r in read_csv(file)]
    write_csv(file, rows)


DAMAGE = {
    "a word of the card": (
        lambda r: edit(r / "model_cards/one/README.md", "a small one", "a great one"),
        "README.md is not what its sources say",
    ),
    "no card": (lambda r: (r / "model_cards/one/README.md").unlink(), "README.md is missing"),
    "a figure of training.json": (
        lambda r: edit(r / "model_cards/one/training.json", '"mse"', '"msf"'),
        "training.json is not what its sources say",
    ),
    "the recipe": (
        lambda r: edit(r / "model_cards/one/recipe.toml", "a small one", "another"),
        "zoo.json says summary is 'a small one', the files say 'another'",
    ),
    "a row": (
        other_values,
        "README.md is not what its sources say",
    ),
    "all rows": (lambda r: results_file(r).unlink(), "no row is of its weights"),
    "the weights": (other_weights, "no row is of its weights"),
    "the config": (other_config, "one"),
    "the rows' spec": (other_spec_hash, "is of another spec than config.json's"),
    "the index": (
        lambda r: edit(r / "model_cards/zoo.json", '"name": "one"', '"name": "three"'),
        "one: is not in ",
    ),
    "a hash of the index": (
        lambda r: edit(r / "model_cards/zoo.json", '"size": ', '"size": 1'),
        "zoo.json says files is",
    ),
    "no recipe": (lambda r: (r / "model_cards/one/recipe.toml").unlink(), "recipe.toml is missing"),
    "no weights": (
        lambda r: (r / "model_cards/one/model.safetensors").unlink(),
        "model.safetensors is missing",
    ),
}


@pytest.mark.parametrize("what", DAMAGE)
def test_every_disagreement_is_found(root: Path, what: str) -> None:
    damage, says = DAMAGE[what]
    damage(root)
    found = wrong(root)
    assert any(says in line for line in found), found


def test_a_damaged_file_of_rows_is_an_error(root: Path) -> None:
    results_file(root).write_text("a,b\n1,2\n")
    with pytest.raises(MetricError, match="its columns are a, b"):
        made.results(root / "benchmarks/results")


def test_the_command(root: Path) -> None:
    runner = CliRunner()
    folder = ["--cards", str(root / "model_cards")]  # the results are found beside it
    checked = runner.invoke(app, ["card", "--check", *folder])
    assert checked.exit_code == 0, checked.output
    assert "2 cards agree" in checked.stdout
    (root / "model_cards/two/README.md").write_text("mine\n")
    checked = runner.invoke(app, ["card", "--check", *folder])
    assert checked.exit_code == 1
    assert "two: README.md is not what its sources say" in checked.stderr
    assert "one:" not in checked.stderr
    assert runner.invoke(app, ["card", "--check", "one", *folder]).exit_code == 0
    written = runner.invoke(app, ["card", "two", *folder])
    assert written.exit_code == 0, written.output
    assert runner.invoke(app, ["card", "--check", *folder]).exit_code == 0
    unknown = runner.invoke(app, ["card", "untrained", *folder])
    assert unknown.exit_code == 2
    assert "no trained model 'untrained'" in unknown.stderr


def test_a_run_s_own_folder_says_how_it_is_loaded(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    runs = root / "runs"
    final = runs / "mine" / "final"
    shutil.copytree(root / "model_cards/one", final)
    (final / "README.md").unlink()
    monkeypatch.chdir(runs)
    runner = CliRunner()
    written = runner.invoke(app, ["card", "mine/final"])
    assert written.exit_code == 0, written.output
    text = (final / "README.md").read_text(encoding="utf-8")
    assert 'model = aezoo.create("local:mine/final")' in text and "\n# mine\n" in text
    assert "pretrained" not in text and "| mse |" in text  # the figures of training.json
    (block,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    exec(block, {"x": torch.rand(2, 1, 8, 8)})
    assert runner.invoke(app, ["card", "mine/final", "--check"]).exit_code == 0

    checked = runner.invoke(app, ["card", "mine/final", "--check", "--repo", "org/name"])
    assert checked.exit_code == 1 and "README.md is not what" in checked.stderr
    results = ["--results", str(root / "benchmarks/results")]
    assert runner.invoke(app, ["card", "mine/final", "--repo", "org/name", *results]).exit_code == 0
    sent = (final / "README.md").read_text(encoding="utf-8")
    assert 'model = aezoo.create("hf://org/name")' in sent and "\n# name\n" in sent
    use = 'model = aezoo.create("{}")\n'
    assert published(text, "org/name") == text.replace(
        use.format("local:mine/final"), use.format("hf://org/name")
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["nothing"], r"a run's card is asked for by its folder alone: aezoo card runs/NAME/final"),
        (["one", "--repo", "org/name"], "--repo is of a finished run's folder"),
        (["run", "--repo", "name"], "no repository's name"),
        (["run", "run", "--repo", "org/name"], "--repo is of one run; 2 are given"),
        (
            ["run", "--results", "empty"],
            "no row is of its weights .* aezoo bench run --out RESULTS",
        ),
        (["run2"], r"run2/training.json is missing; .* runs/NAME/final"),
        (["model_cards/one"], "no trained model 'model_cards/one'"),
    ],
)
def test_a_run_that_gets_no_card(
    words: list[str], message: str, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(root)
    for name in ("run", "run2"):
        shutil.copytree("model_cards/one", name)
    Path("run2/training.json").unlink()
    before = Path("run/README.md").read_bytes()
    done = CliRunner().invoke(app, ["card", *words])
    assert done.exit_code == 2
    assert re.search(message, " ".join(done.stderr.replace("│", " ").split()))
    assert Path("run/README.md").read_bytes() == before


def test_the_command_finds_a_checkout_s_models(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(root)
    checked = CliRunner().invoke(app, ["card", "--check"])
    assert checked.exit_code == 0, checked.output
    assert "2 cards agree" in checked.stdout


@pytest.mark.parametrize("check", [["--check"], []])
def test_a_folder_without_a_model_has_no_cards(check: list[str], tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["card", *check, "--cards", str(tmp_path)])
    assert done.exit_code == 2
    assert "no trained model" in done.stderr


def test_the_readme_s_table_comes_from_the_rows(root: Path) -> None:
    runner = CliRunner()
    folder = ["--cards", str(root / "model_cards")]
    readme = root / "README.md"
    readme.write_text("before\n<!-- zoo -->\nold\n<!-- /zoo -->\nafter\n")
    checked = runner.invoke(app, ["card", "--check", *folder])
    assert checked.exit_code == 1
    assert "the table of the zoo is not what the rows say" in checked.stderr
    assert runner.invoke(app, ["card", *folder]).exit_code == 0
    text = readme.read_text(encoding="utf-8")
    assert text.startswith("before\n<!-- zoo -->\n| model |")
    assert text.endswith("|\n<!-- /zoo -->\nafter\n")
    assert text.count("a small one") == 2
    assert runner.invoke(app, ["card", "--check", *folder]).exit_code == 0

    rows = made.results(root / "benchmarks/results")
    whole = [dataclasses.replace(row, split="test") for row in rows]
    mse = next(row.value for row in rows if row.model == "one" and row.metric == "mse")
    line = overview(root / "model_cards", whole).splitlines()[2]
    assert f"| {mse:.5f} |" in line
    assert "bits/dim ≤" in line
    with pytest.raises(MetricError, match="no marks"):
        placed("a README", "a table")


def test_the_checkout_s_own_cards_agree() -> None:
    folder = Path(__file__).resolve().parent.parent / "model_cards"
    rows = made.results(folder.parent / "benchmarks" / "results")
    assert [line for name in made.models(folder) for line in made.check(name, folder, rows)] == []
