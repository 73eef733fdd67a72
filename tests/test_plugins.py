"""Discovery and loading, by the real mechanism: dist-info folders on sys.path."""

from __future__ import annotations

import dataclasses
import json
import sys
import threading

import pytest
from plugin_packages import TOY, installed_in, lay_out

from aezoo import plugins, registry
from aezoo.errors import PluginLoadError, PluginMissingError


@pytest.fixture
def site(tmp_path, monkeypatch):
    with installed_in(tmp_path, monkeypatch):
        yield tmp_path


def status(namespace: str) -> plugins.PluginStatus:
    rows = [s for s in plugins.statuses() if s.namespace == namespace]
    assert len(rows) == 1
    return rows[0]


def test_a_plugin_is_found_with_its_origin(site):
    lay_out(site, "acme", version="2.3")
    found = status("acme")
    assert found == plugins.PluginStatus(
        "acme", "acme-plugin", "2.3", "ok", "acme_plugin.manifest", ("quantizer acme/toy",)
    )
    assert json.loads(json.dumps(dataclasses.asdict(found)))["state"] == "ok"


def test_each_namespace_is_loaded_alone_and_no_component_is_imported(site):
    lay_out(site, "acme")
    lay_out(site, "other")
    assert {"acme", "other"} <= set(plugins.namespaces())
    assert "acme_plugin.manifest" not in sys.modules
    plugins.load("acme")
    assert "acme_plugin.manifest" in sys.modules
    assert "other_plugin" not in sys.modules
    plugins.load_all()
    assert "other_plugin.manifest" in sys.modules
    assert "acme_plugin.modules" not in sys.modules


def test_a_manifest_may_be_an_object(site):
    body = """
class Hooks:
    @hookimpl
    def aezoo_quantizers(self):
        return [quantizer()]

hooks = Hooks()
"""
    lay_out(site, "acme", body, value="acme_plugin.manifest:hooks")
    assert status("acme").state == "ok"


COMPONENT = "@hookimpl\ndef aezoo_quantizers():\n    yield "
MODEL = "@hookimpl\ndef aezoo_models():\n    yield "
DATASET = "@hookimpl\ndef aezoo_datasets():\n    yield "
FORMAT = "@hookimpl\ndef aezoo_formats():\n    yield "
ENTRY = "ModelEntry('m', 'vae(mlp,gaussian(2),mlp)', 's', (), folder='f')"

BROKEN = {
    "import": ("import nothing_of_that_name", "ModuleNotFoundError: No module named 'nothing_of"),
    "exit": ("raise SystemExit(3)", "SystemExit: 3"),
    "syntax": ("def", "SyntaxError"),
    "hook raises": ("@hookimpl\ndef aezoo_priors():\n    yield 1 / 0", "ZeroDivisionError"),
    "no hook": ("def aezoo_quantizers():\n    return []", "decorate its functions with @aezoo"),
    "unknown hook": (
        "@hookimpl\ndef aezoo_quantisers():\n    return []",
        "there is no hook 'aezoo_quantisers'; did you mean 'aezoo_quantizers'?",
    ),
    "hook's argument": ("@hookimpl\ndef aezoo_priors(x):\n    return []", "PluginValidationErr"),
    "family": (
        TOY + "@hookimpl\ndef aezoo_families():\n    return []",
        "aezoo_families is the core's own in api 1",
    ),
    "not a list": ("@hookimpl\ndef aezoo_quantizers():\n    return quantizer()", "yield records"),
    "not a record": (COMPONENT + "'toy'", "gave a str; expected aezoo.records.Component"),
    "record of another kind": (MODEL + "quantizer()", "expected aezoo.records.ModelEntry"),
    "name with namespace": (COMPONENT + "quantizer('acme/toy')", "without a namespace"),
    "name with a dot": (COMPONENT + "quantizer('toy.big')", "without a namespace"),
    "reserved name": (COMPONENT + "quantizer('none')", "not reserved"),
    "name twice": (TOY + "    yield quantizer()", "gives the name 'toy' twice"),
    "target": (COMPONENT + "quantizer(target='acme.Toy')", "expected 'package.module:name'"),
    "config": (COMPONENT + "quantizer(config=dict)", "expected a frozen dataclass"),
    "config not frozen": (
        f"@dataclass\nclass Loose:\n    x: int\n{COMPONENT}quantizer(config=Loose)",
        "Loose is not frozen",
    ),
    "config's version": (
        f"@dataclass(frozen=True)\nclass V:\n    version: int\n{COMPONENT}quantizer(config=V)",
        "field 'version'",
    ),
    "version": (COMPONENT + "quantizer(version=0)", "version is 0"),
    "api": (COMPONENT + "quantizer(api='1')", "api is '1'"),
    "ranks": (COMPONENT + "quantizer(caps=Capabilities(True, (4,)))", "some of 1, 2, 3"),
    "not discrete": (COMPONENT + "quantizer(caps=Capabilities())", "discrete=True"),
    "model's name": (MODEL + f"replace({ENTRY}, name='a/b')", "without a namespace"),
    "model's spec": (MODEL + f"replace({ENTRY}, spec='vae(')", "its spec cannot be read"),
    "model's place": (MODEL + f"replace({ENTRY}, folder=None)", "nobody knows where"),
    "model's revision": (
        MODEL + f"replace({ENTRY}, repo='a/b', revision='main')",
        "expected the 40 hex digits",
    ),
    "model's repo": (MODEL + f"replace({ENTRY}, repo='b')", "expected 'org/name'"),
    "model's file": (
        MODEL + f"replace({ENTRY}, files=(FileRecord('c', 1, 'abc'),))",
        "64 hex digits",
    ),
    "dataset's name": (DATASET + "Dataset('a.b', '', (1,), (), 0, (), 'mit')", "without a name"),
    "dataset's target": (
        DATASET + "Dataset('a', '', (1,), (), 0, (), 'mit', target='x')",
        "expected 'package.module:name'",
    ),
    "format's weights": (
        FORMAT + "FormatRecord('a', 'k', ('v',), 'model.bin', 'p:f', '')",
        "expected the name of a safetensors file",
    ),
    "format's kinds": (
        FORMAT + "FormatRecord('a', 'k', 'v', 'a.safetensors', 'p:f', '')",
        "a tuple of its values",
    ),
}


