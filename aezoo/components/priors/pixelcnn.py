"""Gated PixelCNN over codes.

van den Oord, Kalchbrenner, Vinyals, Espeholt, Graves and Kavukcuoglu, Conditional Image
Generation with PixelCNN Decoders, 2016, arXiv:1606.05328: gated activations (equations 2
to 4) and two stacks without a blind spot (section 2.2).

The vertical stack sees all rows above, the horizontal one the codes to the left and, layer
by layer, the vertical stack. Nothing is masked: kernels hold only the taps that a mask
would leave, and the input is padded on the side of the past (and, in the first layer, moved
by one, which is mask A). The vertical stack is residual as well: without it the signal of
a deep stack fades at the start of training.

Sampling keeps what has been computed: the vertical stack runs once a row on the rows that
its kernels reach, the horizontal stack once a position as small matrix products.
"""

# torch's types call every bias, and every module of a list, something that may be missing.
# pyright: reportOptionalMemberAccess=false, reportOptionalOperand=false
# pyright: reportOptionalCall=false, reportArgumentType=false, reportOperatorIssue=false

from __future__ import annotations

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, over_codes
from aezoo.components.causal import everywhere
from aezoo.components.priors.configs import PixelCNNConfig
from aezoo.components.priors.raster import as_map, check_call, draw, uniforms
from aezoo.errors import ShapeError


