"""Names to records: the core's own, a plugin's, and what an unknown name may have meant."""

from __future__ import annotations

import subprocess
import sys

import pytest
from plugin_packages import TOY, installed_in, lay_out

import aezoo
from aezoo import registry
from aezoo.errors import (
    PluginLoadError,
    PluginMissingError,
    UnknownDatasetError,
    UnknownModelError,
)
from aezoo.records import KINDS
from aezoo.spec import SpecError, parse

EVERYTHING = (
    TOY
    + """
@hookimpl
def aezoo_encoders():
    yield quantizer("vq")
    yield quantizer("lost", target="no_such_module:Lost")
    yield quantizer("number", target="math:pi")

@hookimpl
def aezoo_models():
    for tag in ("cifar10.b", "cifar10.a", "plain"):
        yield ModelEntry(tag, "vae(mlp,gaussian(2),mlp)", "s", (), folder="f")

@hookimpl
def aezoo_datasets():
    yield Dataset("moons", "two moons", (2,), (("train", 9),), 1, ("a", "b"), "mit",
                  target="acme_plugin.modules:Toy")
"""
)


@pytest.fixture
def site(tmp_path, monkeypatch):
    with installed_in(tmp_path, monkeypatch):
        yield tmp_path


def test_the_core_is_there_without_a_look_at_plugins():
    script = (
        "import sys; from aezoo import registry\n"
        "assert registry.component(('quantizer',), 'vq').qualified == 'vq'\n"
        "assert registry.dataset('digits').classes\n"
        "assert not {'importlib.metadata', 'torch', 'numpy'} & set(sys.modules)\n"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_registered_says_where_it_comes_from(site):
    lay_out(site, "acme", EVERYTHING, version="2.3")
    core = registry.component(("quantizer",), "vq")
    assert (core.kind, core.namespace, core.distribution) == ("quantizer", "", "aezoo")
    assert core.distribution_version == aezoo.__version__
    toy = registry.component(("posterior", "quantizer"), "acme/toy")
    assert (toy.qualified, toy.kind, toy.namespace) == ("acme/toy", "quantizer", "acme")
    assert (toy.distribution, toy.distribution_version) == ("acme-plugin", "2.3")


def test_the_core_cannot_be_shadowed(site):
    lay_out(site, "acme", EVERYTHING)
    registry.components()
    assert registry.component(("quantizer",), "vq").namespace == ""
    with pytest.raises(SpecError, match="vq is a quantizer, not an encoder"):
        registry.component(("encoder",), "vq")


def test_the_slot_says_the_kind():
    assert registry.component(("posterior",), "gaussian").kind == "posterior"
    assert registry.component(("likelihood",), "gaussian").kind == "likelihood"


def test_a_component_is_imported_when_asked_for(site):
    lay_out(site, "acme", EVERYTHING)
    toy = registry.component(("quantizer",), "acme/toy")
    assert "acme_plugin.modules" not in sys.modules
    assert toy.load() is sys.modules["acme_plugin.modules"].Toy


@pytest.mark.parametrize(
    ("name", "cause", "message"),
    [
        ("acme/lost", ModuleNotFoundError, "no_such_module:Lost: ModuleNotFoundError"),
        ("acme/number", type(None), "math:pi is a float; expected a class"),
    ],
)
def test_a_component_that_cannot_be_imported(site, name, cause, message):
    lay_out(site, "acme", EVERYTHING, version="2.3")
    with pytest.raises(PluginLoadError) as caught:
        registry.component(("encoder",), name).load()
    assert isinstance(caught.value.__cause__, cause)
    assert f"the encoder {name} of acme-plugin 2.3" in str(caught.value)
    assert message in str(caught.value)


def test_listing_is_ordered_and_by_kind(site):
    lay_out(site, "acme", EVERYTHING)
    everything = registry.components()
    assert {r.kind for r in everything} <= set(KINDS)
    assert [r.qualified for r in everything if r.namespace in ("", "acme")][-1] == "acme/toy"
    spaces = [r.namespace for r in everything]
    assert spaces == sorted(spaces)
    assert registry.components("quantizer") == [r for r in everything if r.kind == "quantizer"]
    with pytest.raises(ValueError, match="no kind 'quantiser'; did you mean 'quantizer'"):
        registry.components("quantiser")


@pytest.mark.parametrize(
    ("kinds", "name", "message"),
    [
        (("quantizer",), "vqq", "unknown quantizer 'vqq'; did you mean 'vq'?"),
        (("quantizer",), "VQ", "unknown quantizer 'VQ'; did you mean 'vq'?"),
        (("quantizer",), "toy", "unknown quantizer 'toy'; did you mean 'acme/toy'?"),
        (("quantizer",), "acme/vqvq", "unknown quantizer 'acme/vqvq'; quantizers are vq, "),
        (("quantizer",), "acme/fsq", "unknown quantizer 'acme/fsq'; did you mean 'fsq'?"),
        (("quantizer",), "acme/lost", "acme/lost is an encoder, not a quantizer; quantizers are"),
        (
            ("quantizer",),
            "gaussian",
            "gaussian is a posterior, a likelihood and a corruption, not a quantizer; ",
        ),
        (
            ("posterior", "quantizer"),
            "zzzzz",
            "unknown posterior or quantizer 'zzzzz'; posteriors and quantizers are point, ",
        ),
        (("family",), "zzzzz", "unknown family 'zzzzz'; families are ae, vae, hvae, vqvae"),
        (("critic",), "zzzzz", "unknown critic 'zzzzz'; critics are "),
    ],
)
def test_unknown_components(site, kinds, name, message):
    lay_out(site, "acme", EVERYTHING)
    with pytest.raises(SpecError) as caught:
        registry.component(kinds, name)
    assert str(caught.value).startswith(message)


def test_the_error_points_into_the_spec():
    tree = parse("vqvae(res(8), vqq(16,8), unres(8))").args[1]
    with pytest.raises(SpecError) as caught:
        registry.component(("quantizer",), tree.name, tree.span)
    lines = str(caught.value).splitlines()
    assert lines[1][lines[2].index("^") :].startswith("vqq(16,8)")
    assert lines[2].count("^") == len("vqq(16,8)")


def test_namespaces_that_cannot_be_used(site, monkeypatch):
    lay_out(site, "bad", "import nothing_of_that_name")
    lay_out(site, "shut")
    monkeypatch.setenv("AEZOO_DISABLE_PLUGINS", "shut")
    for ask in (registry.model, registry.dataset, lambda n: registry.component(("prior",), n)):
        with pytest.raises(PluginMissingError, match=r"'bat'; did you mean 'bad'"):
            ask("bat/x")
        with pytest.raises(PluginLoadError, match=r"bad-plugin 1.0") as caught:
            ask("bad/x")
        assert isinstance(caught.value.__cause__, ModuleNotFoundError)
        with pytest.raises(PluginLoadError, match="AEZOO_DISABLE_PLUGINS"):
            ask("shut/x")
    assert not {"bad", "shut"} & {r.namespace for r in registry.components()}
    assert registry.component(("quantizer",), "vq").qualified == "vq"


def test_models_of_a_plugin(site):
    lay_out(site, "acme", EVERYTHING)
    names = [entry.name for entry in registry.models() if entry.name.startswith("acme/")]
    assert names == ["acme/cifar10.b", "acme/cifar10.a", "acme/plain"]
    assert registry.model("acme/cifar10.a").name == "acme/cifar10.a"
    assert registry.model("acme/cifar10").name == "acme/cifar10.b"
    assert registry.model("acme/plain").folder == "f"


def test_unknown_models(site):
    lay_out(site, "acme", EVERYTHING)
    with pytest.raises(UnknownModelError, match=r"'acme/plane'.*did you mean 'acme/plain'.*list"):
        registry.model("acme/plane")
    with pytest.raises(UnknownModelError, match="did you mean 'acme/plain'"):
        registry.model("plain")
    with pytest.raises(UnknownModelError, match=r"'acme/plain.tag'"):
        registry.model("acme/plain.tag")
    with pytest.raises(PluginMissingError, match="repository of the Hub is hf://openai/vdvae"):
        registry.model("openai/vdvae")


def test_data_sets(site):
    lay_out(site, "acme", EVERYTHING)
    assert registry.dataset("acme/moons").summary == "two moons"
    assert "acme/moons" in [entry.name for entry in registry.datasets()]
    assert registry.dataset("cifar10").shape == (3, 32, 32)
    with pytest.raises(UnknownDatasetError, match=r"'cifar'; did you mean 'cifar10'"):
        registry.dataset("cifar")
    with pytest.raises(UnknownDatasetError, match=r"no data set 'zzzzzz'; there are .*mnist"):
        registry.dataset("zzzzzz")


def test_is_component(site):
    lay_out(site, "acme")
    lay_out(site, "bad", "1 / 0")
    assert registry.is_component("vq")
    assert registry.is_component("acme/toy")
    assert not registry.is_component("toy")
    assert not registry.is_component("bad/x")
