"""Nearest codebook vectors, and what codebooks are started from. All without host syncs."""

from __future__ import annotations

import torch
from torch import Tensor

#: Distances held at once. 2^24 floats are 64 MiB; the whole matrix of a large batch is not.
MAX_DISTANCES = 1 << 24


def nearest(z: Tensor, codebook: Tensor) -> Tensor:
    """The index of the nearest codebook vector by squared distance, the lowest at a tie.

    Args:
        z: (N, D) float32 or float64.
        codebook: (K, D), the same, or of less precision.

    Returns:
        (N,) int64. |z|^2 is the same for all codes and left out; rows are taken in chunks.
    """
    codebook = codebook.to(z.dtype)  # of half precision where the model was turned to it
    squares = codebook.square().sum(1)
    rows = max(1, MAX_DISTANCES // len(codebook))
    parts = [torch.addmm(squares, chunk, codebook.T, alpha=-2).argmin(1) for chunk in z.split(rows)]
    return parts[0] if len(parts) == 1 else torch.cat(parts)


def squared_errors(z: Tensor, e: Tensor, beta: float, *, codebook: bool) -> Tensor:
    """beta |z - sg[e]|^2, and with ``codebook`` also |sg[z] - e|^2, element by element.

    The commitment and the codebook's own term: van den Oord et al. 2017, arXiv:1711.00937, eq. 3.
    """
    squares = (z - e.detach()).square() * beta
    return squares + (z.detach() - e).square() if codebook else squares


def code_sums(z: Tensor, codes: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """How often each code was taken (K,), and the sum of the vectors it took (K, D)."""
    counts = torch.zeros(k, dtype=z.dtype, device=z.device)
    sums = torch.zeros(k, z.shape[1], dtype=z.dtype, device=z.device)
    counts.index_add_(0, codes, torch.ones_like(codes, dtype=z.dtype))
    sums.index_add_(0, codes, z)
    return counts, sums


def random_rows(z: Tensor, n: int) -> Tensor:
    """``n`` rows of z, drawn with replacement from the global generator."""
    return z[torch.randint(len(z), (n,), device=z.device)]


def kmeans(z: Tensor, k: int, iterations: int = 10) -> tuple[Tensor, Tensor]:
    """Lloyd's algorithm from random rows: centres (K, D) and their counts (K,).

    A centre that loses all its points moves to a random row.
    """
    centres = random_rows(z, k)
    counts = torch.zeros(k, dtype=z.dtype, device=z.device)
    for _ in range(iterations):
        counts, sums = code_sums(z, nearest(z, centres), k)
        means = sums / counts.clamp(min=1)[:, None]
        centres = torch.where(counts[:, None] > 0, means, random_rows(z, k))
    return centres, counts


def count_codes(codes: Tensor, k: int, q: int = 1) -> Tensor:
    """How often each code occurs: (q * k,) int64, first of a place's first code. No host sync.

    Args:
        codes: (B,*L) in [0, k), or (B,q,*L).
    """
    codes = codes.reshape(len(codes), q, -1)
    codes = (codes + k * torch.arange(q, device=codes.device)[:, None]).flatten()
    counts = torch.zeros(q * k, dtype=torch.int64, device=codes.device)
    return counts.index_add_(0, codes, torch.ones_like(codes))


def perplexity(counts: Tensor) -> Tensor:
    """exp of the entropy of the code frequencies: K when all are used alike, 1 when one is.

    Give it *total* counts over a data set: the mean of batch perplexities is too low.
    """
    p = counts.double() / counts.sum().clamp(min=1)
    return torch.special.entr(p).sum().exp()


def usage(counts: Tensor) -> Tensor:
    """The part of the codes that occur at all, in [0, 1]."""
    return (counts > 0).double().mean()
