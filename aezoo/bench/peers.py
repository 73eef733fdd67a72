"""Which other library has which variant, as data: ``benchmarks/peers.csv``.

A line a variant. Its cell of ours is ``kind name`` of a component or ``example NAME`` of the
gallery, and empty for what aezoo lacks. A library's cell is a Python expression over its public
names, and empty where nothing of the library itself is the variant:

    pythae.models.VAMP                              a class
    pythae.models.VQVAEConfig(use_ema=True)         an option of it
    diffusers.UVit2DModel, diffusers.AmusedScheduler     several together

The header names each library with the version that was read. tests/test_peers.py asks the
libraries.
"""

from __future__ import annotations

import ast
import csv
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from aezoo import records
from aezoo.errors import MetricError

#: Kinds whose every component of the core must have a line.
KINDS = tuple(kind for kind in records.KINDS if kind not in ("encoder", "decoder", "critic"))


@dataclass(frozen=True, slots=True)
class Use:
    """One name of a library in a cell."""

    path: str  # "pythae.models.VQVAEConfig"
    options: tuple[str, ...]  # its arguments that the cell gives: ("use_ema",)


@dataclass(frozen=True, slots=True)
class Variant:
    """One line."""

    name: str  # as people call it
    ours: str  # "kind name", "example NAME" or ""
    theirs: tuple[str, ...]  # a cell for each library, in the header's order


@dataclass(frozen=True, slots=True)
class Comparison:
    """The file."""

    libraries: tuple[tuple[str, str], ...]  # name on PyPI and version: ("pythae", "0.1.2")
    variants: tuple[Variant, ...]

    def uses(self, library: str) -> list[Use]:
        """All that the lines name of one library, in their order."""
        (column,) = [i for i, (name, _) in enumerate(self.libraries) if name == library]
        return [use for variant in self.variants for use in uses(variant.theirs[column])]


def uses(cell: str) -> tuple[Use, ...]:
    """What a library's cell names.

    Raises:
        ValueError: it is no expression of the form above.
    """
    if not cell:
        return ()
    try:
        body = ast.parse(cell, mode="eval").body
    except SyntaxError as error:
        raise ValueError(f"{cell!r} is no Python expression: {error.msg}") from error
    parts = body.elts if isinstance(body, ast.Tuple) else [body]
    found = []
    for part in parts:
        called = part.func if isinstance(part, ast.Call) else part
        given = part.keywords if isinstance(part, ast.Call) else []
        options = tuple(keyword.arg for keyword in given if keyword.arg is not None)
        positional = isinstance(part, ast.Call) and bool(part.args)
        if not _dotted(called) or positional or len(options) < len(given):
            raise ValueError(f"{cell!r}: expected package.Class or package.Class(option=value)")
        found.append(Use(ast.unparse(called), options))
    return tuple(found)


@cache
def comparison(file: Path) -> Comparison:
    """The file's content.

    Raises:
        MetricError: the file holds something else; names the line.
        OSError: it is not there.
    """
    with file.open(encoding="utf-8", newline="") as text:
        reader = csv.reader(text, strict=True)
        header = next(reader, [])
        if header[:2] != ["variant", "aezoo"] or not all(" " in cell for cell in header[2:]):
            raise MetricError(
                f"{file}: its columns must be variant, aezoo, and 'LIBRARY VERSION' each"
            )
        libraries = [(name, version) for name, _, version in (c.partition(" ") for c in header[2:])]
        variants = []
        for cells in reader:
            try:
                if len(cells) != len(header):
                    raise ValueError(f"{len(cells)} cells; expected {len(header)}")
                for (library, _), cell in zip(libraries, cells[2:], strict=True):
                    _check(library, uses(cell))
            except ValueError as error:
                raise MetricError(f"{file}, line {reader.line_num}: {error}") from error
            variants.append(Variant(cells[0], cells[1], tuple(cells[2:])))
    return Comparison(tuple(libraries), tuple(variants))


def _check(library: str, named: tuple[Use, ...]) -> None:
    package = library.replace("-", "_")
    for use in named:
        if use.path.partition(".")[0] != package:
            raise ValueError(f"{use.path} stands in the column of {library}")


def _dotted(node: ast.expr) -> bool:
    """Whether it is ``a.b`` or ``a.b.c``: a name of a package."""
    if not isinstance(node, ast.Attribute):
        return False
    return isinstance(node.value, ast.Name) or _dotted(node.value)
