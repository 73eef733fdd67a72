"""The bench: the same rows on 1, 2 and 3 processes and after a kill, each with its protocol."""

from __future__ import annotations

import csv
import dataclasses
import json
import math
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from plugin_packages import installed_in, lay_out
from torch.utils._python_dispatch import TorchDispatchMode
from typer.testing import CliRunner

import aezoo
from aezoo import registry
from aezoo.bench import choose, published, report
from aezoo.bench.journal import Journal
from aezoo.bench.rows import (
    COLUMNS,
    Row,
    compare,
    csv_text,
    file_stem,
    from_json,
    merge,
    newest,
    read_csv,
    to_json,
    write_csv,
)
from aezoo.bench.run import BenchError, _Bench, _block, _Task, run
from aezoo.bench.subject import part, rows_of, subject
from aezoo.cli.app import app
from aezoo.data.sets import batches, binarise, load
from aezoo.errors import MetricError, PluginLoadError, UnknownMetricError
from aezoo.metrics import manifest
from aezoo.metrics.base import Metric, Run, generator
from aezoo.records import MetricRecord
from aezoo.spec import SpecError
from aezoo.train.ranks import Ranks

ROOT = Path(__file__).resolve().parent.parent
SPECS = {
    "vae": "vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))",
    "vq": "vqvae(res(8,depth=1),vq(8,4),unres(8,depth=1),prior=pixelcnn(8,layers=2),input=(1,8,8))",
    "ae": "ae(mlp(16),point(4),mlp(16),input=(1,8,8))",
}
METRICS = "reconstruction,likelihood(k=5),codes,posterior"


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each family, with weights nobody trained."""
    folder = tmp_path_factory.mktemp("models")
    torch.manual_seed(0)
    for name, spec in SPECS.items():
        model = aezoo.create(spec)
        model.train()(torch.rand(64, 1, 8, 8))  # the codebook starts
        model.prior_fitted = name == "vq"
        model.eval().save_pretrained(folder / name)
        training = {"name": f"{name}-digits", "data": "digits"}
        (folder / name / "training.json").write_text(json.dumps(training))
    return {name: folder / name for name in SPECS}


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Iterator:
    """Adds metrics of this file to the core's."""

    def add(*classes: type[Metric]) -> None:
        new = [MetricRecord(c.__name__.lower(), f"{__name__}:{c.__name__}", "") for c in classes]
        monkeypatch.setattr(manifest, "_RECORDS", (*manifest._RECORDS, *new))
        monkeypatch.setitem(sys.modules, __name__, sys.modules[__name__])
        registry.reset()

    yield add
    monkeypatch.undo()
    registry.reset()


def values(rows: list[Row]) -> dict[str, float]:
    return {row.metric: row.value for row in rows}


def undated(rows: list[Row]) -> list[Row]:
    return sorted((dataclasses.replace(r, date="") for r in rows), key=str)


# -- one pass, right numbers


def test_figures_are_those_of_the_model(models: dict[str, Path]) -> None:
    rows = run(models["vae"], metrics="reconstruction,likelihood", split="test[:250]", device="cpu")
    value = values(rows)
    model = aezoo.Autoencoder.from_pretrained(models["vae"])
    squares, nats = [], []
    for block, (x, _) in enumerate(batches(load("digits", "test[:250]"), 100)):
        with torch.no_grad():
            squares.append((model.reconstruct(x).clamp(0, 1) - x).square().flatten(1).mean(1))
            draws = generator(torch.device("cpu"), 0, "test[:250]", block, "z")
            nats.append(-model.elbo(x, generator=draws))
    assert value["mse"] == pytest.approx(torch.cat(squares).double().mean().item(), rel=1e-6)
    assert value["-elbo"] == pytest.approx(torch.cat(nats).double().mean().item(), rel=1e-6)
    assert value["-elbo"] == pytest.approx(value["distortion"] + value["rate"])


