"""A masked transformer over codes, which draws many of them at a time.

Chang, Zhang, Jiang, Liu and Freeman, MaskGIT: Masked Generative Image Transformer, 2022,
arXiv:2202.04200: a network without a causal order predicts the codes that are masked from those
that are not; sampling begins with all masked and takes away masks in a few steps, along a cosine
(sections 3.1 and 3.2).

What it draws at temperature 1 has a probability: the order is random, a step's codes are
independent given those before. That is the order-agnostic model of Hoogeboom, Gritsenko, Bastings,
Poole, van den Berg and Salimans, Autoregressive Diffusion Models, 2021, arXiv:2110.02037, whose
bound log P(codes) >= E[log P(codes | order)] is drawn here, with steps of several codes as they
generate in parallel. MaskGIT's own loss is the sum of the masked codes' cross-entropies at a
random share of masks, without the weights that make it a bound.

Letters: B batch, N places in raster order, K codes, S steps.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_codes
from aezoo.components.nd import wide
from aezoo.components.priors.configs import MaskGITConfig
from aezoo.components.priors.raster import check_call, draw, uniforms
from aezoo.components.priors.transformer import Layer, check_heads, rotations, told
from aezoo.errors import ShapeError


class MaskGITPrior(nn.Module):
    """log P(codes) >= mean over orders of sum over steps of log P(a step's codes | earlier ones).

    Codes (B,*L) int64 in [0,K) of the shape it was built for. With a ``cond_dim`` E it needs a
    condition's embedding: one a sample (B,E), or one a place (B,E,*L).
    """

    exact = False  # log_prob is a bound, and drawn

    def __init__(
        self,
        config: MaskGITConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        num_codes = over_codes("maskgit", num_codes)
        if not shape:
            raise ShapeError(
                "maskgit reads codes with at least one axis; here is one code alone; "
                "take prior=made"
            )
        check_heads(config.width, config.heads, len(shape))
        self.shape, self.num_codes, self.cond_dim = tuple(shape), num_codes, cond_dim
        self.steps = config.steps
        self.embed = nn.Embedding(num_codes + 1, config.width)  # the last is the mask
        # Along each axis: where all is masked, nothing else tells places apart.
        self.places: Any = nn.ModuleList(nn.Embedding(size, config.width) for size in shape)
        self.cond = None if cond_dim is None else nn.Linear(cond_dim, config.width)
        self.layers: Any = nn.ModuleList(
            Layer(config.width, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, num_codes)

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    def predict(
        self, codes: Tensor, masked: Tensor, cond: Tensor | None = None, *, drop: bool = True
    ) -> Tensor:
        """codes (B,*L), masked (B,N) bool -> (B,N,K) float32, unnormalised log P of each code.

        Codes that are masked are not read. ``drop`` is of dropout, in training.
        """
        self._check(codes.shape[1:], cond)
        x = self.embed(codes.flatten(1).masked_fill(masked, self.num_codes)) + self._where()
        added = told(self.cond, cond)
        x = x if added is None else x + added
        turns = rotations(self.shape, self.head.in_features // self.layers[0].heads, x.device)
        for layer in self.layers:
            x = layer(x, turns, causal=False, drop=drop)
        with torch.autocast(x.device.type, enabled=False):  # bf16 logits cost bits
            return self.head(self.norm(wide(x)))

    def log_prob(
        self, codes: Tensor, cond: Tensor | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """codes (B,*L) int64 in [0,K), cond (B,E) or (B,E,*L) -> (B,) nats, at most log P.

        On average over what is drawn, that is: in evaluation an order for each sample, with one
        pass of the network a step; in training also a step, with one pass in all.
        """
        self._check(codes.shape[1:], cond)
        n, places = len(codes), math.prod(self.shape)
        noise = uniforms(n, (places + 1,), codes.device, generator)
        order = noise[:, :-1].argsort(1).argsort(1)  # when each place has its turn
        if not self.training:
            return self.in_order(codes, order, cond)
        # A step is drawn as often as it has codes, and all that is masked stands for its codes.
        turn, done = noise[:, -1:] * places, 0
        begin = torch.zeros_like(turn)
        for size in step_sizes(places, self.steps):
            begin = torch.where(turn >= done, done, begin)
            done += size
        masked = order >= begin
        nats = self._nats(codes, masked, cond).masked_fill(~masked, 0)
        return -places * nats.sum(1) / masked.sum(1)

    def in_order(self, codes: Tensor, order: Tensor, cond: Tensor | None = None) -> Tensor:
        """log P(codes | order) in nats, (B,): order (B,N) is the turn of each place, 0 to N-1."""
        total = torch.zeros((), device=codes.device)
        done = 0
        for size in step_sizes(order.shape[1], self.steps):
            masked = order >= done
            done += size
            nats = self._nats(codes, masked, cond)
            total = total - nats.masked_fill(~masked | (order >= done), 0).sum(1)
        return total

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple[int, ...] | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """(n,*shape) int64 in [0,K), in as many passes of the network as there are steps.

        At temperature 1 a step keeps codes of random places, and what is drawn has the
        probability that `log_prob` bounds. Below, codes are drawn at that temperature, and the
        surer ones are kept: places are ranked by (1 - temperature) log P(code) + temperature *
        (share of steps left) * Gumbel noise, which is the paper's code at a choice temperature of
        temperature / (1 - temperature), and the paper itself at 0. Dropout is off. All noise is
        drawn at the start, on the generator's device.
        """
        shape = self.shape if shape is None else tuple(shape)
        check_temperature(temperature)
        self._check(shape, cond)
        device, places = self.head.weight.device, math.prod(shape)
        sizes = step_sizes(places, self.steps)
        noise = uniforms(n, (2, len(sizes), places), device, generator)
        codes = torch.zeros((n, places), dtype=torch.int64, device=device)
        masked = torch.ones((n, places), dtype=torch.bool, device=device)
        for step, size in enumerate(sizes):
            logits = self.predict(codes.reshape(n, *shape), masked, cond, drop=False)
            flat = noise[:, 0, step].flatten()
            drawn = draw(logits.flatten(0, 1), flat, temperature).view(n, places)
            sure = logits.log_softmax(2).gather(2, drawn[:, :, None])[:, :, 0]
            gumbel = -(-noise[:, 1, step].clamp(1e-7, 1 - 1e-7).log()).log()
            left = 1 - step / len(sizes)
            rank = max(0.0, 1 - temperature) * sure + temperature * left * gumbel
            kept = rank.masked_fill(~masked, -torch.inf).topk(size, dim=1).indices
            codes.scatter_(1, kept, drawn.gather(1, kept))
            masked.scatter_(1, kept, False)
        return codes.reshape(n, *shape)

    def _nats(self, codes: Tensor, masked: Tensor, cond: Tensor | None) -> Tensor:
        """-log P of each code given those that are not masked, (B,N)."""
        logits = self.predict(codes, masked, cond).transpose(1, 2)
        return F.cross_entropy(logits, codes.flatten(1), reduction="none")

    def _where(self) -> Tensor:
        """What tells each place apart: (N,width)."""
        axes = len(self.shape)
        parts = (
            table.weight.view(*(-1 if a == axis else 1 for a in range(axes)), self.head.in_features)
            for axis, table in enumerate(self.places)
        )
        return sum(parts, torch.zeros((), device=self.head.weight.device)).flatten(0, -2)

    def _check(self, shape: Any, cond: Tensor | None) -> None:
        check_call("maskgit", self, shape, cond)
        if tuple(shape) != self.shape:
            raise ShapeError(
                f"maskgit serves codes of the shape it was built for, {self.shape}, not "
                f"{tuple(shape)}; transformer serves any size"
            )


def step_sizes(places: int, steps: int) -> tuple[int, ...]:
    """How many codes each step takes: after step t of T, ceil(cos(pi t / 2T) N) are still masked.

    Steps that would take none are left out.
    """
    left = [math.ceil(math.cos(math.pi / 2 * t / steps) * places - 1e-9) for t in range(steps)]
    sizes = (a - b for a, b in zip([places, *left[1:]], [*left[1:], 0], strict=True))
    return tuple(size for size in sizes if size)
