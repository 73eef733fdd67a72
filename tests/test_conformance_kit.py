"""The kit around the checks: what is collected, expected failures, the command, pytest's plugin."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer.testing import CliRunner

from aezoo.cli.app import app
from aezoo.errors import UnknownModelError
from aezoo.spec import SpecError
from aezoo.testing import cases, parametrize_with_checks
from aezoo.testing.checks import CHECKS

run = CliRunner().invoke
QUICK = ["--only", "spec_round_trip", "--only", "record_complete"]


def kinds(what: str) -> set[tuple[str, str]]:
    return {(case.subject.kind, case.subject.name) for case in cases(what)}


# -- what is collected


def test_a_name_is_a_component_and_brackets_give_its_arguments():
    assert kinds("vq") == {("quantizer", "vq")}
    assert kinds("gaussian") >= {("posterior", "gaussian"), ("likelihood", "gaussian")}
    assert kinds("vq(8,4,update=gradient)") == {("quantizer", "vq")}
    assert kinds("vae(mlp(8),gaussian(2),mlp(8))") == {("family", "vae")}
    names = {case.check.name for case in cases("vq(8,4)")}
    assert {"codes_round_trip", "two_ranks_equal_one"} <= names
    assert not names & {"causality", "pretrained_loads", "plugin_loads"}


def test_the_core_is_a_namespace_with_all_its_records():
    found = kinds("core")
    assert {("encoder", "res"), ("model", "vqvae-cifar10"), ("dataset", "cifar10")} <= found
    assert {"metric", "feature", "condition", "objective"} <= {kind for kind, _ in found}
    ids = [case.id for case in cases("core")]
    assert len(set(ids)) == len(ids)


@pytest.mark.parametrize(
    ("what", "error", "message"),
    [
        ("vq(codez=8)", SpecError, "no argument 'codez'"),
        ("vqq(8,4)", SpecError, "did you mean"),
        ("nothing", UnknownModelError, "to check"),
        ("nobody/rvq", UnknownModelError, "aezoo plugins"),
    ],
)
def test_what_is_not_there_says_what_there_is(what, error, message):
    with pytest.raises(error, match=message):
        cases(what)


# -- the decorator


def test_expected_failures_are_strict_and_named():
    reason = "a later version does it"
    decorator = parametrize_with_checks(
        ["vq(8,4)", "fsq(3,3)"], expected_failed={"vq:torch_compile": reason}
    )
    (params,) = decorator.args[1:]
    marked = [p for p in params if p.marks]
    assert [p.id for p in marked] == ["quantizer:vq(8,4)-torch_compile"]
    (mark,) = marked[0].marks
    assert mark.name == "xfail" and mark.kwargs["strict"] and mark.kwargs["reason"] == reason


def test_an_expected_failure_of_no_check_is_an_error():
    with pytest.raises(ValueError, match="no check 'tourch_compile'; did you mean 'torch_compile'"):
        parametrize_with_checks("vq", expected_failed={"tourch_compile": "?"})


def test_random_numbers_of_the_caller_are_left_alone():
    import torch

    state = torch.get_rng_state()
    (case,) = [c for c in cases("gaussian(3)") if c.check.name == "meta_construction"
               and c.subject.kind == "posterior"]  # fmt: skip
    case()
    assert torch.equal(torch.get_rng_state(), state)


# -- the command


def test_the_command_lists_each_check_and_counts():
    result = run(app, ["check", "vq(8,4)", *QUICK])
    assert result.exit_code == 0, result.output
    lines = result.output.splitlines()
    assert [line.split()[0] for line in lines] == ["ok", "ok", "2"]
    assert lines[-1] == "2 ok"
    assert "spec_round_trip" in result.output


def test_the_command_as_json():
    result = run(app, ["check", "vq(8,4)", *QUICK, "--json"])
    rows = json.loads(result.output)
    assert {row["state"] for row in rows} == {"ok"}
    assert set(rows[0]) == {"subject", "check", "state", "message", "seconds"}


def test_a_failure_is_exit_code_1_with_its_message(monkeypatch):
    def broken(subject):
        """All is well.

        Fix: do better."""
        raise AssertionError("it is not")

    monkeypatch.setattr("aezoo.testing.checks.specs.spec_round_trip", broken)
    result = run(app, ["check", "vq(8,4)", "--only", "spec_round_trip"])
    assert result.exit_code == 1
    assert "breaks the rule spec_round_trip: All is well." in result.output
    assert "fix: do better." in result.output and "1 failed" in result.output


def test_a_check_that_does_not_apply_is_skipped_with_its_reason():
    result = run(app, ["check", "point(3)", "--only", "rate_is_monte_carlo"])
    assert result.exit_code == 0
    assert "skipped" in result.output and "a plain autoencoder has no rate" in result.output


def test_an_unknown_check_is_refused():
    result = run(app, ["check", "vq", "--only", "nothing"])
    assert result.exit_code == 2
    assert CHECKS[0].name in result.output.replace("\n", "")


# -- pytest's plugin


def pytest_in(folder: Path, text: str, *options: str) -> str:
    (folder / "test_it.py").write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *options]
    env = {name: value for name, value in os.environ.items() if name != "AEZOO_DATA"}
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_pytests_plugin_imports_nothing_heavy(tmp_path):
    pytest_in(
        tmp_path,
        "import sys\n\n"
        "def test_light(pytestconfig):\n"
        "    assert pytestconfig.pluginmanager.hasplugin('aezoo')\n"
        "    heavy = {'torch', 'numpy', 'huggingface_hub', 'typer', 'aezoo.registry'}\n"
        "    assert not heavy & set(sys.modules)\n",
    )


def test_pytests_plugin_gives_a_hub_a_home_and_markers(tmp_path):
    said = pytest_in(
        tmp_path,
        "import os, pathlib, pytest\n\n"
        "def test_hub(aezoo_hub):\n"
        "    assert aezoo_hub.url.startswith('http://127.0.0.1')\n\n"
        "def test_home(aezoo_home):\n"
        "    assert pathlib.Path(os.environ['AEZOO_CACHE']).parent == aezoo_home\n"
        "    assert not list(pathlib.Path(os.environ['HF_HOME']).iterdir())\n\n"
        "@pytest.mark.aezoo_data('cifar10')\n"
        "def test_data():\n"
        "    raise SystemError\n",
        "--strict-markers",
        "-rs",
    )
    assert "2 passed, 1 skipped" in said
    assert "needs the data sets cifar10" in said
