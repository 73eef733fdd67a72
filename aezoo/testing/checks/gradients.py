"""Gradients reach what has to learn."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject, batch


def gradient_flow(subject: Subject) -> None:
    """The distortion's gradient reaches decoder and encoder, and the loss's every parameter.

    Fix: let the gradient pass what has none (a quantizer: straight-through,
    z = h + (e - h).detach(); a posterior: reparametrisation, z = mu + sigma * epsilon), detach
    nothing else, and make no parameter that forward does not use.
    """
    model = subject.build().train()
    x, cond = batch(model, 8)
    model(x, cond)  # the first batch may set statistics
    generator = torch.Generator().manual_seed(2)
    output = model(x, cond, generator=generator)
    output.distortion.mean().backward()
    for name in ("decoder", "encoder"):
        part = getattr(model, name)
        learns = [p for p in part.parameters() if p.requires_grad]
        reached = any(p.grad is not None and bool(p.grad.any()) for p in learns)
        between = " through " + str(model.bound.config.bottleneck) if name == "encoder" else ""
        require(
            reached or not learns,
            f"{model.spec}: no gradient of -log p(x|z) reaches the {name}{between}",
        )
    model.zero_grad()
    model.loss(x, cond, generator=generator).total.backward()
    _all_reached(model, [f"{n}." for n, m in model.named_children() if m is model.prior], model)
    if model.prior is not None and any(True for _ in model.prior.parameters()):
        _prior(model, x, cond)


def _prior(model: Any, x: Tensor, cond: Tensor | None) -> None:
    """A learned prior by itself, as it is fitted."""
    latent = model.encode(x, cond)
    value = latent.codes if latent.codes is not None else latent.z.detach()
    model.zero_grad()
    (-model.prior.log_prob(value, model.embed_for_prior(cond))).mean().backward()
    _all_reached(model.prior, [], model)


def _all_reached(module: nn.Module, left_out: list[str], model: Any) -> None:
    missing, wild = [], []
    for name, parameter in module.named_parameters():
        if not parameter.requires_grad or name.startswith(tuple(left_out)):
            continue
        if parameter.grad is None:
            missing.append(name)
        elif not torch.isfinite(parameter.grad).all():
            wild.append(name)
    require(not missing, f"{model.spec}: no gradient reaches {', '.join(missing[:3])}")
    require(not wild, f"{model.spec}: the gradient of {', '.join(wild[:3])} is not finite")
