"""Which process of how many this is, and what the processes say to each other.

More than one process works through Hugging Face Accelerate (``accelerate launch`` or
``torchrun``); a single process imports nothing of it and pays nothing.
"""

from __future__ import annotations

import atexit
import gc
import importlib
import json
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode


class Ranks:
    """Rank ``rank`` of ``world`` processes, on ``device``."""

    def __init__(self, device: str | torch.device = "cpu"):
        self.device = torch.device(device)
        self.rank, self.world = 0, 1
        self._accelerator = None
        if int(os.environ.get("WORLD_SIZE", "1")) > 1:
            from accelerate import Accelerator

            # The defaults of its functions' arguments are the process group of the moment it is
            # imported: later, as DistributedDataParallel does, it would keep the group for good.
            importlib.import_module("torch.distributed.nn.functional")
            joined = torch.distributed.is_initialized()
            self._accelerator = Accelerator(cpu=self.device.type == "cpu")
            if not joined:
                atexit.register(leave)
            self.device = self._accelerator.device
            self.rank = self._accelerator.process_index
            self.world = self._accelerator.num_processes

    @property
    def main(self) -> bool:
        """Whether this process writes the files and shows the progress."""
        return self.rank == 0

    def prepare(self, module: nn.Module) -> nn.Module:
        """Wrap a module so that its gradients are averaged over the processes."""
        return module if self._accelerator is None else self._accelerator.prepare(module)

    def sum(self, value: Tensor) -> Tensor:
        """The sum of a tensor over the processes."""
        if self._accelerator is None:
            return value
        return self._accelerator.reduce(value, "sum")  # pyright: ignore[reportReturnType]

    def gather(self, value: Tensor) -> list[Tensor]:
        """``value`` (n, ...) of every process in the order of ranks; n may differ, no more."""
        if self._accelerator is None:
            return [value]
        size = torch.tensor([len(value)], device=self.device)
        lengths = self._gathered(size).tolist()
        longest = max(lengths)
        if not longest:
            return [value] * self.world
        padded = value.new_zeros((longest, *value.shape[1:]), device=self.device)
        padded[: len(value)] = value
        parts = self._gathered(padded).split(longest)
        return [part[:length] for part, length in zip(parts, lengths, strict=True)]

    def _gathered(self, value: Tensor) -> Tensor:
        assert self._accelerator is not None
        return self._accelerator.gather(value)  # pyright: ignore[reportReturnType]

    def share(self, value: Any) -> list[Any]:
        """What JSON can hold, of every process in the order of ranks. As JSON: no pickles."""
        if self._accelerator is None:
            return [value]
        data = torch.tensor(list(json.dumps(value).encode()), dtype=torch.uint8)
        return [json.loads(bytes(part.tolist())) for part in self.gather(data.to(self.device))]

    def any(self, flag: bool) -> bool:
        """Whether the flag is set in any process."""
        if self._accelerator is None:
            return flag
        return bool(self.sum(torch.tensor(float(flag), device=self.device)) > 0)

    def wait(self) -> None:
        """Until every process is here."""
        if self._accelerator is not None:
            self._accelerator.wait_for_everyone()

    def slice(self, index: Tensor) -> Tensor:
        """This process's rows of a global batch."""
        if self.world == 1:
            return index
        if len(index) % self.world:
            raise ValueError(f"a batch of {len(index)} does not split over {self.world} processes")
        share = len(index) // self.world
        return index[self.rank * share : (self.rank + 1) * share]

    @contextmanager
    def noise(self, batch: int) -> Iterator[None]:
        """Inside, noise of this process's batch is its slice of the global batch's noise.

        All processes seed alike and draw for the whole batch, so a run gives the same
        numbers on any number of processes. ``batch`` is the global one.
        """
        if self.world == 1:
            yield
        else:
            with _GlobalNoise(self.rank, self.world, batch // self.world):
                yield


def leave() -> None:
    """Leave the process group, so that its threads end; at exit, where a `Ranks` joined it.

    One that is still letting go of the last collective's tensors when the interpreter has ended
    asks for its lock, and the process dies with "terminate called without an active exception":
    a finished run looks like a failed one.
    """
    if torch.distributed.is_initialized():
        # First the lock is anybody's for a while: torch 2.6 keeps it while it waits for the
        # threads, for ever where one of them wants it.
        time.sleep(0.2)
        torch.distributed.destroy_process_group()
    gc.collect()  # a model whose gradients were averaged holds the group, in a cycle


_BY_SIZE = (torch.randn, torch.rand)
_LIKE = {torch.randn_like: torch.randn, torch.rand_like: torch.rand}


class _GlobalNoise(TorchFunctionMode):
    """Draws ``randn``, ``rand`` and their ``_like`` for the global batch, keeps the slice."""

    def __init__(self, rank: int, world: int, share: int):
        super().__init__()
        self.rank, self.world, self.share = rank, world, share

    def __torch_function__(self, func, types, args=(), kwargs=None):
        kwargs = dict(kwargs or {})
        if func in _LIKE:
            like = args[0]
            shape = tuple(like.shape)
            kwargs = {"dtype": like.dtype, "device": like.device} | kwargs
            kwargs.pop("memory_format", None)
            func = _LIKE[func]
        elif func in _BY_SIZE:
            size = kwargs.pop("size", args)
            shape = tuple(size[0]) if len(size) == 1 and not isinstance(size[0], int) else size
        else:
            return func(*args, **kwargs)
        if not shape or shape[0] != self.share:
            return func(shape, **kwargs)
        whole = func((self.share * self.world, *shape[1:]), **kwargs)
        return whole[self.rank * self.share : (self.rank + 1) * self.share]
