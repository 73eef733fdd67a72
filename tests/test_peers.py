"""benchmarks/peers.csv is true: of aezoo, of the libraries that are installed, and of pythae."""

from __future__ import annotations

import importlib
import inspect
import re
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest

from aezoo import registry
from aezoo.bench import peers
from aezoo.errors import MetricError
from aezoo.gallery import GALLERY

FOLDER = Path(__file__).resolve().parent.parent / "benchmarks"
NAMES = FOLDER / "peers-pythae.txt"
TABLE = peers.comparison(FOLDER / "peers.csv")
#: Names of vector-quantize-pytorch that are no quantizers.
HELPERS = {"Sequential"}


def components() -> set[str]:
    return {f"{r.kind} {r.component.name}" for kind in peers.KINDS
            for r in registry.components(kind) if not r.namespace}  # fmt: skip


def of_pythae() -> dict[str, tuple[str, ...]]:
    """Its public names with their arguments, from the list that was read from its wheel."""
    lines = NAMES.read_text(encoding="utf-8").splitlines()
    found = [re.fullmatch(r"([\w.]+)\((.*)\)", line) for line in lines if line[:1] != "#"]
    return {m[1]: tuple(m[2].split(", ")) for m in found if m}


def installed(library: str) -> Any:
    """Its module, or the test is skipped."""
    version = dict(TABLE.libraries)[library]
    try:
        metadata.version(library)
    except metadata.PackageNotFoundError:
        pytest.skip(f"{library} is not installed; the table was written of {version}")
    return importlib.import_module(library.replace("-", "_"))


def missing(library: str, use: peers.Use) -> str:
    """What of a cell the installed library lacks; "" where it has all."""
    found: Any = installed(library)
    for name in use.path.split(".")[1:]:
        found = getattr(found, name, None)
    if found is None:
        return f"{use.path} does not exist"
    known = inspect.signature(found).parameters
    return "".join(f"{use.path} has no {o}" for o in use.options if o not in known)


def test_what_is_said_of_aezoo() -> None:
    known = components() | {f"example {example.name}" for example in GALLERY} | {""}
    assert {v.name: v.ours for v in TABLE.variants if v.ours not in known} == {}


def test_every_component_has_its_line() -> None:
    without = sorted(components() - {variant.ours for variant in TABLE.variants})
    names = ", ".join(name for name, _ in TABLE.libraries)
    assert not without, (
        f"benchmarks/peers.csv has no line for {', '.join(without)}. Add 'WHAT IT IS,KIND NAME,' "
        f"and what {names} have of it, such as pythae.models.VAMP, or nothing where they lack "
        "it; then python model_cards/gallery.py"
    )


@pytest.mark.parametrize("library", ["diffusers", "vector-quantize-pytorch"])
def test_what_is_said_of_an_installed_library(library: str) -> None:
    wrong = [said for use in TABLE.uses(library) if (said := missing(library, use))]
    assert not wrong, f"written of {library} {dict(TABLE.libraries)[library]}"


def test_what_is_said_of_pythae() -> None:
    known = of_pythae()
    assert f"pythae-{dict(TABLE.libraries)['pythae']}-" in NAMES.read_text(encoding="utf-8")
    for use in TABLE.uses("pythae"):
        assert use.path in known
        assert set(use.options) <= set(known[use.path]), use


def test_nothing_of_theirs_is_left_out() -> None:
    """Every model, flow and sampler of pythae, every quantizer of vector-quantize-pytorch."""

    def stem(path: str) -> str:
        return re.sub("_?Config$", "", path.rpartition(".")[2])

    theirs = {stem(name) for name in of_pythae()} - {"AutoModel", "NFModel"}
    theirs = {name for name in theirs if not name.startswith("Base")}
    # Flows that are no prior and no sampler of their own: VAE_LinNF is made of them.
    theirs -= {"PlanarFlow", "RadialFlow"}
    assert theirs <= {stem(use.path) for use in TABLE.uses("pythae")}

    quantizers = installed("vector-quantize-pytorch")
    written = dict(TABLE.libraries)["vector-quantize-pytorch"]
    if (version := metadata.version("vector-quantize-pytorch")) != written:
        pytest.skip(f"the table was written of {written}, and {version} is installed")
    classes = {n for n, v in vars(quantizers).items() if inspect.isclass(v)} - HELPERS
    assert classes <= {stem(use.path) for use in TABLE.uses("vector-quantize-pytorch")}


def test_every_line_says_something_once() -> None:
    names = [variant.name for variant in TABLE.variants]
    assert len(set(names)) == len(names)
    ours = [variant.ours for variant in TABLE.variants if variant.ours]
    assert len(set(ours)) == len(ours)
    assert all(variant.ours or any(variant.theirs) for variant in TABLE.variants)


def test_cells_are_expressions() -> None:
    assert peers.uses("") == ()
    assert peers.uses("a.B(c=1, d='e'), f.g.H") == (
        peers.Use("a.B", ("c", "d")),
        peers.Use("f.g.H", ()),
    )
    for cell in ("B", "a.B(1)", "a.B(**c)", "a.B or c.D", "a.B(", "a.b().c"):
        with pytest.raises(ValueError, match=re.escape(repr(cell))):
            peers.uses(cell)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("name,aezoo,lib 1\n", "its columns must be"),
        ("variant,aezoo,lib\n", "'LIBRARY VERSION'"),
        ("variant,aezoo,lib 1\nv,\n", "line 2: 2 cells; expected 3"),
        ("variant,aezoo,lib 1\nv,,other.X\n", "line 2: other.X stands in the column of lib"),
        ("variant,aezoo,lib 1\nv,,X\n", "line 2: 'X': expected"),
    ],
)
def test_a_file_that_is_something_else(text: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "peers.csv"
    file.write_text(text)
    with pytest.raises(MetricError, match=re.escape(said)):
        peers.comparison(file)
