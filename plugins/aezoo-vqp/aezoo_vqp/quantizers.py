"""The library's layers behind aezoo's contract for quantizers (``aezoo.hookspecs``).

A learned linear map takes the encoder's channels F to D. The library quantizes rows (B, N, D),
N places a sample; maps with any number of axes are flattened to rows and folded back. What
comes out is the library's own: its vectors, its indices, its loss.

Letters: K codes, q quantizers that share a place, g groups, L the axes of the map.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import torch
import torch.distributed as dist
import vector_quantize_pytorch as vqp
from torch import Tensor, nn

from aezoo.latents import Latent
from aezoo_vqp import configs


class Quantizer(nn.Module, ABC):
    """h (B, F, *L) -> z (B, D, *L), codes (B, *L), or (B, q, *L) where a place has ``several``.

    In training ``penalty`` is the library's loss. It is a mean over batch, places and channels;
    here the means over places and channels are sums, as in all of aezoo's terms, and what is a
    mean over the batch stands at every sample. In eval mode the library computes no loss, and
    ``penalty`` is None.

    Saved is the state of the library's layer, under ``layer``, as it saves it itself, and the
    linear map under ``project``.
    """

    def __init__(self, config: Any, *, in_shape: tuple[int, ...]):
        super().__init__()
        features, *place = in_shape
        self.in_shape = tuple(in_shape)
        self.out_shape = (config.dim, *place)
        self.levels = self.several(config)
        self.code_shape = (*self.levels, *place)
        self.num_codes = config.codes
        self.project = nn.Linear(features, config.dim)
        self.layer: Any = _made(self.make, config)

    @staticmethod
    @abstractmethod
    def make(config: Any) -> nn.Module:
        """The library's layer."""

    @staticmethod
    def several(config: Any) -> tuple[int, ...]:
        """(q,) where a place has q codes, else ()."""
        return ()

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        batch, features, *place = h.shape
        with torch.autocast(h.device.type, enabled=False):
            rows = self.project(h.float().reshape(batch, features, math.prod(place)).mT)
            z, indices, loss = self.quantize(rows)
        # A NaN in h must not become a code outside the table.
        indices = indices.long().clamp(0, self.num_codes - 1)
        if self.levels:
            indices = indices.mT  # (B, N, q) -> (B, q, N)
        return Latent(
            z=z.mT.reshape(batch, z.shape[2], *place).contiguous(),
            codes=indices.reshape(batch, *self.levels, *place),
            penalty=loss.expand(batch) if self.training and loss is not None else None,
            metrics={"perplexity": self._perplexity(indices)},
        )

    def lookup(self, codes: Tensor) -> Tensor:
        """codes (B, *L) or (B, q, *L) int64 in [0, K) -> z (B, D, *L)."""
        place = codes.shape[1 + len(self.levels) :]
        indices = codes.reshape(len(codes), *self.levels, math.prod(place))
        z = self.vectors(indices.mT if self.levels else indices)
        return z.mT.reshape(len(codes), z.shape[2], *place).contiguous()

    def quantize(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor | None]:
        """rows (B, N, D) -> vectors (B, N, D), indices (B, N) or (B, N, q), loss () or None.

        The library's loss comes summed over the places and channels of one sample.
        """
        z, indices, loss = self.layer(rows)
        return z, indices, loss.sum() * rows[0].numel()

    def vectors(self, indices: Tensor) -> Tensor:
        """indices (B, N) or (B, N, q) -> vectors (B, N, D)."""
        return self.layer.get_output_from_indices(indices)

    @torch.no_grad()
    def _perplexity(self, indices: Tensor) -> Tensor:
        """exp of the codes' entropy in this batch, of its mean over levels; indices (B, [q,] N)."""
        rows = indices.reshape(len(indices), *(self.levels or (1,)), -1).transpose(0, 1).flatten(1)
        ones = torch.ones_like(rows, dtype=torch.float64)
        counts = ones.new_zeros(len(rows), self.num_codes).scatter_add_(1, rows, ones)
        p = counts / counts.sum(1, keepdim=True).clamp(min=1)
        return torch.special.entr(p).sum(1).mean().exp()


class Residual(Quantizer):
    """q quantizers of a place, each for what the ones before left over."""

    @staticmethod
    def several(config: Any) -> tuple[int, ...]:
        return (config.quantizers,)


def _made(make: Callable[[Any], nn.Module], config: Any) -> Any:
    """The layer, on torch's default device.

    It is made on the CPU first: the library reads numbers while it builds, and the meta device
    has none.
    """
    device = torch.get_default_device()
    with torch.device("cpu"):
        layer = make(config)
    return layer.to(device)


# -- learned codebooks


def _codebook(config: configs.Codebook) -> dict[str, Any]:
    """The library's arguments that `VQ`, `RVQ` and `GRVQ` have in common."""
    return {
        "commitment_weight": config.commitment_weight,
        "decay": config.decay,
        "learnable_codebook": config.learnable_codebook,
        "ema_update": not config.learnable_codebook,
        # The library turns the trick off by itself for one channel.
        "rotation_trick": None if config.rotation_trick else False,
        "use_cosine_sim": config.use_cosine_sim,
        "kmeans_init": config.kmeans_init,
        "kmeans_iters": config.kmeans_iters,
        "threshold_ema_dead_code": config.threshold_ema_dead_code,
        # Asked now: the library remembers the first answer for good.
        "sync_codebook": dist.is_available() and dist.is_initialized(),
    }


