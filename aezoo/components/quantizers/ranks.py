"""What quantizers share between the processes of a training run. One process does nothing."""

from __future__ import annotations

import torch
import torch.distributed as dist
from torch import Tensor


def world() -> int:
    return dist.get_world_size() if dist.is_available() and dist.is_initialized() else 1


def sum_over_ranks(*tensors: Tensor) -> None:
    """In place, without a gradient."""
    if world() > 1:
        for tensor in tensors:
            dist.all_reduce(tensor)


def mean_over_ranks(x: Tensor) -> Tensor:
    """The mean of every rank's x. The gradient goes back to all of them."""
    if world() == 1:
        return x
    from torch.distributed.nn.functional import all_reduce

    return all_reduce(x) / world()


def broadcast(*tensors: Tensor) -> None:
    """In place: what the first rank has."""
    if world() > 1:
        for tensor in tensors:
            dist.broadcast(tensor, src=0)


def gathered(rows: Tensor) -> Tensor:
    """The rows of all ranks."""
    if world() == 1:
        return rows
    parts = [torch.empty_like(rows) for _ in range(world())]
    dist.all_gather(parts, rows.contiguous())
    return torch.cat(parts)