@pytest.mark.parametrize(("body", "message"), BROKEN.values(), ids=BROKEN.keys())
def test_a_broken_plugin_says_why_and_harms_no_other(site, body, message):
    lay_out(site, "bad", f"from dataclasses import replace\n{body}", version="0.9")
    lay_out(site, "good")
    assert status("good").state == "ok"
    found = status("bad")
    assert (found.state, found.provides) == ("broken", ())
    assert (found.distribution, found.version) == ("bad-plugin", "0.9")
    assert message in found.message
    assert found.traceback.startswith("Traceback")
    with pytest.raises(PluginLoadError, match=r"'bad' \(bad-plugin 0.9\).* broken: ") as caught:
        plugins.require("bad")
    assert caught.value.__cause__ is plugins.load("bad").error is not None
    assert plugins.require("good").status.state == "ok"


def test_nothing_of_a_broken_plugin_is_registered(site):
    lay_out(site, "bad", TOY + "\n@hookimpl\ndef aezoo_priors():\n    raise OSError('disk')")
    assert plugins.load("bad").records == ()
    assert not [r for r in registry.components() if r.namespace == "bad"]


def test_too_new_an_api_is_checked_before_anything_else(site):
    lay_out(site, "future", COMPONENT + "quantizer('for/later', api=2, target='?')")
    found = status("future")
    assert found.state == "incompatible"
    assert "written for plugin api 2, and this aezoo knows up to 1; upgrade" in found.message
    with pytest.raises(PluginLoadError, match="state is incompatible"):
        plugins.require("future")


def test_a_hook_of_a_newer_aezoo_may_be_optional(site):
    hook = "\n@hookimpl(optionalhook=True)\ndef aezoo_samplers():\n    return []\n"
    lay_out(site, "acme", TOY + hook)
    assert status("acme").state == "ok"


def test_two_distributions_in_one_namespace_load_neither(site):
    lay_out(site, "acme", distribution="acme-one", version="1.1")
    lay_out(site, "acme", distribution="acme-two", version="2.2")
    lay_out(site, "good")
    rows = [s for s in plugins.statuses() if s.namespace == "acme"]
    assert [(s.distribution, s.version, s.state) for s in rows] == [
        ("acme-one", "1.1", "conflict"),
        ("acme-two", "2.2", "conflict"),
    ]
    with pytest.raises(PluginLoadError, match=r"acme-one 1\.1 and acme-two 2\.2 claim the same"):
        plugins.require("acme")
    assert not {"acme_one.manifest", "acme_two.manifest"} & set(sys.modules)
    assert status("good").state == "ok"


