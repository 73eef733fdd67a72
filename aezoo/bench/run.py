"""One pass of a model over a split feeds all metrics; on one process or many.

    rows = aezoo.bench.run(["vqvae-cifar10"], metrics="reconstruction,likelihood(k=200)")

The split is cut into blocks of a fixed size and process r of w takes the blocks r, r+w, ...;
see `aezoo.metrics.base` for what makes the numbers the same on any number of processes.
"""

from __future__ import annotations

import contextlib
import logging
import os
import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

import torch

from aezoo.bench import choose
from aezoo.bench.gallery import Gallery
from aezoo.bench.journal import Journal, machine
from aezoo.bench.merge import merged
from aezoo.bench.rows import Row, from_json, row_of, to_json
from aezoo.bench.subject import Subject, part, rows_of, subject
from aezoo.data.sets import ImageSet, binarise, scaled
from aezoo.errors import MetricError
from aezoo.latents import point
from aezoo.metrics.base import Batch, Metric, Run
from aezoo.spec import spec_hash
from aezoo.train.ranks import Ranks

BLOCK = 100  # rows of a block; the draws of a block depend on it
GALLERY = "gallery"

_log = logging.getLogger("aezoo.bench")


@dataclass(frozen=True, slots=True)
class Failure:
    """A model that could not be measured, or one metric of it."""

    model: str
    metric: str  # "": the model itself
    message: str

    def __str__(self) -> str:
        return f"{self.model}{f', {self.metric}' if self.metric else ''}: {self.message}"


class BenchError(MetricError):
    """Something could not be measured. ``rows`` are those of everything else."""

    def __init__(self, failures: Sequence[Failure], rows: Sequence[Row]):
        self.failures, self.rows = list(failures), list(rows)
        super().__init__("; ".join(str(failure) for failure in failures))


def run(
    models: Any,
    *,
    data: str | None = None,
    split: str = "test",
    metrics: str | Sequence[str] | None = None,
    device: str | torch.device = "auto",
    n: int | None = None,
    seed: int = 0,
    out: str | Path | None = None,
    block: int = BLOCK,
    fresh: bool = False,
    quiet: bool = True,
    say: Callable[[str], None] = _log.info,
) -> list[Row]:
    """Measure models; the rows of everything asked for, those of an earlier run among them.

    Args:
        models: a name of the zoo, a source, a folder, an Autoencoder, or several of them.
        data: a data set's name; None: the one that each model was trained on.
        split: "test", "validation", "test[:1000]", see `aezoo.data.sets.load`.
        metrics: names or calls, ``"reconstruction,likelihood(k=200)"`` or a list of them;
            None: those whose record says ``default``.
        device: "auto" takes the fastest there is. Several processes (``torchrun``,
            ``accelerate launch``) share the work and all get the rows.
        n: the first n rows of the split alone.
        seed: of all draws, and of the bits of binary data.
        out: a folder for the rows (CSV, JSON) and the report; what is finished there is
            not measured again.
        block: rows of a block. Another size gives other draws.
        fresh: measure again what ``out`` has already.
        quiet: without a progress bar, which is shown on a terminal only.
        say: told of metrics that a model cannot be measured by, and of what is finished.

    Raises:
        BenchError: a model or a metric failed; all others were measured first, and their rows
            are in the error.
        MetricError, UnknownMetricError, SpecError: the metrics named are not there.
    """
    given = [models] if isinstance(models, (str, Path, torch.nn.Module)) else list(models)
    if not given:
        raise MetricError("no model is named; `aezoo list` shows those of the zoo")
    if block < 1:
        raise MetricError(f"block is {block}; expected at least 1")
    names = choose.names(metrics)
    ranks = Ranks(_device(device))
    facts = machine(ranks.device, torch.get_num_threads(), ranks.world)
    journal = None
    if out is not None:
        journal = Journal(Path(out), facts)
        # An unreadable journal stops every process.
        _together(ranks, journal.read if ranks.main else lambda: None)
    bench = _Bench(ranks, journal, facts, data, split, n, seed, block, fresh, quiet, say)
    with _full_precision():
        for model in given:
            bench.measure(model, names)
    if journal is not None and ranks.main:
        from aezoo.bench.page import write_report

        write_report(journal)
    ranks.wait()
    if bench.failures:
        raise BenchError(bench.failures, bench.rows)
    return bench.rows


