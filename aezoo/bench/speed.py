"""How fast a model works on this machine, and what it needs.

On a GPU each call is timed by two CUDA events on its stream, elsewhere by the clock; the
median of many calls stands, after calls that only warm up. Every figure names the device.
"""

from __future__ import annotations

import copy
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from aezoo.data.sets import batches
from aezoo.metrics.base import Metric, Run
from aezoo.records import Figure


@dataclass(frozen=True, slots=True)
class Times:
    """Seconds of one call, measured again and again."""

    seconds: tuple[float, ...]

    @property
    def median(self) -> float:
        return statistics.median(self.seconds)

    @property
    def p95(self) -> float:
        """The time that 95 of 100 calls do not exceed: the nearest rank, at least 0.95 n."""
        ordered = sorted(self.seconds)
        return ordered[-(-95 * len(ordered) // 100) - 1]


def timed(
    call: Callable[[], Any],
    device: torch.device,
    *,
    budget: float = 1.0,
    least: int = 5,
    most: int = 1000,
    warmup: int = 2,
) -> Times:
    """Time ``call`` until ``budget`` seconds are spent: ``least`` to ``most`` times."""
    for _ in range(warmup):
        call()
    _wait(device)
    seconds: list[float] = []
    start = time.perf_counter()
    while len(seconds) < least or (len(seconds) < most and time.perf_counter() - start < budget):
        seconds.append(_once(call, device))
    return Times(tuple(seconds))


def _once(call: Callable[[], Any], device: torch.device) -> float:
    if device.type == "cuda":
        first, last = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        stream = torch.cuda.current_stream(device)  # not always that of the current device
        first.record(stream)
        call()
        last.record(stream)
        last.synchronize()
        return first.elapsed_time(last) / 1000
    start = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)
    elif device.type == "mps":
        torch.mps.synchronize()


def flops(call: Callable[[], Any]) -> int:
    """Floating point operations of the matrix products and convolutions in one ``call``."""
    from torch.utils.flop_counter import FlopCounterMode

    counter = FlopCounterMode(display=False)
    with counter:
        call()
    return counter.get_total_flops()


def peak_memory(call: Callable[[], Any], device: torch.device) -> int | None:
    """The most bytes that ``call`` holds on a GPU beyond what was there; None elsewhere."""
    if device.type != "cuda":
        return None
    torch.cuda.synchronize(device)
    torch.cuda.reset_peak_memory_stats(device)
    before = torch.cuda.memory_allocated(device)
    call()
    torch.cuda.synchronize(device)
    return torch.cuda.max_memory_allocated(device) - before


def train_step(model: Any, x: Tensor, cond: Tensor | None) -> Callable[[], None]:
    """One step of Adam on the model's own objective; on a copy, the model stays as it is."""
    model = copy.deepcopy(model).train().requires_grad_(True)
    learning = [p for p in model.parameters() if p.requires_grad]
    if model.fits_prior and model.prior is not None:  # fitted later, on the finished model
        later = {id(p) for p in model.prior.parameters()}
        learning = [p for p in learning if id(p) not in later]
    adam = torch.optim.Adam(learning, lr=1e-6)

    def step() -> None:
        with torch.enable_grad():
            loss = model.loss(x, cond).total
            adam.zero_grad(set_to_none=True)
            loss.backward()
            adam.step()

    return step


@dataclass
class Speed(Metric):
    """``speed``: images per second of each verb, latency, memory, parameters, operations."""

    batch: int = 128  # images a call
    samples: int = 16  # images a call of `sample`, which may be slow
    budget: float = 1.0  # seconds a figure

    def __post_init__(self) -> None:
        for name in ("batch", "samples"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        if not self.budget > 0:
            raise ValueError(f"budget must be above 0 seconds, not {self.budget}")

    def missing(self, run: Run) -> str:
        alone = "it is timed by one process alone; run it without accelerate or torchrun"
        return alone if run.world > 1 else ""

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        device = self.run.device
        # What is drawn here is nobody else's: the global generators stay where they are.
        gpus = [device] if device.type == "cuda" else []
        with torch.no_grad(), torch.random.fork_rng(gpus):
            return self._measured(self.run)

    def _measured(self, run: Run) -> list[Figure]:
        model, device = run.model, run.device
        x, y = next(batches(run.images, self.batch, device, seed=run.seed))
        cond = model.condition(x, y)
        z = model.encode(x, cond).z
        where = _machine(device)
        figures: list[Figure] = []

        def row(metric: str, value: float, what: str, n: int, unit: str, more: bool | None) -> None:
            given = {"n": n, "unit": unit, "higher_is_better": more}
            figures.append(self.figure(metric, value, f"{what}; {where}", **given))

        def rate(metric: str, call: Callable[[], Any], n: int) -> None:
            times = timed(call, device, budget=self.budget)
            text = f"float32, batch of {n}, median call"
            row(f"{metric}-per-second", n / times.median, text, n, "images/s", True)

        step = train_step(model, x, cond)
        rate("encode", lambda: model.encode(x, cond), len(x))
        rate("decode", lambda: model.decode(z, cond), len(x))
        rate("reconstruct", lambda: model.reconstruct(x, cond), len(x))
        rate("train", step, len(x))
        if model.capabilities.sample and model.capabilities.draws_cond:
            rate("sample", lambda: model.sample(self.samples), self.samples)
        one, c = x[:1], None if cond is None else cond[:1]
        times = timed(lambda: model.reconstruct(one, c), device, budget=self.budget, least=20)
        for name, seconds in (("median", times.median), ("p95", times.p95)):
            text = "reconstruct, float32, batch of 1"
            row(f"latency-{name}", 1000 * seconds, text, 1, "ms", False)
        held = sum(t.nbytes for t in (*model.parameters(), *model.buffers()))

        def two_steps() -> None:
            step = train_step(model, x, cond)
            step()
            step()  # the first one made Adam's moments

        for name, call, more, what in (
            ("reconstruct", lambda: model.reconstruct(x, cond), held, "the weights"),
            ("train", two_steps, 0, "the weights, their gradients and moments"),
        ):
            if (peak := peak_memory(call, device)) is not None:
                text = f"{name}, float32, batch of {len(x)}, with {what}"
                row(f"peak-memory-{name}", (peak + more) / 2**20, text, len(x), "MiB", False)
        weights = sum(p.numel() for p in model.parameters())
        operations = flops(lambda: model.reconstruct(one, c))
        figures += [
            self.figure("parameters", weights, "all of the model", n=1),
            self.figure(
                "flops-reconstruct",
                operations,
                "of one image; matrix products and convolutions, a multiply-add is two",
                n=1,
            ),
        ]
        return figures


def _machine(device: torch.device) -> str:
    """The device's own name; on a CPU with the threads that torch uses."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    threads = torch.get_num_threads()
    return f"{device.type}, {threads} thread{'s' if threads > 1 else ''}"
