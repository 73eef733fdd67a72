"""What starting costs: `import aezoo` and the commands that only look, beside the interpreter.

    python benchmarks/startup.py [--runs 15]

The last rows have 30 plugins installed, each a package of `aezoo new-plugin`: first as after an
installation, where a listing loads them all, then as ever after (`aezoo.inventory`).

Each is a process of its own; all are run in turn, round after round, so that a busy moment
hits all of them. Medians of wall-clock time, and of the processor's, which a busy machine changes
less.
"""

from __future__ import annotations

import argparse
import csv
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from aezoo.scaffold.kinds import KINDS
from aezoo.scaffold.write import write

PLUGINS = 30
COMMANDS = {
    "python": ["-c", "pass"],
    "import aezoo": ["-c", "import aezoo"],
    "aezoo --version": ["-m", "aezoo", "--version"],
    "aezoo list": ["-m", "aezoo", "list"],
    "aezoo plugins": ["-m", "aezoo", "plugins"],
    "aezoo info vq": ["-m", "aezoo", "info", "vq"],
}
LOOKING = {
    f"aezoo list, {PLUGINS} plugins": ["-m", "aezoo", "list"],
    f"aezoo list --components, {PLUGINS} plugins": ["-m", "aezoo", "list", "--components"],
    f"aezoo plugins, {PLUGINS} plugins": ["-m", "aezoo", "plugins"],
}


def install(site: Path) -> None:
    """Lay 30 plugins out in a folder as pip does, which would take longer."""
    with tempfile.TemporaryDirectory() as made:
        for i in range(PLUGINS):
            kind = list(KINDS)[i % len(KINDS)]
            name = f"plugin{i}_{kind}"
            shutil.copytree(write(f"plugin{i}-{kind}", kind=kind, out=made) / name, site / name)
            info = site / f"{name}-0.1.0.dist-info"
            info.mkdir()
            (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 0.1.0\n")
            (info / "entry_points.txt").write_text(f"[aezoo]\nplugin{i} = {name}.manifest\n")
            files = [*(site / name).iterdir(), *info.iterdir(), info / "RECORD"]
            with (info / "RECORD").open("w", newline="") as file:
                csv.writer(file).writerows([f.relative_to(site).as_posix(), "", ""] for f in files)


def timed(arguments: list[str], env: dict[str, str]) -> tuple[float, float]:
    """Seconds on the clock and of the processor."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, capture_output=True, env=env)
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as folder:
        site, cache = Path(folder, "site"), Path(folder, "cache")
        install(site)
        plain = dict(os.environ)
        path = os.pathsep.join(filter(None, [str(site), plain.get("PYTHONPATH")]))
        full = plain | {"PYTHONPATH": path, "AEZOO_CACHE": str(cache)}
        rows = [(name, command, plain, False) for name, command in COMMANDS.items()]
        rows += [(f"{name}, first", command, full, True) for name, command in LOOKING.items()]
        rows += [(name, command, full, False) for name, command in LOOKING.items()]
        found: dict[str, list[tuple[float, float]]] = {name: [] for name, *_ in rows}
        for _ in range(runs + 1):
            for name, command, env, first in rows:
                if first:
                    shutil.rmtree(cache, ignore_errors=True)
                found[name].append(timed(command, env))
    print(f"{'':46} clock     processor")
    for name, times in found.items():
        clock, processor = zip(*times[1:], strict=True)  # the first round fills the file cache
        print(f"{name:46} {1e3 * statistics.median(clock):6.0f} ms "
              f"{1e3 * statistics.median(processor):6.0f} ms")  # fmt: skip


if __name__ == "__main__":
    main()