def test_a_row_says_all_of_it(models: dict[str, Path]) -> None:
    from aezoo.hub.zoo import file_record
    from aezoo.spec import spec_hash

    rows = run(models["vq"], metrics="reconstruction", n=30, seed=3, device="cpu")
    model = aezoo.Autoencoder.from_pretrained(models["vq"])
    for row in rows:
        assert (row.model, row.data, row.split, row.n) == ("vq-digits", "digits", "test[:30]", 30)
        assert row.weights == file_record(models["vq"] / "model.safetensors").sha256
        assert row.spec_hash == spec_hash(model.resolved)
        assert (row.torch, row.aezoo) == (torch.__version__, aezoo.__version__)
        assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", row.date)
        assert row.device
        assert row.protocol


def test_a_model_in_memory_has_the_hash_of_the_file_it_would_be(models: dict[str, Path]) -> None:
    model = aezoo.Autoencoder.from_pretrained(models["vae"])
    options = {"data": "digits", "metrics": "reconstruction", "n": 20, "device": "cpu"}
    (a, *_), (b, *_) = run(model, **options), run(models["vae"], **options)
    assert (a.weights, a.value) == (b.weights, b.value)
    assert a.model == str(model.spec)
    with pytest.raises(BenchError, match="name the data set"):
        run(model, metrics="reconstruction")


def test_draws_do_not_depend_on_the_company(models: dict[str, Path], register) -> None:
    register(Greedy)
    alone = run(models["vae"], metrics="likelihood(k=3)", n=150, device="cpu")
    both = run(models["vae"], metrics="greedy,likelihood(k=3)", n=150, device="cpu")
    assert values(alone).items() <= values(both).items()


class Greedy(Metric):
    """Draws a lot, from its own and from the global generator."""

    needs = frozenset({"x_hat"})

    def update(self, batch) -> None:
        torch.rand(1000)
        self.add("u", torch.rand(3, generator=batch.generator("greedy")))

    def figures(self, sums, rows):
        return [self.figure("greed", sums["u"], "none")]


def test_a_block_holds_what_is_needed_and_no_more(models: dict[str, Path], register) -> None:
    register(Curious)
    Curious.seen = []
    for needs in ((), ("x_hat",), ("latent",), ("output", "x_hat"), ("samples",)):
        Curious.needs = frozenset(needs)
        for name in ("vae", "vq"):
            run(models[name], metrics="curious", n=120, device="cpu")
    for needs, given in Curious.seen:
        assert given >= needs
        extra = {"latent"} if "x_hat" in needs else set()
        assert given <= needs | extra
    rows = [rows for needs, rows in Curious.samples if needs == {"samples"}]
    assert rows == [100, 20] * 2


class Curious(Metric):
    seen: list = []  # noqa: RUF012 - shared on purpose
    samples: list = []  # noqa: RUF012

    def update(self, batch) -> None:
        assert batch.x.shape[1:] == (1, 8, 8)
        assert torch.equal(batch.rows, torch.arange(len(batch.x)) + 100 * batch.block)
        given = {n for n in ("output", "latent", "x_hat") if getattr(batch, n) is not None}
        self.seen.append((self.needs - {"samples"}, given))
        self.keep("x", batch.rows, batch.x)

    def update_samples(self, x, rows) -> None:
        assert 0 <= x.min() <= x.max() <= 1
        self.samples.append((self.needs, len(rows)))

    def figures(self, sums, rows):
        (whole, _), = batches(load("digits", "test[:120]"), 120)  # fmt: skip
        assert torch.equal(rows["x"], whole)
        return [self.figure("nothing", 0, "none")]


def test_a_block_is_encoded_once(models: dict[str, Path]) -> None:
    for name in SPECS:
        model = aezoo.Autoencoder.from_pretrained(models[name])
        seen = []
        model.encoder.register_forward_hook(lambda *given, seen=seen: seen.append(1))
        asked = "reconstruction" if name == "ae" else "reconstruction,likelihood"
        found = run(model, data="digits", metrics=asked, n=120, device="cpu")
        assert len(seen) == 2, name  # blocks
        alone = run(model, data="digits", metrics="reconstruction", n=120, device="cpu")
        if name != "ae":
            alone += run(model, data="digits", metrics="likelihood", n=120, device="cpu")
        assert values(found) == pytest.approx(values(alone), rel=1e-9)


