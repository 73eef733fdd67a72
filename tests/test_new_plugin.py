"""`aezoo new-plugin`: what it writes works as it stands, and what it refuses leaves nothing."""

from __future__ import annotations

import importlib
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from plugin_packages import install
from typer.testing import CliRunner

from aezoo import known
from aezoo.cli.app import app
from aezoo.errors import ScaffoldError
from aezoo.manifest import read
from aezoo.records import Component
from aezoo.scaffold import write as writer
from aezoo.scaffold.kinds import KINDS
from aezoo.scaffold.names import LONGEST, names
from aezoo.scaffold.write import LICENSES, write
from aezoo.spec import parse


def files(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def test_the_command_writes_the_package_and_says_what_is_next(tmp_path):
    result = CliRunner().invoke(app, ["new-plugin", "acme-rvq", "--out", str(tmp_path)])
    assert result.exit_code == 0, result.output
    folder = tmp_path / "acme-rvq"
    assert result.stdout == f'cd {folder}\npip install -e ".[test]"\npytest\n'
    assert files(folder) == {
        "pyproject.toml", "README.md", "LICENSE", ".gitignore", ".github/workflows/ci.yml",
        "acme_rvq/__init__.py", "acme_rvq/manifest.py", "acme_rvq/configs.py",
        "acme_rvq/quantizer.py", "tests/test_conformance.py", "tests/test_quantizer.py",
    }  # fmt: skip
    assert files(tmp_path) == {f"acme-rvq/{name}" for name in files(folder)}
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    assert project["name"] == "acme-rvq"
    assert project["license"] == "Apache-2.0"
    assert project["entry-points"] == {"aezoo": {"acme": "acme_rvq.manifest"}}
    assert (
        "python-version: ${{ matrix.python }}" in (folder / ".github/workflows/ci.yml").read_text()
    )


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_one_component_whose_example_can_be_read(tmp_path, monkeypatch, kind):
    folder = write(f"made-{kind}", kind=kind, out=tmp_path)
    monkeypatch.syspath_prepend(folder)
    manifest = importlib.import_module(f"made_{kind}.manifest")
    assert f"made_{kind}.{kind}" not in sys.modules
    ((found, record),) = read(manifest, "made")
    assert isinstance(record, Component)
    assert (found, record.name) == (kind, kind)
    assert record.paper
    readme = (folder / "README.md").read_text(encoding="utf-8")
    model = readme.partition('spec = "')[2].partition('"')[0]
    assert f"made/{kind}" in str(parse(model))
    assert "$" not in readme


def test_every_kind_and_licence_is_clean_and_no_placeholder_is_left(tmp_path):
    long = f"{'a' * 14}-{'b' * (LONGEST - 15)}"  # the longest name makes the longest lines
    for kind in KINDS:
        write(long, kind=kind, out=tmp_path / kind)
        write("ab-c", kind=kind, out=tmp_path / kind, namespace="x")
    for license in LICENSES:
        folder = write("acme-rvq", license=license, out=tmp_path / license, author='Ö "Q" \\ 🦆')
        project = tomllib.loads((folder / "pyproject.toml").read_text(encoding="utf-8"))["project"]
        assert project["authors"] == [{"name": 'Ö "Q" \\ 🦆'}]
        assert project.get("license", "") == LICENSES[license]
        assert (folder / "LICENSE").exists() == (license != "none")
        if license in ("mit", "bsd-3-clause"):
            assert 'Ö "Q" \\ 🦆' in (folder / "LICENSE").read_text(encoding="utf-8")
    for path in tmp_path.rglob("*"):
        if path.is_file() and path.name != "ci.yml":
            assert "$" not in path.read_text(encoding="utf-8"), path
    ruff = Path(sys.executable).with_name("ruff")
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run([ruff, *command, tmp_path], capture_output=True, text=True)
        assert done.returncode == 0, done.stdout


def test_what_it_writes_installs_and_passes_its_own_tests(tmp_path):
    """Each kind, each with one of the licences, built by pip; all tests in one process."""
    licences = [*LICENSES] * len(KINDS)
    projects = [
        write(f"made-{kind}", kind=kind, namespace=f"made_{kind}", license=licence, out=tmp_path)
        for kind, licence in zip(KINDS, licences, strict=False)
    ]
    install(projects, tmp_path / "site")
    tests = [project / "tests" for project in projects]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--import-mode=importlib",
         "-p", "no:cacheprovider", "--rootdir", tmp_path, *tests],
        env=os.environ | {"PYTHONPATH": str(tmp_path / "site")},
        cwd=tmp_path, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    # Of each: what the namespace is checked for, its component, and its own tests.
    passed = int(re.search(r"(\d+) passed", done.stdout)[1])
    assert passed > 12 * len(KINDS)


