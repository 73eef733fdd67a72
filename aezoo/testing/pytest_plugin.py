"""Fixtures and markers for tests of plugins, in every pytest run where aezoo is installed.

pytest imports this module at its start, in projects that have nothing to do with aezoo too.
So it imports pytest alone: torch, the local Hub and the registry come when a fixture or a
marker is used. The checks are not collected by themselves: a test asks for them with
`aezoo.testing.parametrize_with_checks`.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from aezoo.testing.localhub import LocalHub

MARKERS = (
    "aezoo_data(*names): needs these data sets of aezoo on this machine; skipped without them",
    "aezoo_gpu: needs a CUDA device; skipped without one",
)


def pytest_configure(config: pytest.Config) -> None:
    for line in MARKERS:
        config.addinivalue_line("markers", line)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("aezoo_gpu") is not None:
        import torch

        if not torch.cuda.is_available():
            pytest.skip("needs a CUDA device")
    marker = item.get_closest_marker("aezoo_data")
    missing = [name for name in marker.args if not _at_hand(name)] if marker is not None else []
    if missing:
        pytest.skip(f"needs the data sets {', '.join(missing)} in the folder that AEZOO_DATA names")


def _at_hand(name: str) -> bool:
    """Whether the data set lies under AEZOO_DATA."""
    from aezoo import registry

    root, repo = os.environ.get("AEZOO_DATA"), registry.dataset(name).repo
    return bool(root) and Path(root, repo).is_dir()


@pytest.fixture
def aezoo_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LocalHub]:
    """A Hugging Face Hub of the test's own, on 127.0.0.1 (`aezoo.testing.localhub`).

    This process's client is pointed at it, with a cache of its own, as the environment would at
    its start; a request that the Hub could not serve fails the test.
    """
    from huggingface_hub import constants

    from aezoo.testing.localhub import LocalHub

    with LocalHub() as hub:
        env = hub.env(tmp_path / "hf")
        for name in ("HF_TOKEN", "NO_PROXY", "no_proxy"):
            monkeypatch.setenv(name, env[name])
        monkeypatch.setattr(constants, "ENDPOINT", hub.url)
        template = hub.url + "/{repo_id}/resolve/{revision}/{filename}"
        monkeypatch.setattr(constants, "HUGGINGFACE_CO_URL_TEMPLATE", template)
        monkeypatch.setattr(constants, "HF_HUB_CACHE", env["HF_HUB_CACHE"])
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
        yield hub
    assert hub.errors == []


@pytest.fixture
def aezoo_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty folder in which aezoo and the Hub's client keep caches and data in this test.

    The environment says so to processes that the test starts; in its own process, the Hub's
    client reads its folders when it is imported, so pass ``cache_dir`` there.
    """
    home = tmp_path / "aezoo-home"
    for variable, name in (("AEZOO_CACHE", "cache"), ("AEZOO_DATA", "data"), ("HF_HOME", "hf")):
        (home / name).mkdir(parents=True)
        monkeypatch.setenv(variable, str(home / name))
    return home
