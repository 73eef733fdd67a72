"""Binding: names looked up, arguments checked, defaults filled, both canonical forms."""

from __future__ import annotations

import dataclasses
import random
import typing
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import pytest

from aezoo import registry
from aezoo.records import Component, rest, slot
from aezoo.registry import Registered
from aezoo.resolve import Bound, bind, display, override, resolve, resolved, walk
from aezoo.spec import Spec, SpecError, parse, spec_hash

#: Those of shared/DESIGN.md whose components exist, and others that use every component.
KNOWN = [
    "ae(mlp(256,64),point(32),mlp(64,256))",
    "vae(conv(32,64),gaussian(16),deconv(64,32),objective=beta(4.0))",
    "vae(conv(32,64),gaussian(16),deconv(64,32),cond=label(10))",
    "vqvae(res(128),vq(512,64),unres(128),prior=pixelcnn)",
    "vqvae(res(128),fsq(8,5,5,5),unres(128))",
    "vqvae(res(64,depth=3,hidden=7,down=8),vq(512,64,update=gradient,estimator=rotation),"
    "unres(64,depth=3),prior_cond=label(10,dim=16))",
    "ae(timm(resnet18.a1_in1k,stage=2),point(8),mlp(8,act=gelu),prior=normal)",
    "vae(mlp(8),gaussian(2),mlp(8),likelihood=logistic_mixture(components=5),input=(1,28,28))",
    "vae(mlp(8),gaussian(2),mlp(8),likelihood=gaussian(sigma=pixel))",
    "vae(mlp(8),gaussian(2),mlp(8),likelihood=gaussian(sigma=0.1))",
    "vae(mlp(8),gaussian(2),mlp(8),likelihood=bernoulli)",
    "vae(mlp(8),gaussian(2),mlp(8),likelihood=laplace)",
]

#: What people write, and what `display` makes of it.
DISPLAYS = [
    ("vae(mlp(8),gaussian(2),mlp(8),prior=normal,cond=none)", "vae(mlp(8),gaussian(2),mlp(8))"),
    ("vae(mlp(8),gaussian(dim=2),mlp(widths=(8,)))", "vae(mlp(8),gaussian(2),mlp(8))"),
    (
        "vae(decoder=mlp(8),bottleneck=gaussian(2),encoder=mlp(8),input=(3,32,32))",
        "vae(mlp(8),gaussian(2),mlp(8))",
    ),
    (
        "vqvae(res(128,2),vq(512,64,0.5),unres(128,2),prior=pixelcnn(128,layers=12))",
        "vqvae(res(128),vq(512,64,beta=0.5),unres(128),prior=pixelcnn)",
    ),
    (
        "vae(mlp(8),gaussian(2),mlp(8),objective=beta(4))",
        "vae(mlp(8),gaussian(2),mlp(8),objective=beta(4.0))",
    ),
    (
        "vae(mlp(8),gaussian(2),mlp(8),likelihood=gaussian(learned))",
        "vae(mlp(8),gaussian(2),mlp(8))",
    ),
    (
        "vae(mlp(8),gaussian(2),mlp(8),bernoulli)",
        "vae(mlp(8),gaussian(2),mlp(8),likelihood=bernoulli)",
    ),
    (
        "ae(mlp(8),point(2),mlp(8),likelihood=gaussian(sigma=1))",
        "ae(mlp(8),point(2),mlp(8))",
    ),
]

RESOLVED = (
    "vqvae(encoder=res(width=128,depth=2,hidden=none,down=4,version=1),"
    "bottleneck=vq(codes=512,dim=64,beta=0.25,update=ema,decay=0.99,estimator=straight_through,"
    "revive=0.03,version=1),decoder=unres(width=128,depth=2,hidden=none,version=1),"
    "likelihood=gaussian(sigma=learned,version=1),"
    "prior=pixelcnn(width=128,layers=12,kernel=3,dropout=0.0,version=1),"
    "objective=elbo(version=1),input=(3,32,32),version=1)"
)


@pytest.mark.parametrize("text", KNOWN)
def test_display_and_resolved_lead_back_to_the_same_model(text):
    bound = resolve(text)
    assert str(display(bound)) == str(bound) == text
    assert resolve(display(bound)) == bound
    assert resolve(str(display(bound))) == bound
    assert resolve(resolved(bound)) == bound
    assert resolve(str(resolved(bound))) == bound
    assert resolve(bound) is bound


