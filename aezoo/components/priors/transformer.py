"""A causal transformer over codes with any number of axes, in raster order.

Vaswani, Shazeer, Parmar, Uszkoreit, Jones, Gomez, Kaiser and Polosukhin, Attention Is All You
Need, 2017, arXiv:1706.03762, its decoder alone, as Esser, Rombach and Ommer, Taming Transformers
for High-Resolution Image Synthesis, 2020, arXiv:2012.09841, have it over a picture's codes and
Yan, Zhang, Abbeel and Srinivas, VideoGPT, 2021, arXiv:2104.10157, over a video's. Two things
differ. A place reads, beside the code before it, the others around it that come earlier (of two
axes three of the row above, of three also nine of the frame before), each through a table of its
own: attention need not find the neighbours first. And places are told apart by rotations of
queries and keys along each axis (Su et al., RoFormer, 2021, arXiv:2104.09864), so that codes of
any size can be read. How far away the first place is, the only one with nobody before it, tells
where a place is: of q codes a place, which comes first, say.

Letters: B batch, N places in raster order, R neighbours, A axes, K codes, H heads.
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_codes
from aezoo.components.nd import wide
from aezoo.components.priors.configs import TransformerConfig
from aezoo.components.priors.raster import check_call, draw, uniforms
from aezoo.errors import ShapeError

_BASE = 100.0  # longest wave of a rotation, in places times 2 pi: axes of codes are short


class TransformerPrior(nn.Module):
    """log P(codes) = sum over places, in raster order, of log P(code | the codes before).

    Codes (B,*L) int64 in [0,K) with the axes it was built for, of any size. With a ``cond_dim``
    E it needs a condition's embedding: one a sample (B,E), or one a place (B,E,*L).
    """

    def __init__(
        self,
        config: TransformerConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        num_codes = over_codes("transformer", num_codes)
        if not shape:
            raise ShapeError(
                "transformer reads codes with at least one axis; here is one code alone; "
                "take prior=made"
            )
        check_heads(config.width, config.heads, len(shape))
        self.shape = tuple(shape)
        self.num_codes = num_codes
        self.cond_dim = cond_dim
        neighbours = (3 ** len(shape) - 1) // 2
        self.embed = nn.Embedding(neighbours * (num_codes + 1), config.width)
        nn.init.normal_(self.embed.weight, std=neighbours**-0.5)
        self.cond = None if cond_dim is None else nn.Linear(cond_dim, config.width)
        self.layers: Any = nn.ModuleList(
            Layer(config.width, config.heads, config.dropout) for _ in range(config.layers)
        )
        self.norm = nn.LayerNorm(config.width)
        self.head = nn.Linear(config.width, num_codes)

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    def logits(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) -> (B,K,*L) float32, unnormalised log P(code | the codes before)."""
        shape = tuple(codes.shape[1:])
        check_call("transformer", self, shape, cond)
        flat = F.pad(codes.flatten(1), (0, 1), value=self.num_codes)
        x = self._read(flat[:, neighbours(shape, codes.device)], told(self.cond, cond))
        turns = rotations(shape, self._head_width, codes.device)
        for layer in self.layers:
            x = layer(x, turns)
        return self._predict(x).mT.unflatten(2, shape)

    def log_prob(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) int64 in [0,K), cond (B,E) or (B,E,*L) -> (B,) nats."""
        logits = self.logits(codes, cond).flatten(2)
        return -F.cross_entropy(logits, codes.flatten(1), reduction="none").sum(1)

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
        """(n,*shape) int64 in [0,K). Temperature 0 takes the likeliest code each time.

        Equal to drawing place by place from `logits` of all codes so far; keys and values of the
        places before are kept. Dropout is off. One uniform number a code is drawn at the start,
        on the generator's device.
        """
        shape = self.shape if shape is None else tuple(shape)
        check_temperature(temperature)
        check_call("transformer", self, shape, cond)
        device, places = self.head.weight.device, math.prod(shape)
        noise = uniforms(n, shape, device, generator).flatten(1)
        around, added = neighbours(shape, device), told(self.cond, cond)
        turns = rotations(shape, self._head_width, device)
        codes = torch.full((n, places + 1), self.num_codes, device=device)
        kept = [layer.memory(n, places) for layer in self.layers]
        for i in range(places):
            here = added if added is None or added.shape[1] == 1 else added[:, i : i + 1]
            x = self._read(codes[:, around[i : i + 1]], here)
            for layer, memory in zip(self.layers, kept, strict=True):
                x = layer.step(x, turns[i : i + 1], memory, i)
            codes[:, i] = draw(self._predict(x)[:, 0], noise[:, i], temperature)
        return codes[:, :-1].reshape(n, *shape)

    @property
    def _head_width(self) -> int:
        return self.head.in_features // self.layers[0].heads

    def _read(self, around: Tensor, added: Tensor | None) -> Tensor:
        """Codes around each place (B,N,R), K where there is none -> (B,N,width)."""
        count = around.shape[-1]
        tables = torch.arange(count, device=around.device) * (self.num_codes + 1)
        rows = (around + tables).flatten(0, 1)
        x = F.embedding_bag(rows, self.embed.weight, mode="sum")
        x = x.unflatten(0, around.shape[:2])
        return x if added is None else x + added

    def _predict(self, x: Tensor) -> Tensor:
        """(B,N,width) -> (B,N,K), float32 at least."""
        with torch.autocast(x.device.type, enabled=False):  # bf16 logits cost bits
            return self.head(self.norm(wide(x)))


class Layer(nn.Module):
    """Attention, to the places before and the place itself where ``causal``, then a perceptron."""

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.heads = heads
        self.norm = nn.LayerNorm(width)
        self.queries_keys_values = nn.Linear(width, 3 * width)
        self.join = nn.Linear(width, width)
        self.perceptron = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width)
        )
        self.dropout = nn.Dropout(dropout)

    def forward(
        self, x: Tensor, turns: Tensor, *, causal: bool = True, drop: bool = True
    ) -> Tensor:
        """x (B,N,width) to the same shape; ``turns`` (N,width/H/2) of each place."""
        q, k, v = self._heads(x, turns)
        seen = F.scaled_dot_product_attention(q, k, v, is_causal=causal)
        return self._finish(x, seen, self.dropout if drop else nn.Identity())

    def memory(self, n: int, places: int) -> Tensor:
        """Room for keys and values: (2,n,H,N,width/H)."""
        weight = self.join.weight
        return weight.new_zeros(2, n, self.heads, places, weight.shape[0] // self.heads)

    def step(self, x: Tensor, turns: Tensor, memory: Tensor, i: int) -> Tensor:
        """Place i alone, (B,1,width), with the places before it from ``memory``. No dropout."""
        q, k, v = self._heads(x, turns)
        memory[0, :, :, i], memory[1, :, :, i] = k[:, :, 0], v[:, :, 0]
        keys, values = memory[:, :, :, : i + 1]
        return self._finish(x, F.scaled_dot_product_attention(q, keys, values), nn.Identity())

    def _heads(self, x: Tensor, turns: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Queries and keys, turned, and values: each (B,H,N,width/H)."""
        parts = self.queries_keys_values(self.norm(x)).unflatten(2, (3, self.heads, -1))
        q, k, v = parts.permute(2, 0, 3, 1, 4)
        return turn(q, turns), turn(k, turns), v

    def _finish(self, x: Tensor, seen: Tensor, dropout: nn.Module) -> Tensor:
        x = x + dropout(self.join(seen.transpose(1, 2).flatten(2)))
        return x + dropout(self.perceptron(x))


