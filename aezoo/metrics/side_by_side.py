"""Parts of a batch on threads of their own.

An operator that is split over threads ends when the slowest of them does, and a network has
hundreds one after the other. Parts that are computed by one thread each wait for no other but
at the end.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier

import torch
from torch import Tensor


def side_by_side(function: Callable[[Tensor], Tensor], parts: Sequence[Tensor]) -> list[Tensor]:
    """``function`` of each part, in order; at a time as many as torch has threads on the CPU.

    One after the other where there are fewer parts than threads, or one thread.
    """
    threads = torch.get_num_threads()
    if threads == 1 or len(parts) < threads:
        return [function(part) for part in parts]
    ready = Barrier(threads + 1)

    def alone() -> None:
        torch.get_num_threads()  # a thread's first question sets its number to the process's
        torch.set_num_threads(1)  # this thread's, and the process's for threads that begin later
        ready.wait()

    with ThreadPoolExecutor(threads) as pool:
        started = [pool.submit(alone) for _ in range(threads)]
        ready.wait()
        torch.set_num_threads(threads)  # the process's again
        for worker in started:
            worker.result()
        return list(pool.map(function, parts))
