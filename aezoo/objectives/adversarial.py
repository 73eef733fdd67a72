"""What objectives with a critic share."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch
import torch.distributed as dist
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.nd import wide
from aezoo.errors import CapabilityError


@contextmanager
def held(critic: nn.Module) -> Iterator[None]:
    """Inside, the critic's weights take no gradient: what it says is for the model to learn."""
    learned = [p for p in critic.parameters() if p.requires_grad]
    for parameter in learned:
        parameter.requires_grad_(False)
    try:
        yield
    finally:
        for parameter in learned:
            parameter.requires_grad_(True)


def right(real: Tensor, *fakes: Tensor) -> Tensor:
    """The share of verdicts that are right, real and fake counting alike; a scalar, detached."""
    fooled = [(fake < 0).float().mean() for fake in fakes]
    return 0.5 * ((real > 0).float().mean() + torch.stack(fooled).mean()).detach()


def hinge(real: Tensor, fake: Tensor) -> Tensor:
    """The critic's hinge loss (Lim, Ye, Geometric GAN, 2017, arXiv:1705.02894); a scalar."""
    return 0.5 * (F.relu(1 - real).mean() + F.relu(1 + fake).mean())


def last_kernel(model: nn.Module, decoder: nn.Module) -> Tensor:
    """The weights of a decoder's last layer: the last parameter that is more than a vector.

    Raises:
        CapabilityError: it learns none.
    """
    kernels = [p for p in decoder.parameters() if p.ndim > 1 and p.requires_grad]
    if not kernels:
        raise CapabilityError(
            f"{getattr(model, 'spec', model)}: the weight of the GAN is that of gradients at the "
            "decoder's last layer, and no layer of the decoder learns; train it, or take "
            "another objective"
        )
    return kernels[-1]


def balance(reconstruction: Tensor, adversarial: Tensor, kernel: Tensor, delta: float) -> Tensor:
    """|d reconstruction / d kernel| / (|d adversarial / d kernel| + delta); a scalar, detached.

    The two are means over this process's batch; under torch.distributed their gradients are
    averaged first, so that all processes have the weight of the whole batch.
    """
    gradients = torch.stack(
        [
            wide(torch.autograd.grad(loss, kernel, retain_graph=True)[0])
            for loss in (reconstruction, adversarial)
        ]
    )
    if dist.is_available() and dist.is_initialized():
        dist.all_reduce(gradients)
        gradients /= dist.get_world_size()
    ours, theirs = gradients.flatten(1).norm(dim=1)
    return ours / (theirs + delta)
