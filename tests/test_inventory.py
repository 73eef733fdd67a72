"""Listings remember what plugins offer, and never what they no longer do."""

from __future__ import annotations

import csv
import json
import os
import sys
from pathlib import Path

import pytest
from plugin_packages import TOY, installed_in, lay_out

from aezoo import inventory, listing, plugins, registry

OURS = ("acme", "other", "bad")


@pytest.fixture
def site(tmp_path, monkeypatch):
    (tmp_path / "site").mkdir()
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "cache"))
    with installed_in(tmp_path / "site", monkeypatch):
        yield tmp_path / "site"


def install(site: Path, namespace: str = "acme", body: str = TOY, **more: str) -> Path:
    """As an installer does it: with a RECORD of every file."""
    info = lay_out(site, namespace, body, **more)
    package = info.name.partition("-")[0]
    files = [*(site / package).glob("*.py"), *info.iterdir(), info / "RECORD"]
    with (info / "RECORD").open("w", newline="") as file:
        csv.writer(file).writerows([f.relative_to(site).as_posix(), "", ""] for f in files)
    return info


def look() -> tuple[list[str], set[str]]:
    """What a new process lists of our plugins, and which of their modules it imports."""
    for name in [n for n in sys.modules if n.partition("_plugin")[0] in OURS]:
        del sys.modules[name]
    registry.reset()
    names = [n for n in listing.list_components(kind="quantizer") if n.partition("/")[0] in OURS]
    return names, {n for n in sys.modules if n.partition("_plugin")[0] in OURS}


def test_the_second_listing_imports_no_plugin(site):
    for namespace in ("acme", "other"):
        install(site, namespace)
    names, imported = look()
    assert names == ["acme/toy", "other/toy"]
    assert {"acme_plugin.manifest", "other_plugin.manifest"} <= imported
    assert look() == (names, set())
    row = next(s for s in inventory.statuses() if s.namespace == "acme")
    assert row == plugins.require("acme").status  # asking for it loads it, and says the same
    assert "acme_plugin.manifest" in sys.modules
    assert "acme_plugin.modules" not in sys.modules


def test_every_record_is_listed_as_it_was_loaded(site):
    body = """
@hookimpl
def aezoo_quantizers():
    yield quantizer("toy", summary="ein Spielzeug: \\u00e4", version=3)

@hookimpl
def aezoo_models():
    files = (FileRecord("a", 7, "0" * 64), FileRecord("b", 5, "1" * 64))
    yield ModelEntry("m.tag", "vae(mlp(2),gaussian(2),mlp(2))", "s", files, "digits", "mit",
                     folder="f")

@hookimpl
def aezoo_datasets():
    yield Dataset("moons", "two moons", (2,), (("train", 9),), 1, ("a", "b"), "mit")
"""
    install(site, "acme", body, version="2.3")
    seen = []
    for _ in range(2):
        _, imported = look()
        seen.append([i for s in inventory.shelves() for i in s.items if i.name[:5] == "acme/"])
    assert not imported
    assert seen[0] == seen[1]
    assert seen[0][0] == inventory.Item(
        "quantizer", "acme/toy", "ein Spielzeug: ä", "acme-plugin", "2.3", version=3
    )
    assert [(i.kind, i.bytes, i.license) for i in seen[0][1:]] == [
        ("model", 12, "mit"),
        ("dataset", 0, ""),
    ]


def test_a_changed_file_is_loaded_anew(site):
    install(site)
    assert look()[0] == look()[0] == ["acme/toy"]
    manifest = site / "acme_plugin" / "manifest.py"
    text = manifest.read_text()
    for name in ("newer", "third"):  # of one length: the time alone tells
        manifest.write_text(text.replace("quantizer()", f"quantizer({name!r})"))
        names, imported = look()
        assert names == [f"acme/{name}"]
        assert "acme_plugin.manifest" in imported


def test_a_file_that_the_manifest_reads_counts_too(site):
    body = (
        "from pathlib import Path\nNAME = (Path(__file__).parent / 'name.txt').read_text()\n"
        + TOY.replace("quantizer()", "quantizer(NAME)")
    )
    info = install(site, "acme", body)
    (site / "acme_plugin" / "name.txt").write_text("one")
    with (info / "RECORD").open("a") as file:
        file.write("acme_plugin/name.txt,,\n")
    assert [look()[0], look()] == [["acme/one"], (["acme/one"], set())]
    (site / "acme_plugin" / "name.txt").write_text("three")
    assert look()[0] == ["acme/three"]


def test_what_is_installed_or_removed_is_seen_at_once(site):
    install(site)
    look()
    install(site, "other")
    assert look()[0] == ["acme/toy", "other/toy"]
    for file in sorted(site.glob("acme_plugin-1.0.dist-info/*")):
        file.unlink()
    (site / "acme_plugin-1.0.dist-info").rmdir()
    assert look()[0] == ["other/toy"]


