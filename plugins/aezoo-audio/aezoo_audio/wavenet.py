"""WaveNet's stack: gated, dilated, causal convolutions, all places at once or one at a time.

van den Oord, Dieleman, Zen, Simonyan, Vinyals, Graves, Kalchbrenner, Senior, Kavukcuoglu,
WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499: causal convolutions (2.1),
gated units (equation 2), residual and skip connections (2.4), conditioning (equations 5 and 6).
Keeping what a layer saw one dilation ago makes a step cost as much as there are layers (Le
Paine et al., Fast Wavenet Generation Algorithm, 2016, arXiv:1611.09482).

Letters: B batch, K values of a symbol, T places, E channels of the condition.
"""

# torch's types call every bias something that may be missing.
# pyright: reportOptionalMemberAccess=false

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn


class WaveNet(nn.Module):
    """log P(symbols | condition) = sum over t of log P(symbol t | those before, condition t).

    The condition is (B, E, T), one vector a place (equation 6), or (B, E, 1), one for all
    (equation 5); None where ``cond_dim`` is None.
    """

    def __init__(
        self,
        symbols: int,
        width: int,
        layers: int,
        cycle: int,
        cond_dim: int | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.symbols, self.width, self.cond_dim = symbols, width, cond_dim
        self.embed = nn.Embedding(symbols, width)
        self.layers = nn.ModuleList(
            GatedLayer(width, 1 << index % cycle, cond_dim, dropout, last=index == layers - 1)
            for index in range(layers)
        )
        self.hidden = nn.Conv1d(width, width, 1)
        self.head = nn.Conv1d(width, symbols, 1)

    def logits(self, symbols: Tensor, cond: Tensor | None = None) -> Tensor:
        """symbols (B,T) int64 in [0,K) -> (B,K,T) float32, each place's given those before."""
        before = self.embed(symbols[:, :-1]).transpose(1, 2)
        h = F.pad(before, (1, 0))
        total = torch.zeros_like(h)
        for layer in self.layers:
            h, skip = layer(h, cond)
            total = total + skip
        hidden = self.hidden((total * self._share).relu()).relu()
        with torch.autocast(hidden.device.type, enabled=False):  # bf16 logits cost bits
            return F.conv1d(hidden.float(), self.head.weight.float(), self.head.bias.float())

    def log_prob(self, symbols: Tensor, cond: Tensor | None = None) -> Tensor:
        """symbols (B,T) int64 in [0,K) -> (B,) nats."""
        logits = self.logits(symbols, cond)
        return -F.cross_entropy(logits, symbols, reduction="none").sum(1)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        length: int,
        cond: Tensor | None = None,
        *,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """(n, length) int64 in [0,K). Temperature 0 takes the likeliest symbol each time.

        Equal to drawing place by place from `logits` of all symbols so far. Dropout is off.
        One uniform number a symbol is drawn at the start, on the generator's device.
        """
        device = self.embed.weight.device
        where = device if generator is None else generator.device
        noise = torch.rand((n, length), generator=generator, device=where).to(device)
        symbols = torch.zeros((n, length), dtype=torch.int64, device=device)
        steps = _Steps(self, n)
        h = self.embed.weight.new_zeros(n, self.width)
        for t in range(length):
            here = None if cond is None else cond[:, :, min(t, cond.shape[2] - 1)]
            symbols[:, t] = draw(steps.logits(h, here), noise[:, t], temperature)
            h = self.embed(symbols[:, t])
        return symbols

    @property
    def _share(self) -> float:
        return len(self.layers) ** -0.5  # the sum over the layers starts as large as one of them


class GatedLayer(nn.Module):
    """h (B,width,T) -> the next layer's h, and this one's part of the output, the same shape."""

    def __init__(
        self, width: int, dilation: int, cond_dim: int | None, dropout: float, *, last: bool
    ):
        super().__init__()
        self.dilation, self.last = dilation, last
        self.causal = nn.Conv1d(width, 2 * width, 2, dilation=dilation)
        self.cond = None if cond_dim is None else nn.Conv1d(cond_dim, 2 * width, 1, bias=False)
        self.out = nn.Conv1d(width, width if last else 2 * width, 1)
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Tensor, cond: Tensor | None) -> tuple[Tensor, Tensor]:
        u = self.causal(F.pad(h, (self.dilation, 0)))
        if self.cond is not None:
            u = u + self.cond(cond)
        return self.join(h, self.out(self.dropout(gate(u))))

    def join(self, h: Tensor, out: Tensor) -> tuple[Tensor, Tensor]:
        if self.last:
            return h, out
        change, skip = out.chunk(2, dim=1)
        return h + change, skip


def gate(u: Tensor) -> Tensor:
    """tanh(a) * sigmoid(b) of the two halves of the channels, axis 1 (equation 2)."""
    a, b = u.chunk(2, dim=1)
    return a.tanh() * b.sigmoid()


def draw(logits: Tensor, noise: Tensor, temperature: float = 1.0) -> Tensor:
    """logits (n,K), noise (n,) uniform in [0,1) -> symbols (n,), by the inverse of the cdf."""
    if temperature == 0:
        return logits.argmax(1)
    cdf = (logits.float() / temperature).softmax(1).cumsum(1)
    target = noise[:, None].to(cdf.dtype) * cdf[:, -1:]
    return torch.searchsorted(cdf, target, right=True)[:, 0].clamp(max=logits.shape[1] - 1)


class _Steps:
    """What the layers keep between two places: their inputs of one dilation ago and since."""

    def __init__(self, net: WaveNet, n: int):
        self.net = net
        self.t = 0
        self.layers = cast("list[GatedLayer]", list(net.layers))
        new = net.embed.weight.new_zeros
        self.kept = [new(layer.dilation, n, net.width) for layer in self.layers]
        # Taps outside channels, as [one dilation ago, now] lies in memory.
        self.weights = [layer.causal.weight.transpose(1, 2).flatten(1) for layer in self.layers]

    def logits(self, h: Tensor, cond: Tensor | None) -> Tensor:
        """h (n,width), the embedding of the symbol before; cond (n,E) -> (n,K) float32."""
        total = torch.zeros_like(h)
        for layer, kept, weight in zip(self.layers, self.kept, self.weights, strict=True):
            place = self.t % layer.dilation
            u = F.linear(torch.cat([kept[place], h], dim=1), weight, layer.causal.bias)
            kept[place] = h
            if layer.cond is not None and cond is not None:
                u = u + F.linear(cond, layer.cond.weight.flatten(1))
            out = F.linear(gate(u), layer.out.weight.flatten(1), layer.out.bias)
            h, skip = layer.join(h, out)
            total = total + skip
        self.t += 1
        net = self.net
        summed = (total * net._share).relu()
        hidden = F.linear(summed, net.hidden.weight.flatten(1), net.hidden.bias).relu()
        return F.linear(hidden.float(), net.head.weight.flatten(1).float(), net.head.bias.float())
