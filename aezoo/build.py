"""From a bound spec to a model: each part is built for the shape the one before it gives."""

from __future__ import annotations

import math
from contextlib import nullcontext
from typing import Any

import torch

from aezoo.components.log_joint import reads_log_joint
from aezoo.errors import CapabilityError, ShapeError
from aezoo.models.base import Autoencoder, Parts
from aezoo.models.join import embedding_shape, joined_channels
from aezoo.resolve import Bound, override, resolve, walk
from aezoo.spec import Spec


def build(
    spec: str | Spec | Bound,
    *,
    input: tuple[int, ...] | None = None,
    device: str | torch.device | None = None,
) -> Autoencoder:
    """Build the model that a spec describes, with fresh weights, in training mode.

    Args:
        spec: text, tree or bound spec.
        input: (C, *S) in place of the spec's own.
        device: where the weights are made; ``"meta"`` makes shapes only.

    Raises:
        SpecError: the spec cannot be read or bound.
        ShapeError: two neighbouring parts do not fit; names both.
    """
    bound = resolve(spec)
    if input is not None:
        bound = override(bound, {"input": tuple(input)})
    for part in walk(bound):
        part.entry.load()  # tensors that a module makes when it is imported are not of this device
    with torch.device(device) if device is not None else nullcontext():
        return _assemble(bound)


def _assemble(bound: Bound) -> Autoencoder:
    config = bound.config
    channels, *size = shape = tuple(config.input)
    _check_ranks(bound, len(size))

    # A family whose bottleneck has the prior has no place for another.
    prior_part = getattr(config, "prior", None)
    cond = _condition(config.cond, shape)
    prior_cond = _condition(getattr(config, "prior_cond", None), shape)
    if cond is not None and prior_cond is not None:
        _check_same_condition(bound, cond, prior_cond)
    _check_inferred(bound, cond, prior_cond)
    embedding = embedding_shape(cond) if cond is not None else (0,)

    encoder = _fit(config.encoder, None, in_shape=(channels + embedding[0], *size))
    told = _own_prior(bound)
    _check_log_joint(bound)
    if isinstance(encoder.out_shape[0], tuple):
        _check_levels(config.bottleneck, config.encoder)
    bottleneck = _fit(
        config.bottleneck,
        config.encoder,
        in_shape=encoder.out_shape,
        **({"cond_dim": math.prod(embedding) or None} if told else {}),
    )
    likelihood = _fit(config.likelihood, None, shape=shape)
    if isinstance(getattr(bottleneck, "num_codes", None), tuple) and prior_part is not None:
        _check_levels(prior_part, config.bottleneck)
    latent, *place = bottleneck.out_shape
    decoder = _fit(
        config.decoder,
        config.bottleneck,
        in_shape=(latent + joined_channels(embedding, tuple(place)), *place),
        out_shape=(likelihood.param_channels, *size),
    )
    prior = None
    if prior_part is not None:
        codes = getattr(bottleneck, "num_codes", None)
        code_shape = getattr(bottleneck, "code_shape", tuple(place))
        reader = prior_cond if prior_cond is not None else cond
        prior = _fit(
            prior_part,
            config.bottleneck,
            shape=code_shape if codes else bottleneck.out_shape,
            num_codes=codes,
            cond_dim=math.prod(embedding_shape(reader)) if reader is not None else None,
        )
        given, served = (
            [getattr(part, name, None) for name in ("one_hot_of", "space")]
            for part in (bottleneck, prior)
        )
        if given != served:
            own = getattr(config.bottleneck.config, "default_prior", "normal")
            raise ShapeError(
                f"{prior_part} is no prior over what {config.bottleneck} gives; use prior={own}"
            )
    parts = Parts(
        bound=bound,
        input_shape=shape,
        encoder=encoder,
        bottleneck=bottleneck,
        decoder=decoder,
        likelihood=likelihood,
        objective=config.objective.build(),
        corruption=config.corruption.build() if config.corruption else None,
        prior=prior,
        cond=cond,
        prior_cond=prior_cond,
    )
    return bound.entry.load()(parts)