def test_a_shadowed_distribution_is_no_conflict(site, monkeypatch):
    (site / "front").mkdir()
    (site / "back").mkdir()
    lay_out(site / "back", distribution="acme-plugin", version="1.0")
    lay_out(site / "front", distribution="Acme_Plugin", version="2.0", value="Acme_Plugin.manifest")
    monkeypatch.setattr(sys, "path", [str(site / "front"), str(site / "back"), *sys.path])
    plugins.reset()
    assert (status("acme").state, status("acme").version) == ("ok", "2.0")


def test_one_entry_point_twice_in_one_distribution(site):
    info = lay_out(site, "acme")
    with (info / "entry_points.txt").open("a") as file:
        file.write("acme = acme_plugin.modules\n")
    assert {s.state for s in plugins.load("acme").claims} == {"broken"}
    assert "is there 2 times" in plugins.load("acme").status.message


@pytest.mark.parametrize("namespace", ["core", "aezoo", "acme-rvq", "a.b", "none", "lambda"])
def test_a_namespace_must_be_a_free_word(site, namespace):
    lay_out(site, namespace, distribution="odd-plugin")
    found = status(namespace)
    assert found.state == "broken"
    assert "reserved" in found.message
    assert "odd_plugin.manifest" not in sys.modules


def test_block_list(site, monkeypatch):
    lay_out(site, "acme")
    lay_out(site, "other")
    monkeypatch.setenv("AEZOO_DISABLE_PLUGINS", " other , acme,")
    assert (status("acme").state, status("other").state) == ("blocked", "blocked")
    with pytest.raises(PluginLoadError, match="variable AEZOO_DISABLE_PLUGINS= other , acme, na"):
        plugins.require("acme")
    assert "acme_plugin" not in sys.modules


def test_allow_list(site, monkeypatch):
    lay_out(site, "acme")
    lay_out(site, "other")
    monkeypatch.setenv("AEZOO_PLUGINS", "acme")
    assert (status("acme").state, status("other").state) == ("ok", "blocked")
    with pytest.raises(PluginLoadError, match="AEZOO_PLUGINS=acme does not name it"):
        plugins.require("other")
    monkeypatch.setenv("AEZOO_PLUGINS", "")
    plugins.reset()
    assert {s.state for s in plugins.statuses()} == {"blocked"}


def test_a_blocked_one_of_two_claims_is_blocked_not_in_conflict(site, monkeypatch):
    lay_out(site, "acme", distribution="acme-one")
    lay_out(site, "acme", distribution="acme-two")
    monkeypatch.setenv("AEZOO_DISABLE_PLUGINS", "acme")
    assert {s.state for s in plugins.load("acme").claims} == {"blocked"}


def test_damaged_metadata_hides_no_other_plugin(site):
    (lay_out(site, "nameless") / "METADATA").unlink()
    (lay_out(site, "garbled") / "entry_points.txt").write_text("[aezoo]\nno value here\n")
    (lay_out(site, "binary") / "entry_points.txt").write_bytes(b"[aezoo]\n\xff\xfe = x\n")
    lay_out(site, "good")
    assert status("good").state == "ok"
    assert status("nameless").state == "ok"
    assert {s.state for s in plugins.statuses() if s.distribution == "garbled-plugin"} <= {"broken"}


def test_an_unknown_namespace_suggests_what_is_installed(site):
    lay_out(site, "acme")
    with pytest.raises(PluginMissingError, match=r"'acne'; did you mean 'acme'.*aezoo plugins"):
        plugins.load("acne")
    assert "acme_plugin" not in sys.modules


def test_a_manifest_that_asks_for_itself_is_broken(site):
    ask = "from aezoo import registry\nregistry.components()\n"
    lay_out(site, "loop", ask + TOY)
    lay_out(site, "good")
    assert status("loop").state == "broken"
    assert "asks the registry for its own records" in status("loop").message
    assert status("good").state == "ok"


def test_many_threads_load_once(site):
    lay_out(site, "slow", "import time; time.sleep(0.2)\n" + TOY)
    found = []
    start = threading.Barrier(8)

    def ask(i):
        start.wait()
        found.append(plugins.load("slow") if i % 2 else plugins.load_all()[-1])

    threads = [threading.Thread(target=ask, args=(i,)) for i in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert all(p is plugins.load("slow") for p in found if p.namespace == "slow")


def test_reset_finds_what_was_installed_meanwhile(site):
    assert "late" not in plugins.namespaces()
    lay_out(site, "late")
    plugins.reset()
    assert status("late").state == "ok"