class PixelCNNPrior(nn.Module):
    """log P(codes) = sum over positions, in raster order, of log P(code | the ones before).

    Codes (B,H,W) or, with the horizontal stack alone, (B,L); int64 in [0,K). Convolutional:
    other sizes than the one it was built for work too. With a ``cond_dim`` E it needs a
    condition's embedding: one a sample (B,E), or one a position (B,E,*L).
    """

    def __init__(
        self,
        config: PixelCNNConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        num_codes = over_codes("pixelcnn", num_codes)
        if len(shape) not in (1, 2):
            raise ShapeError(
                f"pixelcnn serves codes with 1 or 2 spatial axes; these have {len(shape)}: "
                f"{tuple(shape)}; transformer serves any number"
            )
        self.shape = tuple(shape)
        self.num_codes = num_codes
        self.cond_dim = cond_dim
        width = config.width
        # Starts at variance 1 (torch's default): smaller ones learn far more slowly, for the
        # layers pass on less than they get.
        self.embed = nn.Embedding(num_codes, width)
        self.layers = nn.ModuleList(
            GatedLayer(
                width,
                config.kernel,
                cond_dim,
                first=index == 0,
                vertical=len(shape) == 2,
                dropout=config.dropout,
            )
            for index in range(config.layers)
        )
        self.hidden = nn.Conv2d(width, 2 * width, 1)
        self.head = nn.Conv2d(2 * width, num_codes, 1)

    def distribution(self, like: Tensor) -> None:
        """None: it has no closed form."""
        return None

    def logits(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) -> (B,K,*L) float32, unnormalised log P(code | the ones before)."""
        check_call("pixelcnn", self, codes.shape[1:], cond)
        return self._logits(codes, cond).flatten(2).unflatten(2, codes.shape[1:])

    def log_prob(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) int64 in [0,K), cond (B,E) or (B,E,*L) -> (B,) nats."""
        check_call("pixelcnn", self, codes.shape[1:], cond)
        logits = self._logits(codes, cond).flatten(2)  # (B,K,N)
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

        Equal to drawing position by position from `logits` of all codes so far. Dropout is
        off. One uniform number a code is drawn at the start, on the generator's device.
        """
        shape = self.shape if shape is None else tuple(shape)
        check_temperature(temperature)
        check_call("pixelcnn", self, shape, cond)
        device = self.embed.weight.device
        rows = as_map(uniforms(n, shape, device, generator))
        steps = Steps(self.layers, n, rows.shape[2], cond)
        codes = torch.zeros(rows.shape, dtype=torch.int64, device=device)
        for i in range(rows.shape[1]):
            steps.start_row()
            for j in range(rows.shape[2]):
                code = draw(self._at(steps.step(j)), rows[:, i, j], temperature)
                steps.put(j, self.embed(code))
                codes[:, i, j] = code
        return codes.reshape(n, *shape)

    def _logits(self, codes: Tensor, cond: Tensor | None) -> Tensor:
        """codes (B,*L) -> (B,K,H,W) float32."""
        v = h = self.embed(as_map(codes)).permute(0, 3, 1, 2)
        for layer in self.layers:
            v, h = layer(v, h, cond)
        hidden = self.hidden(h.relu()).relu()
        with torch.autocast(hidden.device.type, enabled=False):  # bf16 logits cost bits
            return F.conv2d(hidden.float(), self.head.weight.float(), self.head.bias.float())

    def _at(self, h: Tensor) -> Tensor:
        """h (n,width) of one position -> (n,K) float32."""
        hidden = F.linear(h.relu(), self.hidden.weight.flatten(1), self.hidden.bias).relu()
        weight = self.head.weight.flatten(1).float()
        return F.linear(hidden.float(), weight, self.head.bias.float())


class GatedLayer(nn.Module):
    """One layer of both stacks (figure 2): (v, h), each (B,width,H,W), to the same shapes.

    Row i of v depends on rows before i only (first layer) or on v's rows up to i (later).
    """

    def __init__(
        self,
        width: int,
        kernel: int,
        cond_dim: int | None,
        *,
        first: bool,
        vertical: bool,
        dropout: float,
    ):
        super().__init__()
        self.first = first
        self.reach = kernel // 2  # taps before the current position
        taps = self.reach if first else self.reach + 1
        if vertical:
            self.vertical = nn.Conv2d(width, 2 * width, (taps, kernel))
            self.v_to_h = nn.Conv2d(width, 2 * width, 1)
        else:
            self.vertical = self.v_to_h = None
        self.horizontal = nn.Conv2d(width, 2 * width, (1, taps))
        self.out = nn.Conv2d(width, width, 1)
        self.cond = None if cond_dim is None else nn.Linear(cond_dim, 2 * width, bias=False)
        self.dropout = nn.Dropout(dropout)

    def forward(self, v: Tensor, h: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        ahead = -1 if self.first else 0  # mask A: the current position is cut off
        past = self.reach
        h_in = self.horizontal(F.pad(h, (past, ahead, 0, 0)))
        if self.cond is not None:
            extra = everywhere(self.cond, cond)
            h_in = h_in + extra
        if self.vertical is not None:
            v_in = self.vertical(F.pad(v, (past, past, past, ahead)))
            gated = gate(v_in if self.cond is None else v_in + extra)
            v = gated if self.first else v + gated
            h_in = h_in + self.v_to_h(self.dropout(v))
        change = self.out(self.dropout(gate(h_in)))
        return v, change if self.first else h + change


def gate(x: Tensor) -> Tensor:
    """tanh(a) * sigmoid(b) of the two halves of the channels, axis 1 (equation 2)."""
    a, b = x.chunk(2, dim=1)
    return a.tanh() * b.sigmoid()


class Steps:
    """The state of gated layers between two positions of a sampler.

    A layer keeps the rows of its vertical input that its kernel reaches, with the columns'
    padding, and the current row of its horizontal input, with the past's padding.
    """

    def __init__(self, layers: Iterable[GatedLayer], n: int, columns: int, cond: Tensor | None):
        self.layers = [_LayerSteps(layer, n, columns, cond) for layer in layers]

    def start_row(self) -> None:
        v = None
        for layer in self.layers:
            v = layer.start_row(v)

    def step(self, j: int) -> Tensor:
        """The last layer's h (n,width) at column j of the row, given all that was put so far."""
        h = self.layers[0].step(None, j)
        for layer in self.layers[1:]:
            h = layer.step(h, j)
        return h

    def put(self, j: int, embedded: Tensor) -> None:
        """What was drawn at column j of the current row, embedded: (n,width)."""
        self.layers[0].put(j, embedded)


class _LayerSteps:
    """One layer's part of the state. All tensors are channels-last: (n, ..., width)."""

    def __init__(self, layer: GatedLayer, n: int, columns: int, cond: Tensor | None):
        self.layer = layer
        weight = layer.horizontal.weight  # (2w, w, 1, taps)
        self.taps = weight.shape[3]
        # Taps outside channels, as a slice of the row lies in memory.
        self.weight = weight[:, :, 0].transpose(1, 2).flatten(1).contiguous()
        self.extra = None if layer.cond is None else everywhere(layer.cond, cond)
        self.bias = layer.horizontal.bias.view(1, -1, 1)  # of the current row: (n, 2w, columns)
        self.i = -1
        self.row = weight.new_zeros(n, layer.reach + columns, weight.shape[1])
        self.from_v: Tensor | None = None
        if layer.vertical is not None:
            rows = layer.vertical.weight.shape[2]
            self.rows = weight.new_zeros(n, weight.shape[1], rows, columns + 2 * layer.reach)

    def start_row(self, v: Tensor | None) -> Tensor | None:
        """v (n,w,1,columns), the layer below's new row (None below the first) -> this one's."""
        layer = self.layer
        self.i += 1
        if self.extra is not None:
            extra = self.extra[:, :, [min(self.i, self.extra.shape[2] - 1)]]
            self.bias = layer.horizontal.bias.view(1, -1, 1) + extra[:, :, 0]
        if layer.vertical is None:
            return None
        if layer.first:
            # The row just finished is the newest one that the vertical stack may see.
            v = self.row[:, layer.reach :].transpose(1, 2).unsqueeze(2)
        self.rows = torch.cat([self.rows[:, :, 1:], F.pad(v, (layer.reach, layer.reach))], dim=2)
        v_in = layer.vertical(self.rows)
        gated = gate(v_in if self.extra is None else v_in + extra)
        v = gated if layer.first else v + gated
        self.from_v = layer.v_to_h(v)[:, :, 0]  # (n, 2w, columns)
        return v

    def step(self, h: Tensor | None, j: int) -> Tensor:
        """h (n,w), the layer below's column j (None below the first) -> this layer's."""
        layer = self.layer
        if h is not None:
            self.put(j, h)
        taken = self.row[:, j : j + self.taps].flatten(1)
        h_in = F.linear(taken, self.weight) + self.bias[:, :, min(j, self.bias.shape[2] - 1)]
        if self.from_v is not None:
            h_in = h_in + self.from_v[:, :, j]
        change = F.linear(gate(h_in), layer.out.weight.flatten(1), layer.out.bias)
        return change if h is None else h + change

    def put(self, j: int, h: Tensor) -> None:
        self.row[:, self.layer.reach + j] = h
