"""One of several processes that train the same model: what `two_ranks_equal_one` starts.

python -m aezoo.testing.rank_worker SPEC FOLDER RANK WORLD
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

BATCHES, BATCH = 3, 16


def made(spec: str) -> Any:
    """The model, alike in every process."""
    from aezoo.build import build

    torch.manual_seed(0)
    model = build(spec).train()
    model.prior_fitted = model.prior is not None
    return model


def trained(spec: str, rank: int, world: int) -> dict[str, Tensor]:
    """The model's state after this rank's share of some batches in training mode."""
    from aezoo.testing.subject import batch

    model = made(spec)
    torch.manual_seed(1)  # all ranks alike, as `aezoo train` seeds them
    share = BATCH // world
    mine = slice(rank * share, (rank + 1) * share)
    for seed in range(BATCHES):
        x, cond = batch(model, BATCH, seed=10 + seed)
        # From dark to bright, so that the ranks' shares differ in their statistics.
        low, brightness = x.min(), torch.linspace(0.1, 1, BATCH)
        x = low + (x - low) * brightness.reshape(-1, *[1] * (x.ndim - 1))
        with torch.no_grad():
            model.loss(x[mine], None if cond is None else cond[mine])
    return model.state_dict()


def main(spec: str, folder: str, rank: str, world: str) -> None:
    from safetensors.torch import save_file

    from aezoo.train.ranks import leave

    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        "gloo", init_method=f"file://{folder}/meet", rank=int(rank), world_size=int(world)
    )
    state = trained(spec, int(rank), int(world))
    torch.distributed.barrier()
    leave()
    contiguous = {name: tensor.contiguous() for name, tensor in state.items()}
    save_file(contiguous, Path(folder) / f"{rank}.safetensors")


if __name__ == "__main__":
    main(*sys.argv[1:])