def _fit(part: Bound, before: Bound | None, **context: Any) -> Any:
    """Build one part; an error of shapes names it and the part before it."""
    try:
        return part.build(**context)
    except ShapeError as error:
        place = f"{part} does not fit behind {before}: " if before is not None else f"{part}: "
        raise ShapeError(place + str(error)) from error


def _condition(part: Bound | None, shape: tuple[int, ...]) -> Any:
    """The built condition, or None; one that derives something from x is told x's shape."""
    if part is None:
        return None
    reads_x = hasattr(part.entry.load(), "of")
    return _fit(part, None, in_shape=shape) if reads_x else part.build()


def _check_same_condition(bound: Bound, cond: Any, prior_cond: Any) -> None:
    """Both are given the same y."""
    reads = [(getattr(part, "label_shape", ()), hasattr(part, "of")) for part in (cond, prior_cond)]
    if reads[0] != reads[1]:
        raise ShapeError(
            f"cond={bound.config.cond} and prior_cond={bound.config.prior_cond} would be given the "
            "same condition, and they read different ones; leave prior_cond away, and the prior "
            "is conditioned as the decoder is"
        )


def _check_inferred(bound: Bound, cond: Any, prior_cond: Any) -> None:
    """A condition that infers its labels learns to, by an objective that has a term for it."""
    config = bound.config
    if hasattr(prior_cond, "infer"):
        raise CapabilityError(
            f"prior_cond={config.prior_cond}: nothing trains what infers the prior's labels; "
            f"give them to the whole model, cond={config.prior_cond},objective=semi, or take "
            f"labels that are known, prior_cond=label({prior_cond.classes})"
        )
    learns = getattr(config.objective.entry.load(), "learns_labels", False)
    if hasattr(cond, "infer") and not learns:
        raise CapabilityError(
            f"cond={config.cond}: the objective {config.objective} has no term that trains what "
            "infers the labels; take objective=semi, or, where all labels are known, "
            f"cond=label({cond.classes})"
        )


def _check_levels(part: Bound, before: Bound) -> None:
    """A part that serves several levels says so by ``several_levels = True`` in its class."""
    if not getattr(part.entry.load(), "several_levels", False):
        fix = (
            "take one encoder without levels, or the family hvae, whose posteriors have several"
            if part.entry.kind == "posterior"
            else f"give {part.entry.kind}s for all levels: levels(...)"
        )
        raise ShapeError(f"{part} serves one level and stands behind {before}; {fix}")


def _own_prior(bound: Bound) -> bool:
    """Whether the bottleneck has the prior in it, as the family wants it.

    Raises:
        ShapeError: one has and the other does not.
    """
    part = bound.config.bottleneck
    wanted, has = (getattr(p.entry.load(), "own_prior", False) for p in (bound, part))
    if wanted and not has:
        raise ShapeError(
            f"{part} has no prior p(z) of its own, which {bound.entry.qualified} asks for; take "
            "topdown(...), nvae(...) or ladder(...), or the family vae"
        )
    if has and not wanted:
        raise ShapeError(
            f"{part} has its own prior p(z) in it, so {bound.entry.qualified} cannot use it; take "
            "the family hvae"
        )
    return wanted


def _check_log_joint(bound: Bound) -> None:
    """A posterior that reads log p(x, z) is of a family that has it."""
    part = bound.config.bottleneck
    if reads_log_joint(part.entry.load()) and not getattr(
        bound.entry.load(), "has_log_joint", False
    ):
        raise ShapeError(
            f"{part} reads log p(x, z), which {bound.entry.qualified} has not; take the family vae"
        )


def _check_ranks(bound: Bound, rank: int) -> None:
    for name in ("encoder", "bottleneck", "decoder", "likelihood", "prior", "cond", "prior_cond"):
        part = getattr(bound.config, name, None)
        if part is not None and rank not in part.entry.component.caps.ranks:
            served = ", ".join(str(r) for r in part.entry.component.caps.ranks)
            raise ShapeError(
                f"{part} serves inputs with {served} spatial axes, but input={bound.config.input} "
                f"has {rank}"
            )