@pytest.mark.parametrize(("text", "expected"), DISPLAYS)
def test_display_is_the_shortest_form(text, expected):
    assert str(display(resolve(text))) == expected
    assert resolved(resolve(text)) == resolved(resolve(expected))
    assert spec_hash(resolved(resolve(text))) == spec_hash(resolved(resolve(expected)))


def test_the_resolved_form_says_all_that_is_there_and_its_hash_is_stable():
    spec = resolved(resolve("vqvae(res(128),vq(512,64),unres(128),prior=pixelcnn)"))
    assert str(spec) == RESOLVED
    assert spec_hash(spec) == "faa1fe1b4dfc8d8c"
    rest_first = resolved(resolve("ae(mlp(256,64),point(32),mlp(64,256))"))
    assert str(rest_first).startswith("ae(encoder=mlp(256,64,act=relu,version=1),bottleneck=")
    assert spec_hash(rest_first) == "b49423e57727217b"


def test_walk_visits_every_part_outermost_first():
    bound = resolve("vae(mlp(8),gaussian(2),mlp(8),cond=label(3))")
    assert [(b.entry.kind, b.entry.qualified) for b in walk(bound)] == [
        ("family", "vae"),
        ("encoder", "mlp"),
        ("posterior", "gaussian"),
        ("decoder", "mlp"),
        ("likelihood", "gaussian"),
        ("prior", "normal"),
        ("condition", "label"),
        ("objective", "elbo"),
    ]


def test_the_same_name_means_what_its_slot_says():
    config = resolve("vae(mlp(8),gaussian(2),mlp(8),likelihood=gaussian)").config
    assert config.bottleneck.entry.kind == "posterior"
    assert config.likelihood.entry.kind == "likelihood"
    assert config.encoder.entry.kind == "encoder"
    assert config.decoder.entry.kind == "decoder"


def test_values_have_the_annotated_types():
    bound = resolve("vqvae(res(8),vq(4,2,beta=1),unres(8),input=(1,8,8))")
    assert bound.config.bottleneck.config.beta == 1.0
    assert type(bound.config.bottleneck.config.beta) is float
    assert bound.config.encoder.config.hidden is None
    assert bound.config.input == (1, 8, 8)


# -- random bound specs of the built-in components


def random_bound(rng: random.Random) -> Bound:
    """A random value for every argument of randomly chosen components."""

    def part(kind: str, *, inside: bool = False) -> Bound:
        known = [c for c in registry.components(kind) if not c.namespace]
        several = ("levels", "joint")
        # levels(levels(levels(...))), and joint(joint(...)), would be longer than a spec may be.
        entry = rng.choice([c for c in known if not (inside and c.qualified in several)])
        return Bound(entry, entry.component.config(**arguments(entry)))

    def arguments(entry: Registered) -> dict[str, Any]:
        name, chosen = entry.qualified, {}
        hints = typing.get_type_hints(entry.component.config)
        for field in dataclasses.fields(entry.component.config):
            chosen[field.name] = value(name, field, hints[field.name])
        return chosen

    def value(name: str, field: Any, hint: Any) -> Any:
        if {"kinds", "rest"} <= field.metadata.keys():
            kind = field.metadata["kinds"][0]
            return tuple(part(kind, inside=True) for _ in range(rng.randint(2, 3)))
        if "kinds" in field.metadata:
            optional = field.default is None and rng.random() < 0.5
            return None if optional else part(rng.choice(field.metadata["kinds"]))
        if "rest" in field.metadata:
            number = float if "float" in field.type else int
            return tuple(number(rng.randint(2, 30)) for _ in range(rng.randint(1, 4)))
        if isinstance(field.default, bool):
            return rng.random() < 0.5
        if type(None) in typing.get_args(hint):  # of "a name or none" the name
            hint = typing.get_args(hint)[0]
        if typing.get_origin(hint) is Literal and isinstance(typing.get_args(hint)[0], str):
            return rng.choice(typing.get_args(hint))
        if hint is str:
            return rng.choice(["resnet18", "resnet18.a1_in1k"])
        if hint == tuple[int, ...] and field.name != "input":
            return tuple(sorted(rng.sample(range(30), rng.randint(1, 3))))
        if hint == tuple[float, ...]:
            return tuple(rng.uniform(0.01, 0.99) for _ in range(rng.randint(1, 5)))
        match field.name:
            case "input":
                return tuple(rng.randint(1, 99) for _ in range(rng.randint(2, 4)))
            case "down":
                return 2 ** rng.randrange(5)
            case "hidden" | "dim":
                may_be_none = field.default is None
                return rng.choice([None, 1, 5]) if may_be_none else rng.randint(1, 500)
            case "sigma" | "scale":
                number = rng.uniform(0.01, 2)
                return number if field.type == "float" else rng.choice(["learned", "pixel", number])
            case "beta" | "revive":
                return rng.choice([0.0, 1e-7, rng.random(), 1e20])
            case "low" | "high":
                return {"low": -rng.random(), "high": 1 + rng.random()}[field.name]
            case "decay" | "dropout" | "share":
                return rng.random()
            case "kernel":
                return rng.choice([3, 5, 7])
            case "kind":
                return rng.choice([1, 2])
            case "pretrained":
                return rng.random() < 0.5
            case "stage":
                return rng.randint(-3, 3)
        return rng.uniform(0.01, 0.99) if "float" in field.type else rng.randint(2, 600)

    while True:
        try:
            return part("family")
        except ValueError:  # fsq with too many codes
            continue