@dataclass(slots=True)
class _Task:
    """One metric of one model."""

    text: str  # "likelihood(k=200)", or "gallery"
    metric: Metric
    key: dict[str, Any]
    error: str = ""
    seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class _Feed:
    """Blocks that one method of several metrics is given."""

    what: str  # "reads", for the progress bar
    blocks: range  # this process's
    block: Callable[[int], tuple[Any, ...]]  # the method's arguments for a block
    method: str  # of the metrics
    tasks: list[_Task]


@dataclass(slots=True)
class _Bench:
    ranks: Ranks
    journal: Journal | None
    facts: dict[str, Any]
    data: str | None
    split: str
    n: int | None
    seed: int
    block: int
    fresh: bool
    quiet: bool
    say: Callable[[str], None]
    rows: list[Row] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)

    def measure(self, model: Any, names: list[str]) -> None:
        """One model; whatever goes wrong is kept in ``failures``."""
        name = model if isinstance(model, (str, Path)) else model.spec
        try:
            self._measure(model, names)
        except Exception as error:  # one failing model must not stop the others
            _log.debug("%s failed", name, exc_info=error)
            self.failures.append(Failure(str(name), "", f"{type(error).__name__}: {error}"))

    def _measure(self, model: Any, names: list[str]) -> None:
        ranks = self.ranks

        def prepare() -> tuple[Subject, ImageSet]:
            made = subject(model, ranks.device)
            return made, rows_of(made, self.data, self.split, self.n)

        who, images = _together(ranks, prepare)
        parts = who.model.bound.config
        run = Run(
            who.model,
            images,
            ranks.device,
            self.seed,
            ranks.rank,
            ranks.world,
            source=who.name,
            given=str(parts.cond or getattr(parts, "prior_cond", None) or ""),
        )
        tasks = _together(ranks, lambda: self._tasks(who, run, names))
        tasks = self._unfinished(tasks)
        began = time.monotonic()
        for task in tasks:
            _guarded(task, lambda task=task: task.metric.begin(run))
        alive = self._alive(who, tasks)
        if alive:
            _together(ranks, lambda: self._pass(run, alive))
            alive = self._alive(who, alive)
        found: dict[str, list[dict[str, Any]]] = {}
        for task in alive:
            sums, rows = merged(task.metric, ranks)
            if ranks.main:
                _guarded(task, lambda t=task, s=sums, r=rows: self._finish(who, run, t, s, r))
            found[task.text] = ranks.share(task.key.get("rows", []))[0]
        alive = self._alive(who, alive)
        if tasks:
            self.say(f"{who.name}: {images.split}, {time.monotonic() - began:.1f} s")
        for task in alive:
            self.rows += map(from_json, found[task.text])
        if self.journal is not None and ranks.main and alive:
            for task in alive:
                self.journal.put(task.key)
            self.journal.write()

    # -- what is to do

    def _tasks(self, who: Subject, run: Run, names: list[str]) -> list[_Task]:
        """The metrics that fit the model; says which do not, and why."""
        tasks, reasons = [], []
        for name in names:
            metric = choose.build(name)
            reason = metric.missing(run)
            if not reason and "samples" in metric.needs and not run.model.capabilities.sample:
                reason = "it has no prior to sample from, or one that was not fitted yet"
            if not reason and "samples" in metric.needs and not run.model.capabilities.draws_cond:
                reason = "a sample needs a condition, and the model cannot draw one"
            if reason:
                reasons.append(f"{name}: {reason}")
                continue
            tasks.append(_Task(name, metric, self._key(who, run, choose.spelled(name, metric))))
        if not tasks:
            raise MetricError(f"no metric can be measured: {'; '.join(reasons)}")
        for reason in reasons:
            self._note(f"{who.name} goes without {reason}")
        if self.journal is not None:
            stem = f"{_slug(run.data)}-{_slug(run.split)}-{_slug(who.name)[-40:]}-{who.weights[:8]}"
            gallery = Gallery(self.journal.folder, stem)
            if not gallery.missing(run):
                tasks.append(_Task(GALLERY, gallery, self._key(who, run, GALLERY)))
        return tasks

    def _key(self, who: Subject, run: Run, measurement: str) -> dict[str, Any]:
        """What a finished measurement is known by; `aezoo.bench.journal.KEY`."""
        return {
            "model": who.name,
            "weights": who.weights,
            "spec_hash": spec_hash(run.model.resolved),
            "data": run.data,
            "split": run.split,
            "n": run.n,
            "seed": self.seed,
            "block": self.block,
            "measurement": measurement,
        }

    def _unfinished(self, tasks: list[_Task]) -> list[_Task]:
        """Those that the journal has not; the rows of the others are taken over."""
        if self.journal is None or self.fresh:
            return tasks
        entries = [self.journal.find(task.key) for task in tasks] if self.ranks.main else []
        known: list[Any] = self.ranks.share([e and e["rows"] for e in entries])[0]
        for rows in known:
            self.rows += map(from_json, rows or [])
        return [task for task, rows in zip(tasks, known, strict=True) if rows is None]

    # -- the pass

    @torch.no_grad()
    def _pass(self, run: Run, tasks: list[_Task]) -> None:
        """This process's blocks, each once through the model and to every metric."""
        needs = frozenset[str]().union(*(task.metric.needs for task in tasks))
        feeds = self._references(run, tasks)
        read = [t for t in tasks if t.metric.needs - {"samples"} or _overrides(t.metric, "update")]
        drawn = [t for t in tasks if "samples" in t.metric.needs]
        blocks = range(run.rank, -(-run.n // self.block), run.world)
        if read:
            feed = _Feed("reads", blocks, lambda b: (self._batch(run, b, needs),), "update", read)
            feeds.append(feed)
        if drawn:
            draw = partial(_samples, run, block=self.block)
            feeds.append(_Feed("draws", blocks, draw, "update_samples", drawn))
        with self._progress(run, sum(len(feed.blocks) for feed in feeds)) as advance:
            for feed in feeds:
                for b in feed.blocks:
                    given = feed.block(b)
                    for task in feed.tasks:
                        if not task.error:
                            _guarded(task, partial(getattr(task.metric, feed.method), *given))
                    advance(feed.what)

    def _references(self, run: Run, tasks: list[_Task]) -> list[_Feed]:
        """The other images that metrics ask for, each split once, for all that ask for it."""
        feeds: dict[tuple[str, str], _Feed] = {}
        for task in tasks:
            images = task.metric.reference_images
            if images is not None:
                blocks = range(run.rank, -(-len(images) // BLOCK), run.world)
                block = partial(_rows, images, run)
                new = _Feed("refers to", blocks, block, "update_reference", [])
                feeds.setdefault((images.dataset.name, images.split), new).tasks.append(task)
        return list(feeds.values())

    def _batch(self, run: Run, b: int, needs: frozenset[str]) -> Batch:
        """Block ``b``: its rows, and what the model makes of them."""
        first, stop = b * self.block, min((b + 1) * self.block, run.n)
        x, y = _block(part(run.images, first, stop), run.device, self.seed)
        rows = torch.arange(first, stop, device=run.device)
        cond = run.model.condition(x, y)
        batch = Batch(x, y, rows, b, run, cond)
        if not needs & {"output", "latent", "x_hat"}:
            return batch
        model, same = run.model, False
        h = model.features(x, cond)  # once, for the draw and for the mode
        if "output" in needs:
            drawn = model.infer(h, cond, x=x, sample=True, generator=batch.generator("z"))
            batch.output = output = model.output(x, drawn, cond, generator=batch.generator("prior"))
            # Where z is a function of x, the pass was at the mode already.
            same = all(latent.q is None for latent in output.latents)
        if needs & {"latent", "x_hat"}:
            batch.latent = latent = drawn if same else model.infer(h, cond, x=x)
            if "x_hat" in needs:
                size = tuple(x.shape[2:])
                p = output.p if same else model.p(latent.z, cond, size=size)
                x_hat = point(p, batch.generator("x_hat"))  # drawn where p has no mean
                batch.x_hat = x_hat.clamp(*run.images.dataset.range)
        return batch

    @contextlib.contextmanager
    def _progress(self, run: Run, total: int) -> Iterator[Callable[[str], None]]:
        if self.quiet or not self.ranks.main or not sys.stderr.isatty():
            yield lambda what: None
            return
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TimeRemainingColumn

        columns = ("{task.description}", BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
        with Progress(*columns, console=Console(stderr=True), transient=True) as progress:
            bar = progress.add_task(run.source, total=total)

            def advance(what: str) -> None:
                progress.update(bar, advance=1, description=f"{run.source} {what} {run.data}")

            yield advance

    # -- what came of it

    def _finish(self, who: Subject, run: Run, task: _Task, sums: Any, rows: Any) -> None:
        """Complete the task's entry; in the main process only."""
        began = time.monotonic()
        figures = task.metric.figures(sums, rows)
        now = datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")
        origin = {
            "model": who.name,
            "weights": who.weights,
            "spec_hash": task.key["spec_hash"],
            "device": self.facts["device"],
            "torch": self.facts["torch"],
            "aezoo": self.facts["aezoo"],
            "date": now,
        }
        dataset = run.images.dataset
        task.key |= {
            "spec": str(run.model.spec),
            "input": list(run.model.input_shape),
            "parameters": sum(p.numel() for p in run.model.parameters()),
            "repo": dataset.repo,
            "revision": dataset.revision,
            "processes": run.world,
            "seconds": round(task.seconds + time.monotonic() - began, 3),
            "date": now,
            "rows": [to_json(row_of(figure, **origin)) for figure in figures],
        }
        if isinstance(task.metric, Gallery):
            task.key["gallery"] = task.metric.content

    def _alive(self, who: Subject, tasks: list[_Task]) -> list[_Task]:
        """The tasks that failed in no process; the failed ones are reported."""
        everyone = self.ranks.share([task.error for task in tasks])
        alive = []
        for task, *errors in zip(tasks, *everyone, strict=True):
            error = next((e for e in errors if e), "")
            if error:
                self.failures.append(Failure(who.name, task.text, error))
            else:
                alive.append(task)
        return alive

    def _note(self, text: str) -> None:
        if self.ranks.main:
            self.say(text)


# -- pieces


def _overrides(metric: Metric, method: str) -> bool:
    return getattr(type(metric), method) is not getattr(Metric, method)


def _rows(images: ImageSet, run: Run, b: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Block ``b`` of another split, and the numbers of its rows."""
    first, stop = b * BLOCK, min((b + 1) * BLOCK, len(images))
    x, _ = _block(part(images, first, stop), run.device, run.seed)
    return x, torch.arange(first, stop, device=run.device)


def _samples(run: Run, b: int, block: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Block ``b`` of as many generated samples as the split has rows, and their numbers."""
    first, stop = b * block, min((b + 1) * block, run.n)
    x = run.model.sample(stop - first, generator=run.generator(b, "samples"))
    return x.clamp(*run.images.dataset.range), torch.arange(first, stop, device=run.device)


def _block(images: ImageSet, device: torch.device, seed: int) -> tuple[torch.Tensor, torch.Tensor]:
    """x float32 in the set's range and y int64 on the device; a GPU is not waited for."""
    pixels = binarise(images, seed) if images.dataset.binary else images.images

    def moved(array: Any) -> torch.Tensor:
        tensor = torch.from_numpy(array.copy())
        if device.type == "cuda":
            return tensor.pin_memory().to(device, non_blocking=True)
        return tensor.to(device)

    return scaled(moved(pixels)), moved(images.labels)


def _slug(text: str) -> str:
    return re.sub(r"[^A-Za-z0-9]+", "-", text).strip("-")


def _guarded(task: _Task, work: Callable[[], None]) -> None:
    """Do a metric's work; what goes wrong takes this metric out and no other."""
    began = time.monotonic()
    try:
        work()
    except Exception as error:  # a metric may be a plugin's
        _log.debug("%s failed", task.text, exc_info=error)
        task.error = f"{type(error).__name__}: {error}"
    task.seconds += time.monotonic() - began


def _together(ranks: Ranks, work: Callable[[], Any]) -> Any:
    """The result of the work that every process does; fails in all where it fails in one."""
    result, trouble = None, None
    try:
        result = work()
    except Exception as error:  # told to the others, who would wait for this process
        trouble = error
    errors = ranks.share(f"{type(trouble).__name__}: {trouble}" if trouble else "")
    if trouble is not None:
        raise trouble
    for rank, error in enumerate(errors):
        if error:
            raise MetricError(f"process {rank} of {ranks.world} failed: {error}")
    return result


def _device(device: str | torch.device) -> torch.device:
    if device != "auto":
        return torch.device(device)
    if torch.cuda.is_available():
        return torch.device("cuda", int(os.environ.get("LOCAL_RANK", "0")))
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


@contextlib.contextmanager
def _full_precision() -> Iterator[None]:
    """float32 means float32: without TF32, which a GPU's convolutions use by default."""
    matmul = torch.get_float32_matmul_precision()
    cudnn = torch.backends.cudnn
    tf32 = cudnn.allow_tf32
    torch.set_float32_matmul_precision("highest")
    cudnn.allow_tf32 = False
    try:
        yield
    finally:
        torch.set_float32_matmul_precision(matmul)
        cudnn.allow_tf32 = tf32
