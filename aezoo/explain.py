"""What a spec means: each part with its shapes and its weight. Nothing is allocated."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

from aezoo.resolve import Bound, display, resolve, resolved
from aezoo.spec import Spec, slug, spec_hash

Shape = tuple  # of ints; of such tuples where there are several levels


@dataclass(frozen=True, slots=True)
class Part:
    """One part of a model. Shapes are of one sample, without the batch axis."""

    role: str  # encoder, bottleneck, decoder, likelihood, prior, cond, prior_cond, objective
    kind: str  # of the component: a bottleneck is a posterior or a quantizer
    spec: str  # display form
    summary: str
    reads: Shape | None  # None where a part reads no tensor of the model's
    gives: Shape | None
    codes: int | tuple[int, ...] | None  # K, of each level, where the part works on codes
    parameters: int  # trained by gradients
    bytes: int  # of everything that is saved, codebooks and statistics too


@dataclass(frozen=True, slots=True)
class Explanation:
    """What `explain` returns."""

    family: str
    input: Shape  # (C, *S)
    latent: Shape  # (D, *L)
    parts: tuple[Part, ...]
    parameters: int
    bytes: int
    display: str
    resolved: str
    hash: str  # of the resolved form
    slug: str  # a file name


def explain(spec: str | Spec | Bound) -> Explanation:
    """Build the model without memory (on torch's meta device) and look at each part.

    Raises:
        SpecError: the spec cannot be read or bound.
        ShapeError: two neighbouring parts do not fit.
    """
    from aezoo.build import build

    bound = resolve(spec)
    model = build(bound, device="meta")
    parts = tuple(
        _part(role, part, model)
        for role in (field.name for field in dataclasses.fields(bound.config))
        if isinstance(part := getattr(bound.config, role), Bound)
    )
    short, long = display(bound), resolved(bound)
    return Explanation(
        family=bound.entry.qualified,
        input=tuple(model.input_shape),
        latent=tuple(model.latent_shape),
        parts=parts,
        parameters=sum(p.numel() for p in model.parameters()),
        bytes=sum(t.nbytes for t in model.state_dict().values()),
        display=str(short),
        resolved=str(long),
        hash=spec_hash(long),
        slug=slug(short),
    )


def _part(role: str, part: Bound, model: Any) -> Part:
    module = getattr(model, role)
    reads, gives, codes = _shapes(role, model)
    # Objectives may be plain callables without weights.
    weights = list(module.parameters()) if hasattr(module, "parameters") else []
    state = module.state_dict() if hasattr(module, "state_dict") else {}
    return Part(
        role=role,
        kind=part.entry.kind,
        spec=str(part),
        summary=part.entry.component.summary,
        reads=reads,
        gives=gives,
        codes=codes,
        parameters=sum(p.numel() for p in weights),
        bytes=sum(t.nbytes for t in state.values()),
    )


def _shapes(
    role: str, model: Any
) -> tuple[Shape | None, Shape | None, int | tuple[int, ...] | None]:
    """(reads, gives, K) of the part in this role."""
    from aezoo.models.join import embedding_shape

    codes = getattr(model.bottleneck, "num_codes", None)
    if role in ("encoder", "decoder"):
        module = getattr(model, role)
        return tuple(module.in_shape), tuple(module.out_shape), None
    if role == "bottleneck":
        return tuple(model.bottleneck.in_shape), tuple(model.latent_shape), codes
    if role == "likelihood":
        params = (model.likelihood.param_channels, *model.input_shape[1:])
        return params, tuple(model.input_shape), None
    if role == "prior":
        return None, model.code_shape if codes else tuple(model.latent_shape), codes
    if role in ("cond", "prior_cond"):
        part = getattr(model, role)
        return getattr(part, "label_shape", None) or (), embedding_shape(part), None
    return None, None, None