def test_random_bound_specs_round_trip():
    rng = random.Random(0)
    for _ in range(300):
        bound = random_bound(rng)
        assert resolve(str(display(bound))) == bound
        assert resolve(str(resolved(bound))) == bound
        assert str(display(resolve(str(resolved(bound))))) == str(display(bound))


# -- configs that plugins may write


@dataclass(frozen=True)
class Sizes:
    first: int
    sizes: tuple[int, ...] = rest(default=(1, 2))
    last: float = 0.5


@dataclass(frozen=True)
class Optional:
    first: int = 3
    second: int = 4
    sizes: tuple[float, ...] = rest(default=())


@dataclass(frozen=True)
class Keyword:
    first: int
    second: int = dataclasses.field(kw_only=True)
    third: tuple[int, float] = dataclasses.field(default=(1, 2.0), kw_only=True)
    many: tuple[tuple[int, int], ...] = ()
    flag: bool | None = None
    mode: Literal["x", "y"] | int = "x"
    prior: object = slot("prior", default="normal")


@pytest.fixture
def toy(monkeypatch):
    """Three encoders as a plugin's would be."""
    entries = {
        name: Registered(
            Component(name, config=config, target="a:B", summary="s"), "encoder", "", "d", "1"
        )
        for name, config in {"sizes": Sizes, "optional": Optional, "keyword": Keyword}.items()
    }
    real = registry.component

    def component(kinds, name, span=None):
        return entries[name] if name in entries else real(kinds, name, span)

    monkeypatch.setattr(registry, "component", component)
    return entries


@pytest.mark.parametrize(
    ("text", "config", "shown"),
    [
        ("sizes(7)", Sizes(7), "sizes(7,1,2)"),
        ("sizes(7,5)", Sizes(7, (5,)), "sizes(7,5)"),
        ("sizes(7,5,6,last=1)", Sizes(7, (5, 6), 1.0), "sizes(7,5,6,last=1.0)"),
        ("sizes(7,sizes=())", Sizes(7, ()), "sizes(7,sizes=())"),
        ("sizes(first=7,sizes=(4,))", Sizes(7, (4,)), "sizes(7,4)"),
        ("optional", Optional(), "optional"),
        ("optional(3)", Optional(), "optional"),
        ("optional(3,5)", Optional(3, 5), "optional(second=5)"),
        ("optional(3,4,1)", Optional(3, 4, (1.0,)), "optional(3,4,1.0)"),
        ("optional(sizes=(1,))", Optional(3, 4, (1.0,)), "optional(3,4,1.0)"),
        ("keyword(1,second=2)", Keyword(1, second=2), "keyword(1,second=2)"),
        (
            "keyword(1,((1,2),(3,4)),true,7,second=2,third=(1,3))",
            Keyword(1, ((1, 2), (3, 4)), True, 7, second=2, third=(1, 3.0)),
            "keyword(1,second=2,third=(1,3.0),many=((1,2),(3,4)),flag=true,mode=7)",
        ),
    ],
)  # fmt: skip
def test_configs_of_every_shape(toy, text, config, shown):
    bound = bind(parse(text), ("encoder",))
    expected = {f.name: getattr(config, f.name) for f in dataclasses.fields(config)}
    found = {f.name: getattr(bound.config, f.name) for f in dataclasses.fields(config)}
    expected.pop("prior", None), found.pop("prior", None)
    assert found == expected
    assert str(display(bound)) == shown
    for form in (display, resolved):
        assert bind(parse(str(form(bound))), ("encoder",)) == bound