class NoReads(TorchDispatchMode):
    """Fails where a tensor's value is read by Python: on a GPU that would wait for it."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        assert func._schema.name not in ("aten::_local_scalar_dense", "aten::nonzero"), func
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", SPECS)
def test_no_block_reads_from_the_device(models: dict[str, Path], name: str, tmp_path) -> None:
    cpu = torch.device("cpu")
    who = subject(models[name], cpu)
    one = Run(who.model, rows_of(who, None, "test[:60]", None), cpu)
    journal = Journal(tmp_path, {"device": "x", "torch": "1", "aezoo": "1"})
    bench = _Bench(Ranks(), journal, {}, None, "test", None, 0, 20, True, True, lambda text: None)
    tasks = bench._tasks(who, one, choose.names(None))
    for task in tasks:
        task.metric.begin(one)
    with NoReads():
        bench._pass(one, tasks)
    assert not [task.error for task in tasks if task.error]


def test_binary_data_has_fixed_bits() -> None:
    images = load("digits", "test[:40]")
    binary = dataclasses.replace(images, dataset=dataclasses.replace(images.dataset, binary=True))
    whole = torch.from_numpy(binarise(binary, 5)) / 255
    x, _ = _block(part(binary, 10, 25), torch.device("cpu"), seed=5)
    assert torch.equal(x, whole[10:25])


@pytest.mark.parametrize(
    ("split", "n", "text", "start"),
    [
        ("test", 10, "test[:10]", 0),
        ("test[20:60]", 10, "test[20:30]", 20),
        ("test[20:60]", 99, "test[20:60]", 20),
        ("test[:9]", None, "test[:9]", 0),
    ],
)
def test_the_first_n_rows(models, split: str, n: int | None, text: str, start: int) -> None:
    images = rows_of(subject(models["ae"], torch.device("cpu")), None, split, n)
    again = load("digits", text)
    assert images.split == again.split == text
    assert images.start == again.start
    assert (images.images == again.images).all()
    assert (images.labels == again.labels).all()


# -- several processes, kills


def bench(*arguments: object, processes: int = 1) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "aezoo"]
    if processes > 1:
        command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
        command += ["--nproc-per-node", str(processes), "-m", "aezoo"]
    command += ["bench", *map(str, arguments), "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    return subprocess.run(command, env=environment, capture_output=True, text=True, timeout=240)


def rows_in(folder: Path) -> list[Row]:
    (file,) = folder.glob("*.csv")
    return read_csv(file)


# Blocks for all, blocks of uneven numbers, and fewer blocks than processes.
@pytest.mark.parametrize(("n", "processes"), [(250, 2), (250, 3), (130, 3)])
def test_any_number_of_processes_measures_the_same(models, tmp_path, n, processes) -> None:
    one = run(models.values(), n=n, metrics=METRICS, device="cpu")
    done = bench(*models.values(), "-n", n, "--metrics", METRICS, "--out", tmp_path,
                 processes=processes)  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = {(row.model, *row.measurement): row.value for row in rows_in(tmp_path)}
    assert len({row.metric for row in one}) > 12
    assert found.keys() == {(row.model, *row.measurement) for row in one}
    for row in one:
        value = found[row.model, *row.measurement]
        assert value == pytest.approx(row.value, rel=1e-6, abs=1e-12), row.metric


NETWORK = """
@hookimpl
def aezoo_features():
    yield FeatureRecord("tiny", "acme_plugin.modules:tiny", "six features")
"""
TINY = """
import torch

class Tiny:
    dim, fingerprint = 6, "tiny"

    def __init__(self, device):
        draws = torch.Generator().manual_seed(0)
        self.matrix = torch.randn(64, self.dim, generator=draws).to(device)

    def __call__(self, images):
        return images.flatten(1) @ self.matrix

