"""Fills the templates in, and puts the package where it was asked for: whole or not at all."""

from __future__ import annotations

import datetime
import json
import os
import shutil
from importlib import resources
from pathlib import Path
from string import Template

import aezoo
from aezoo.errors import ScaffoldError
from aezoo.scaffold.kinds import KINDS
from aezoo.scaffold.names import Names, names

#: The choices of --license, and what SPDX calls them.
LICENSES = {"apache-2.0": "Apache-2.0", "mit": "MIT", "bsd-3-clause": "BSD-3-Clause", "none": ""}

TEMPLATES = resources.files("aezoo.scaffold") / "templates"


def write(
    distribution: str,
    *,
    kind: str = "quantizer",
    namespace: str | None = None,
    license: str = "apache-2.0",
    author: str = "",
    out: str | os.PathLike[str] = ".",
) -> Path:
    """Write a plugin's package to the new folder ``out/distribution``, and give that folder.

    Raises:
        ScaffoldError: a name, kind, licence or author cannot be used, or the folder is there.
    """
    for what, chosen, choices in (
        ("kind", kind, tuple(KINDS)),
        ("licence", license, tuple(LICENSES)),
    ):
        if chosen not in choices:
            raise ScaffoldError(f"there is no {what} {chosen!r} here; take {', '.join(choices)}")
    if not author.isprintable() or len(author) > 100:
        raise ScaffoldError(f"the author {author!r} is not a name of at most 100 characters")
    chosen = names(distribution, kind, namespace)
    folder = Path(out) / distribution
    if folder.exists() or folder.is_symlink():
        raise ScaffoldError(f"{folder} is there already; remove it, or give another --out")
    texts = files(chosen, kind, license, author)
    temporary = folder.with_name(f".{distribution}.{os.getpid()}")
    try:
        for name, text in texts.items():
            path = temporary / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8", newline="\n")
        temporary.rename(folder)
    except OSError as error:
        raise ScaffoldError(f"{folder} cannot be written: {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return folder


def files(names: Names, kind: str, license: str, author: str) -> dict[str, str]:
    """The package as {path in its folder: text}."""
    values = _values(names, kind, license, author)
    wanted = {
        "pyproject.toml": "package/pyproject.toml",
        "README.md": "package/README.md",
        ".gitignore": "package/gitignore",
        ".github/workflows/ci.yml": "package/ci.yml",
        f"{names.package}/__init__.py": "package/init.py",
        f"{names.package}/manifest.py": f"kinds/{kind}/manifest.py",
        f"{names.package}/configs.py": f"kinds/{kind}/configs.py",
        f"{names.package}/{kind}.py": f"kinds/{kind}/module.py",
        "tests/test_conformance.py": "package/test_conformance.py",
        f"tests/test_{kind}.py": f"kinds/{kind}/test.py",
    }
    if license != "none":
        wanted["LICENSE"] = f"licenses/{license}"
    return {path: _filled(template, values) for path, template in wanted.items()}


def _filled(name: str, values: dict[str, str]) -> str:
    """A template with its values; one that it names and nobody gives is a KeyError."""
    text = (TEMPLATES / f"{name}.txt").read_text(encoding="utf-8")
    return Template(text).substitute(values)


def _values(names: Names, kind: str, license: str, author: str) -> dict[str, str]:
    part = f"{names.namespace}/{names.component}{KINDS[kind].arguments}"
    return {
        "distribution": names.distribution,
        "namespace": names.namespace,
        "package": names.package,
        "component": names.component,
        "cls": names.cls,
        "kind": kind,
        "description": KINDS[kind].description,
        "part": part,
        "model": Template(KINDS[kind].model).substitute(part=part),
        "aezoo": ".".join(aezoo.__version__.split(".")[:2]),
        "authors": f"authors = [{{ name = {_toml(author)} }}]\n" if author else "",
        "holder": author or f"The authors of {names.distribution}",
        "year": str(datetime.datetime.now(datetime.UTC).year),
        "license_lines": _license_lines(license),
        "license_text": _license_text(license),
    }


def _license_lines(license: str) -> str:
    if license == "none":
        return 'classifiers = ["Private :: Do Not Upload"]\n'
    return f'license = "{LICENSES[license]}"\nlicense-files = ["LICENSE"]\n'


def _license_text(license: str) -> str:
    if license == "none":
        return (
            "None was chosen: all rights are reserved, and package indexes refuse the upload. To\n"
            "publish, add a LICENSE and name it in `pyproject.toml`."
        )
    return f"{LICENSES[license]}, see `LICENSE`."


def _toml(text: str) -> str:
    """As a string of TOML: JSON's, whose pairs of surrogates TOML does not know."""
    return json.dumps(text, ensure_ascii=False)
