"""A name on its way out: it works, it warns once, and listings say so."""

from __future__ import annotations

import warnings

import plugin_packages as packages
import pytest

import aezoo
from aezoo import registry
from aezoo.listing import matching_components, matching_models
from aezoo.resolve import resolve

BODY = """
@hookimpl
def aezoo_quantizers():
    yield quantizer()
    yield quantizer("old", deprecated="use acme/toy")

@hookimpl
def aezoo_models():
    spec = "vqvae(res(8,depth=1),acme/old(4),unres(8,depth=1))"
    yield ModelEntry("small.v1", spec, "small", (), repo="acme/small", revision="0" * 40,
                     deprecated="use acme/small.v2")
    yield ModelEntry("small.v2", spec.replace("old", "toy"), "small", (), repo="acme/small",
                     revision="1" * 40)
"""
SPEC = "vqvae(res(8,depth=1),acme/{}(4),unres(8,depth=1))"


@pytest.fixture(autouse=True)
def plugin(tmp_path, monkeypatch):
    packages.lay_out(tmp_path, body=BODY)
    with packages.installed_in(tmp_path, monkeypatch):
        yield tmp_path


def test_a_deprecated_component_works_and_warns_once():
    with pytest.warns(FutureWarning, match="the quantizer acme/old is deprecated: use acme/toy"):
        old = resolve(SPEC.format("old"))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert resolve(SPEC.format("old")) == old
        new = resolve(SPEC.format("toy"))
    assert old.config.bottleneck.config == new.config.bottleneck.config
    registry.reset()
    with pytest.warns(FutureWarning, match="acme/old"):
        resolve(SPEC.format("old"))


def test_a_deprecated_model_warns_by_the_name_it_has():
    with pytest.warns(FutureWarning, match=r"the model acme/small\.v1 is deprecated: use acme/"):
        assert registry.model("acme/small").name == "acme/small.v1"
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        registry.model("acme/small.v2")


def test_listings_mark_it_and_do_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        summaries = {c.name: c.summary for c in matching_components("acme/")}
        assert summaries["acme/old"] == "(deprecated: use acme/toy) a toy"
        assert summaries["acme/toy"] == "a toy"
        models = {m.name: m.summary for m in matching_models("acme/")}
        assert models["acme/small.v1"].startswith("(deprecated: use acme/small.v2)")
        assert aezoo.info("acme/old")[0].deprecated == "use acme/toy"


def test_what_is_no_advice_breaks_the_manifest(tmp_path, monkeypatch):
    other = tmp_path / "other"
    other.mkdir()
    body = "@hookimpl\ndef aezoo_quantizers():\n    yield quantizer(deprecated=True)\n"
    packages.lay_out(other, "bad", body)
    with (
        packages.installed_in(other, monkeypatch),
        pytest.raises(aezoo.AezooError, match="deprecated is True; expected text"),
    ):
        registry.component(("quantizer",), "bad/toy")