tiny = Tiny
"""


def test_any_number_of_processes_measures_the_same_distances(models, tmp_path, monkeypatch) -> None:
    plugins = tmp_path / "plugins"
    plugins.mkdir()
    lay_out(plugins, body=NETWORK, modules=TINY)
    names = ("fid", "rfid", "kid", "prc")
    asked = ",".join(f"{name}(network=acme/tiny,limit=330)" for name in names)
    found = []
    with installed_in(plugins, monkeypatch):
        for processes in (1, 2, 3):  # each with nothing in its cache
            monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / f"cache-{processes}"))
            out = tmp_path / str(processes)
            done = bench(models["vae"], "-n", 130, "--metrics", asked, "--out", out,
                         processes=processes)  # fmt: skip
            assert done.returncode == 0, done.stderr
            found.append({row.measurement: row.value for row in rows_in(out)})
    assert len(found[0]) == 7
    for other in found[1:]:
        assert other == pytest.approx(found[0], rel=1e-6, abs=1e-9)


def test_no_option_is_taken_for_one_of_torchruns() -> None:
    """Its parser takes an abbreviation of its own options wherever it finds one.

    So does it with --n, which --nnodes and others begin with; -n is the same here.
    """
    import typer
    from torch.distributed.run import get_args_parser

    theirs = [o for action in get_args_parser()._actions for o in action.option_strings]
    commands = typer.main.get_command(app).commands  # pyright: ignore[reportAttributeAccessIssue]
    for name in ("bench", "train", "fit-prior"):
        for option in commands[name].params:
            ours = [o for o in option.opts if not any(their.startswith(o) for their in theirs)]
            assert ours or option.param_type_name == "argument", (name, option.opts)


def test_one_process_that_fails_stops_no_other(models, tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    done = bench(broken, models["ae"], "-n", 150, "--metrics", "reconstruction", "--json",
                 processes=2)  # fmt: skip
    assert done.returncode == 1
    assert "broken" in done.stderr
    rows = json.loads(done.stdout)
    assert {row["metric"] for row in rows} == {"mse", "psnr", "psnr-mean-mse"}


@pytest.mark.skipif(not hasattr(signal, "SIGKILL"), reason="needs SIGKILL")
def test_killed_and_started_again_it_finishes_with_the_same_rows(models, tmp_path: Path) -> None:
    metrics = "reconstruction,likelihood(k=1500),codes"
    arguments = [*models.values(), "--n", 300, "--metrics", metrics]
    whole = bench(*arguments, "--out", tmp_path / "whole")
    assert whole.returncode == 0, whole.stderr

    out = tmp_path / "killed"
    command = [sys.executable, "-m", "aezoo", "bench", *map(str, arguments), "--device", "cpu"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "PYTHONPATH": os.pathsep.join(sys.path)}
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    # The slow model comes second: one is finished, one begun, one untouched when it dies.
    command[4:7] = [str(models[name]) for name in ("ae", "vae", "vq")]
    process = subprocess.Popen([*command, "--out", str(out)], env=environment, **quiet)
    deadline = time.monotonic() + 120
    while not list(out.glob("*.csv")) and time.monotonic() < deadline:
        assert process.poll() is None
        time.sleep(0.02)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert {row.model for row in rows_in(out)} == {"ae-digits"}

    again = bench(*arguments, "--out", out)
    assert again.returncode == 0, again.stderr
    assert "\nae-digits: test" not in again.stderr  # it was not measured again
    assert "vae-digits: test" in again.stderr
    assert undated(rows_in(out)) == undated(rows_in(tmp_path / "whole"))


# -- what is finished, what fails


def test_finished_rows_are_kept_and_not_measured_again(models, tmp_path: Path, register) -> None:
    register(Counting)
    Counting.began = 0
    options = {"metrics": "counting,reconstruction", "n": 50, "out": tmp_path, "device": "cpu"}
    first = run([models["ae"], models["vae"]], **options)
    assert Counting.began == 2
    assert run([models["ae"], models["vae"]], **options) == first
    assert Counting.began == 2
    run(models["ae"], **options | {"seed": 1})  # other draws are another measurement
    assert Counting.began == 3
    run(models["ae"], **options | {"metrics": "counting(k=2)"})
    assert Counting.began == 4
    run(models["ae"], **options, fresh=True)
    assert Counting.began == 5
    (file,) = tmp_path.glob("*.json")
    file.write_text(file.read_text()[:-100])
    with pytest.raises(MetricError, match=r"no journal.*move it away"):
        run(models["ae"], **options)


@dataclasses.dataclass
class Counting(Metric):
    began = 0
    k: int = 1

    def __post_init__(self) -> None:
        if self.k < 1:
            raise ValueError("k must be at least 1")

    def begin(self, run: Run) -> None:
        super().begin(run)
        type(self).began += 1

    def figures(self, sums, rows):
        return [self.figure("began", 1, f"k={self.k}")]


def test_one_failure_stops_nothing_else(models, tmp_path: Path, register) -> None:
    register(Failing)
    with pytest.raises(BenchError) as caught:
        run(
            ["nobody", models["ae"], tmp_path, models["vq"]],
            metrics="failing,reconstruction",
            n=120,
            device="cpu",
            out=tmp_path / "out",
        )
    error = caught.value
    assert {row.model for row in error.rows} == {"ae-digits", "vq-digits"}
    assert {row.metric for row in error.rows} == {"mse", "psnr", "psnr-mean-mse"}
    assert [(f.model, f.metric) for f in error.failures] == [
        ("nobody", ""),
        ("ae-digits", "failing"),
        (str(tmp_path), ""),
        ("vq-digits", "failing"),
    ]
    assert "UnknownModelError" in error.failures[0].message
    assert "RuntimeError: block 1" in error.failures[1].message
    assert undated(rows_in(tmp_path / "out")) == undated(error.rows)


class Failing(Metric):
    def update(self, batch) -> None:
        if batch.block == 1:
            raise RuntimeError("block 1")


def test_what_cannot_be_measured_is_said(models: dict[str, Path]) -> None:
    said: list[str] = []
    rows = run(models["ae"], metrics="likelihood,reconstruction", n=20, device="cpu",
               say=said.append)  # fmt: skip
    assert values(rows).keys() == {"mse", "psnr", "psnr-mean-mse"}
    assert any("ae-digits goes without likelihood" in line for line in said)
    with pytest.raises(BenchError, match="no metric can be measured: likelihood: "):
        run(models["ae"], metrics="likelihood", n=20, device="cpu")
    with pytest.raises(BenchError, match="takes samples of shape"):
        run(models["ae"], data="sprites", metrics="reconstruction", split="train[:10]")


# -- which metrics


def test_metrics_are_named_as_in_a_spec() -> None:
    assert choose.names("reconstruction, likelihood( k = 5 ),reconstruction") == [
        "reconstruction",
        "likelihood(k=5)",
    ]
    assert choose.names(["codes", "likelihood(k=5)"]) == ["codes", "likelihood(k=5)"]
    assert "reconstruction" in choose.names(None)
    assert choose.build("likelihood(5)") == choose.build("likelihood(k=5)")
    text = choose.spelled("likelihood", choose.build("likelihood"))
    assert re.match(r"likelihood\(k=", text)  # defaults are part of what was measured


@pytest.mark.parametrize(
    ("text", "error", "says"),
    [
        ("recontruction", UnknownMetricError, "did you mean 'reconstruction'"),
        ("likelihood(k=5", SpecError, "never closed"),
        ("k=5", SpecError, "expected"),
        ("5", MetricError, "a metric is a name or a call"),
        (",", MetricError, "no metric is named"),
    ],
)
def test_what_is_no_metric(text: str, error: type[Exception], says: str) -> None:
    with pytest.raises(error, match=says):
        choose.names(text)


def test_options_that_a_metric_does_not_take(register, monkeypatch) -> None:
    register(Counting)
    for text, says in (
        ("counting(j=5)", "its options are k"),
        ("counting(1,2)", "its options are k"),
        ("counting(k=2.5)", "'k' takes an int, found 2.5"),
        ("counting(k=many)", "'k' takes an int, found many"),
        ("reconstruction(3)", "it takes no options"),
        ("counting(k=0)", "k must be at least 1"),
    ):
        with pytest.raises(MetricError, match=says):
            choose.build(text)
    record = MetricRecord("lost", "aezoo.nowhere:X", "", extra="aezoo[bench]")
    monkeypatch.setattr(manifest, "_RECORDS", (*manifest._RECORDS, record))
    registry.reset()
    with pytest.raises(PluginLoadError, match=r"pip install aezoo\[bench\]"):
        choose.build("lost")


def test_every_registered_metric_is_one() -> None:
    for record in registry.metrics():
        metric = choose.build(record.name)
        assert isinstance(metric, Metric)
        assert type(metric).__doc__, record.name
        assert record.summary


def test_a_plugin_s_metrics() -> None:
    from types import SimpleNamespace

    from aezoo.manifest import ApiError, ManifestError, read

    def given(record: object) -> object:
        @aezoo.hookimpl
        def aezoo_metrics():
            yield record

        return SimpleNamespace(aezoo_metrics=aezoo_metrics)

    good = MetricRecord("sharpness", "acme.metrics:Sharpness", "how sharp")
    assert read(given(good), "acme") == (("metric", good),)
    for bad, says in (
        ("sharpness", "expected aezoo.records.MetricRecord"),
        (dataclasses.replace(good, name="acme/sharp"), "one word"),
        (dataclasses.replace(good, target="acme"), "expected 'package.module:name'"),
        (dataclasses.replace(good, api=0), "expected a number from 1 on"),
    ):
        with pytest.raises(ManifestError, match=says):
            read(given(bad), "acme")
    with pytest.raises(ApiError, match="upgrade aezoo"):
        read(given(dataclasses.replace(good, api=99)), "acme")


# -- rows


def row(**changes) -> Row:
    base = Row(
        model="m", data="digits", split="test", metric="mse", value=0.25, unit="", bound="",
        kind="", n=10, protocol="pixels in [0,1], z at its mode", seed=None,
        higher_is_better=False, weights="ab", spec_hash="cd", device="cpu", torch="2.9",
        aezoo="0.1", date="2026-01-01T00:00:00Z",
    )  # fmt: skip
    return dataclasses.replace(base, **changes)


def test_rows_are_read_back_exactly(tmp_path: Path) -> None:
    rows = [
        row(value=0.1 + 0.2, bound="≤", unit="nats", seed=0, higher_is_better=None),
        row(metric="x", value=math.inf, protocol='a "quoted", text\nof two lines'),
        row(metric="y", value=-1e-300, higher_is_better=True, seed=2**40),
    ]
    write_csv(tmp_path / "a.csv", rows)
    assert read_csv(tmp_path / "a.csv") == rows
    assert [from_json(json.loads(json.dumps(to_json(r), allow_nan=False))) for r in rows] == rows
    (nan,) = read_csv_text(tmp_path, csv_text([row(value=math.nan)]))
    assert math.isnan(nan.value)


def read_csv_text(folder: Path, text: str) -> list[Row]:
    (folder / "b.csv").write_text(text, encoding="utf-8")
    return read_csv(folder / "b.csv")


def test_a_damaged_file_is_named_with_its_line(tmp_path: Path) -> None:
    good = csv_text([row(), row(metric="psnr")])
    with pytest.raises(MetricError, match=r"nope\.csv: cannot be read"):
        read_csv(tmp_path / "nope.csv")
    with pytest.raises(MetricError, match="its columns are model"):
        read_csv_text(tmp_path, good.replace("metric,", "", 1))
    with pytest.raises(MetricError, match=r"b\.csv, line 3: holds no row"):
        read_csv_text(tmp_path, good.replace("psnr,0.25", "psnr,much"))
    with pytest.raises(MetricError, match="line 2: holds no row"):
        read_csv_text(tmp_path, good.replace(",10,", ",0,", 1))
    assert next(csv.reader([good.splitlines()[0]])) == list(COLUMNS)


def test_newer_rows_replace_older() -> None:
    old, new = row(), row(value=0.5, date="2026-02-01T00:00:00Z")
    other = row(device="gpu", date="2026-01-15T00:00:00Z", value=0.3)
    assert merge([new], [old]) == merge([old], [new]) == [new]
    assert merge([old], [other]) == [old, other]
    assert newest([new, other, old], "ab") == [new]
    assert newest([new], "ef") == []


def test_comparing_two_files() -> None:
    a = [row(), row(metric="psnr", value=20.0, higher_is_better=True), row(metric="only-a")]
    b = [row(value=0.2), row(metric="psnr", value=19.0, higher_is_better=True)]
    b += [row(metric="mse", n=11), row(metric="rate", higher_is_better=None)]
    both, only_a, only_b = compare(a, b)
    assert [c.verdict for c in both] == ["better", "worse"]
    assert both[0].difference == pytest.approx(-0.05)
    assert both[0].relative == pytest.approx(-0.2)
    assert [r.metric for r in only_a] == ["only-a"]
    assert [(r.metric, r.n) for r in only_b] == [("mse", 11), ("rate", 10)]
    changed, _, _ = compare([row(higher_is_better=None)], [row(value=1.0)])
    assert changed[0].verdict == "changed"
    same, _, _ = compare([row(value=math.nan)], [row(value=math.nan)])
    assert same[0].verdict == "same"


def test_a_file_is_named_after_device_and_versions() -> None:
    stem = file_stem("Intel(R) Xeon(R) CPU @ 2.20GHz, 8 cores", "2.9.1+cu128", "0.1.0")
    assert stem == "intel-xeon-cpu-2-20ghz-8-cores-torch2.9.1+cu128-aezoo0.1.0"


# -- reports


def test_the_table_shows_every_protocol_and_published_figures() -> None:
    other = published.Published(
        "VQ|VAE", "digits", "mse", "", 0.125, "≤", "theirs", "A paper, table 1"
    )
    elsewhere = dataclasses.replace(other, data="cifar10", model="absent")
    rows = [row(), row(metric="-elbo", value=1234.5, unit="nats", bound="≤", protocol="p2", seed=4)]
    rows += [row(model="b|c", value=2.0), row(split="train")]
    text = report.markdown(rows, [other, elsewhere])
    assert (
        text
        == """\
