"""Repositories of diffusers on a Hub: the real client, a real socket, aezoo's own checks."""

from __future__ import annotations

import dataclasses

import pytest
import torch
from small_diffusers import folder, inputs, ours

import aezoo
from aezoo import plugins, registry
from aezoo.errors import (
    ChecksumError,
    IncompatibleWeightsError,
    PluginMissingError,
    UnsafeWeightsError,
)

WEIGHTS = "diffusion_pytorch_model.safetensors"
CARD = b"---\nlicense: openrail++\n---\n# A pipeline\n"


@pytest.fixture
def hub(aezoo_hub):
    return aezoo_hub


def files(name, prefix=""):
    return {prefix + path.name: path.read_bytes() for path in folder(name).iterdir()}


def same(model, name):
    x = inputs(name)
    return torch.equal(model.reconstruct(x), ours(name).reconstruct(x))


def test_a_repository_and_offline(hub):
    commit = hub.commit("stabilityai/sd-vae-ft-mse", files("sd"))
    assert same(aezoo.create("hf://stabilityai/sd-vae-ft-mse"), "sd")
    with hub.fault("down"):
        assert same(aezoo.create(f"hf://stabilityai/sd-vae-ft-mse@{commit}"), "sd")
        assert same(aezoo.create("hf://stabilityai/sd-vae-ft-mse"), "sd")


def test_a_folder_of_a_pipeline(hub):
    pipeline = {"model_index.json": b"{}", "README.md": CARD, "unet/config.json": b"{}"}
    commit = hub.commit("org/pipeline", pipeline | files("flux", "vae/"))
    model = aezoo.create(f"hf://org/pipeline/vae@{commit}")
    assert same(model, "flux")
    assert model.license == "openrail++" and model.card is None
    asked = {path.rpartition("/resolve/")[2] for _, path in hub.requests if "/resolve/" in path}
    names = ("vae/config.json", f"vae/{WEIGHTS}", "README.md")
    assert asked == {f"{commit}/{name}" for name in names}
    with pytest.raises(
        IncompatibleWeightsError, match=r"Its folders unet, vae hold a config\.json"
    ):
        aezoo.create("hf://org/pipeline")
    with hub.fault("down"):
        assert same(aezoo.create(f"hf://org/pipeline/vae@{commit}"), "flux")


@pytest.mark.parametrize("file", [WEIGHTS, "config.json"])
def test_a_damaged_download_is_refused_and_not_kept(hub, file):
    hub.commit("org/tiny", files("tiny"))
    with hub.fault("tamper", file), pytest.raises(ChecksumError, match="out of the cache"):
        aezoo.create("hf://org/tiny")
    assert same(aezoo.create("hf://org/tiny"), "tiny")


def test_a_pickle_is_refused_before_anything_is_downloaded(hub):
    held = files("tiny")
    held["diffusion_pytorch_model.bin"] = held.pop(WEIGHTS)
    hub.commit("org/pickled", held)
    with pytest.raises(UnsafeWeightsError, match=r"diffusion_pytorch_model\.bin"):
        aezoo.create("hf://org/pickled")
    assert not any("/resolve/" in path for _, path in hub.requests)


def test_without_the_plugin_the_error_says_what_to_install(hub, monkeypatch):
    hub.commit("org/tiny", files("tiny"))
    monkeypatch.setattr(registry, "formats", lambda: [])
    monkeypatch.setattr(plugins, "namespaces", lambda: ())
    with pytest.raises(PluginMissingError, match="pip install aezoo-diffusers"):
        aezoo.create("hf://org/tiny")
    assert not any(path.endswith(WEIGHTS) for _, path in hub.requests)


def test_a_short_name_loads_its_commit(hub, monkeypatch):
    entry = registry.model("diffusers/taesdxl")
    commit = hub.commit(entry.repo, files("tiny"))
    mine = dataclasses.replace(entry, revision=commit, files=())
    monkeypatch.setattr(registry, "model", lambda name: mine)
    assert same(aezoo.create("diffusers/taesdxl", pretrained=True), "tiny")
    monkeypatch.setattr(
        registry, "model", lambda name: dataclasses.replace(mine, files=entry.files)
    )
    with pytest.raises(ChecksumError, match="expected 9,793,292"):
        aezoo.create("diffusers/taesdxl", pretrained=True)


def test_published_as_ours_it_is_an_ordinary_model(hub):
    ours("grey").push_to_hub("me/grey")
    model = aezoo.create("hf://me/grey")
    assert same(model, "grey") and model.license == "unknown"