@pytest.mark.parametrize(
    ("text", "message", "caret"),
    [
        ("sizes(7,5,x)", "each of 'sizes' is an int, found x", "x"),
        ("sizes(7,sizes=(1,2.5))", "takes a tuple of ints, found (1,2.5)", "sizes=(1,2.5)"),
        ("optional(3,4,none)", "each of 'sizes' is a float, found none", "none"),
        ("keyword(1,2)", "'many' takes a tuple, found 2", "2"),
        ("keyword(1)", "keyword needs the argument 'second'", "keyword(1)"),
        ("keyword(1,second=2,third=(1,))", "takes a tuple (an int, a float)", "third=(1,)"),
        ("keyword(1,second=2,flag=3)", "takes true or false or none, found 3", "flag=3"),
        ("keyword(1,second=2,mode=z)", "takes one of x, y or an int, found z", "mode=z"),
        ("keyword(1,second=2,prior=3)", "'prior' takes a prior, found 3", "prior=3"),
        ("keyword(1,second=2,prior=none)", "'prior' takes a prior, found none", "prior=none"),
    ],
)
def test_errors_of_such_configs(toy, text, message, caret):
    check_error(lambda: bind(parse(text), ("encoder",)), message, caret)


# -- errors: (text, part of the message, what the carets stand under)


def check_error(action, message, caret):
    with pytest.raises(SpecError) as caught:
        action()
    assert message in caught.value.message
    span = caught.value.span
    assert span is not None
    assert span.text[span.start : span.end] == caret


