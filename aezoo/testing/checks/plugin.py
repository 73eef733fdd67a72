"""Checks of a plugin as a whole: its entry point and its manifest."""

from __future__ import annotations

import json
import os
import subprocess
import sys

from aezoo import plugins
from aezoo.testing.outcome import Broken, require
from aezoo.testing.subject import Subject

#: What a manifest may not import: slow to import, and not needed to say what there is.
HEAVY = (
    "torch", "numpy", "timm", "torchvision", "torchaudio", "diffusers", "transformers", "jax",
    "tensorflow", "scipy", "sklearn", "pandas", "matplotlib", "PIL", "huggingface_hub",
    "safetensors", "accelerate", "pyarrow", "soundfile", "librosa",
)  # fmt: skip

_PROBE = """\
import json, sys
from aezoo import plugins
plugins.load(sys.argv[1])
print(json.dumps(sorted({name.partition(".")[0] for name in sys.modules})))
"""


def plugin_loads(subject: Subject) -> None:
    """An installed plugin's manifest is imported and its records are as the contract wants.

    Fix: correct what `aezoo plugins` says of it; `aezoo.hookspecs` is the contract.
    """
    status = plugins.load(subject.name).status
    require(status.state == "ok", f"its state is {status.state}: {status.message}")


def manifest_imports_nothing_heavy(subject: Subject) -> None:
    """Importing a plugin's manifest and calling its hooks imports no torch and nothing as slow.

    Fix: move the import into the module that a record's target names, or into a function; the
    manifest and the configs need the standard library and aezoo.records alone. Mind the
    package's __init__.py, which is imported too.
    """
    run = subprocess.run(
        [sys.executable, "-c", _PROBE, subject.name],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(p for p in sys.path if p)},
    )
    if run.returncode:
        raise Broken(f"it fails in a fresh interpreter: {run.stderr.strip()[-500:]}")
    heavy = sorted(set(json.loads(run.stdout.splitlines()[-1])).intersection(HEAVY))
    require(not heavy, f"it imports {', '.join(heavy)}")
