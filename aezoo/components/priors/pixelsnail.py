"""PixelSNAIL over codes: causal convolutions and causal attention in turns.

Chen, Mishra, Rohaninejad and Abbeel, PixelSNAIL: An Improved Autoregressive Generative Model,
2017, arXiv:1712.09763, details as in the authors' code. One stack of 2x2 convolutions, in gated
residual blocks, sees what is near; attention sees everything before, the convolutions' blind
spot too. A key is made of the code at its place, the stack and the place's coordinates, a query
of the last two, for its own code is yet to come. A query may also attend to nothing, which the
first one has to: a key and a value of zeros stand before all others.

Letters: B batch, K codes, H rows, W columns, N = H * W places.
"""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_codes
from aezoo.components.causal import CausalConv, GatedResidual, Kept, KeptResidual, pointwise
from aezoo.components.nd import wide
from aezoo.components.priors.configs import PixelSNAILConfig
from aezoo.components.priors.raster import as_map, check_call, draw, uniforms
from aezoo.errors import ShapeError


class PixelSNAILPrior(nn.Module):
    """log P(codes) = sum over positions, in raster order, of log P(code | the ones before).

    Codes (B,H,W) or (B,L), int64 in [0,K), of other sizes than the one it was built for too.
    With a ``cond_dim`` E it needs a condition's embedding: (B,E), or one a position (B,E,*L).
    """

    def __init__(
        self,
        config: PixelSNAILConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        num_codes = over_codes("pixelsnail", num_codes)
        if len(shape) not in (1, 2):
            raise ShapeError(
                f"pixelsnail serves codes with 1 or 2 axes; these have {len(shape)}: "
                f"{tuple(shape)}; transformer serves any number"
            )
        self.shape, self.num_codes, self.cond_dim = tuple(shape), num_codes, cond_dim
        width = config.width
        self.embed = nn.Embedding(num_codes, width)
        # Three codes of the row above (of a sequence there is none), and those on the left.
        self.above = CausalConv(width, width, (1, 3), centred=True) if len(shape) == 2 else None
        self.left = CausalConv(width, width, (len(shape), 1), centred=False)
        self.blocks: Any = nn.ModuleList(
            Block(config, len(shape), cond_dim) for _ in range(config.blocks)
        )
        self.head = nn.Conv2d(width, num_codes, 1)

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    def logits(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) -> (B,K,*L) float32, unnormalised log P(code | the ones before)."""
        shape = codes.shape[1:]
        check_call("pixelsnail", self, shape, cond)
        x = self.embed(as_map(codes)).permute(0, 3, 1, 2)
        h = self.left(F.pad(x, (1, -1)))
        if self.above is not None:
            h = h + self.above(F.pad(x, (0, 0, 1, -1)))
        places = coordinates(x)
        for block in self.blocks:
            h = block(x, h, places, cond)
        return self._predict(h).flatten(2).unflatten(2, shape)

    def log_prob(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) int64 in [0,K), cond (B,E) or (B,E,*L) -> (B,) nats."""
        logits = self.logits(codes, cond).flatten(2)  # (B,K,N)
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

        Equal to drawing position by position from `logits` of all codes so far; the rows that
        the convolutions reach, keys and values are kept. Dropout is off. One uniform number a
        code is drawn at the start, on the generator's device.
        """
        shape = self.shape if shape is None else tuple(shape)
        check_temperature(temperature)
        check_call("pixelsnail", self, shape, cond)
        noise = as_map(uniforms(n, shape, self.head.weight.device, generator))
        _, rows, columns = noise.shape
        weight = self.embed.weight
        above = None if self.above is None else Kept(self.above, n, columns)
        left = Kept(self.left, n, columns)
        places = coordinates(weight.new_empty(n, 1, rows, columns))
        blocks = [KeptBlock(block, n, places, cond) for block in self.blocks]
        codes = torch.zeros(noise.shape, dtype=torch.int64, device=noise.device)
        row = weight.new_zeros(n, weight.shape[1], 1, columns)  # the last one, embedded
        code = row[..., :1]  # the last one, embedded
        for i in range(rows):
            from_above = None if above is None else above(row)
            for j in range(columns):
                h = left(code if j else torch.zeros_like(code))
                if from_above is not None:
                    h = h + from_above[..., j : j + 1]
                for block in blocks:
                    h = block(code, h, i, j)
                codes[:, i, j] = draw(self._predict(h)[:, :, 0, 0], noise[:, i, j], temperature)
                code = row[..., j : j + 1] = self.embed(codes[:, i, j])[:, :, None, None]
        return codes.reshape(n, *shape)

    def _predict(self, h: Tensor) -> Tensor:
        """(B,width,H,W) -> (B,K,H,W), float32 at least."""
        with torch.autocast(h.device.type, enabled=False):  # bf16 logits cost bits
            return self.head(F.elu(wide(h)))


class Block(nn.Module):
    """Residual blocks, then attention to what came before: h (B,width,H,W), to the same shape."""

    def __init__(self, config: PixelSNAILConfig, rank: int, cond_dim: int | None):
        super().__init__()
        width, self.keys = config.width, config.keys

        def near(inputs: int, outputs: int) -> nn.Module:
            return CausalConv(inputs, outputs, (min(rank, 2), 2), centred=False)

        self.layers: Any = nn.ModuleList(
            GatedResidual(width, near, cond_dim=cond_dim, dropout=config.dropout)
            for _ in range(config.layers)
        )
        content = 2 * width + 2
        self.content = GatedResidual(content, pointwise)
        self.keys_values = pointwise(content, config.keys + config.values)
        self.question = GatedResidual(width + 2, pointwise)
        self.queries = pointwise(width + 2, config.keys)
        self.join = GatedResidual(width, pointwise, beside=config.values, dropout=config.dropout)

    def forward(self, x: Tensor, h: Tensor, places: Tensor, cond: Tensor | None) -> Tensor:
        """x (B,width,H,W), the codes; ``places`` (B,2,H,W), the `coordinates`."""
        for layer in self.layers:
            h = layer(h, cond=cond)
        keys, values = self.remember(x, h, places)
        keys, values = (F.pad(part, (0, 0, 1, -1)) for part in (keys, values))
        seen = F.scaled_dot_product_attention(
            self.ask(h, places), keys, values, is_causal=True
        )  # of the place before, and so on
        return self.join(h, seen[:, 0].mT.unflatten(2, h.shape[2:]))

    def remember(self, x: Tensor, h: Tensor, places: Tensor) -> tuple[Tensor, Tensor]:
        """Key and value of each place: (B,1,N,keys), (B,1,N,values)."""
        found = self.keys_values(self.content(torch.cat([x, h, places], dim=1)))
        found = found.flatten(2).mT.unsqueeze(1)
        return found[..., : self.keys], found[..., self.keys :]

    def ask(self, h: Tensor, places: Tensor) -> Tensor:
        """The query of each place: (B,1,N,keys)."""
        found = self.queries(self.question(torch.cat([h, places], dim=1)))
        return found.flatten(2).mT.unsqueeze(1)


class KeptBlock:
    """A `Block` that is given one place at a time, in raster order. Dropout is off."""

    def __init__(self, block: Block, n: int, places: Tensor, cond: Tensor | None):
        rows, columns = places.shape[2:]
        self.block, self.places, self.count = block, places, 0
        self.layers = [KeptResidual(layer, n, columns, cond) for layer in block.layers]
        weight = block.keys_values.weight
        self.keys = weight.new_zeros(n, 1, rows * columns, block.keys)
        self.values = weight.new_zeros(n, 1, rows * columns, weight.shape[0] - block.keys)
        self.last: tuple[Tensor, Tensor] | None = None  # the last place's h, and coordinates

    def __call__(self, x: Tensor, h: Tensor, i: int, j: int) -> Tensor:
        """x (n,width,1,1), the code before; h of the place (i,j)."""
        block, column = self.block, slice(j, j + 1)
        if self.last is not None:
            key, value = block.remember(x, *self.last)
            self.keys[:, :, self.count] = key[:, :, 0]
            self.values[:, :, self.count] = value[:, :, 0]
        self.count += 1
        for layer in self.layers:
            h = layer(h, i, column)
        place = self.places[:, :, i : i + 1, column]
        self.last = h, place
        seen = F.scaled_dot_product_attention(
            block.ask(h, place), self.keys[:, :, : self.count], self.values[:, :, : self.count]
        )
        join = block.join
        return join.through(h, join.first, join.second, nn.Identity(), seen[:, 0].mT[..., None])


def coordinates(like: Tensor) -> Tensor:
    """Row and column of each place of (B,*,H,W), from -1/2 to 1/2: (B,2,H,W)."""
    rows, columns = (
        (torch.arange(size, device=like.device, dtype=like.dtype) + 0.5) / size - 0.5
        for size in like.shape[2:]
    )
    grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"))
    return grid.expand(like.shape[0], -1, -1, -1)