def test_a_module_from_elsewhere_that_a_manifest_imports_is_watched(site, tmp_path, monkeypatch):
    (tmp_path / "away").mkdir()
    away = tmp_path / "away" / "names_from_away.py"
    away.write_text("NAME = 'one'\n")
    monkeypatch.setattr(sys, "path", [*sys.path, str(away.parent)])
    body = "from names_from_away import NAME\n" + TOY.replace("quantizer()", "quantizer(NAME)")
    install(site, "acme", body)
    assert [look()[0], look()] == [["acme/one"], (["acme/one"], set())]
    away.write_text("NAME = 'three'\n")
    sys.modules.pop("names_from_away", None)
    assert look()[0] == ["acme/three"]


def test_without_a_record_of_the_manifest_nothing_is_remembered(site):
    """As of an editable install, whose RECORD names a finder and no module."""
    lay_out(site, "acme")
    info = install(site, "other")
    kept = [r for r in (info / "RECORD").read_text().splitlines() if "manifest.py" not in r]
    (info / "RECORD").write_text("\n".join(kept) + "\n")
    for _ in range(2):
        names, imported = look()
        assert names == ["acme/toy", "other/toy"]
        assert {"acme_plugin.manifest", "other_plugin.manifest"} <= imported


def test_broken_blocked_and_conflicting_plugins_are_asked_each_time(site, monkeypatch):
    flag = site / "flag"
    install(
        site, "bad", f"if not __import__('os').path.exists({str(flag)!r}): raise OSError\n{TOY}"
    )
    install(site, "acme")
    for _ in range(2):
        assert look()[0] == ["acme/toy"]
        assert {s.namespace: s.state for s in inventory.statuses()}["bad"] == "broken"
    flag.touch()
    assert look()[0] == ["acme/toy", "bad/toy"]
    monkeypatch.setenv("AEZOO_DISABLE_PLUGINS", "acme")
    assert look()[0] == ["bad/toy"]
    assert {s.namespace: s.state for s in inventory.statuses()}["acme"] == "blocked"
    monkeypatch.delenv("AEZOO_DISABLE_PLUGINS")
    install(site, "acme", distribution="acme_twice")
    assert look()[0] == ["bad/toy"]
    assert [s.state for s in inventory.statuses() if s.namespace == "acme"] == ["conflict"] * 2


def notes(site: Path) -> Path:
    (file,) = (site.parent / "cache" / "listing").iterdir()
    return file


def damaged(text: str) -> list[str]:
    raw = json.loads(text)
    (key,) = (k for k in raw if k.startswith("acme"))
    (line,) = raw[key]["items"]

    def items(*changed: object) -> str:
        return json.dumps(raw | {key: raw[key] | {"items": list(changed)}})

    return [
        "", text[:-1], "[]", "null", "\x00", "[" * 100_000, json.dumps(raw | {key: 7}),
        json.dumps(raw | {key: {"files": 3, "items": []}}), json.dumps(raw | {key: {"files": {}}}),
        items(5), items(line | {"name": 5}), items(line | {"more": ""}), items({"kind": "prior"}),
    ]  # fmt: skip


def test_a_damaged_file_is_as_none(site):
    install(site)
    look()
    text = notes(site).read_text()
    for wrong in damaged(text):
        notes(site).write_text(wrong)
        names, imported = look()
        assert names == ["acme/toy"]
        assert "acme_plugin.manifest" in imported
        assert look() == (names, set())  # and it has been mended


@pytest.mark.parametrize("place", ["a file", "no folder", "no home"])
def test_a_cache_that_cannot_be_written_is_not_missed(site, tmp_path, monkeypatch, place):
    (tmp_path / "taken").write_text("")
    monkeypatch.setenv("AEZOO_CACHE", str(tmp_path / "taken"))
    if place == "no folder":
        monkeypatch.setenv("AEZOO_CACHE", os.devnull)
    elif place == "no home":
        monkeypatch.delenv("AEZOO_CACHE")
        monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
        monkeypatch.setattr(Path, "home", _no_home)
    install(site)
    for _ in range(2):
        assert look()[0] == ["acme/toy"]


def _no_home() -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_old_files_do_not_pile_up(site):
    install(site)
    for i in range(2 * inventory.KEPT):
        install(site, "other", version=f"1.{i}", distribution=f"other_plugin_{i}")
        assert "acme/toy" in look()[0]
    assert len(list((site.parent / "cache" / "listing").iterdir())) <= inventory.KEPT


def test_thirty_plugins_are_listed_without_an_import(site):
    spaces = [f"acme{i}" for i in range(30)]
    for space in spaces:
        install(site, space)

    def seen():
        for name in [n for n in sys.modules if n.startswith("acme")]:
            del sys.modules[name]
        registry.reset()
        names = {c.name for c in listing.matching_components()}
        assert {f"{space}/toy" for space in spaces} <= names
        assert {s.state for s in inventory.statuses() if s.namespace in spaces} == {"ok"}
        return {n for n in sys.modules if n.startswith("acme")}

    assert len(seen()) == 60  # of each the package and the manifest, nothing else
    assert seen() == set()
