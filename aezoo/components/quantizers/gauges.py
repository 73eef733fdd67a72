"""How evenly a batch uses the codes, without a table of them: K may be far above its places."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor

from aezoo.components.quantizers.nearest import perplexity


def occurrences(codes: Tensor, k: int) -> Tensor:
    """How often each code that occurs does, and zeros: (n,) int64, n at most the codes given.

    Args:
        codes: int64 in [0, k), of any shape.
    """
    flat = codes.flatten()
    if k > flat.numel():  # number the runs of equal codes: there are no more runs than codes
        flat, k = flat.sort().values, flat.numel()
        flat = torch.cat([flat[:1] * 0, (flat[1:] != flat[:-1]).cumsum(0)])
    counts = torch.zeros(k, dtype=torch.int64, device=flat.device)
    return counts.index_add_(0, flat, torch.ones_like(flat))


def gauges(codes: Tensor, k: int, q: int = 0) -> dict[str, Tensor]:
    """Perplexity and usage of codes (B, *L) in [0, k); with ``q`` of (B, q, *L), see `joined`."""
    if q:
        return joined([gauges(code, k) for code in codes.unbind(1)])
    counts = occurrences(codes, k)
    return {"perplexity": perplexity(counts), "usage": (counts > 0).double().sum() / k}


def joined(metrics: Sequence[dict[str, Tensor]]) -> dict[str, Tensor]:
    """Of several codes a place: the geometric mean of perplexities, the mean of usages."""
    perplexities = torch.stack([m["perplexity"] for m in metrics])
    return {
        "perplexity": perplexities.log().mean().exp(),
        "usage": torch.stack([m["usage"] for m in metrics]).mean(),
    }