## digits test

| metric | m | b\\|c | published | protocol |
|---|---:|---:|---:|---|
| mse | 0.25 | 2 | *VQ\\|VAE ≤ 0.125* [1] | pixels in [0,1], z at its mode, N = 10 |
| -elbo, nats | ≤ 1234.5 |  |  | p2, seed 4, N = 10 |

1. theirs; A paper, table 1

## digits train

| metric | m | published | protocol |
|---|---:|---:|---|
| mse | 0.25 | *VQ\\|VAE ≤ 0.125* [1] | pixels in [0,1], z at its mode, N = 10 |

1. theirs; A paper, table 1
"""
    )
    twice = report.markdown([row(), row(weights="cd" * 32)], [])
    assert "| metric | m (ab) | m (cdcdcdcd) | protocol |" in twice


def test_the_published_figures_can_be_read() -> None:
    rows = published.published(ROOT / "benchmarks" / "published.csv")
    assert rows
    for other in rows:
        assert registry.dataset(other.data)
        assert math.isfinite(other.value)


def test_published_figures_are_checked(tmp_path: Path) -> None:
    file = tmp_path / "p.csv"
    file.write_text(",".join(published.COLUMNS) + "\nm,digits,mse,,0.1,,p,\n")
    with pytest.raises(MetricError, match="line 2: only unit and bound may be empty"):
        published.published(file)
    file.write_text("a,b\n")
    published.published.cache_clear()
    with pytest.raises(MetricError, match="its columns must be"):
        published.published(file)


def test_the_page_holds_everything(models, tmp_path: Path) -> None:
    run([models["vae"], models["vq"]], metrics=METRICS, n=120, out=tmp_path, device="cpu")
    (file,) = tmp_path.glob("*.html")
    text = file.read_text(encoding="utf-8")
    assert not re.search(r"""(src|href)=["'](?!data:)""", text)
    assert "prefers-color-scheme: dark" in text
    assert text.count("data:image/png;base64,") == 4  # reconstructions and samples of both
    assert "rate and distortion" in text
    assert "codes by how often they are used" in text
    for name in ("vae-digits", "vq-digits"):
        assert name in text
    assert str(tmp_path) not in text
    for name in ("nan", "inf"):
        assert f'"{name}"' not in text
    (markdown,) = tmp_path.glob("*.md")
    assert "| metric | vae-digits | vq-digits |" in markdown.read_text(encoding="utf-8")
    whole = json.loads(next(tmp_path.glob("*.json")).read_text(encoding="utf-8"))
    entry = whole["entries"][0]
    for name in ("measurement", "seed", "block", "n", "spec", "revision", "seconds", "rows"):
        assert name in entry


