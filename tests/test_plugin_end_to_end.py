"""A stranger's afternoon: a plugin from `aezoo new-plugin`, from its first file to its users.

Wheels in virtual environments that know nothing of the checkout, a Hub over a real socket.
"""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from plugin_packages import Environment, libraries, wheel

from aezoo.testing.localhub import LocalHub

ROOT = Path(__file__).resolve().parent.parent
SPEC = "vqvae(res(8,depth=1,down=2),acme/rvq(2,16,4),unres(8,depth=1),input=(1,8,8))"

#: A model's codes and reconstructions of inputs that every process can make again.
SEEN = """
import sys, torch, aezoo
from safetensors.torch import save_file
model = aezoo.create(sys.argv[1])
x = torch.linspace(0, 1, 3 * 64).reshape(3, 1, 8, 8)
seen = {"codes": model.encode(x).codes, "y": model.reconstruct(x)}
save_file({name: value.detach().contiguous() for name, value in seen.items()}, sys.argv[2])
"""


@pytest.fixture(scope="module")
def work(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("stranger")


@pytest.fixture(scope="module")
def core(work) -> Path:
    """aezoo's own wheel."""
    return wheel(ROOT, work)


@pytest.fixture(scope="module")
def without(work, core) -> Environment:
    """An environment with aezoo alone."""
    return Environment(work / "without", [core], libraries(work / "libraries"))


@pytest.fixture(scope="module")
def plugin(work, without) -> Path:
    """The wheel of a plugin, as the environment's own `aezoo new-plugin` writes it."""
    told = without.aezoo("new-plugin", "acme-rvq", "--out", work)
    folder = work / "acme-rvq"
    assert told.splitlines() == [f"cd {folder}", 'pip install -e ".[test]"', "pytest"]
    return wheel(folder, work)


def test_from_the_first_file_to_its_users(work, core, without, plugin):
    env = {"HOME": str(work), "AEZOO_CACHE": str(work / "cache")}
    author = Environment(work / "author", [core, plugin], work / "libraries")
    where = author.run(author.python, "-c", "import aezoo; print(aezoo.__file__)").strip()
    assert Path(where).is_relative_to(work / "author")

    # Listed, the second time without an import.
    for _ in range(2):
        (row,) = json.loads(author.aezoo("plugins", "--json", **env))
        assert (row["state"], row["distribution"], row["version"]) == ("ok", "acme-rvq", "0.1.0")
        assert row["provides"] == ["quantizer acme/rvq"]
    assert "acme/rvq" in author.aezoo("list", "--kind", "quantizer", **env)
    assert "codebooks" in author.aezoo("info", "acme/rvq", **env)
    assert "audio" in author.aezoo("plugins", "search", **env)  # the index is in the wheel

    # Trained and saved.
    done = author.aezoo(
        "train", SPEC, "--data", "digits", "--runs", work / "runs", "--device", "cpu",
        "--stage", "steps=30", "--threads", "2", "--quiet", **env,
    )  # fmt: skip
    folder = re.search(r'"local:([^"]+)"', done)[1]
    author.run(author.python, "-c", SEEN, f"local:{folder}", work / "author.st", **env)

    with LocalHub() as hub:
        # Published.
        hf = env | hub.env(work / "author-hf")
        told = author.aezoo("publish", folder, "--repo", "stranger/rvq-digits", **hf)
        source = re.search(r'"(hf://stranger/rvq-digits@[0-9a-f]{40})"', told)[1]

        # Loaded where the plugin is installed: the same bits.
        user = Environment(work / "user", [core, plugin], work / "libraries")
        hf = env | hub.env(work / "user-hf")
        user.run(user.python, "-c", SEEN, source, work / "user.st", **hf)
        assert (work / "user.st").read_bytes() == (work / "author.st").read_bytes()

        # Refused where it is not, with the name of what to install.
        hf = env | hub.env(work / "without-hf")
        told = without.aezoo("sample", source, "--out", work / "x.png", code=2, **hf)
        assert "needs the quantizer 'acme/rvq'" in told
        assert "pip install acme-rvq==0.1.0" in told
        assert "Traceback" not in told
        assert hub.errors == []

    # And a spec with it says the same of the namespace.
    told = without.aezoo("spec", SPEC, code=2, **env)
    assert "no installed plugin has the namespace 'acme'" in told
