"""Weights: saved, published, loaded, and every way in which that can go wrong."""

from __future__ import annotations

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from aezoo.build import build
from aezoo.errors import (
    ChecksumError,
    IncompatibleWeightsError,
    PluginMissingError,
    UnknownModelError,
    UnknownRevisionError,
    UnsafeWeightsError,
    WeightsError,
    WeightsNotCachedError,
)
from aezoo.hub import config as configs
from aezoo.hub import zoo
from aezoo.hub.cards import Figure, card
from aezoo.hub.load import load_folder
from aezoo.hub.pretrained import pretrained
from aezoo.hub.publish import publish, push_to_hub
from aezoo.hub.save import save_pretrained
from aezoo.hub.sources import Source, parse_source

VAE = "vae(mlp(32),gaussian(4),mlp(32),input=(1,8,8))"
VQVAE = "vqvae(res(16),vq(32,8),unres(16),prior=pixelcnn(8,layers=2),input=(3,16,16))"
CARD = "---\nlicense: mit\n---\n# m\n"
FILES = ("config.json", "model.safetensors")


def make(spec=VAE, seed=0):
    torch.manual_seed(seed)
    return build(spec).eval()


def same(a, b):
    """Bit by bit."""
    a, b = a.state_dict(), b.state_dict()
    return a.keys() == b.keys() and all(
        a[k].dtype == b[k].dtype and torch.equal(a[k], b[k]) for k in a
    )


@pytest.fixture
def folder(tmp_path):
    return save_pretrained(make(), tmp_path / "vae", card=CARD)


@pytest.fixture
def hub(aezoo_hub):
    return aezoo_hub


def files_of(folder):
    return {name: folder / name for name in FILES}


def edit(folder, **changes):
    path = folder / "config.json"
    raw = json.loads(path.read_text())
    raw.update(changes)
    path.write_text(json.dumps(raw))