def test_a_name_of_one_word_calls_the_component_after_its_kind():
    found = names("Acme", "prior")
    assert (found.namespace, found.package, found.component) == ("acme", "acme", "my_prior")
    assert found.cls == "MyPrior"
    found = names("Acme.Fast_Residual-VQ", "quantizer", "fast")
    assert (found.namespace, found.package) == ("fast", "acme_fast_residual_vq")
    assert (found.component, found.cls) == ("fast_residual_vq", "FastResidualVq")


@pytest.mark.parametrize(
    ("name", "namespace", "message"),
    [
        ("", None, "no name for a distribution"),
        ("-acme", None, "no name for a distribution"),
        ("acme rvq", None, "no name for a distribution"),
        ("../acme", None, "no name for a distribution"),
        ("acmé", None, "no name for a distribution"),
        ("a" * (LONGEST + 1), None, f"at most {LONGEST}"),
        ("3d-vq", None, "which Python cannot import"),
        ("class", None, "which Python cannot import"),
        ("json", None, "hide another package"),
        ("torch", None, "hide another package"),
        ("acme-3d", None, "behind its first word, which a spec cannot write"),
        ("aezoo-rvq", None, "'aezoo' is reserved for the core"),
        ("core-rvq", None, "'core' is reserved for the core"),
        ("acme-rvq", "a/b", "not one word"),
        ("acme-rvq", "a-b", "not one word"),
        ("acme-rvq", "", "not one word"),
        ("none-rvq", None, "not one word"),
        ("acme-rvq", "a" * LONGEST, "has more than"),
        ("sound-rvq", None, "is that of sounds-for-aezoo"),
    ],
)
def test_bad_names_are_refused_and_nothing_is_written(
    tmp_path, monkeypatch, name, namespace, message
):
    plugin = known.KnownPlugin("sound", "sounds-for-aezoo", ("encoder",), "s", "https://x")
    monkeypatch.setattr(known, "known", lambda: (plugin,))
    with pytest.raises(ScaffoldError, match=message):
        write(name, namespace=namespace, out=tmp_path)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kind": "family"}, "no kind 'family' here; take quantizer, "),
        ({"license": "gpl"}, "no licence 'gpl' here; take apache-2.0, "),
        ({"author": "a\nb"}, "not a name"),
    ],
)
def test_bad_options_are_refused(tmp_path, options, message):
    with pytest.raises(ScaffoldError, match=message):
        write("acme-rvq", out=tmp_path, **options)
    assert list(tmp_path.iterdir()) == []


def test_an_existing_folder_is_left_alone(tmp_path):
    (tmp_path / "acme-rvq").mkdir()
    result = CliRunner().invoke(app, ["new-plugin", "acme-rvq", "--out", str(tmp_path)])
    assert result.exit_code == 2
    assert "is there already; remove it, or give another --out" in result.stderr
    assert files(tmp_path) == set()


def test_a_write_that_fails_leaves_nothing(tmp_path, monkeypatch):
    texts = dict(writer.files(names("acme-rvq", "quantizer"), "quantizer", "mit", ""))
    monkeypatch.setattr(writer, "files", lambda *_: texts | {"acme_rvq": "a folder of that name"})
    with pytest.raises(ScaffoldError, match="cannot be written"):
        write("acme-rvq", out=tmp_path)
    assert list(tmp_path.iterdir()) == []
