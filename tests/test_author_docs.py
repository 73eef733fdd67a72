"""plugins/README.md does what it says: its files and commands, run in order in a folder of its own.

The plugin of the tutorial is made importable as an installer would leave it; that pip builds and
installs such a package is `test_plugin_install`'s. plugins/HOOKS.md is what hookspecs say.
"""

from __future__ import annotations

import ast
import importlib
import importlib.util
import os
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import aezoo
from aezoo.testing.localhub import LocalHub

PLUGINS = Path(__file__).resolve().parent.parent / "plugins"
TEXT = (PLUGINS / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)


def files() -> dict[str, str]:
    """Path -> text, of the blocks that begin with one; what is appended comes behind."""
    found: dict[str, str] = {}
    for _, text in BLOCKS:
        if match := re.match(r"# ([\w./]+)(, appended)?\n", text):
            name, appended = match.groups()
            assert bool(appended) == (name in found), name
            found[name] = found.get(name, "") + text[match.end() :]
    return found


def lines(word: str) -> list[list[str]]:
    """The commands of the shell blocks that begin with ``aezoo WORD``."""
    shell = "".join(text for language, text in BLOCKS if language == "sh")
    return [shlex.split(line) for line in shell.splitlines() if line.startswith(f"aezoo {word}")]


@pytest.fixture(scope="module")
def author(tmp_path_factory):
    """A folder with the plugin, and a function that runs a command in it."""
    folder = tmp_path_factory.mktemp("author")
    project = tomllib.loads(files()["pyproject.toml"])["project"]
    ((namespace, value),) = project["entry-points"]["aezoo"].items()
    assert (namespace, value) == ("acme", "acme_bits.manifest")
    for name, text in files().items():
        if name.startswith("acme_bits/"):
            (folder / name).parent.mkdir(exist_ok=True)
            # The entry of the zoo comes when there is something to pin.
            (folder / name).write_text(text.partition("@aezoo.hookimpl\ndef aezoo_models")[0])
    (folder / "acme_bits/__init__.py").write_text("")
    info = folder / f"acme_bits-{project['version']}.dist-info"
    info.mkdir()
    head = f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    (info / "METADATA").write_text(head)
    (info / "entry_points.txt").write_text(f"[aezoo]\n{namespace} = {value}\n")

    def run(*command: str, code: int = 0, **environment: str) -> str:
        path = os.pathsep.join(filter(None, [str(folder), os.environ.get("PYTHONPATH", "")]))
        own = {"PYTHONPATH": path, "AEZOO_PLUGINS": "acme", "OMP_NUM_THREADS": "1"}
        if command[0] == "aezoo":
            command = (sys.executable, "-m", *command)
        done = subprocess.run(
            command,
            cwd=folder,
            env=os.environ | own | environment,
            capture_output=True,
            text=True,
            timeout=600,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + done.stderr

    return folder, run


def test_the_part_is_twenty_lines_and_the_records_need_no_torch(author):
    _, run = author
    written = [line for line in files()["acme_bits/quantizer.py"].splitlines() if line.strip()]
    body = written[next(i for i, line in enumerate(written) if "def __init__" in line) :]
    assert len(body) <= 20
    run(sys.executable, "-c", "import sys, acme_bits.manifest; assert 'torch' not in sys.modules")


def test_it_is_listed_and_checked(author):
    _, run = author
    (info,), (check,) = lines("info"), lines("check")
    text = run(*info)
    assert "the sign of each channel" in text and "acme-bits 0.1.0" in text
    # The slow rules are tried on each kind in test_conformance.
    rules = ("shape_contract", "codes_round_trip", "gradient_flow", "weights_round_trip")
    text = run(*check, *(word for rule in rules for word in ("--only", rule)))
    assert "acme/bits" in text and "acme/signs" in text
    assert "(deprecated: use acme/bits)" in run("aezoo", "list", "--components", "acme/")


def test_the_kit_is_used_as_shown(author):
    folder, run = author
    (folder / "tests").mkdir()
    (folder / "tests/test_conformance.py").write_text(files()["tests/test_conformance.py"])
    text = run(sys.executable, "-m", "pytest", "-q", "tests", "-p", "no:cacheprovider",
               "-k", "acme/bits and meta")  # fmt: skip
    assert "passed" in text


def test_the_python_block_runs(author):
    folder, run = author
    (block,) = [t for language, t in BLOCKS if language == "python" and "aezoo.create(" in t]
    (folder / "use.py").write_text(block)
    run(sys.executable, "-W", "error", "use.py")


def test_a_retired_name_warns_and_builds(author):
    _, run = author
    code = "import aezoo; aezoo.create('vqvae(res(8),acme/signs(4),unres(8))', input=(1,8,8))"
    assert "the quantizer acme/signs is deprecated: use acme/bits" in run(
        sys.executable, "-c", code
    )


def test_new_plugin_as_shown(author):
    folder, run = author
    for command in lines("new-plugin"):
        run(*command)
        written = folder / command[2] / "pyproject.toml"
        assert tomllib.loads(written.read_text())["project"]["name"] == command[2]
    assert "Ada Lovelace" in (folder / "acme-flow/LICENSE").read_text()


def test_trained_published_named_and_loaded(author, tmp_path):
    """From `aezoo train` to a name in the zoo, pinned by what `aezoo publish` printed."""
    folder, run = author
    (train,), (publish,) = lines("train"), lines("publish")
    said = run(*train, "--device", "cpu", "--quiet")
    final = Path(re.search(r'"local:(.*)"', said)[1])
    assert final.parent.parent == Path("runs")
    command = [word.replace("runs/NAME/final", str(final)) for word in publish]
    with LocalHub() as hub:
        home = hub.env(tmp_path / "home")
        said = run(*command, **home)
        source, commit = re.search(r'"(hf://acme/bits-digits@([0-9a-f]{40}))"', said).groups()
        assert "README.md" in said
        run(sys.executable, "-c", f"import aezoo; aezoo.create({source!r})", **home)
        text = files()["acme_bits/manifest.py"].replace('"COMMIT"', f'"{commit}"')
        for name, word in (("config.json", "CONFIG"), ("model.safetensors", "WEIGHTS")):
            size, digest = re.search(rf"{name}  ([\d,]+) bytes  sha256 (\w+)", said).groups()
            text = text.replace(f"{word}_SIZE", size.replace(",", "_"))
            text = text.replace(f"{word}_SHA256", digest)
        (folder / "acme_bits/manifest.py").write_text(text)
        code = "import aezoo; print(aezoo.create('acme/bits-digits', pretrained=True).spec)"
        assert "acme/bits(6)" in run(sys.executable, "-c", code, **home)
        assert hub.errors == []
    missing = run("aezoo", "info", "acme/bits-digits", code=2, AEZOO_PLUGINS="")
    assert "acme" in missing


def test_hooks_page_is_what_the_hookspecs_say():
    spec = importlib.util.spec_from_file_location("hooks_page", PLUGINS / "hooks.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert module.PAGE.read_text(encoding="utf-8") == module.page(), "python plugins/hooks.py"


def offered() -> dict[str, set[str]]:
    """Module -> the names that the page lets plugins import from it."""
    section = TEXT.partition("## What may be imported")[2].partition("\n## ")[0]
    rows = re.findall(r"^\| `([\w.]+)` \| (.*) \|$", section, re.MULTILINE)
    found = {module: set(re.findall(r"`(\w+)`", cell)) for module, cell in rows}
    for module, names in found.items():
        there = importlib.import_module(module)
        assert not {name for name in names if not hasattr(there, name)}, module
    for name in ("aezoo", "aezoo.errors", "aezoo.records"):
        found[name] |= {n for n in dir(importlib.import_module(name)) if not n.startswith("_")}
    return found


def ours(module: str) -> bool:
    return module.partition(".")[0] == "aezoo"


def is_module(name: str) -> bool:
    parent = importlib.import_module(name.rpartition(".")[0])
    return hasattr(parent, "__path__") and importlib.util.find_spec(name) is not None


def imported(path: Path) -> set[tuple[str, str]]:
    """(module, name) of what a file, or a template of one, takes of aezoo; of a module, the names
    that it uses."""
    text = path.read_text(encoding="utf-8")
    tree = ast.parse(re.sub(r"\$\{?(\w+)\}?", r"\1", text))
    found, modules = set(), {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            modules |= {a.asname or a.name: a.name for a in node.names if ours(a.name)}
        elif isinstance(node, ast.ImportFrom) and ours(node.module or ""):
            for alias in node.names:
                whole = f"{node.module}.{alias.name}"
                if is_module(whole):
                    modules[alias.asname or alias.name] = whole
                else:
                    found.add((node.module, alias.name))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and ast.unparse(node.value) in modules:
            found.add((modules[ast.unparse(node.value)], node.attr))
    return found


def test_plugins_import_what_the_page_offers():
    known, seen = offered(), 0
    templates = Path(aezoo.__file__).parent / "scaffold" / "templates"
    files = [*PLUGINS.glob("aezoo-*/aezoo_*/**/*.py"), *templates.glob("**/*.py.txt")]
    assert len(files) > 40
    for path in sorted(files):
        for module, name in sorted(imported(path)):
            seen += 1
            assert name in known.get(module, ()), f"{path}: {module} {name}"
    assert seen > 50


def test_every_hook_and_link_of_the_page_is_there():
    from aezoo.hookspecs import HOOKS

    page = (PLUGINS / "HOOKS.md").read_text(encoding="utf-8")
    assert re.findall(r"^## `(\w+)`$", page, re.MULTILINE) == list(HOOKS.values())
    for link in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (PLUGINS / link).exists(), link
    for folder in re.findall(r"`(aezoo-\w+)`", TEXT):
        assert (PLUGINS / folder).is_dir(), folder
