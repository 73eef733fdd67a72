"""What a metric is given, what it keeps, what it gives back.

    class Reconstruction(Metric):
        needs = frozenset({"x_hat"})

        def update(self, batch):                       # once a block, on the device
            self.add("mse", (batch.x_hat - batch.x).square().flatten(1).mean(1))

        def figures(self, sums, rows):                 # once, on the merged state
            mse = float(sums["mse"]) / self.run.n
            return [self.figure("mse", mse, "pixels in [0,1], z at its mode")]

The split is cut into blocks of a fixed size; process r of w takes the blocks r, r+w, r+2w...
Whatever is drawn for a block comes from generators that are seeded by the block's place in the
split, so any number of processes draws the same numbers; sums are float64, and rows carry
their numbers. Letters as in `aezoo.latents`; N rows of the whole split.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from typing import Any, ClassVar

import torch
from torch import Tensor

from aezoo.data.sets import ImageSet
from aezoo.latents import Latent, Output
from aezoo.records import Figure

NEEDS = frozenset({"output", "latent", "x_hat", "samples"})


@dataclass(frozen=True, slots=True, eq=False)
class Run:
    """One model on one split: what a metric knows before the first block."""

    model: Any  # in eval mode, on `device`
    images: ImageSet  # the split, N rows
    device: torch.device
    seed: int = 0
    rank: int = 0  # this process, of `world`
    world: int = 1
    source: str = ""  # what the model was loaded from: "vqvae-cifar10"
    given: str = ""  # the model's condition, which the rows' passes are given: "label(10)"

    @property
    def n(self) -> int:
        """N, the rows of the split."""
        return len(self.images)

    @property
    def data(self) -> str:
        return self.images.dataset.name

    @property
    def split(self) -> str:
        return self.images.split

    def generator(self, block: int | str, purpose: str) -> torch.Generator:
        """A new generator on the device: the same on every process and for every call."""
        return generator(self.device, self.seed, self.split, block, purpose)


@dataclass(slots=True)
class Batch:
    """One block of the split, as every metric sees it. Fields that no metric needs are None."""

    x: Tensor  # (B, C, *S) float32 in the set's range; the fixed bits of a binary set
    y: Tensor  # (B,) int64
    rows: Tensor  # (B,) int64: row numbers in the split, on the device
    block: int  # which block of the split this is
    run: Run
    cond: Tensor | None = None  # what a conditional model's methods take, else None
    output: Output | None = None  # forward pass, z drawn from q
    latent: Latent | None = None  # encode(x), z at its mode
    x_hat: Tensor | None = None  # (B, C, *S): reconstruction at the mode, clamped to the range

    @property
    def model(self) -> Any:
        return self.run.model

    def generator(self, purpose: str) -> torch.Generator:
        """This block's own generator for a purpose, such as "iwae"; no other metric moves it."""
        return self.run.generator(self.block, purpose)


@dataclass
class Metric:
    """The base of every metric: sums and rows that merge over processes.

    A subclass is a dataclass where it has options, ``likelihood(k=5000)`` in the command, or a
    plain class where it has none. An ``__init__`` or ``__post_init__`` checks the options and
    raises ValueError.
    """

    #: Which of `NEEDS` the metric reads; the runner computes what some metric needs, once.
    needs: ClassVar[frozenset[str]] = frozenset()

    # The state takes no part in comparing: two metrics are equal where their options are.
    run: Run = field(init=False, repr=False, compare=False)
    #: Other images that the run's are held against, where `begin` names some. Metrics that name
    #: the same split see its blocks side by side: a network they share looks at each once.
    reference_images: ImageSet | None = field(init=False, default=None, repr=False, compare=False)
    sums: dict[str, Tensor] = field(init=False, default_factory=dict, repr=False, compare=False)
    rows: dict[str, list[tuple[Tensor, Tensor]]] = field(
        init=False, default_factory=dict, repr=False, compare=False
    )

    def missing(self, run: Run) -> str:
        """Why this model or data cannot be measured so, a clause; "" where it can.

        The runner leaves the metric out and says so; a metric asked for by name as well.
        """
        return ""

    def begin(self, run: Run) -> None:
        """Before the first block. What is drawn or loaded once is made here."""
        self.run, self.sums, self.rows, self.reference_images = run, {}, {}, None

    def update(self, batch: Batch) -> None:
        """One block. No host sync: no ``.item()``, no ``float(tensor)``, no ``.cpu()``."""

    def update_samples(self, x: Tensor, rows: Tensor) -> None:
        """Generated samples (B, C, *S), in range, and their numbers (B,); `needs` "samples"."""

    def update_reference(self, x: Tensor, rows: Tensor) -> None:
        """A block (B, C, *S) of `reference_images`, and its rows' numbers (B,)."""

    def figures(self, sums: dict[str, Tensor], rows: dict[str, Tensor]) -> list[Figure]:
        """The figures, from the merged state; called in one process only.

        ``sums`` are the totals over all processes, float64 on the CPU; ``rows`` hold the values
        (N, ...) of every row in the split's order, on the CPU.
        """
        raise NotImplementedError(
            f"{type(self).__name__} gives no figures; a metric defines figures(sums, rows)"
        )

    # -- what subclasses use

    def add(self, name: str, values: Tensor) -> None:
        """Add values (B,) to a float64 total."""
        self.accumulate(name, wide(values).sum())

    def accumulate(self, name: str, value: Tensor) -> None:
        """Add a tensor of any shape, such as a matrix or counts, to a total of that shape."""
        value = value if value.dtype == torch.int64 else wide(value)
        self.sums[name] = self.sums[name] + value if name in self.sums else value

    def keep(self, name: str, numbers: Tensor, values: Tensor) -> None:
        """Keep values (B, ...) of rows ``numbers`` (B,) as they are."""
        self.rows.setdefault(name, []).append((numbers, values.detach()))

    def figure(self, metric: str, value: float, protocol: str, **more: Any) -> Figure:
        """A `Figure` on this run's data; ``more``: unit, bound, kind, n, seed, ..."""
        given: dict[str, Any] = {"data": self.run.data, "split": self.run.split, "n": self.run.n}
        return Figure(metric, float(value), protocol=self.protocol(protocol), **(given | more))

    def protocol(self, text: str) -> str:
        """The text, behind how the bits were drawn where the data set is binary.

        Of a conditional model it says what the rows' own passes were given.
        """
        binary = self.run.images.dataset.binary
        if self.run.given and self.needs & {"output", "latent", "x_hat"}:
            text = f"{text}, given {self.run.given}"
        return f"binarised once with seed {self.run.seed}, {text}" if binary else text


def wide(value: Tensor) -> Tensor:
    """As float64; on the CPU where the device knows no float64."""
    value = value.detach()
    return (value.cpu() if value.device.type == "mps" else value).double()


def generator(device: torch.device, *key: object) -> torch.Generator:
    """A generator on the device, seeded by the SHA-256 of the key."""
    digest = hashlib.sha256(" ".join(map(str, key)).encode()).digest()
    # 63 bits: manual_seed takes an int64.
    return torch.Generator(device).manual_seed(int.from_bytes(digest[:8], "little") >> 1)
