"""Training on two processes gives the state that one process gives."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor

from aezoo.testing import rank_worker
from aezoo.testing.outcome import Broken, require
from aezoo.testing.subject import Subject

WAIT = 300.0  # seconds that two processes may take


def two_ranks_equal_one(subject: Subject) -> None:
    """Statistics kept across batches are those of all processes: two ranks end as one does.

    Batches are split over two real processes (gloo); a component whose forward changes no
    buffer passes without them.

    Fix: where torch.distributed is initialised, all_reduce the sums of a batch before they
    enter a moving average, and broadcast what is drawn at random from rank 0.
    """
    bound = subject.bound()
    spec = str(bound)
    before = {n: t.clone() for n, t in rank_worker.made(spec).state_dict().items()}
    alone = rank_worker.trained(spec, 0, 1)
    if all(torch.equal(alone[name], value) for name, value in before.items()):
        return
    with tempfile.TemporaryDirectory() as folder:
        first, second = _run(spec, Path(folder))
    for name, value in alone.items():
        require(
            _near(first[name], second[name]),
            f"{spec}: after 3 batches the two ranks have other {name}",
        )
        require(
            _near(first[name], value),
            f"{spec}: after 3 batches {name} is not what one process has, it is up to "
            f"{(first[name].double() - value.double()).abs().max():.3g} off",
        )


def _near(a: Tensor, b: Tensor) -> bool:
    return torch.allclose(a.double(), b.double(), atol=1e-4, rtol=1e-3)


def _run(spec: str, folder: Path) -> list[dict[str, Tensor]]:
    path = os.pathsep.join(p for p in sys.path if p)
    with contextlib.ExitStack() as stack:
        started: list[subprocess.Popen[bytes]] = []
        for rank in range(2):
            log = stack.enter_context((folder / f"{rank}.log").open("wb"))
            process = subprocess.Popen(
                [sys.executable, "-m", rank_worker.__name__, spec, str(folder), str(rank), "2"],
                env=os.environ | {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"},
                stdout=log,
                stderr=subprocess.STDOUT,
            )
            started.append(stack.enter_context(process))
            stack.callback(process.kill)
        _wait(spec, folder, started)
    return [load_file(folder / f"{rank}.safetensors") for rank in range(2)]


def _wait(spec: str, folder: Path, started: list[subprocess.Popen[bytes]]) -> None:
    """Until all are done, or one has failed: the others would wait for it for ever."""
    end = time.monotonic() + WAIT
    while any(process.poll() is None for process in started):
        if time.monotonic() > end or any(process.poll() for process in started):
            break
        time.sleep(0.05)
    for rank, process in enumerate(started):
        if process.poll():
            trouble = (folder / f"{rank}.log").read_text(errors="replace").strip()[-500:]
            raise Broken(f"{spec}: rank {rank} of 2 fails: {trouble}")
    if any(process.poll() is None for process in started):
        raise Broken(
            f"{spec}: two ranks are not done after {WAIT:.0f} s; they wait for each other",
            "call every collective on every rank, in the same order, whatever the data",
        )