def run(code, env, offline=False):
    """A client in a process of its own: what the environment says is all that it knows."""
    env = os.environ | env | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": str(int(offline))}
    done = subprocess.run(
        [sys.executable, "-c", code], env=env, capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


# -- a folder and back


@pytest.mark.parametrize("spec", [VAE, VQVAE])
def test_round_trip_is_bit_identical(tmp_path, spec):
    model = make(spec)
    model.prior_fitted = True
    model.card = "# what it is\n"
    model.save_pretrained(tmp_path / "m")
    again = load_folder(tmp_path / "m")
    assert same(model, again)
    assert not again.training
    assert (again.prior_fitted, again.card, again.config) == (True, model.card, model.config)
    x = torch.rand(2, *model.input_shape)
    assert torch.equal(model.reconstruct(x), again.reconstruct(x))


def test_the_same_model_is_the_same_bytes(tmp_path):
    model = make(VQVAE)
    model.to(memory_format=torch.channels_last)
    save_pretrained(model, tmp_path / "a", card="x")
    save_pretrained(load_folder(tmp_path / "a"), tmp_path / "b")
    for name in (*FILES, "README.md"):
        assert (tmp_path / "a" / name).read_bytes() == (tmp_path / "b" / name).read_bytes()


def test_training_a_loaded_model_leaves_the_file_alone(folder):
    before = (folder / "model.safetensors").read_bytes()
    model = load_folder(folder).train()
    model.loss(torch.rand(4, 1, 8, 8)).total.backward()
    torch.optim.SGD(model.parameters(), 0.1).step()
    assert (folder / "model.safetensors").read_bytes() == before
    assert not same(model, load_folder(folder))
    save_pretrained(model, folder)  # over the very file that it is mapped from
    assert same(model, load_folder(folder))


def test_saving_over_a_model_keeps_other_files_and_leaves_nothing_behind(folder):
    (folder / "notes.txt").write_text("mine")
    other = make(VQVAE)
    save_pretrained(other, folder)
    assert same(other, load_folder(folder))
    assert sorted(p.name for p in folder.iterdir()) == [
        "README.md",
        "config.json",
        "model.safetensors",
        "notes.txt",
    ]


def test_a_failed_save_leaves_the_old_model(folder, monkeypatch):
    before = {p.name: p.read_bytes() for p in folder.iterdir()}

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("aezoo.hub.save.save_file", full)
    with pytest.raises(OSError, match="No space left"):
        save_pretrained(make(VQVAE), folder)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == before


def test_what_cannot_be_saved(tmp_path):
    with pytest.raises(WeightsError, match="meta device"):
        save_pretrained(build(VAE, device="meta"), tmp_path / "m")
    tied = make()
    tied.register_parameter("again", next(tied.parameters()))
    with pytest.raises(WeightsError, match="are the same memory"):
        save_pretrained(tied, tmp_path / "m")
    for turned in (torch.float64, torch.float16):
        with pytest.raises(WeightsError, match=rf"is of {turned}.*save model.to\(torch.float32\)"):
            save_pretrained(make().to(turned), tmp_path / "m")
    assert not (tmp_path / "m").exists()


def test_non_persistent_buffers_are_made_anew(folder, monkeypatch):
    import aezoo.build

    def with_buffer(*args, **options):
        model = real(*args, **options)
        with torch.device(options.get("device") or "cpu"):
            model.encoder.register_buffer("ramp", torch.arange(5.0), persistent=False)
        return model

    real = aezoo.build.build
    monkeypatch.setattr(aezoo.build, "build", with_buffer)
    model = load_folder(folder)
    assert torch.equal(model.encoder.ramp, torch.arange(5.0))
    assert "encoder.ramp" not in model.state_dict()


# -- a folder that is not what it should be


def test_no_model_there(tmp_path, folder):
    with pytest.raises(WeightsError, match="is not a folder"):
        load_folder(tmp_path / "nowhere")
    (folder / "model.safetensors").unlink()
    with pytest.raises(IncompatibleWeightsError, match=r"holds no model\.safetensors"):
        load_folder(folder)


@pytest.mark.parametrize("name", ["pytorch_model.bin", "model.pt", "last.ckpt", "model.PKL"])
def test_pickles_are_refused_by_name(folder, name):
    (folder / "model.safetensors").rename(folder / name)
    with pytest.raises(UnsafeWeightsError, match="reads safetensors only"):
        load_folder(folder)
    with pytest.raises(UnsafeWeightsError, match="is a pickle"):
        pretrained(f"local:{folder / name}")


@pytest.mark.parametrize("keep", [0, 5, 200, -1])
def test_a_truncated_file(folder, keep):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ChecksumError, match="cut off or damaged"):
        load_folder(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"colour": 1}, "unknown key 'colour'"),
        ({"format": 2, "new": 0}, "'format' is 2 .* reads up to 1; upgrade"),
        ({"format": 0}, "'format' is 0, expected 1"),
        ({"format": True}, "'format' must be an integer, found true"),
        ({"spec": 3}, "'spec' must be text, found 3"),
        ({"prior_fitted": 1}, "'prior_fitted' must be true or false"),
        ({"input": {"shape": [1, 8, 8], "range": [0, 1, 2]}}, "'input.range' must be a list of 2"),
        ({"input": {"shape": [1, 8.0, 8], "range": [0, 1]}}, r"'input.shape\[1\]' must be an int"),
        ({"input": {"shape": [1, 8, 8]}}, "key 'input.range' is missing"),
        ({"input": {"shape": [1], "range": [0, 1], "mean": 0}}, "unknown key 'input.mean'"),
        ({"input": {"shape": [1, 9, 9], "range": [0, 1]}}, "but 'spec' takes"),
        ({"spec": "vae(mlp(32),gaussian(4),deconv(8),input=(8,))"}, "cannot build 'spec'"),
        ({"spec": "vae(nothing)"}, "cannot build 'spec'"),
        ({"components": {}}, "'components' must be a list"),
        ({"components": [1]}, r"'components\[0\]' must be an object"),
    ],
)
def test_the_config_is_read_strictly(folder, change, message):
    edit(folder, **change)
    with pytest.raises(IncompatibleWeightsError, match=message) as caught:
        load_folder(folder)
    assert "config.json" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": NaN}', '{"a": 1, "a": 2}', "[" * 100_000, "\udc80"]
)
def test_what_is_no_config(text):
    with pytest.raises(IncompatibleWeightsError, match=r"config\.json"):
        configs.loads(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(IncompatibleWeightsError, match="at most 1,048,576"):
        configs.loads(b" " * (1 << 21))


def test_config_round_trip():
    config = configs.config_of(make(VQVAE), license="mit")
    text = configs.dumps(config)
    assert configs.loads(text) == config
    assert configs.dumps(configs.loads(text)) == text
    missing = json.loads(text)
    for key in list(missing):
        less = {k: v for k, v in missing.items() if k != key}
        with pytest.raises(IncompatibleWeightsError, match=key):
            configs.loads(json.dumps(less))


def component(folder, kind, **changes):
    raw = json.loads((folder / "config.json").read_text())
    for record in raw["components"]:
        if record["kind"] == kind:
            record.update(changes)
    edit(folder, components=raw["components"])


def test_components_must_be_the_same(folder):
    component(folder, "posterior", version=7)
    with pytest.raises(IncompatibleWeightsError, match="version 7 of the posterior 'gaussian'"):
        load_folder(folder)
    component(folder, "posterior", version=1, name="gausian")
    with pytest.raises(IncompatibleWeightsError, match="did you mean 'gaussian'"):
        load_folder(folder)
    component(folder, "posterior", name="gaussian", distribution="other")
    with pytest.raises(IncompatibleWeightsError, match="saved with 'gaussian' of other"):
        load_folder(folder)


def test_a_missing_plugin_says_what_to_install(folder):
    component(folder, "posterior", name="acme/q", distribution="acme-q", distribution_version="1.2")
    with pytest.raises(PluginMissingError, match=r"pip install acme-q==1\.2"):
        load_folder(folder)


def test_weights_of_another_model(folder):
    path = folder / "model.safetensors"
    tensors = load_file(path)
    names = sorted(tensors)
    extra = {f"extra.{i}": torch.zeros(1) for i in range(9)}
    changed = {names[1]: torch.zeros(3), names[2]: tensors[names[2]].half()}
    rest = {k: v for k, v in tensors.items() if k not in names[:3]}
    save_file(rest | extra | changed, path)
    with pytest.raises(IncompatibleWeightsError) as caught:
        load_folder(folder)
    text = str(caught.value)
    assert f"1 missing: {names[0]}" in text
    assert "9 not the model's: extra.0, extra.1, extra.2, ..." in text
    assert f"{names[1]} (3,) float32 where" in text
    assert "float16" in text


# -- sources


def test_sources():
    assert parse_source("hf://org/name") == Source(repo="org/name", revision="main")
    assert parse_source("hf-hub:org/na.me@v1/x") == Source(repo="org/na.me", revision="v1/x")
    assert parse_source("hf://org/name/a/vae@v1") == Source("org/name", "v1", inside="a/vae")
    assert parse_source("local:a/b") == Source(folder=Path("a/b"))
    for bad in (
        "hf://name",
        "hf://a/b@",
        "hf://a/b/",
        "hf://a/b/../c",
        "hf://a/b/c//d",
        "hf:a/b",
        "s3://a/b",
        "local:",
        "hf://../x",
    ):
        with pytest.raises(UnknownModelError):
            parse_source(bad)
    with pytest.raises(UnsafeWeightsError):
        parse_source("hf://org/model.bin")


# -- the Hub


@pytest.mark.parametrize("spec", [VAE, VQVAE])
def test_published_models_load_back_bit_identical(hub, tmp_path, spec):
    model = make(spec)
    folder = save_pretrained(model, tmp_path / "m", card=CARD)
    (folder / "recipe.toml").write_text("seed = 0\n")
    (folder / "private.txt").write_text("stays here")
    sent = publish(folder, "org/m")
    assert sent.url.endswith(sent.commit)
    stored = hub.repo("org/m").at("main").files
    for record in sent.files:
        assert stored[record.name].sha256 == record.sha256
    assert "private.txt" not in stored
    for source in ("hf://org/m", f"hf-hub:org/m@{sent.commit}", f"hf://org/m@{sent.commit}"):
        again = pretrained(source)
        assert same(model, again)
        assert again.card == CARD


def test_publishing_is_one_commit_and_a_dry_run_is_none(hub, folder):
    plan = publish(folder, "org/m", dry_run=True)
    assert plan.commit is None
    assert [f.name for f in plan.files] == ["README.md", "config.json", "model.safetensors"]
    assert all(f.size == (folder / f.name).stat().st_size for f in plan.files)
    assert hub.requests == []
    sent = publish(folder, "org/m", private=True)
    commits = hub.repo("org/m").commits
    assert len(commits) == 2  # the Hub's own first one, and ours
    assert commits[sent.commit].message == plan.message
    assert hub.repo("org/m").private
    assert publish(folder, "org/m").commit == sent.commit  # nothing new, no commit
    side = publish(folder, "org/m", branch="side", message="again")
    assert hub.repo("org/m").refs["side"] == side.commit


def test_what_does_not_load_is_not_published(hub, folder, tmp_path, monkeypatch):
    edit(folder, colour=1)
    with pytest.raises(IncompatibleWeightsError):
        publish(folder, "org/m")
    with pytest.raises(UnknownModelError, match="expected org/name"):
        publish(folder, "m")
    assert hub.requests == []
    good = save_pretrained(make(), tmp_path / "good", card="---\ntags: [1]\n---\n")
    with pytest.raises(WeightsError, match="refuses the card"):
        publish(good, "org/m")
    (good / "README.md").write_text(CARD)
    with pytest.raises(WeightsError, match="hf auth login"):
        publish(good, "org/m", token="hf_wrong")
    with hub.fault("down"), pytest.raises(WeightsError, match="no commit was made"):
        publish(good, "org/m")


def test_a_card_that_loads_from_a_folder_loads_from_the_repository(hub, tmp_path):
    text = CARD + '\nmodel = aezoo.create("local:runs/mine/final")\nAnd aezoo.create("vae(...)").\n'
    folder = save_pretrained(make(), tmp_path / "m", card=text)
    sent = publish(folder, "org/m")
    again = pretrained(f"hf://org/m@{sent.commit}")
    assert again.card == text.replace("local:runs/mine/final", "hf://org/m")
    assert (folder / "README.md").read_text() == text


def test_push_to_hub_writes_a_card(hub):
    model = make(VQVAE)
    url = model.push_to_hub("org/pushed")
    assert url.endswith(hub.repo("org/pushed").refs["main"])
    again = pretrained("hf://org/pushed")
    assert same(model, again)
    assert 'aezoo.create("hf://org/pushed")' in again.card
    assert push_to_hub(model, "org/pushed", card="---\nlicense: mit\n---\nmine")
    assert pretrained("hf://org/pushed").card.endswith("mine")


def test_files_of_one_load_are_of_one_commit(hub, folder, tmp_path):
    old = hub.commit("org/m", files_of(folder))
    other = make(seed=1)
    new = hub.commit("org/m", files_of(save_pretrained(other, tmp_path / "o")))
    assert same(pretrained("hf://org/m"), other)
    assert same(pretrained(f"hf://org/m@{old}"), make())
    resolved = {p.split("/resolve/")[1].split("/")[0] for _, p in hub.requests if "resolve" in p}
    assert resolved == {"main", old, new}
    assert not any(p.endswith("main/model.safetensors") for _, p in hub.requests)


def test_a_pinned_commit_in_the_cache_needs_no_network(hub, folder):
    commit = hub.commit("org/m", files_of(folder))
    pretrained(f"hf://org/m@{commit}")
    hub.requests.clear()
    assert same(pretrained(f"hf://org/m@{commit}"), make())
    assert hub.requests == []


def test_the_endpoint_down(hub, folder):
    with hub.fault("down"):
        began = time.monotonic()
        with pytest.raises(WeightsNotCachedError) as caught:
            pretrained("hf://org/m@v1")
        assert time.monotonic() - began < 3
    text = str(caught.value)
    assert "org/m at v1" in text
    assert hub.url in text
    assert "hf/hub" in text
    assert "local:FOLDER" in text
    hub.commit("org/m", files_of(folder))
    model = pretrained("hf://org/m")
    for kind in ("down", "hang", "status"):
        with hub.fault(kind):
            began = time.monotonic()
            assert same(pretrained("hf://org/m"), model)
            assert time.monotonic() - began < 3


@pytest.mark.parametrize("kind", ["hang", "status"])
def test_an_endpoint_that_does_not_answer(hub, folder, kind):
    hub.commit("org/m", files_of(folder))
    began = time.monotonic()
    with hub.fault(kind), pytest.raises(WeightsNotCachedError):
        pretrained("hf://org/m")
    assert time.monotonic() - began < 3
    assert same(pretrained("hf://org/m"), make())


@pytest.mark.parametrize("name", FILES)
def test_a_tampered_file_of_the_same_size(hub, folder, name):
    hub.commit("org/m", files_of(folder))
    with hub.fault("tamper", name), pytest.raises(ChecksumError, match=name) as caught:
        pretrained("hf://org/m")
    assert "org/m" in str(caught.value)
    assert same(pretrained("hf://org/m"), make())


def test_a_file_of_the_cache_that_changed(hub, folder):
    hub.commit("org/m", files_of(folder))
    pretrained("hf://org/m")
    from huggingface_hub import try_to_load_from_cache

    path = Path(try_to_load_from_cache("org/m", "model.safetensors"))
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.resolve().chmod(0o644)
    path.resolve().write_bytes(data)
    with pytest.raises(ChecksumError, match="is out of the cache"):
        pretrained("hf://org/m")
    assert same(pretrained("hf://org/m"), make())


def test_a_truncated_download(hub, folder):
    hub.commit("org/m", files_of(folder))
    with (
        hub.fault("truncate", "model.safetensors"),
        pytest.raises(ChecksumError, match="cut short"),
    ):
        pretrained("hf://org/m")
    assert same(pretrained("hf://org/m"), make())


def test_a_dropped_connection_is_resumed(hub, folder):
    hub.commit("org/m", files_of(folder))
    with hub.fault("drop", "model.safetensors", times=1):
        assert same(pretrained("hf://org/m"), make())


def test_wrong_names(hub, folder):
    hub.commit("org/m", files_of(folder))
    for revision in ("v9", "0" * 40):
        with pytest.raises(UnknownRevisionError, match=f"org/m at {revision}"):
            pretrained(f"hf://org/m@{revision}")
    with pytest.raises(UnknownModelError, match="org/none"):
        pretrained("hf://org/none")
    assert same(pretrained("hf://org/m"), make())


def test_repositories_of_others(hub, folder):
    hub.commit("org/pickle", {"config.json": "{}", "pytorch_model.bin": b"boom"})
    with pytest.raises(UnsafeWeightsError, match=r"pytorch_model\.bin"):
        pretrained("hf://org/pickle")
    hub.commit("org/empty", {"README.md": "# nothing"})
    with pytest.raises(IncompatibleWeightsError, match=r"no config\.json"):
        pretrained("hf://org/empty")
    edit(folder, colour=1)
    hub.commit("org/odd", files_of(folder))
    with pytest.raises(IncompatibleWeightsError, match="unknown key 'colour'"):
        pretrained("hf://org/odd")
    assert not any("pytorch_model.bin" in path for _, path in hub.requests)


def test_a_plugin_that_is_missing_on_the_hub(hub, folder):
    component(folder, "posterior", name="acme/q", distribution="acme-q", distribution_version="1.2")
    hub.commit("org/m", files_of(folder))
    with pytest.raises(PluginMissingError, match=r"pip install acme-q==1\.2"):
        pretrained("hf://org/m")


def test_a_client_of_its_own_online_and_offline(hub, folder, tmp_path):
    """The endpoint, the cache and HF_HUB_OFFLINE as users give them: by the environment."""
    commit = hub.commit("org/m", files_of(folder))
    env = hub.env(tmp_path / "fresh")
    load = f"""
import time, aezoo, torch
from aezoo.errors import WeightsNotCachedError
from aezoo.hub.load import load_folder
wanted = load_folder({str(folder)!r}).state_dict()
for source in ("hf://org/m", "hf://org/m@{commit}"):
    found = aezoo.create(source).state_dict()
    assert all(torch.equal(found[k], wanted[k]) for k in wanted)
began = time.monotonic()
try:
    aezoo.create("hf://org/other")
except (aezoo.AezooError) as error:
    print(type(error).__name__, time.monotonic() - began < 3)
"""
    assert run(load, env) == "UnknownModelError True"
    requests = len(hub.requests)
    assert run(load, env, offline=True) == "WeightsNotCachedError True"
    assert len(hub.requests) == requests
    with hub.fault("down"):
        assert run(load, env) == "WeightsNotCachedError True"


# -- the zoo


def test_the_index_is_regenerated_bit_by_bit(tmp_path, folder):
    save_pretrained(make(VQVAE), tmp_path / "other")
    entries = [
        zoo.entry_for(tmp_path / name, summary=f"the {name}", data="digits")
        for name in ("vae", "other")
    ]
    path = zoo.write_index(entries, tmp_path)
    text = path.read_bytes()
    assert [e.name for e in zoo.read_index(tmp_path)] == ["other", "vae"]
    assert sorted(zoo.read_index(tmp_path), key=lambda e: e.name) == sorted(
        entries, key=lambda e: e.name
    )
    zoo.write_index(list(reversed(zoo.read_index(tmp_path))), tmp_path)
    assert path.read_bytes() == text
    assert str(tmp_path) not in text.decode()


def test_an_entry_comes_from_the_wheel_or_else_the_hub(hub, folder):
    commit = hub.commit("org/vae", files_of(folder))
    bundled = zoo.entry_for(folder, summary="a vae")
    hosted = dataclasses.replace(bundled, repo="org/vae", revision=commit)
    assert same(pretrained(hosted), make())
    assert hub.requests == []
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-1] ^= 1
    path.write_bytes(data)
    with pytest.raises(ChecksumError, match=r"'vae'.*Reinstall"):
        pretrained(bundled)
    assert same(pretrained(hosted), make())
    assert hub.requests != []
    shutil.rmtree(folder)
    with pytest.raises(WeightsNotCachedError, match="'vae'"):
        pretrained(bundled)
    assert same(pretrained(hosted), make())


