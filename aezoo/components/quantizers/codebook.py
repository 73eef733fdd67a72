"""Quantization to the nearest vector of a codebook that follows its data.

It learns by exponential moving averages (van den Oord, Vinyals, Kavukcuoglu 2017, arXiv:1711.00937,
appendix A.1: N, m and e = m/N) or by gradient. The first training batch sets the codebook by
k-means. Codes that the data has left move to random encoder outputs (Dhariwal et al. 2020,
Jukebox, arXiv:2005.00341, appendix B.1). Under torch.distributed the statistics are those of all
ranks.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
from torch import Generator, Tensor, nn

from aezoo.components.quantizers.base import Quantizer
from aezoo.components.quantizers.nearest import (
    code_sums,
    kmeans,
    nearest,
    perplexity,
    random_rows,
    usage,
)
from aezoo.components.quantizers.ranks import broadcast, gathered, sum_over_ranks
from aezoo.components.quantizers.rows import codes_of, map_of, rows_of, sums_of
from aezoo.latents import Latent


class Codebook(Quantizer):
    """h (B, F, *L) -> z (B, D, *L), codes (B, *L) in [0, K); `passed` says how z is made.

    ``metrics`` are the perplexity and the part of the codes in use: of the moving averages
    while training, of the batch otherwise.

    Args:
        codes, dim: K and D.
        by_gradient: the codebook is a parameter, else it has moving averages.
        decay: of the moving averages, and of the visits that are counted.
        revive: codes used less than this part of 1/K move to the data; 0: never.
    """

    codebook: Tensor  # e, (K, D)
    counts: Tensor  # N, (K,)
    sums: Tensor  # m, (K, D)
    started: Tensor  # () bool: the codebook has met data

    def __init__(
        self,
        *,
        in_shape: tuple[int, ...],
        codes: int,
        dim: int,
        by_gradient: bool,
        decay: float,
        revive: float,
    ):
        super().__init__(in_shape=in_shape, dim=dim, codes=codes)
        self.by_gradient, self.decay, self.revive = by_gradient, decay, revive
        codebook = torch.randn(codes, dim)
        if by_gradient:
            self.codebook = nn.Parameter(codebook)
        else:
            self.register_buffer("codebook", codebook)
            self.register_buffer("sums", codebook.clone())
        self.register_buffer("counts", torch.ones(codes))
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self._started: bool | None = None  # the buffer's value, read once: no sync in the step
        self.register_load_state_dict_post_hook(_forget_started)

    @abstractmethod
    def passed(
        self, rows: Tensor, e: Tensor, generator: Generator | None
    ) -> tuple[Tensor, Tensor | None]:
        """rows (N, D) and their code vectors e (N, D) -> z (N, D), and penalties (N, D) or None."""

    def quantize(self, z_e: Tensor, *, sample: bool, generator: Generator | None) -> Latent:
        rows = rows_of(z_e)
        if self.training:
            self._start(rows.detach())
        flat_codes = nearest(rows.detach(), self.codebook.detach())
        z, penalties = self.passed(rows, self.codebook[flat_codes], generator)
        if self.training:
            self._update(rows.detach(), flat_codes)
        counts = self.counts if self.training else self._batch_counts(flat_codes)
        return Latent(
            z=map_of(z, z_e),
            codes=codes_of(flat_codes, z_e),
            penalty=None if penalties is None else sums_of(penalties, z_e),
            metrics={"perplexity": perplexity(counts), "usage": self._usage(counts)},
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) int64 -> z (B, D, *L)."""
        return self.codebook[codes].movedim(-1, 1).contiguous()

    def _batch_counts(self, codes: Tensor) -> Tensor:
        return torch.zeros_like(self.counts).index_add_(
            0, codes, torch.ones_like(codes, dtype=self.counts.dtype)
        )

    def _usage(self, counts: Tensor) -> Tensor:
        """A moving average never reaches zero: below a hundredth of a visit is unused."""
        return usage(counts * (counts > 0.01))

    # -- the codebook's own learning: no gradient, no host sync

    @torch.no_grad()
    def _start(self, rows: Tensor) -> None:
        """On the very first training batch, k-means; a batch with a NaN in it does not count."""
        if self._started is None:
            self._started = bool(self.started)
        if self._started:
            return
        rows = gathered(rows)
        if not torch.isfinite(rows).all():
            return
        centres, counts = kmeans(rows, self.num_codes)
        broadcast(centres, counts)
        self.codebook.copy_(centres)
        self.counts.copy_(counts.clamp(min=1))
        if not self.by_gradient:
            self.sums.copy_(centres * self.counts[:, None])
        self.started.fill_(True)
        self._started = True

    @torch.no_grad()
    def _update(self, rows: Tensor, codes: Tensor) -> None:
        batch_counts, batch_sums = code_sums(rows, codes, self.num_codes)
        sum_over_ranks(batch_counts, batch_sums)
        # A batch with a NaN in it must not reach the averages.
        sound = torch.isfinite(batch_sums).all()
        one = torch.ones_like(batch_counts[0])
        decay = torch.where(sound, one * self.decay, one)
        batch_sums = batch_sums.nan_to_num(0.0, 0.0, 0.0)
        self.counts.mul_(decay).add_(batch_counts * (1 - decay))
        if not self.by_gradient:
            self.sums.mul_(decay).add_(batch_sums * (1 - decay)[..., None])
            # A code that was long not taken stays where it is: its m and N have both faded.
            means = self.sums / self.counts.clamp(min=1e-5)[:, None]
            self.codebook.copy_(torch.where(self.counts[:, None] > 1e-5, means, self.codebook))
        if self.revive:
            self._revive(rows, batch_counts.sum() / self.num_codes, sound)

    def _revive(self, rows: Tensor, share: Tensor, sound: Tensor) -> None:
        """Move the codes with under ``revive`` of an equal share of the visits to the data."""
        places = random_rows(rows, self.num_codes)
        broadcast(places)
        dead = ((self.counts < self.revive * share) & sound)[:, None]
        self.codebook.copy_(torch.where(dead, places, self.codebook))
        if not self.by_gradient:
            self.sums.copy_(torch.where(dead, places * share, self.sums))
        self.counts.copy_(torch.where(dead[:, 0], share, self.counts))


def _forget_started(module: Codebook, _: object) -> None:
    module._started = None
