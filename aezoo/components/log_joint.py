"""log p(x, z) as a function of z, which posteriors that say ``reads_log_joint`` are given.

Samples do not mix in it, so that the gradient of its sum is each one's own.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

#: z (B,D,*L) -> log p(x, z) of the x at hand, (B,) nats.
LogJoint = Callable[[Tensor], Tensor]


def reads_log_joint(posterior: Any) -> bool:
    """Whether a posterior, or its class, is called with ``log_joint``."""
    return getattr(posterior, "reads_log_joint", False)


def gradient(log_joint: LogJoint, z: Tensor) -> Tensor:
    """d log p(x, z) / dz, of z's shape (B,D,*L).

    It can be had under torch.no_grad, and has a graph of its own where gradients are recorded:
    to z, and to what p(x, z) learns.
    """
    recorded = torch.is_grad_enabled()
    if not (recorded and z.requires_grad):
        z = z.detach().requires_grad_()
    # Attention's fast kernels go backwards once, which is not enough for a graph.
    with torch.enable_grad(), sdpa_kernel(SDPBackend.MATH):
        (found,) = torch.autograd.grad(log_joint(z).sum(), z, create_graph=recorded)
    return found


def stand_in(posterior: Any) -> dict[str, LogJoint]:
    """What to call a posterior with where there is no x, and but the kind of its q matters."""
    return {"log_joint": _standard_normal} if reads_log_joint(posterior) else {}


def _standard_normal(z: Tensor) -> Tensor:
    return -0.5 * z.square().flatten(1).sum(1)