def test_a_name_of_the_zoo(hub, tmp_path, monkeypatch):
    import aezoo
    from aezoo import registry

    model = make()
    save_pretrained(model, tmp_path / "cards" / "vae-test")
    entry = zoo.entry_for(tmp_path / "cards" / "vae-test", summary="a vae")
    zoo.write_index([entry], tmp_path / "cards")
    monkeypatch.setattr(zoo, "cards_folder", lambda: tmp_path / "cards")
    registry.reset()
    try:
        assert same(aezoo.create("vae-test", pretrained=True), model)
        assert publish("vae-test", "org/vae-test").commit
        assert same(aezoo.create("hf://org/vae-test"), model)
        with pytest.raises(UnknownModelError, match="did you mean 'vae-test'"):
            aezoo.create("vae-tset", pretrained=True)
    finally:
        registry.reset()


def test_a_record_outranks_what_the_hub_says(hub, folder, tmp_path):
    other = save_pretrained(make(seed=1), tmp_path / "other")
    commit = hub.commit("org/vae", files_of(other))
    entry = dataclasses.replace(
        zoo.entry_for(folder, summary="a vae"), folder=None, repo="org/vae", revision=commit
    )
    with pytest.raises(ChecksumError, match=r"model\.safetensors"):
        pretrained(entry)


