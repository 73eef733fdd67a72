"""What the autoregressive priors over vectors of discrete variables share: made and nade.

log P(x) = sum over the variables, in raster order, of log P(x_i | the ones before): exact.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar

import torch
import torch.nn.functional as F
from torch import Generator, Tensor, nn

from aezoo.checks import check_temperature, told_as_built
from aezoo.components.nd import flat, wide
from aezoo.components.priors.raster import draw, uniforms
from aezoo.errors import ShapeError


class VectorPrior(nn.Module, ABC):
    """Over codes (B,*L) in [0,K), or (B,q,*L); over bits (B,D,*L); over one-hot z (B,n*k,*L).

    What they are flattened to are N variables of K values, a bit being one number of the K - 1
    that decide. A prior is of one size. With a ``cond_dim`` E it reads a condition (B,E).

    A subclass gives `scores` and `steps`. Of relaxed latents, between bits or one-hot vectors,
    ``log_prob`` is the linear extension in each variable; it is a probability at the discrete
    ones alone.
    """

    name: ClassVar[str]  # as specs write it

    def __init__(
        self,
        shape: tuple[int, ...],
        num_codes: int | None,
        cond_dim: int | None,
        k: int | None,
    ):
        super().__init__()
        self.shape, self.num_codes, self.cond_dim = tuple(shape), num_codes, cond_dim
        self.places = self.shape
        if num_codes is not None:
            if k is not None:
                raise ShapeError(
                    f"{self.name}: the quantizer has {num_codes} codes; leave k={k} out, it is of "
                    "the latents of gumbel(n,k)"
                )
            self.k = num_codes
        elif k is not None:
            if self.shape[0] % k:
                raise ShapeError(
                    f"{self.name} with k={k} is over the one-hot latents of gumbel(n,{k}), and "
                    f"{self.shape[0]} channels are no multiple of {k}"
                )
            self.k = self.one_hot_of = k
            self.places = (self.shape[0] // k, *self.shape[1:])
        else:
            self.k, self.space = 2, "bits"
        self.n = flat(self.places)
        #: Numbers that a variable is told by, and that tell the next one's distribution.
        self.each = 1 if self._bits else self.k

    @property
    def _bits(self) -> bool:
        return getattr(self, "space", None) == "bits"

    @abstractmethod
    def scores(self, x: Tensor, cond: Tensor | None) -> Tensor:
        """x (B,N,each) -> (B,N,each) of each variable, given those before it."""

    @abstractmethod
    def steps(self, n: int, cond: Tensor | None) -> Any:
        """What draws one variable after the other, with the methods

        ``scores(i) -> (n,each)`` of variable i, and ``put(i, x (n,each))``.
        """

    def distribution(self, like: Tensor) -> None:
        """None: nothing has a closed form with it."""

    def logits(self, codes: Tensor, cond: Tensor | None = None) -> Tensor:
        """codes (B,*L) -> (B,K,*L), unnormalised log P(code | the ones before)."""
        self._check(tuple(codes.shape[1:]), cond)
        scores = self.scores(self._told(codes), cond)
        return scores.transpose(1, 2).reshape(len(codes), -1, *self.places)

    def log_prob(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """Codes (B,*L) int64, or latents (B,D,*L) -> (B,) nats."""
        self._check(tuple(x.shape[1:]), cond)
        told = self._told(x)
        scores = self.scores(told, cond)
        if self._bits:
            return (told * scores - F.softplus(scores)).flatten(1).sum(1)
        if self.num_codes is not None:
            codes = x.reshape(len(x), self.n)
            return -F.cross_entropy(scores.transpose(1, 2), codes, reduction="none").sum(1)
        return (told * scores.log_softmax(2)).flatten(1).sum(1)

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
        """(n,*shape); temperature 0 takes the likeliest value each time.

        Equal to drawing variable by variable from all of the network; each of its weights is
        read once. One uniform number a variable is drawn at the start, where the generator is.
        """
        check_temperature(temperature)
        self._check(self.shape if shape is None else tuple(shape), cond)
        weight = next(self.parameters())
        noise = uniforms(n, (self.n,), weight.device, generator)
        steps, values = self.steps(n, cond), []
        for i in range(self.n):
            scores = steps.scores(i)
            if self._bits:
                scores = F.pad(scores, (1, 0))
            value = draw(scores, noise[:, i], temperature)
            values.append(value)
            steps.put(i, self._as_numbers(value).to(weight.dtype))
        drawn = torch.stack(values, 1)
        if self.num_codes is not None:
            return drawn.reshape(n, *self.shape)
        found = wide(self._as_numbers(drawn).to(weight.dtype))  # (n,N,each)
        return (
            found.transpose(1, 2)
            .reshape(n, self.each, *self.places)
            .transpose(1, 2)
            .reshape(n, *self.shape)
        )

    def _as_numbers(self, values: Tensor) -> Tensor:
        """int64 (...) -> (...,each)."""
        return values.unsqueeze(-1) if self._bits else F.one_hot(values, self.k)

    def _told(self, x: Tensor) -> Tensor:
        """Codes or latents -> (B,N,each)."""
        if self.num_codes is not None:
            return wide(
                F.one_hot(x.reshape(len(x), self.n), self.k).to(next(self.parameters()).dtype)
            )
        x = wide(x).unflatten(1, (self.places[0], self.each))
        return x.movedim(2, -1).flatten(1, -2)

    def _check(self, shape: tuple[int, ...], cond: Tensor | None) -> None:
        if shape != self.shape:
            kind = "latents" if self.num_codes is None else "codes"
            raise ShapeError(
                f"{self.name} was built for {kind} of shape {self.shape}, which it flattens; "
                f"these are {shape}"
            )
        told_as_built(self.name, cond, self.cond_dim)
        if cond is not None and cond.ndim != 2:
            raise ShapeError(
                f"{self.name} reads one condition a sample, (B,{self.cond_dim}), not "
                f"{tuple(cond.shape)}; a pixelcnn or a transformer reads one a place"
            )
