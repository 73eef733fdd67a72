"""Small plugins for the tests, installed for real: files on sys.path that importlib.metadata finds.

`lay_out` writes what an installer leaves behind; `sources` writes a project that pip can build.
`install` lets pip build projects into a folder; `wheel` and `Environment` are for tests that want
what a stranger has: wheels in a virtual environment that knows nothing of this checkout.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from aezoo import registry

HEAD = """\
from dataclasses import dataclass

from aezoo.hookspecs import hookimpl
from aezoo.records import *


@dataclass(frozen=True)
class Config:
    codes: int
    dim: int = 8


def quantizer(name="toy", **more):
    record = dict(config=Config, target="{package}.modules:Toy", summary="a toy",
                  caps=Capabilities(discrete=True))
    return Component(name, **(record | more))

"""

#: A manifest that gives one quantizer.
TOY = """
@hookimpl
def aezoo_quantizers():
    yield quantizer()
"""

#: The quantizer itself: nearest code, straight-through.
MODULES = '''\
import torch
from torch import nn

from aezoo.latents import Latent


class Toy(nn.Module):
    """h (B,F,*L) -> codes (B,*L) of a codebook (K,D)."""

    def __init__(self, config, *, in_shape):
        super().__init__()
        self.in_shape = in_shape
        self.out_shape = (config.dim, *in_shape[1:])
        self.num_codes = config.codes
        self.project = nn.Linear(in_shape[0], config.dim)
        self.codebook = nn.Parameter(torch.randn(config.codes, config.dim))

    def forward(self, h, *, sample=False, generator=None):
        rows = self.project(h.movedim(1, -1))
        codes = torch.cdist(rows.flatten(0, -2), self.codebook).argmin(-1).view(rows.shape[:-1])
        z, rows = self.lookup(codes), rows.movedim(-1, 1)
        penalty = (rows - z).square().flatten(1).sum(1)
        return Latent(z=rows + (z - rows).detach(), codes=codes, penalty=penalty)

    def lookup(self, codes):
        return self.codebook[codes].movedim(-1, 1)
'''


@contextlib.contextmanager
def installed_in(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put ``folder`` at the front of sys.path; afterwards forget what was imported from it."""
    monkeypatch.delenv("AEZOO_PLUGINS", raising=False)
    monkeypatch.delenv("AEZOO_DISABLE_PLUGINS", raising=False)
    monkeypatch.setattr(sys, "path", [str(folder), *sys.path])
    registry.reset()
    before = set(sys.modules)
    yield
    for name in set(sys.modules) - before:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(folder):
            del sys.modules[name]
    monkeypatch.undo()
    registry.reset()


def lay_out(
    folder: Path,
    namespace: str = "acme",
    body: str = TOY,
    *,
    distribution: str | None = None,
    version: str = "1.0",
    value: str | None = None,
    modules: str = MODULES,
) -> Path:
    """Write a package, and the ``dist-info`` of its distribution, below ``folder``."""
    distribution = distribution or f"{namespace}-plugin"
    package = distribution.replace("-", "_")
    _package(folder, package, body, modules)
    info = folder / f"{package}-{version}.dist-info"
    info.mkdir()
    metadata = f"Metadata-Version: 2.1\nName: {distribution}\nVersion: {version}\n"
    (info / "METADATA").write_text(metadata)
    entry = f"[aezoo]\n{namespace} = {value or f'{package}.manifest'}\n"
    (info / "entry_points.txt").write_text(entry)
    return info


def sources(
    folder: Path,
    namespace: str = "acme",
    body: str = TOY,
    *,
    distribution: str | None = None,
    version: str = "1.0",
) -> Path:
    """Write a project with a pyproject.toml into its own folder below ``folder``."""
    distribution = distribution or f"{namespace}-plugin"
    package = distribution.replace("-", "_")
    project = folder / distribution
    project.mkdir(parents=True)
    _package(project, package, body, MODULES)
    (project / "pyproject.toml").write_text(
        f"""\
[build-system]
requires = ["setuptools"]
build-backend = "setuptools.build_meta"

[project]
name = "{distribution}"
version = "{version}"

[project.entry-points.aezoo]
{namespace} = "{package}.manifest"

[tool.setuptools]
packages = ["{package}"]
"""
    )
    return project


