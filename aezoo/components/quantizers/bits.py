"""Codes of signs: their numbers, and the entropies of soft assignments to them. No table of codes.

With q(c|z) proportional to exp(-|z - c|^2 / temperature) over the 2^D corners c of a cube, the
bits are independent given z (Yu et al. 2023, arXiv:2310.05737, section 3.1): q(c|z) is a product
of sigmoids, and its entropy the sum of theirs, exactly. The mean of q over a batch is no product;
its entropy is that of all bits together where they are few, else of groups of them, as there.
"""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor

from aezoo.components.quantizers.configs import Bits
from aezoo.components.quantizers.ranks import mean_over_ranks
from aezoo.components.quantizers.rows import rows_of


def signs(x: Tensor) -> Tensor:
    """1 where x > 0, else -1."""
    return (x > 0).to(x.dtype) * 2 - 1


def numbered(values: Tensor, q: int) -> Tensor:
    """values (B, D, *L), of which the sign counts -> codes (B, *L), or (B, q, *L) for q > 1.

    Each code has D/q bits, the first channel counting 1, the next 2 (eq. 4 of the paper).
    """
    bits = (values > 0).long().unflatten(1, (q, -1))
    weights = 1 << torch.arange(bits.shape[2], device=bits.device)
    codes = (bits * weights.reshape(-1, *[1] * (values.ndim - 2))).sum(2)
    return codes if q > 1 else codes.squeeze(1)


def signs_of(codes: Tensor, dim: int, q: int, dtype: torch.dtype) -> Tensor:
    """codes (B, *L), or (B, q, *L) for q > 1 -> signs (B, D, *L)."""
    codes = codes if q > 1 else codes.unsqueeze(1)
    shifts = torch.arange(dim // q, device=codes.device).reshape(-1, *[1] * (codes.ndim - 2))
    bits = (codes.unsqueeze(2) >> shifts) & 1
    return (bits * 2 - 1).flatten(1, 2).to(dtype)


def bit_entropies(logits: Tensor) -> Tensor:
    """The entropies, in nats, of independent bits with these log-odds."""
    a = logits.abs()
    return F.softplus(-a) + a * torch.sigmoid(-a)


def mean_entropy(logits: Tensor, joint: int) -> Tensor:
    """The entropy in nats of the mean over the rows, of all ranks, of their bits' distributions.

    Args:
        logits: (N, D) log-odds of independent bits.
        joint: up to so many bits are taken together, exactly; more in groups of about equal
            size, whose entropies are added: an upper bound.
    """
    groups = logits.tensor_split(-(-logits.shape[1] // joint), dim=1)
    return torch.stack([_joint_entropy(group) for group in groups]).sum()


def _joint_entropy(logits: Tensor) -> Tensor:
    """The mean over rows of p(first half) p(second half) is one product of matrices."""
    first, second = (_products(half) for half in logits.tensor_split(2, dim=1))
    p = mean_over_ranks(first.T @ second / len(logits))
    return -(p * p.clamp(min=torch.finfo(p.dtype).tiny).log()).sum()


def _products(logits: Tensor) -> Tensor:
    """(N, n) log-odds -> the probabilities of all values of the bits: (N, 2^n)."""
    table = logits.new_ones(len(logits), 1)
    for bit in logits.unbind(1):
        p = torch.sigmoid(bit)[:, None]
        table = torch.cat([table * torch.sigmoid(-bit)[:, None], table * p], dim=1)
    return table


def entropy_penalty(logits: Tensor, config: Bits, *, training: bool) -> Tensor:
    """(B,) nats: weight times the places' entropies less gamma times the batch's, in training.

    Args:
        logits: (B, D, *L) log-odds of the bits. The batch's entropy counts once a place, so that
            both are sums over a sample; a batch in eval mode has none.
    """
    entropy = bit_entropies(logits).flatten(1).sum(1)
    if training:
        places = math.prod(logits.shape[2:])
        entropy = entropy - config.gamma * places * mean_entropy(rows_of(logits), config.joint)
    return config.entropy * entropy