# -- the command


def test_the_command(models: dict[str, Path], tmp_path: Path) -> None:
    runner = CliRunner()
    arguments = [str(models["ae"]), "--metrics", "reconstruction", "--n", "20", "--device", "cpu"]
    shown = runner.invoke(app, ["bench", *arguments])
    assert shown.exit_code == 0, shown.output
    assert "pixels in [0,1], z at its mode" in shown.stdout
    for seed in (0, 1):
        done = runner.invoke(
            app, ["bench", *arguments, "--seed", str(seed), "--out", str(tmp_path / str(seed))]
        )
        assert done.exit_code == 0, done.output
    files = [str(next((tmp_path / str(seed)).glob("*.csv"))) for seed in (0, 1)]
    compared = runner.invoke(app, ["bench", "--compare", *files])
    assert compared.exit_code == 0, compared.output
    assert compared.stdout.count("same") == 3
    assert json.loads(runner.invoke(app, ["bench", "--list-metrics", "--json"]).stdout)
    failed = runner.invoke(app, ["bench", "nobody", *arguments])
    assert failed.exit_code == 1
    assert "nobody" in failed.stderr
    assert "mse" in failed.stdout
    assert runner.invoke(app, ["bench"]).exit_code == 2
    assert runner.invoke(app, ["bench", "x", "--compare", *files]).exit_code == 2
    assert runner.invoke(app, ["bench", "x", "--metrics", "nothing"]).exit_code == 2


def test_aezoo_bench_needs_no_import_of_its_own() -> None:
    code = "import sys, aezoo; assert 'torch' not in sys.modules; assert callable(aezoo.bench.run)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=ROOT)
    assert "bench" in dir(aezoo)


def test_listing_metrics_imports_no_torch() -> None:
    code = (
        "import sys; from aezoo.cli.app import app; "
        "app(['bench', '--list-metrics'], standalone_mode=False); assert 'torch' not in sys.modules"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert "reconstruction" in done.stdout


def test_a_task_is_dropped_where_it_failed() -> None:
    bench = _Bench(Ranks(), None, {}, None, "test", None, 0, 20, True, True, lambda text: None)
    tasks = [_Task("a", Metric(), {}), _Task("b", Metric(), {}, error="E: broke")]
    who = type("Who", (), {"name": "m"})
    assert bench._alive(who, tasks) == tasks[:1]
    assert [str(f) for f in bench.failures] == ["m, b: E: broke"]
