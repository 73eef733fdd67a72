"""The smallest model that a component stands in: what a check builds.

A record's ``example`` is the component as a spec writes it, ``rvq(8,64)``, with the arguments
that have no default; partners and an input are found for it. A component that fits only
certain ones gives a whole model instead: ``vae(acme/enc(64),gaussian(8),acme/dec(64),
input=(1,4096))``.
"""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING

from aezoo.errors import AezooError
from aezoo.resolve import Bound, bind, override, resolve, walk
from aezoo.spec import SpecError, parse
from aezoo.testing.outcome import Broken

if TYPE_CHECKING:
    from aezoo.registry import Registered

#: Where a component of each kind stands in a family's arguments.
SLOTS = {
    "encoder": "encoder",
    "posterior": "bottleneck",
    "quantizer": "bottleneck",
    "decoder": "decoder",
    "prior": "prior",
    "likelihood": "likelihood",
    "condition": "cond",
    "corruption": "corruption",
    "objective": "objective",
    "family": "",
}

#: Models around a component of each kind, tried in this order; {} is the component.
PARTNERS = {
    "encoder": ("vqvae({},fsq(3,3),unres(8,depth=1))", "vae({},gaussian(3),mlp(8))"),
    "decoder": (
        "vqvae(res(8,depth=1),fsq(3,3),{})",
        "vae(res(8,depth=1,down=2),gaussian(3),{})",
        "vae(mlp(8),gaussian(3),{})",
    ),
    "posterior": (
        "vae(res(8,depth=1),{},unres(8,depth=1))",
        "ae(res(8,depth=1),{},unres(8,depth=1))",
        "vae(mlp(8),{},mlp(8))",
        "ae(mlp(8),{},mlp(8))",
    ),
    "quantizer": ("vqvae(res(8,depth=1),{},unres(8,depth=1))", "vqvae(mlp(8),{},mlp(8))"),
    "prior": (
        "vqvae(res(8,depth=1),fsq(2,2),unres(8,depth=1),prior={})",
        "vae(res(8,depth=1),gaussian(2),unres(8,depth=1),prior={})",
        "vae(mlp(8),gaussian(2),mlp(8),prior={})",
    ),
    "likelihood": ("vae(res(8,depth=1),gaussian(2),unres(8,depth=1),likelihood={})",),
    "condition": ("vae(res(8,depth=1),gaussian(2),unres(8,depth=1),cond={})",),
    "corruption": ("vae(res(8,depth=1),gaussian(2),unres(8,depth=1),corruption={})",),
    "objective": (
        "vae(res(8,depth=1),gaussian(2),unres(8,depth=1),objective={})",
        "vqvae(res(8,depth=1),fsq(3,3),unres(8,depth=1),objective={})",
        "ae(res(8,depth=1),point(2),unres(8,depth=1),objective={})",
    ),
}

#: Inputs of each rank, small ones of uneven sides first: these find a transposed axis.
INPUTS = {
    1: ((1, 64), (1, 1024), (2, 64)),
    2: ((3, 8, 12), (3, 32, 32), (1, 32, 32), (3, 224, 224)),
    3: ((1, 4, 8, 12), (3, 4, 8, 12), (3, 8, 16, 16)),
}


def of(entry: Registered) -> str:
    """The component's example, its name qualified: ``acme/rvq(8,64)``.

    Raises:
        Broken: it has none and needs arguments, or the example is not of the component.
    """
    record = entry.component
    needed = [
        f.name
        for f in dataclasses.fields(record.config)
        if f.default is dataclasses.MISSING and f.default_factory is dataclasses.MISSING
    ]
    if not record.example:
        if needed:
            raise Broken(
                f"{record.name} needs {' and '.join(needed)}, and its record has no example",
                f'give the record one: Component("{record.name}", ..., '
                f'example="{record.name}(...)") with small values',
            )
        return entry.qualified
    try:
        spec = parse(record.example)
    except SpecError as error:
        raise Broken(f"the example {record.example!r} cannot be read: {error}") from error
    if spec.name == record.name and entry.kind != "family":
        return str(dataclasses.replace(spec, name=entry.qualified))
    return str(spec)


def is_model(text: str) -> bool:
    """Whether a spec's outermost name is a family."""
    try:
        bind(parse(text), ("family",))
    except SpecError:
        return False
    return True


def models(entry: Registered, example: str) -> dict[int, Bound]:
    """A model for each rank that the component declares: rank -> bound spec.

    Raises:
        Broken: none can be built for one of them.
    """
    if entry.kind == "family":
        bound = _resolved(example)
        return {len(bound.config.input) - 1: bound}
    own = is_model(example)
    if own:
        bound = _resolved(example)
        part = getattr(bound.config, SLOTS[entry.kind])
        if part is None or part.entry.qualified != entry.qualified:
            raise Broken(
                f"the example {example} has {part} where the {entry.kind} "
                f"{entry.qualified} should stand"
            )
        candidates = [bound]
    else:
        candidates = [_resolved(text.format(example)) for text in _partners(entry, example)]
    ranks = entry.component.caps.ranks
    if own:  # another part of the example may serve fewer
        fixed = [p.entry.component.caps.ranks for b in candidates for p in walk(b)]
        ranks = [rank for rank in ranks if all(rank in served for served in fixed)]
    return {rank: _model(entry, candidates, rank, own) for rank in ranks}


def _partners(entry: Registered, example: str) -> tuple[str, ...]:
    """The partners, without those that a look at the component already excludes."""
    try:
        bind(parse(example), (entry.kind,))
    except SpecError as error:
        raise Broken(f"{example} is no {entry.kind} that can be made: {error}") from error
    return PARTNERS[entry.kind]


def _resolved(text: str) -> Bound:
    try:
        return resolve(text)
    except SpecError as error:
        raise Broken(f"{text} cannot be made: {error}") from error


def _model(entry: Registered, candidates: list[Bound], rank: int, own: bool) -> Bound:
    """The first candidate that can be built with an input of this rank."""
    troubles: dict[str, None] = {}
    for bound in candidates:
        inputs = [tuple(bound.config.input)] if own else []
        inputs = [i for i in inputs if len(i) == rank + 1] or INPUTS[rank]
        for shape in inputs:
            changed = override(bound, {"input": shape})
            try:
                if _works(changed):
                    return changed
            except AezooError as error:
                troubles.setdefault(str(error))
    tried = "; ".join(list(troubles)[:3])
    raise Broken(
        f"with {rank} spatial axes, which its record declares, no model can be made: {tried}",
        f"take {rank} out of the record's caps.ranks; or, where it serves that rank but only "
        "with certain partners or inputs, give the record a whole model as its example",
    )


def _works(bound: Bound) -> bool:
    """Whether the model can be built and has what its family needs of the bottleneck."""
    import torch

    from aezoo.build import build
    from aezoo.components.log_joint import stand_in

    try:
        model = build(bound, device="meta")
    except AezooError:
        raise
    except Exception:  # what only meta tensors cannot do is for `meta_construction` to say
        build(bound)
        return True
    if bound.entry.qualified != "vae":
        return True
    shape = model.encoder.out_shape
    try:
        h = torch.empty(2, *shape, device="meta")
        return model.bottleneck(h, **stand_in(model.bottleneck)).q is not None
    except (NotImplementedError, RuntimeError):  # it computes what meta tensors cannot
        return True