def install(projects: list[Path], target: Path) -> None:
    """Let pip build the projects and install them into the folder ``target``."""
    _pip("install", "--no-build-isolation", "--target", str(target), *map(str, projects))


def wheel(project: Path, out: Path) -> Path:
    """The wheel of a project, built in a copy: setuptools leaves files beside its sources."""
    copy = out / f"{project.name}-sources"
    kept = ("aezoo", "model_cards", "plugins/index.json", "pyproject.toml", "setup.py",
            "README.md", "LICENSE")  # fmt: skip
    if (project / "aezoo").is_dir():  # the core's folder holds much that is no part of it
        for name in kept:
            (copy / name).parent.mkdir(parents=True, exist_ok=True)
            if (project / name).is_dir():
                ignored = shutil.ignore_patterns("__pycache__")
                shutil.copytree(project / name, copy / name, ignore=ignored)
            else:
                shutil.copyfile(project / name, copy / name)
    else:
        shutil.copytree(project, copy)
    before = set(out.glob("*.whl"))
    _pip("wheel", "--no-build-isolation", "--wheel-dir", str(out), str(copy))
    (built,) = set(out.glob("*.whl")) - before
    return built


class Environment:
    """A virtual environment with these wheels, and with the libraries of the tests' own.

    torch alone is 5 GB, so the libraries are not installed again: a ``.pth`` file points to a
    folder of links to each of them but aezoo and its plugins, whatever way these are installed.
    """

    def __init__(self, folder: Path, wheels: list[Path], libraries: Path):
        venv.create(folder, with_pip=False, symlinks=os.name != "nt")
        self.bin = folder / ("Scripts" if os.name == "nt" else "bin")
        self.python = self.bin / Path(sys.executable).name
        where = "import sysconfig; print(sysconfig.get_path('purelib'))"
        site = Path(self.run(self.python, "-c", where).strip())
        (site / "libraries.pth").write_text(f"{libraries}\n")
        # pip, from the tests' environment, works in this one.
        _pip("--python", str(self.python), "install", "--no-compile", *map(str, wheels))

    def run(self, *command: object, code: int = 0, **env: str) -> str:
        """What a command prints, run in the environment and nowhere near the checkout."""
        clean = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "PYTHONHOME")}
        done = subprocess.run(
            [str(part) for part in command],
            env=clean | {"OMP_NUM_THREADS": "2", "PYTHONWARNINGS": "error"} | env,
            cwd=self.bin,
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == code, done.stdout + done.stderr
        return done.stdout + (done.stderr if code else "")

    def aezoo(self, *args: object, code: int = 0, **env: str) -> str:
        """What the ``aezoo`` command of the environment prints."""
        return self.run(self.bin / "aezoo", *args, code=code, **env)


def libraries(folder: Path) -> Path:
    """Links to everything that is installed beside the tests, but aezoo and its plugins."""
    folder.mkdir()
    for site in [Path(p) for p in sys.path if Path(p).name in ("site-packages", "dist-packages")]:
        for path in site.iterdir():
            ours = path.name.lower().startswith(("aezoo", "__editable__", "__pycache__"))
            if not ours and not _is_plugin(path) and not (folder / path.name).exists():
                (folder / path.name).symlink_to(path, target_is_directory=path.is_dir())
    return folder


def _is_plugin(path: Path) -> bool:
    entries = path / "entry_points.txt"
    return entries.is_file() and "[aezoo]" in entries.read_text(encoding="utf-8")


def _pip(*args: str) -> None:
    """Without the network and without dependencies: these are there."""
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet"]
    verb = next(i for i, word in enumerate(args) if word in ("install", "wheel"))
    options = ["--no-deps", "--no-index"]
    done = subprocess.run(
        [*command, *args[: verb + 1], *options, *args[verb + 1 :]],
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def _package(folder: Path, package: str, body: str, modules: str) -> None:
    (folder / package).mkdir()
    (folder / package / "__init__.py").write_text("")
    (folder / package / "manifest.py").write_text(HEAD.format(package=package) + body)
    (folder / package / "modules.py").write_text(modules)