ERRORS = [
    ("vea(mlp(8),gaussian(2),mlp(8))", "unknown family 'vea'; did you mean 'vae'?", "vea"),
    ("mlp(8)", "mlp is an encoder, a decoder and a critic, not a family", "mlp"),
    ("vae(mpl(8),gaussian(2),mlp(8))", "unknown encoder 'mpl'; did you mean 'mlp'?", "mpl"),
    ("vae(unres(8),gaussian(2),mlp(8))", "unres is a decoder, not an encoder", "unres"),
    ("vae(mlp(8),vq(8,2),mlp(8))", "vq is a quantizer, not a posterior", "vq"),
    ("vqvae(res(8),gaussian(2),unres(8))", "not a quantizer", "gaussian"),
    ("vae(mlp(8),gaussian(2),mlp(8),prior=laplace)", "not a prior", "laplace"),
    ("vqvae(res(8),vq(codez=8),unres(8))", "vq has no argument 'codez'; did you mean 'codes'?",
     "codez"),
    ("vqvae(res(8),vq(xyzzy=8),unres(8))", "vq has no argument 'xyzzy'; it has codes, dim",
     "xyzzy"),
    ("vqvae(res(8),vq(8),unres(8))", "vq needs the argument 'dim'", "vq(8)"),
    ("vqvae(res(8),vq,unres(8))", "vq needs the argument 'codes'", "vq"),
    ("vae(mlp(8),gaussian(2))", "vae needs the argument 'decoder'", "vae(mlp(8),gaussian(2))"),
    ("vqvae(res(8),vq(8,2,codes=4),unres(8))", "the argument 'codes' is given twice", "codes"),
    ("vae(mlp(8),gaussian(2,3),mlp(8))", "gaussian takes at most 1 positional values", "3"),
    ("vae(mlp(8),gaussian(2.0),mlp(8))", "gaussian: 'dim' takes an int, found 2.0", "2.0"),
    ("vae(mlp(8),gaussian(true),mlp(8))", "'dim' takes an int, found true", "true"),
    ("vae(mlp(8),gaussian(none),mlp(8))", "'dim' takes an int, found none", "none"),
    ("vae(mlp(8),gaussian(dim=(2,)),mlp(8))", "'dim' takes an int, found (2,)", "dim=(2,)"),
    ("vae(3,gaussian(2),mlp(8))", "vae: 'encoder' takes an encoder, found 3", "3"),
    ("vae(mlp(8),gaussian(2),mlp(8),prior=none)", "'prior' takes a prior, found none",
     "prior=none"),
    ("vae(mlp(8,8.5),gaussian(2),mlp(8))", "mlp: each of 'widths' is an int, found 8.5", "8.5"),
    ("vae(mlp(8,act=rleu),gaussian(2),mlp(8))", "found rleu; did you mean 'relu'?", "act=rleu"),
    ("vae(mlp(8,act=relu(1)),gaussian(2),mlp(8))", "takes one of relu, gelu", "act=relu(1)"),
    ("vae(mlp(8),gaussian(2),mlp(8),input=3)", "'input' takes a tuple of ints, found 3", "input=3"),
    ("vae(mlp(8),gaussian(2),mlp(8),input=(3,))", "input is (channels, size)",
     "vae(mlp(8),gaussian(2),mlp(8),input=(3,))"),
    ("vae(mlp(8),gaussian(0),mlp(8))", "gaussian: dim must be at least 1, not 0", "gaussian(0)"),
    ("vae(mlp,gaussian(1),mlp(8))", "needs the argument 'widths'", "mlp"),
    ("vae(mlp(8,0),gaussian(1),mlp(8))", "needs at least 1 width(s), each at least 1", "mlp(8,0)"),
    ("vqvae(res(8,down=3),vq(8,2),unres(8))", "down must be a power of two, not 3",
     "res(8,down=3)"),
    ("vqvae(res(8),vq(8,2,decay=1.0),unres(8))", "decay must be in [0, 1)", "vq(8,2,decay=1.0)"),
    ("vqvae(res(8),vq(1,2),unres(8))", "codes must be at least 2", "vq(1,2)"),
    ("vqvae(res(8),fsq(8,1),unres(8))", "each from 2 to 1000", "fsq(8,1)"),
    ("vqvae(res(8),fsq(8,1001),unres(8))", "each from 2 to 1000", "fsq(8,1001)"),
    ("vqvae(res(8),fsq(1000,1000,1000),unres(8))", "makes 1,000,000,000 codes",
     "fsq(1000,1000,1000)"),
    ("vqvae(res(8),vq(4,2,version=2),unres(8))", "vq is installed in version 1, not 2",
     "version=2"),
    ("vae(mlp(8),gaussian(2),mlp(8),likelihood=gaussian(sigma=0))",
     "sigma must be between 0.001 and 1000", "gaussian(sigma=0)"),
    ("vae(mlp(8),gaussian(2),mlp(8),objective=beta(-1))", "beta must be at least 0", "beta(-1)"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "message", "caret"), ERRORS)
def test_error_and_its_caret(text, message, caret):
    check_error(lambda: resolve(text), message, caret)


def test_a_tree_made_by_hand_has_errors_without_caret():
    with pytest.raises(SpecError, match="'dim' takes an int") as caught:
        resolve(Spec("vae", (Spec("mlp", (8,)), Spec("gaussian", (2.0,)), Spec("mlp", (8,)))))
    assert caught.value.span is None


# -- overrides

