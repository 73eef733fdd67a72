"""A stranger's package, built and installed by pip, does its work through the public surface."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from plugin_packages import TOY, install, sources

ROOT = Path(__file__).resolve().parent.parent
CHILD = {"OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "error"}

LIST = """
import dataclasses, json
from aezoo import plugins, registry
print(json.dumps({
    "plugins": [dataclasses.asdict(s) for s in plugins.statuses()],
    "quantizers": [r.qualified for r in registry.components("quantizer")],
}))
"""

ROUND_TRIP = """
import sys, torch, aezoo
from safetensors.torch import save_file
torch.manual_seed(0)
x = torch.rand(2, 3, 32, 32)
model = aezoo.create("vqvae(res(32),acme/toy(16,8),unres(32))").eval()
model.save_pretrained(sys.argv[1])
seen = {"x": x, "y": model.reconstruct(x).detach().contiguous(), "codes": model.encode(x).codes}
save_file(seen, sys.argv[1] + ".out")
print(model.spec)
"""

LOAD_BACK = """
import json, sys, torch, aezoo
from safetensors.torch import load_file
seen = load_file(sys.argv[1] + ".out")
model = aezoo.create("local:" + sys.argv[1])
assert torch.equal(model.encode(seen["x"]).codes, seen["codes"])
assert torch.equal(model.reconstruct(seen["x"]), seen["y"])
saved = json.load(open(sys.argv[1] + "/config.json"))["components"]
print(json.dumps([c for c in saved if "acme" in c["name"]]))
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory) -> Path:
    """A folder with six plugins, each installed by pip from its sources."""
    work = tmp_path_factory.mktemp("plugins")
    future = TOY.replace("quantizer()", "quantizer(api=2)")
    projects = [
        sources(work / "src", "acme", version="1.2"),
        sources(work / "src", "broken", "import nothing_of_that_name"),
        sources(work / "src", "future", future),
        sources(work / "src", "twice", distribution="twice-one"),
        sources(work / "src", "twice", distribution="twice-two"),
        sources(work / "src", "shut"),
    ]
    install(projects, work / "site")
    return work / "site"


def python(code: str, *args: str, path: Path | None = None, **env: str) -> str:
    """Run ``code`` in a fresh interpreter that sees this aezoo, and the plugins in ``path``."""
    seen = os.pathsep.join(map(str, filter(None, [path, ROOT])))
    done = subprocess.run(
        [sys.executable, "-c", code, *args],
        env=os.environ | CHILD | {"PYTHONPATH": seen} | env,
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_every_plugin_is_reported_and_harms_no_other(installed):
    found = json.loads(python(LIST, path=installed, AEZOO_DISABLE_PLUGINS="shut"))
    ours = {"acme", "broken", "future", "shut", "twice"}
    rows = {r["distribution"]: r for r in found["plugins"] if r["namespace"] in ours}
    assert {name: row["state"] for name, row in rows.items()} == {
        "acme-plugin": "ok",
        "broken-plugin": "broken",
        "future-plugin": "incompatible",
        "shut-plugin": "blocked",
        "twice-one": "conflict",
        "twice-two": "conflict",
    }
    assert rows["acme-plugin"]["version"] == "1.2"
    assert rows["acme-plugin"]["provides"] == ["quantizer acme/toy"]
    assert "nothing_of_that_name" in rows["broken-plugin"]["traceback"]
    assert "AEZOO_DISABLE_PLUGINS" in rows["shut-plugin"]["message"]
    assert [q for q in found["quantizers"] if q.partition("/")[0] in ours] == ["acme/toy"]
    assert "vq" in found["quantizers"]


def test_allowing_one_leaves_the_others_out(installed):
    found = json.loads(python(LIST, path=installed, AEZOO_PLUGINS="shut"))
    states = {row["namespace"]: row["state"] for row in found["plugins"]}
    assert states.pop("shut") == "ok"
    assert set(states.values()) == {"blocked"}


def test_listing_imports_no_torch(installed):
    check = "\nimport sys; assert not {'torch', 'numpy'} & set(sys.modules)"
    python(LIST + check, path=installed)


def test_a_model_with_the_plugin_is_saved_and_loaded_back(installed, tmp_path):
    folder = str(tmp_path / "model")
    assert "acme/toy(16" in python(ROUND_TRIP, folder, path=installed)
    (saved,) = json.loads(python(LOAD_BACK, folder, path=installed))
    assert (saved["kind"], saved["name"]) == ("quantizer", "acme/toy")
    assert (saved["distribution"], saved["distribution_version"]) == ("acme-plugin", "1.2")


def test_loading_without_the_plugin_says_what_to_install(installed, tmp_path):
    folder = str(tmp_path / "model")
    python(ROUND_TRIP, folder, path=installed)
    ask = (
        "import sys, aezoo\nfrom aezoo.errors import PluginMissingError\n"
        "try: aezoo.create('local:' + sys.argv[1])\n"
        "except PluginMissingError as error: print(error)\n"
    )
    assert "pip install acme-plugin" in python(ask, folder)