class VQ(Quantizer):
    """One codebook (K, D). Saved: the codebook, its moving averages, whether k-means was run."""

    @staticmethod
    def make(config: configs.VQ) -> nn.Module:
        return vqp.VectorQuantize(dim=config.dim, codebook_size=config.codes, **_codebook(config))


class RVQ(Residual):
    """q codebooks (K, D), each for what is left over. Saved as `VQ` saves, for each."""

    @staticmethod
    def make(config: configs.RVQ) -> nn.Module:
        return vqp.ResidualVQ(
            dim=config.dim,
            num_quantizers=config.quantizers,
            codebook_size=config.codes,
            **_codebook(config),
        )


class GRVQ(Quantizer):
    """g groups of D/g channels with q codebooks each; codes (B, g*q, *L), group after group."""

    def __init__(self, config: configs.GRVQ, *, in_shape: tuple[int, ...]):
        super().__init__(config, in_shape=in_shape)
        self.groups = config.groups

    @staticmethod
    def make(config: configs.GRVQ) -> nn.Module:
        return vqp.GroupedResidualVQ(
            dim=config.dim,
            groups=config.groups,
            num_quantizers=config.quantizers,
            codebook_size=config.codes,
            **_codebook(config),
        )

    @staticmethod
    def several(config: configs.GRVQ) -> tuple[int, ...]:
        return (config.groups * config.quantizers,)

    def quantize(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, indices, loss = self.layer(rows)  # indices (g, B, N, q), loss (g, q)
        values = rows[0].numel() // self.groups  # a group's loss is the mean over its channels
        return z, torch.cat(indices.unbind(), -1), loss.sum() * values

    def vectors(self, indices: Tensor) -> Tensor:
        return self.layer.get_output_from_indices(indices.chunk(self.groups, -1))


def _simvq(config: configs.SimVQ | configs.RSimVQ) -> dict[str, Any]:
    """The library's arguments that `SimVQ` and `RSimVQ` have in common."""
    return {
        "dim": config.dim,
        "codebook_size": config.codes,
        "rotation_trick": config.rotation_trick,
        "commitment_weight": config.commitment_weight,
        "input_to_quantize_commit_loss_weight": config.input_to_quantize_commit_loss_weight,
    }


class SimVQ(Quantizer):
    """A frozen codebook behind a learned map. Saved: both."""

    @staticmethod
    def make(config: configs.SimVQ) -> nn.Module:
        return vqp.SimVQ(**_simvq(config))

    def vectors(self, indices: Tensor) -> Tensor:
        return self.layer.indices_to_codes(indices)


class RSimVQ(Residual):
    """q frozen codebooks with a learned map each, each for what is left over."""

    @staticmethod
    def make(config: configs.RSimVQ) -> nn.Module:
        return vqp.ResidualSimVQ(num_quantizers=config.quantizers, **_simvq(config))


# -- no codebook to learn


class FSQ(Quantizer):
    """Each of D channels rounded to its levels. Nothing is saved but the linear map."""

    @staticmethod
    def make(config: configs.FSQ) -> nn.Module:
        return vqp.FSQ(
            list(config.levels),
            preserve_symmetry=config.preserve_symmetry,
            noise_dropout=config.noise_dropout,
        )

    def quantize(self, rows: Tensor) -> tuple[Tensor, Tensor, None]:
        return *self.layer(rows), None

    def vectors(self, indices: Tensor) -> Tensor:
        return self.layer.indices_to_codes(indices)


class RFSQ(Residual):
    """q roundings of D channels, each finer than the one before."""

    @staticmethod
    def make(config: configs.RFSQ) -> nn.Module:
        return vqp.ResidualFSQ(levels=list(config.levels), num_quantizers=config.quantizers)

    def quantize(self, rows: Tensor) -> tuple[Tensor, Tensor, None]:
        return *self.layer(rows), None


class LFQ(Quantizer):
    """The signs of D channels: K = 2^D. The entropies are nats a place, summed over places."""

    @staticmethod
    def make(config: configs.LFQ) -> nn.Module:
        return vqp.LFQ(
            dim=config.dim,
            entropy_loss_weight=config.entropy_loss_weight,
            diversity_gamma=config.diversity_gamma,
            commitment_loss_weight=config.commitment_loss_weight,
            spherical=config.spherical,
        )

    def quantize(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        (z, indices, _), parts = self.layer(rows, return_loss_breakdown=True)
        layer, places, values = self.layer, rows.shape[1], rows[0].numel()
        entropy = parts.per_sample_entropy - layer.diversity_gamma * parts.batch_entropy
        loss = layer.entropy_loss_weight * entropy * places
        return z, indices, loss + layer.commitment_loss_weight * parts.commitment * values

    def vectors(self, indices: Tensor) -> Tensor:
        return self.layer.indices_to_codes(indices)


class RLFQ(Residual):
    """q times the signs of D channels, of half the size each time; entropies as in `LFQ`."""

    @staticmethod
    def make(config: configs.RLFQ) -> nn.Module:
        return vqp.ResidualLFQ(
            dim=config.dim,
            num_quantizers=config.quantizers,
            codebook_size=config.codes,
            entropy_loss_weight=config.entropy_loss_weight,
            diversity_gamma=config.diversity_gamma,
        )

    def quantize(self, rows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        z, indices, loss = self.layer(rows)
        return z, indices, loss.sum() * rows.shape[1]
