"""The surface that every family shares. Letters as in `aezoo.latents`."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.distributions import Distribution

from aezoo.checks import whole
from aezoo.components.nd import crop, wide
from aezoo.components.quantizers.nearest import count_codes
from aezoo.errors import CapabilityError, ShapeError
from aezoo.latents import Latent, Losses, Output, levels, point
from aezoo.models.given import (
    check_codes,
    check_cond,
    check_ends,
    check_input,
    check_latent,
    check_rows,
    narrowed,
)
from aezoo.models.join import embedding_shape, fold_of, folded, spread
from aezoo.records import ModelCapabilities
from aezoo.resolve import Bound, display, resolved
from aezoo.spec import Spec

if TYPE_CHECKING:
    from typing import Self


@dataclass(slots=True)
class Parts:
    """The built parts of a model; `aezoo.build` has made sure that they fit each other."""

    bound: Bound
    input_shape: tuple[int, ...]
    encoder: nn.Module
    bottleneck: nn.Module
    decoder: nn.Module
    likelihood: nn.Module
    objective: Any
    prior: nn.Module | None = None
    cond: nn.Module | None = None
    prior_cond: nn.Module | None = None
    corruption: Any = None


class Autoencoder(nn.Module, ABC):
    """An encoder, a bottleneck, a decoder and a likelihood; perhaps a prior and a condition.

    Inputs are float32 (B, C, *S) in ``input_range``: pixels in [0, 1], audio in [-1, 1]. A
    condition (``cond=label(10)`` in the spec) is given to every method as ``cond``, for labels
    an int64 tensor (B,); its embedding is joined as further channels to what the encoder and
    the decoder read, and handed to the prior. Methods that are given x know the condition that
    is a part of x (``cond=half(left)``) without being told; `condition` gives it.
    """

    #: Must a prior be fitted on the finished model before it may be used?
    fits_prior: ClassVar[bool] = False
    bound_name: ClassVar[str | None] = None

    # The parts; `aezoo.hookspecs` says what each kind must do.
    encoder: Any
    bottleneck: Any
    decoder: Any
    likelihood: Any
    prior: Any
    cond: Any
    prior_cond: Any
    corruption: Any
    objective: Any

    def __init__(self, parts: Parts):
        super().__init__()
        self.bound = parts.bound
        self.input_shape = parts.input_shape
        # Where the likelihood leaves it open, training or config.json says what the data's is.
        own: tuple[float, float] | None = getattr(parts.likelihood, "range", None)
        self.input_range = own or (0.0, 1.0)
        self.encoder = parts.encoder
        self.bottleneck = parts.bottleneck
        self.decoder = parts.decoder
        self.likelihood = parts.likelihood
        self.prior = parts.prior
        self.cond = parts.cond
        self.prior_cond = parts.prior_cond
        #: (E,) or (E, *S') of the condition's embedding; () without a condition.
        self.cond_shape = () if self.cond is None else embedding_shape(self.cond)
        self._fold = fold_of(self.cond_shape, self.latent_shape[1:])
        # Not a submodule: an objective's critic is no part of the model, nor of its weights.
        vars(self)["objective"] = parts.objective
        self.corruption = parts.corruption
        self.prior_fitted = False
        self.card: str | None = None
        self.license: str | None = None  # of the weights, where they were loaded
        for part in (self.prior, self.objective):
            if hasattr(part, "attach"):  # it needs the model: its shapes, or its encoder
                part.attach(self)

    # -- what it is

    @property
    def spec(self) -> Spec:
        """The spec in display form."""
        return display(self.bound)

    @property
    def resolved(self) -> Spec:
        """The spec with every default and component version spelled out."""
        return resolved(self.bound)

    @property
    def config(self) -> dict[str, Any]:
        """What `config.json` beside the weights holds."""
        from aezoo.hub.config import describe

        return describe(self)

    @property
    def capabilities(self) -> ModelCapabilities:
        """What the model can do; what it cannot raises `CapabilityError`."""
        return ModelCapabilities(
            bound=self.bound_name if self.has_density else None,
            codes=hasattr(self.bottleneck, "num_codes"),
            sample=self.prior is not None and (self.prior_fitted or not self._prior_must_be_fitted),
            conditional=self._source is not None,
            draws_cond=self._source is None or hasattr(self._source, "draw"),
            any_size=all(getattr(p, "any_size", False) for p in (self.encoder, self.decoder)),
        )

    @property
    def has_density(self) -> bool:
        """Whether the likelihood is one of the data, or merely a score to compare x and x_hat."""
        return getattr(self.likelihood, "density", True)

    @property
    def latent_shape(self) -> tuple[int, ...]:
        """(D, *L) for inputs of ``input_shape``."""
        return self.bottleneck.out_shape

    @property
    def code_shape(self) -> tuple:
        """(*L), or (q, *L) of a quantizer with q codes a place, for inputs of ``input_shape``.

        With several levels a tuple of these, the largest map first.
        """
        return tuple(getattr(self.bottleneck, "code_shape", self.latent_shape[1:]))

    @property
    def codebooks(self) -> tuple[tuple[int, int], ...]:
        """(K, q) of each level: K codes, and q of them a place; () without codes."""
        if not self.capabilities.codes:
            return ()
        several = isinstance(self.bottleneck.num_codes, tuple)
        shapes = self.code_shape if several else (self.code_shape,)
        rank = len(self.latent_shape) - 1
        return tuple(
            (k, math.prod(shape[: len(shape) - rank]))
            for k, shape in zip(levels(self.bottleneck.num_codes), shapes, strict=True)
        )

    def count_codes(self, codes: Any) -> tuple[Tensor, ...]:
        """How often each code occurs: (q * K,) int64 of each level. Nothing waits for a GPU."""
        books = zip(levels(codes), self.codebooks, strict=True)
        return tuple(count_codes(level, k, q) for level, (k, q) in books)

    @property
    def _prior_must_be_fitted(self) -> bool:
        learns = self.prior is not None and any(True for _ in self.prior.parameters())
        return self.fits_prior and learns

    def extra_repr(self) -> str:
        return f"spec={self.spec}"

    # -- the parts' work

    def encode(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        *,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        """x (B, C, *S) -> its latent; ``z`` is the posterior's mode unless ``sample``.

        Raises:
            ShapeError: x does not have the model's shape.
            CapabilityError: a condition is needed and missing, or given and not taken.
        """
        cond = self._told(x, cond)
        h = self.features(x, cond)
        return self.infer(h, cond, x=x, sample=sample, generator=generator)

    def features(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """x (B, C, *S) -> h (B, F, *L), what the bottleneck reads."""
        check_input(self, x)
        cond = self._told(x, cond)
        c = self._embed(self.cond, cond)
        if c is not None:
            check_rows(self, c, len(x))
        return self.encoder(self._join(x, c))

    def infer(
        self,
        h: Any,
        cond: Tensor | None = None,
        *,
        x: Tensor | None = None,
        sample: bool = False,
        generator: torch.Generator | None = None,
    ) -> Latent:
        """The rest of `encode`: what the bottleneck makes of the `features`; one row a sample.

        ``x`` (B, C, *S) is what they are of; posteriors that read log p(x, z) need it too.
        """
        return self.bottleneck(h, sample=sample, generator=generator)

    def decode(
        self,
        z: Tensor,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """z (B, D, *L) -> the mean of p(x|z), (B, C, *S).

        Here and in the methods below, a likelihood without a closed mean (an autoregressive
        one) gives a draw in its place; ``generator`` is of that draw.
        """
        return point(self.p(z, cond), generator)

    def p(
        self, z: Tensor, cond: Tensor | None = None, *, size: tuple[int, ...] | None = None
    ) -> Distribution:
        """p(x|z) for z (B, D, *L): event shape (C, *S).

        ``size`` crops the data's spatial axes; by default to the model's own size where z
        has the model's own latent size, else not at all.
        """
        z = narrowed(self, z)
        check_latent(self, z)
        c = self._embed(self.cond, cond)
        if c is not None:
            check_rows(self, c, len(z))
        params = self.decoder(self._join_latent(z, c))
        if size is None and tuple(z.shape[1:]) == tuple(self.latent_shape):
            size = self.input_shape[1:]
        return self.likelihood(wide(crop(params, size) if size else params))

    def reconstruct(self, x: Tensor, cond: Tensor | None = None) -> Tensor:
        """x (B, C, *S) -> the mean of p(x|z) at the mode of q(z|x), same shape."""
        cond = self._told(x, cond)
        return point(self.p(self.encode(x, cond).z, cond, size=tuple(x.shape[2:])))

    def forward(
        self, x: Tensor, cond: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Output:
        """One pass with z drawn from q(z|x): everything an objective or a metric needs.

        Where the condition is a label that can be inferred, and is -1 or not given, it is drawn
        from q(y|x), and the rate is that of both: of z and of the label.
        """
        check_input(self, x)
        if not len(x):
            raise ShapeError(f"{self.spec}: a pass needs at least one sample, and x has none")
        if not hasattr(self.cond, "infer"):
            return self._pass(x, self._told(x, cond), generator)
        label, nats = self.cond.infer(x, cond, generator=generator)
        output = self._pass(x, label, generator)
        output.label = torch.full_like(label, -1) if cond is None else cond
        output.label_nats = nats
        if output.rate is not None:
            output.rate = output.rate + nats
        return output

    def _pass(self, x: Tensor, cond: Tensor | None, generator: torch.Generator | None) -> Output:
        seen = x
        if self.corruption is not None and self.training:
            seen = self.corruption(x, generator=generator)
        latent = self.encode(seen, cond, sample=True, generator=generator)
        return self.output(x, latent, cond, generator=generator)

    def output(
        self,
        x: Tensor,
        latent: Latent,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Output:
        """The rest of the pass: what x (B, C, *S) costs with this latent, and what it gives."""
        p = self.p(latent.z, cond, size=tuple(x.shape[2:]))
        latent.rate = self.rate(latent, cond, generator=generator)
        return Output(
            p=p,
            latents=latent.levels or (latent,),
            distortion=-p.log_prob(x),
            rate=latent.rate,
            cond=cond,
            density=self.has_density,
        )

    def loss(
        self, x: Tensor, cond: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Losses:
        """The objective of the spec on one batch; independent of the batch's size."""
        return self.objective(self, x, self(x, cond, generator=generator))

    def condition(self, x: Tensor, y: Tensor | None = None) -> Tensor | None:
        """What the other methods take as ``cond`` for x (B, C, *S) whose labels are y.

        It is y where the condition reads labels, else what the condition derives from x; None
        where the model takes no condition, or cannot know it.
        """
        source = self._source
        if source is None:
            return None
        if y is not None and getattr(source, "label_shape", ()) is not None:
            return y
        if not hasattr(source, "of"):
            return None
        check_input(self, x)
        return source.of(x)

    # -- likelihood

    @abstractmethod
    def rate(
        self,
        latent: Latent,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
    ) -> Tensor | None:
        """(B,) nats per sample that the latent costs under the prior; None without a bound.

        ``generator`` is of the draws of a prior that is not exact; the rate is then no less
        than the true one on average.
        """

    def elbo(
        self, x: Tensor, cond: Tensor | None = None, *, generator: torch.Generator | None = None
    ) -> Tensor:
        """(B,) lower bounds on log p(x) in nats, one draw of z a sample.

        Raises:
            CapabilityError: the family has no likelihood bound.
        """
        self._check_bound()
        elbo = self(x, cond, generator=generator).elbo
        assert elbo is not None
        return elbo

    def log_prob(
        self,
        x: Tensor,
        cond: Tensor | None = None,
        *,
        k: int = 1,
        generator: torch.Generator | None = None,
    ) -> Tensor:
        """(B,) lower bounds on log p(x) in nats that grow with ``k`` where q is random.

        The importance-weighted bound (Burda et al. 2015, arXiv:1509.00519, eq. 8), streamed:
        memory does not grow with k. Where z is a function of x (codes), k changes nothing.
        """
        whole(1, k=k)
        return self.elbo(x, cond, generator=generator)

    # -- generation

    def sample(
        self,
        n: int,
        cond: Tensor | None = None,
        *,
        generator: torch.Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """``n`` new samples (n, C, *S): the means of p(x|z) with z from the prior.

        A conditional model draws its conditions at random where ``cond`` is None.

        Raises:
            CapabilityError: there is no prior, or it was not fitted yet; or conditions cannot be
                drawn, as pictures cannot, and none are given.
        """
        self._check_prior()
        cond = self._condition(n, cond, generator)
        drawn = self.prior.sample(
            n, cond=self.embed_for_prior(cond), generator=generator, temperature=temperature
        )
        # A prior without parameters does not know where the model is.
        moved: Any = tuple(level.to(self.device) for level in levels(drawn))
        if not isinstance(drawn, tuple):
            moved = moved[0]
        if self.capabilities.codes:
            z = self.bottleneck.lookup(moved)
        else:  # drawn in float32 by a prior without parameters, also where these are float64
            weight = next(self.parameters())
            z = moved.to(torch.promote_types(moved.dtype, weight.dtype))
        return self.decode(z, cond if self.cond is not None else None, generator=generator)

    def interpolate(
        self, x0: Tensor, x1: Tensor, steps: int = 8, cond: Tensor | None = None
    ) -> Tensor:
        """The way from x0 to x1, both (B, C, *S), along a line in z: (steps, B, C, *S).

        Where ``cond`` is None, conditions that are known from x0 and x1 go the same way; labels
        change half way.
        """
        whole(1, steps=steps)
        check_ends(self, x0, x1)
        c0, c1 = self._told(x0, cond), self._told(x1, cond)
        z0, z1 = self.encode(x0, c0).z, self.encode(x1, c1).z
        weights = torch.linspace(0, 1, steps, device=z0.device, dtype=z0.dtype)
        size = tuple(x0.shape[2:])
        told = conditions_between(c0, c1, weights)
        along = (
            self.p(self._between(z0, z1, w), cond, size=size)
            for w, cond in zip(weights, told, strict=True)
        )
        return torch.stack([point(p) for p in along])

    def _between(self, z0: Tensor, z1: Tensor, weight: Tensor) -> Tensor:
        """A point of the way from z0 to z1, both (B, D, *L), for a weight in [0, 1]."""
        return getattr(self.bottleneck, "between", torch.lerp)(z0, z1, weight)

    # -- codes

    def encode_codes(self, x: Tensor, cond: Tensor | None = None) -> Any:
        """x (B, C, *S) -> codes (B, *L), or (B, q, *L) with q codes a place; int64.

        A model of several levels gives a tuple of them, the largest map first.
        """
        self._check_codes()
        return self.encode(x, cond).codes

    def decode_codes(self, codes: Any, cond: Tensor | None = None) -> Tensor:
        """codes, as `encode_codes` gives them, in [0, K) -> the mean of p(x|z), (B, C, *S).

        Raises:
            ShapeError: codes are not of the model's shape.
            ValueError: a code is outside [0, K), or they are not integers.
        """
        self._check_codes()
        check_codes(self, codes)
        return self.decode(self.bottleneck.lookup(codes), cond)

    def embed_for_prior(self, cond: Tensor | None) -> Tensor | None:
        """The condition as the prior reads it, (B, E), a map flattened; or None."""
        embedded = self._embed(self.prior_cond if self.prior_cond is not None else self.cond, cond)
        return None if embedded is None else embedded.flatten(1)

    # -- saving and loading

    def save_pretrained(self, folder: str | Path) -> None:
        """Write `config.json`, `model.safetensors` and, with a card, `README.md`."""
        from aezoo.hub.save import save_pretrained

        save_pretrained(self, folder)

    @classmethod
    def from_pretrained(cls, source: str | Path) -> Self:
        """Load from a folder, ``hf://org/name@rev`` or the zoo's name, in eval mode."""
        from aezoo.factory import load

        model = load(source)
        if not isinstance(model, cls):
            raise CapabilityError(
                f"{source} holds a {type(model).__name__}, not a {cls.__name__}; "
                "call Autoencoder.from_pretrained to load any family"
            )
        return model

    def push_to_hub(self, repo: str, **options: Any) -> str:
        """Publish on the Hugging Face Hub as one commit; see `aezoo.hub.publish`."""
        from aezoo.hub.publish import push_to_hub

        return push_to_hub(self, repo, **options)

    # -- what an objective may own goes where the model goes

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        super()._apply(fn, recurse)
        if isinstance(self.objective, nn.Module):
            self.objective._apply(fn, recurse)
        return self

    # -- checks

    @property
    def device(self) -> torch.device:
        return next(self.parameters()).device

    @property
    def _source(self) -> Any:
        """The part that knows conditions, or None."""
        return self.cond if self.cond is not None else self.prior_cond

    def _told(self, x: Tensor, cond: Tensor | None) -> Tensor | None:
        """The condition given, else what is known from x."""
        return self.condition(x) if cond is None else cond

    def _embed(self, module: nn.Module | None, cond: Tensor | None) -> Tensor | None:
        if module is None:
            if cond is not None and self.prior_cond is None:
                raise CapabilityError(
                    f"{self.spec} takes no condition; a spec with cond=label(10) does"
                )
            return None
        if cond is None:
            how = "model.condition(x) gives that of x" if hasattr(module, "of") else "(B,)"
            raise CapabilityError(f"{self.spec} needs cond, the condition of each sample: {how}")
        check_cond(self, cond)
        try:
            c = module(cond)
        except ShapeError as error:
            raise ShapeError(f"{self.spec}: {error}") from error
        shape = embedding_shape(module)
        if c.ndim != 1 + len(shape) or c.shape[1] != shape[0]:
            raise ShapeError(
                f"{self.spec}: cond of shape {tuple(cond.shape)} is embedded as {tuple(c.shape)}, "
                f"and not as (B, {', '.join(map(str, shape))})"
            )
        return c

    def _condition(
        self, n: int, cond: Tensor | None, generator: torch.Generator | None
    ) -> Tensor | None:
        """The condition of n new samples: the one given, else drawn; None where none is taken."""
        whole(0, n=n)
        if cond is not None and self._source is not None:
            check_cond(self, cond)
            check_rows(self, cond, n)
        if cond is not None or self._source is None:
            return cond
        if not self.capabilities.draws_cond:
            raise CapabilityError(
                f"{self.spec} needs cond, the condition of each sample, which it cannot draw; "
                "model.condition(x) gives that of each x"
            )
        return self._source.draw(n, device=self.device, generator=generator)

    @staticmethod
    def _join(x: Tensor, c: Tensor | None) -> Tensor:
        """x (B, C, *S) and an embedding as further channels; `aezoo.models.join`."""
        return x if c is None else torch.cat([x, spread(c.to(x.dtype), x.shape[2:])], dim=1)

    def _join_latent(self, z: Tensor, c: Tensor | None) -> Tensor:
        """z (B, D, *L) and an embedding as further channels."""
        if c is None:
            return z
        return torch.cat([z, folded(c.to(z.dtype), z.shape[2:], self._fold)], dim=1)

    def _check_bound(self) -> None:
        if self.capabilities.bound is None:
            why = (
                "z is a point, without a q(z|x) to charge for it; take a vae with gaussian, a vqvae"
                if self.has_density
                else f"{self.bound.config.likelihood} is no density of the data"
            )
            raise CapabilityError(
                f"{self.spec} has no likelihood bound: {why}, or compare reconstruction errors"
            )

    def _check_codes(self) -> None:
        if not self.capabilities.codes:
            raise CapabilityError(f"{self.spec} has no codes; a vqvae with a quantizer has")

    def _check_prior(self) -> None:
        if self.prior is None:
            raise CapabilityError(
                f"{self.spec} has no prior to sample from; name one in the spec, as prior=normal, "
                "or fit one on the finished model: aezoo fit-prior"
            )
        if not self.capabilities.sample:
            raise CapabilityError(
                f"the prior of {self.spec} was not fitted yet; `aezoo train` does it after the "
                "autoencoder, as the recipe's prior stage. Where load_state_dict brought a fitted "
                "one, which its tensors do not say: model.prior_fitted = True"
            )


def conditions_between(
    c0: Tensor | None, c1: Tensor | None, weights: Tensor
) -> Iterator[Tensor | None]:
    """The conditions on the way from c0 to c1, at ``weights`` (steps,) from 0 to 1."""
    for step, weight in enumerate(weights):
        if c0 is None or c1 is None or c0 is c1:
            yield c0
        elif c0.is_floating_point():
            yield torch.lerp(c0, c1, weight.to(c0.dtype))
        else:
            yield c0 if 2 * step < len(weights) else c1


def streamed_logmeanexp(parts: Iterator[Tensor], k: int) -> Tensor:
    """log((1/k) sum_i exp(part_i)) over ``k`` tensors (B,), held one at a time, in float64."""
    total: Tensor | None = None
    for part in parts:
        part = part.double()
        total = part if total is None else torch.logaddexp(total, part)
    assert total is not None
    return (total - math.log(k)).float()
