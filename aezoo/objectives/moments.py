"""Mean and covariance of the data from one pass, over all processes, in float64."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import torch
from torch import Tensor

from aezoo.errors import TrainingError


class Moments:
    """Sums of x and of x xᵀ; adding up those of two processes gives those of all rows."""

    def __init__(self, dim: int, device: torch.device):
        # No float64 on Apple's GPUs.
        self.device = torch.device("cpu") if device.type == "mps" else device
        kind = {"dtype": torch.float64, "device": self.device}
        self.count = torch.zeros((), **kind)
        self.first = torch.zeros(dim, **kind)
        self.second = torch.zeros(dim, dim, **kind)

    def add(self, x: Tensor) -> None:
        """Rows (B, D)."""
        x = x.to(self.device, torch.float64)
        self.count += len(x)
        self.first += x.sum(0)
        self.second.addmm_(x.T, x)

    def merge(self, total: Callable[[Tensor], Tensor]) -> None:
        """Make these sums those of all processes; ``total`` sums a tensor over them."""
        self.count, self.first, self.second = map(total, (self.count, self.first, self.second))

    def mean(self) -> Tensor:
        """(D,)"""
        return self.first / self.count

    def covariance(self) -> Tensor:
        """(D, D), divided by N: the maximum-likelihood estimate."""
        mean = self.mean()
        return self.second / self.count - torch.outer(mean, mean)


def principal(
    batches: Iterable[tuple[Tensor, Tensor]], total: Callable[[Tensor], Tensor], dim: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Mean (D,), eigenvalues (D,) of the covariance from the largest, eigenvectors (D, D).

    Eigenvectors are columns; the largest entry of each is positive, so that they are the same
    whichever way they were computed.

    Raises:
        TrainingError: there are no rows, or a value is not finite.
    """
    moments: Moments | None = None
    for x, _ in batches:
        moments = moments or Moments(dim, x.device)
        moments.add(x.flatten(1))
    if moments is None:
        raise TrainingError("there are no rows to take the principal components of")
    moments.merge(total)
    covariance = moments.covariance()
    if not bool(torch.isfinite(covariance).all()):
        raise TrainingError("the data has values that are not finite; it has no covariance")
    values, vectors = torch.linalg.eigh(covariance)
    values, vectors = values.flip(0).clamp(min=0), vectors.flip(1)
    largest = vectors.gather(0, vectors.abs().argmax(0, keepdim=True))
    return moments.mean(), values, vectors * largest.sign()