def test_the_zoo_imports_no_torch():
    code = (
        "import sys, aezoo.hub.zoo as z; list(z.aezoo_models()); assert 'torch' not in sys.modules"
    )
    run(code, {})


# -- cards


def test_a_card_says_where_its_numbers_come_from(hub):
    from huggingface_hub import ModelCard

    text = card(
        configs.config_of(make(VQVAE)),
        name="vqvae-test",
        summary='A "quoted": summary',
        data="cifar10",
        dataset_repo="uoft-cs/cifar10",
        papers=["van den Oord et al., 2017, arXiv:1711.00937"],
        recipe={"seed": 0, "note": "a: #b", "cpu": {"lr": 1e-3, "none": None, "prior": {"n": 1}}},
        training={
            "seed": 0,
            "device": "a | b",
            "seconds": 3725.0,
            "split": "fit",
            "stages": {"model": {"steps": 1000, "epochs": 2.5, "seconds": 61}},
        },
        figures=[
            Figure("mse", 0.0028, "cifar10", "test[:1000]", 1000, "pixels in [0,1]"),
            Figure("bits/dim", 4.5, "cifar10", "test", 10000, "vq-bound", bound="≤"),
        ],
        limits="Faces are not in the data.",
    )
    parsed = ModelCard(text)
    assert parsed.data.library_name == "aezoo"
    assert parsed.data.datasets == ["uoft-cs/cifar10"]
    assert {(r.metric_type, r.metric_value) for r in parsed.data.eval_results} == {
        ("mse", 0.0028),
        ("bits/dim", 4.5),
    }
    for part in ("1 h 2 min", "≤ 4.5", "1,000 steps", "[cpu.prior]", r"a \| b", "1711.00937"):
        assert part in text
    import tomllib

    recipe = tomllib.loads(text.split("```toml\n")[1].split("```")[0])
    assert recipe["cpu"] == {"lr": 1e-3, "prior": {"n": 1}}
    hub.commit("org/m", {"x": ""})
    from huggingface_hub import HfApi

    HfApi(endpoint=hub.url)._validate_yaml(text)


def test_a_figure_needs_its_protocol():
    with pytest.raises(ValueError, match="protocol"):
        Figure("mse", 0.1, "cifar10", "test", 10, "")
