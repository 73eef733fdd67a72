"""The index of known plugins: it agrees with the folders in plugins/, and errors read it.

python tests/test_plugin_index.py    # writes the rows of the folders into the index
"""

from __future__ import annotations

import importlib
import json
import sys
import tomllib
from pathlib import Path

import pytest
from plugin_packages import installed_in, lay_out
from typer.testing import CliRunner

from aezoo import known, plugins, registry
from aezoo.cli.app import app
from aezoo.errors import PluginMissingError
from aezoo.hookspecs import HOOKS
from aezoo.hub.config import ComponentRecord
from aezoo.hub.load import check_components
from aezoo.manifest import is_word, read

FOLDERS = sorted(
    (Path(__file__).resolve().parent.parent / "plugins").glob("aezoo-*/pyproject.toml")
)
HOMEPAGE = "https://huggingface.co/aezoo"


def row(pyproject: Path) -> dict[str, object]:
    """What the index should say of one folder."""
    project = tomllib.loads(pyproject.read_text(encoding="utf-8"))["project"]
    ((namespace, value),) = project["entry-points"]["aezoo"].items()
    sys.path.insert(0, str(pyproject.parent))
    try:
        records = read(importlib.import_module(value), namespace)
    finally:
        sys.path.remove(str(pyproject.parent))
    kinds = {kind for kind, _ in records}
    return {
        "namespace": namespace,
        "distribution": project["name"],
        "kinds": [kind for kind in HOOKS if kind in kinds],
        "summary": project["description"],
        "homepage": project.get("urls", {}).get("Homepage", HOMEPAGE),
    }


@pytest.mark.parametrize("pyproject", FOLDERS, ids=lambda path: path.parent.name)
def test_the_index_agrees_with_the_folder(pyproject):
    expected = row(pyproject)
    found = [r for r in json.loads(known.index_file().read_text(encoding="utf-8"))
             if r["namespace"] == expected["namespace"]]  # fmt: skip
    assert found == [expected], "python tests/test_plugin_index.py writes it"


def test_rows_are_sound():
    spaces = [plugin.namespace for plugin in known.known()]
    assert spaces == sorted(set(spaces))
    assert len({plugin.distribution for plugin in known.known()}) == len(spaces)
    for plugin in known.known():
        assert is_word(plugin.namespace)
        assert plugin.kinds
        assert set(plugin.kinds) <= set(HOOKS)
        assert plugin.summary
        assert plugin.homepage.startswith("https://")


# -- what reads it


@pytest.fixture
def index(tmp_path, monkeypatch):
    """Two plugins are known, of which one is installed."""
    rows = [
        {"namespace": "acme", "distribution": "acme-rvq", "kinds": ["quantizer"],
         "summary": "Residual VQ", "homepage": "https://acme.example"},
        {"namespace": "sound", "distribution": "sounds-for-aezoo", "kinds": ["encoder", "dataset"],
         "summary": "Speech and noise", "homepage": "https://sound.example"},
    ]  # fmt: skip
    (tmp_path / "index.json").write_text(json.dumps(rows))
    monkeypatch.setattr(known, "index_file", lambda: tmp_path / "index.json")
    known.known.cache_clear()
    (tmp_path / "site").mkdir()
    lay_out(tmp_path / "site", "acme", distribution="acme-rvq")
    with installed_in(tmp_path / "site", monkeypatch):
        yield rows
    known.known.cache_clear()


def run(*args: str) -> str:
    result = CliRunner().invoke(app, ["plugins", "search", *args])
    assert result.exit_code == 0, result.output
    return result.stdout + result.stderr


def test_search(index):
    rows = json.loads(run("--json"))
    assert rows == [index[0] | {"installed": True}, index[1] | {"installed": False}]
    assert [r["namespace"] for r in json.loads(run("noise DATASET", "--json"))] == ["sound"]
    assert run() == (
        "acme  Residual VQ\n"
        "  kinds    quantizer\n"
        "  install  installed\n"
        "  page     https://acme.example\n\n"
        "sound  Speech and noise\n"
        "  kinds    encoder, dataset\n"
        "  install  pip install sounds-for-aezoo\n"
        "  page     https://sound.example\n"
    )
    assert run("noises") == "no known plugin matches 'noises'; `aezoo plugins search` shows all\n"
    assert "acme_rvq.manifest" not in sys.modules


def test_a_missing_plugin_that_is_known(index):
    asks = (
        lambda: registry.component(("encoder",), "sound/ears"),
        lambda: registry.dataset("sound/steps"),
        lambda: registry.model("sound/vqvae"),
        lambda: plugins.require("sound"),
    )
    for ask in asks:
        with pytest.raises(PluginMissingError) as caught:
            ask()
        assert str(caught.value) == (
            "no installed plugin has the namespace 'sound'; install it: "
            "pip install sounds-for-aezoo (Speech and noise)"
        )


def test_a_misspelt_plugin_that_is_known(index):
    with pytest.raises(PluginMissingError, match=r"'sond'; did you mean 'sound'.*plugins search"):
        plugins.require("sond")


@pytest.mark.parametrize(
    ("name", "distribution", "advice"),
    [
        ("sound/x", "sounds-for-aezoo", "; install it: pip install sounds-for-aezoo==2.0"),
        ("sound/x", "evil", "sounds-for-aezoo has this namespace, but config.json names evil==2.0"),
        ("new/x", "newest", "pip install newest==2.0 (so says config.json; look at who publishes"),
    ],
)
def test_weights_of_a_missing_plugin(index, name, distribution, advice):
    with pytest.raises(PluginMissingError) as caught:
        check_components((ComponentRecord("encoder", name, 1, distribution, "2.0"),), "here")
    assert advice in str(caught.value)


if __name__ == "__main__":
    ours = {str(r["namespace"]): r for r in map(row, FOLDERS)}
    path = known.index_file()
    others = [r for r in json.loads(path.read_text()) if r["namespace"] not in ours]
    rows = sorted([*ours.values(), *others], key=lambda r: str(r["namespace"]))
    path.write_text(json.dumps(rows, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