def check_heads(width: int, heads: int, axes: int) -> None:
    """Raises ShapeError unless a head has a pair of channels for each axis, which `turn` turns."""
    pairs = width // (2 * heads)
    if pairs < axes:
        raise ShapeError(
            f"a head has {pairs} pair(s) of channels, and places of {axes} axes are told apart by "
            f"one an axis; give width {2 * heads * axes} or fewer heads"
        )


def told(linear: nn.Linear | None, cond: Tensor | None) -> Tensor | None:
    """What a condition adds to places: (B,E) -> (B,1,width), (B,E,*L) -> (B,N,width)."""
    if linear is None or cond is None:
        return None
    return linear(cond.flatten(2).mT if cond.ndim > 2 else cond[:, None])


def neighbours(shape: tuple[int, ...], device: torch.device) -> Tensor:
    """(N,R) int64: the places around each that come before it, N where that is outside.

    The last is the one before in raster order: at a row's beginning the end of the row above,
    so that every code is read by the place after it.
    """
    steps = _grid([torch.arange(-1, 2, device=device)] * len(shape))
    steps = steps[: len(steps) // 2]  # those before "no step at all", in raster order
    sizes = [torch.arange(size, device=device) for size in shape]
    places = _grid(sizes)[:, None] + steps  # (N,R,A)
    index = torch.zeros(places.shape[:2], dtype=torch.int64, device=device)
    inside = torch.ones(places.shape[:2], dtype=torch.bool, device=device)
    for axis, size in enumerate(shape):
        at = places[..., axis]
        index = index * size + at
        inside = inside & (at >= 0) & (at < size)
    index = torch.where(inside, index, len(places))
    index[1:, -1] = torch.arange(len(places) - 1, device=device)
    return index


def rotations(shape: tuple[int, ...], width: int, device: torch.device) -> Tensor:
    """(N,width/2) float32: the angle of each pair of channels; pairs take the axes in turn."""
    pairs = torch.arange(width // 2, device=device)
    places = _grid([torch.arange(size, device=device) for size in shape]).float()
    waves = _BASE ** -(pairs.div(len(shape), rounding_mode="floor") * len(shape) / (width // 2))
    return places[:, pairs % len(shape)] * waves


def turn(x: Tensor, angles: Tensor) -> Tensor:
    """Pairs of channels, one of each half, turned by ``angles``: x (B,H,N,2P), angles (N,P)."""
    a, b = x.chunk(2, dim=-1)
    cos, sin = angles.cos().to(x.dtype), angles.sin().to(x.dtype)
    return torch.cat([a * cos - b * sin, a * sin + b * cos], dim=-1)


def _grid(axes: list[Tensor]) -> Tensor:
    """All combinations in raster order, (product of the lengths, A)."""
    return torch.stack(torch.meshgrid(*axes, indexing="ij"), -1).flatten(0, -2)
