"""What `test_quantizers` runs on each of several ranks. Imports little: each rank starts anew."""

from __future__ import annotations

import torch

from aezoo.components.quantizers import configs
from aezoo.components.quantizers.lfq import LFQ
from aezoo.components.quantizers.vq import VQ
from aezoo.train.ranks import leave

OPTIONS = {
    "ema": {"update": "ema", "revive": 0.0},
    "gradient": {"update": "gradient", "revive": 0.0},
    "revived": {"update": "ema", "revive": 0.9},
}


def run(rank: int, world: int, folder: str) -> None:
    """Train on this rank's part of each batch; write the codebook's state to the folder."""
    torch.set_num_threads(1)
    if world > 1:
        torch.distributed.init_process_group(
            "gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=world
        )
    entropy(rank, world, folder)
    for name, options in OPTIONS.items():
        torch.manual_seed(0)
        quantizer = VQ(configs.VQ(4, 2, **options), in_shape=(3, 8))
        torch.manual_seed(1 if rank == 0 else 77)  # only the first rank's draws count
        batches = torch.randn(4, 8, 3, 8, generator=torch.Generator().manual_seed(5))
        for batch in batches:
            latent = quantizer(batch[rank * 8 // world : (rank + 1) * 8 // world])
        state = {**quantizer.state_dict(), "usage": latent.metrics["usage"]}
        torch.save(state, f"{folder}/{name}-{world}-{rank}.pt")
    if world > 1:
        torch.distributed.barrier()  # gloo of torch 2.6 waits for ever for a rank that has gone
        leave()


def entropy(rank: int, world: int, folder: str) -> None:
    """Write an lfq's mean penalty and its gradient, both averaged over the ranks as DDP does."""
    torch.manual_seed(0)
    quantizer = LFQ(configs.LFQ(4), in_shape=(3, 8)).double()
    batch = torch.randn(8, 3, 8, generator=torch.Generator().manual_seed(5)).double()
    penalty = quantizer(batch[rank * 8 // world : (rank + 1) * 8 // world]).penalty.mean()
    penalty.backward()
    found = {name: p.grad for name, p in quantizer.named_parameters() if p.grad is not None}
    found["penalty"] = penalty.detach()
    for value in found.values():
        if world > 1:
            torch.distributed.all_reduce(value)
        value /= world
    torch.save(found, f"{folder}/entropy-{world}-{rank}.pt")