BASE = "vqvae(res(128),vq(512,64),unres(128),prior=pixelcnn)"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, BASE),
        ({"input": (1, 28, 28)}, BASE[:-1] + ",input=(1,28,28))"),
        ({"input": [1, 28, 28]}, BASE[:-1] + ",input=(1,28,28))"),
        ({"input": tuple(np.array([1, 28, 28]))}, BASE[:-1] + ",input=(1,28,28))"),
        ({"quantizer.beta": np.float64(0.5)}, BASE.replace("64)", "64,beta=0.5)")),
        ({"quantizer.codes": np.int64(1024)}, BASE.replace("512", "1024")),
        ({"input": "(1,28,28)"}, BASE[:-1] + ",input=(1,28,28))"),
        ({"quantizer": "fsq(8,5,5,5)"}, BASE.replace("vq(512,64)", "fsq(8,5,5,5)")),
        ({"bottleneck": "fsq(8)"}, BASE.replace("vq(512,64)", "fsq(8)")),
        ({"quantizer": parse("fsq(8)")}, BASE.replace("vq(512,64)", "fsq(8)")),
        ({"quantizer.codes": 1024}, BASE.replace("512", "1024")),
        ({"quantizer.codes": "1024"}, BASE.replace("512", "1024")),
        ({"quantizer.beta": 1}, BASE.replace("64)", "64,beta=1.0)")),
        ({"quantizer.update": "gradient"}, BASE.replace("64)", "64,update=gradient)")),
        ({"encoder.hidden": None}, BASE),
        (
            {"encoder.hidden": 3, "decoder.hidden": "none"},
            BASE.replace("res(128)", "res(128,hidden=3)", 1),
        ),
        ({"prior": "uniform"}, BASE.replace(",prior=pixelcnn", "")),
        ({"prior.layers": 3}, BASE[:-1] + "(layers=3))"),
        (
            {"quantizer": "fsq(8)", "quantizer.levels": (4, 4)},
            BASE.replace("vq(512,64)", "fsq(4,4)"),
        ),
        ({"cond": "label(10)", "cond.dim": 4}, BASE[:-1] + ",cond=label(10,dim=4))"),
    ],
)  # fmt: skip
def test_override(changes, expected):
    base = resolve(BASE)
    assert str(override(base, changes)) == expected
    assert str(base) == BASE


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"qantizer": "fsq(8)"}, "vqvae has no argument 'qantizer' to override"),
        ({"quantiser": "fsq(8)"}, "did you mean 'quantizer'?"),
        ({"inputs": (1, 2, 3)}, "did you mean 'input'?"),
        ({"quantizer.codez": 3}, "vq has no argument 'codez' to override; did you mean 'codes'?"),
        ({"quantizer.codes": 2.5}, "vq: 'codes' takes an int, found 2.5"),
        ({"quantizer.codes": 1}, "codes must be at least 2, not 1, in the override of"),
        ({"quantizer": "gaussian(3)"}, "not a quantizer"),
        ({"quantizer": "fsq(8"}, "this bracket is never closed"),
        ({"quantizer.codes.x": 3}, "'codes' has no arguments of its own"),
        ({"cond.dim": 3}, "'cond' has no arguments of its own"),
        ({"input": float("nan")}, "no way to write the number nan"),
        ({"input": object()}, "no way to write a object"),
        ({"prior": None}, "'prior' takes a prior, found none"),
        ({"version": 2}, "has no argument 'version'"),
        ({"": 2}, "has no argument ''"),
    ],
)
def test_bad_override(changes, message):
    with pytest.raises(SpecError) as caught:
        override(resolve(BASE), changes)
    assert message in caught.value.message


LEVELS = "vqvae(levels(res(8),res(8)),levels(vq(8,4),vq(9,5)),unres(8),input=(1,8,8))"


def test_parts_of_parts_bind_print_and_are_found():
    bound = resolve(LEVELS)
    assert str(display(bound)) == LEVELS
    assert resolve(str(resolved(bound))) == bound
    inside = [part.entry.qualified for part in walk(bound)]
    assert inside[:7] == ["vqvae", "levels", "res", "res", "levels", "vq", "vq"]
    by_keyword = LEVELS.replace("levels(vq(8,4),vq(9,5))", "levels(parts=(vq(8,4),vq(9,5)))")
    assert resolve(by_keyword) == bound


@pytest.mark.parametrize(
    ("text", "message", "under"),
    [
        (LEVELS.replace("vq(9,5)", "7"), "each of 'parts' is a quantizer, found 7", "7"),
        (LEVELS.replace("vq(9,5)", "point(3)"), "point", "point"),
        (LEVELS.replace(",vq(9,5)", ""), "at least two parts", "levels(vq(8,4))"),
    ],
)
def test_a_wrong_part_of_a_part_is_shown(text, message, under):
    with pytest.raises(SpecError, match=message) as found:
        resolve(text)
    span = found.value.span
    assert span is not None
    assert text[span.start : span.end] == under


def test_numbered_parts_can_be_overridden():
    bound = override(resolve(LEVELS), {"quantizer.1.codes": 64, "encoder.0": "res(16)"})
    assert "levels(vq(8,4),vq(64,5))" in str(bound)
    assert "levels(res(16),res(8))" in str(bound)
    with pytest.raises(SpecError, match="2 numbered parts, counted from 0"):
        override(resolve(LEVELS), {"quantizer.2.codes": 64})
    with pytest.raises(SpecError, match="takes a quantizer, found 5"):
        override(resolve(LEVELS), {"quantizer.0": 5})
