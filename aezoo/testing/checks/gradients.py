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
    bound = subject.bound()
    # The units of a net so small may all be dead from the start; of three nets they are not.
    found = [_reached(subject.build(bound, seed=seed).train()) for seed in range(3)]
    for name, between in (("decoder", ""), ("encoder", f" through {bound.config.bottleneck}")):
        require(
            any(name in reached for reached in found),
            f"{bound}: no gradient of -log p(x|z) reaches the {name}{between}",
        )
    model = subject.build(bound).train()
    x, cond = batch(model, 8)
    model.loss(x, cond, generator=torch.Generator().manual_seed(2)).total.backward()
    _all_reached(model, [f"{n}." for n, m in model.named_children() if m is model.prior], model)
    if model.prior is not None and any(True for _ in model.prior.parameters()):
        _prior(model, x, cond)


def _reached(model: Any) -> set[str]:
    """Which of encoder and decoder the distortion's gradient reaches, or that learn nothing."""
    x, cond = batch(model, 8)
    with torch.no_grad():
        model(x, cond)  # the first batch may set statistics
    model(x, cond, generator=torch.Generator().manual_seed(2)).distortion.mean().backward()
    parts = {name: list(getattr(model, name).parameters()) for name in ("encoder", "decoder")}
    return {
        name
        for name, weights in parts.items()
        if not any(p.requires_grad for p in weights)
        or any(p.grad is not None and bool(p.grad.any()) for p in weights)
    }


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
