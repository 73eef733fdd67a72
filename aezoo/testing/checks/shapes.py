"""Shapes: every part gives what it says, and can be made without numbers."""

from __future__ import annotations

from typing import Any

import torch

from aezoo.components.nd import crop
from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject, batch, by_level, decoder_cond


def shape_contract(subject: Subject) -> None:
    """For every declared rank, each part gives the shapes that it says it has.

    Fix: see the contract of the component's kind in `aezoo.hookspecs`: set in_shape and
    out_shape to what forward takes and gives, without the batch.
    """
    for bound in subject.bounds().values():
        model = subject.build(bound)
        for n in (1, 3):
            _follow(model, n)


def _follow(model: Any, n: int) -> None:
    x, cond = batch(model, n)
    where = f"{model.spec} with x {tuple(x.shape)}"

    def same(what: str, found: Any, expected: Any) -> None:
        found, expected = tuple(found), tuple(expected)
        require(found == expected, f"{where}: {what} is {found}, expected {expected}")

    if model.cond is not None:
        embedded = model.cond(cond)
        same("the condition's embedding", embedded.shape, (n, *model.cond_shape))
    with torch.no_grad():
        h = model.features(x, cond)
        shapes = _each_shape(model.encoder.out_shape)
        for (name, level), shape in zip(
            by_level("the encoder's output", h).items(), shapes, strict=True
        ):
            same(name, level.shape, (n, *shape))
        latent = model.infer(h, cond, x=x, sample=True)
        same("z", latent.z.shape, (n, *model.bottleneck.out_shape))
        for name in ("rate", "penalty"):
            value = getattr(latent, name)
            if value is not None:
                same(f"the latent's {name}", value.shape, (n,))
        if latent.q is not None:
            same("q's batch and event", latent.q.batch_shape + latent.q.event_shape, latent.z.shape)
            same("q's event", latent.q.event_shape, model.bottleneck.out_shape)
        if model.capabilities.codes:
            for (name, codes), shape in zip(
                by_level("codes", latent.codes).items(), _each_shape(model.code_shape), strict=True
            ):
                same(name, codes.shape, (n, *shape))
        z = model._join_latent(latent.z, model._embed(model.cond, decoder_cond(model, cond)))
        params = model.decoder(z)
        size = tuple(x.shape[2:])
        require(
            params.ndim == x.ndim
            and params.shape[1] == model.likelihood.param_channels
            and all(a >= b for a, b in zip(params.shape[2:], size, strict=True)),
            f"{where}: the decoder gives {tuple(params.shape)}, expected "
            f"{(n, model.likelihood.param_channels, *size)} or more at the far ends of the axes",
        )
        p = model.likelihood(crop(params, size).float())
        same("p(x|z)'s batch", p.batch_shape, (n,))
        same("p(x|z)'s event", p.event_shape, x.shape[1:])
        same("log p(x|z)", p.log_prob(x).shape, (n,))
        if model.corruption is not None:
            same("corrupted x", model.corruption(x).shape, x.shape)
        same("the reconstruction", model.reconstruct(x, cond).shape, x.shape)
        if model.capabilities.sample:
            drawn = model.sample(n, cond)
            same("a sample", drawn.shape, x.shape)
            require(torch.isfinite(drawn).all(), f"{where}: a sample is not finite")
    losses = model.loss(x, cond)
    same("the loss", losses.total.shape, ())
    for name, value in losses.terms.items():
        same(f"the loss's {name}", value.shape, ())
        require(not value.requires_grad, f"{where}: the loss's {name} is not detached")


def _each_shape(shape: tuple) -> tuple[tuple[int, ...], ...]:
    """The shape of each level: one, or a tuple of them."""
    return shape if shape and isinstance(shape[0], tuple) else (shape,)


def meta_construction(subject: Subject) -> None:
    """A component can be made on torch's meta device, with the same tensors by name and shape.

    Fix: make tensors with torch's own functions and no numbers read back (no .item(), .tolist()
    or NumPy) in __init__, register them as parameters or persistent buffers, and name no device.
    """
    for bound in subject.bounds().values():
        solid, hollow = (subject.build(bound, device=device) for device in (None, "meta"))
        forms = [
            {name: (tuple(t.shape), t.dtype) for name, t in model.state_dict().items()}
            for model in (solid, hollow)
        ]
        names = sorted(n for n in {*forms[0], *forms[1]} if forms[0].get(n) != forms[1].get(n))
        require(not names, f"{bound}: {', '.join(names[:3])} differ on the meta device")
        full = [n for n, t in hollow.state_dict().items() if not t.is_meta]
        require(not full, f"{bound}: {', '.join(full[:3])} hold numbers though made on meta")
