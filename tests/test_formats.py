"""Models of other libraries: who reads them, and that the core's checks hold for them."""

from __future__ import annotations

import json

import pytest
import torch
from plugin_packages import installed_in, lay_out
from safetensors.torch import save_file

import aezoo
from aezoo.errors import (
    ChecksumError,
    IncompatibleWeightsError,
    PluginLoadError,
    PluginMissingError,
    UnsafeWeightsError,
)
from aezoo.hub.load import load_folder

SPEC = "ae(mlp(4),point(2),mlp(4),input=(1,2,2))"

MANIFEST = """
@hookimpl
def aezoo_formats():
    yield FormatRecord("toys", key="toy", kinds=("small", "large"), weights="toy.safetensors",
                       target="acme_plugin.modules:read", summary="toys")
"""

READER = f"""
from aezoo.errors import IncompatibleWeightsError


def read(config, tensors):
    if config["toy"] == "large":
        raise IncompatibleWeightsError("too large a toy")
    return "{SPEC}", {{name.removeprefix("toy."): tensor for name, tensor in tensors.items()}}
"""


@pytest.fixture
def plugin(tmp_path, monkeypatch):
    lay_out(tmp_path, body=MANIFEST, modules=READER)
    with installed_in(tmp_path, monkeypatch):
        yield


@pytest.fixture
def folder(tmp_path):
    """A toy whose weights are those of a model of ours, in half precision."""
    folder = tmp_path / "toys" / "one"
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps({"toy": "small"}))
    weights = aezoo.create(SPEC).state_dict()
    save_file({f"toy.{k}": v.half() for k, v in weights.items()}, folder / "toy.safetensors")
    return folder


def test_a_plugin_reads_it(plugin, folder, tmp_path):
    (folder / "README.md").write_text("---\nlicense: mit\n---\n# A toy\n")
    model = aezoo.create(f"local:{folder}")
    assert not model.training and model.license == "mit"
    assert {t.dtype for t in model.state_dict().values()} == {torch.float32}
    model.save_pretrained(tmp_path / "ours")
    x = torch.rand(3, 1, 2, 2)
    assert torch.equal(load_folder(tmp_path / "ours").reconstruct(x), model.reconstruct(x))


def test_what_it_cannot_read(plugin, folder):
    config = folder / "config.json"
    config.write_text(json.dumps({"toy": "huge"}))
    with pytest.raises(IncompatibleWeightsError, match="'huge'; the installed plugins read small"):
        load_folder(folder)
    config.write_text(json.dumps({"toy": "large"}))
    with pytest.raises(IncompatibleWeightsError, match="too large a toy"):
        load_folder(folder)
    config.write_text(json.dumps({"tiger": "small"}))
    with pytest.raises(IncompatibleWeightsError, match=r"no model\.safetensors"):
        load_folder(folder)


def test_the_weights_are_checked_as_ours(plugin, folder):
    path = folder / "toy.safetensors"
    whole = path.read_bytes()
    path.write_bytes(whole[:-4])
    with pytest.raises(ChecksumError, match="cut off or damaged"):
        load_folder(folder)
    save_file({"toy.other": torch.zeros(2)}, path)
    with pytest.raises(IncompatibleWeightsError, match="1 not the model's: other"):
        load_folder(folder)
    path.rename(folder / "toy.bin")
    with pytest.raises(UnsafeWeightsError, match=r"toy\.bin but no toy\.safetensors"):
        load_folder(folder)


def test_a_reader_that_cannot_be_imported(tmp_path, monkeypatch, folder):
    lay_out(tmp_path, body=MANIFEST, modules="import no_such_module")
    with (
        installed_in(tmp_path, monkeypatch),
        pytest.raises(PluginLoadError, match="no_such_module"),
    ):
        load_folder(folder)


def test_a_known_library_without_its_plugin(tmp_path, monkeypatch, folder):
    (folder / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    monkeypatch.setattr("aezoo.plugins.namespaces", lambda: ())
    monkeypatch.setattr("aezoo.registry.formats", lambda: [])
    with pytest.raises(PluginMissingError, match="pip install aezoo-diffusers"):
        load_folder(folder)
