"""Mixed precision and compilation, as trainers use them."""

from __future__ import annotations

import contextlib
import logging
import warnings
from collections.abc import Iterator

import torch
import torch._dynamo

from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject, batch


def autocast_bf16(subject: Subject) -> None:
    """Under bfloat16 autocast a training step is finite, its loss float32 and near the exact one.

    Fix: compute what needs float32 (logarithms, exponentials, sums of many numbers, distances
    to a codebook) under torch.autocast(..., enabled=False) on .float() inputs.
    """
    model = subject.build().train()
    x, cond = batch(model, 8)
    with torch.autocast("cpu", torch.bfloat16):
        total = model.loss(x, cond).total
    require(total.dtype == torch.float32, f"{model.spec}: the loss is {total.dtype}")
    require(torch.isfinite(total), f"{model.spec}: the loss is {total.item()}")
    total.backward()
    wild = [
        n for n, p in model.named_parameters() if p.grad is not None and not p.grad.isfinite().all()
    ]
    require(not wild, f"{model.spec}: the gradient of {', '.join(wild[:3])} is not finite")
    model.eval()
    with torch.no_grad():
        exact = model.loss(x, cond, generator=torch.Generator().manual_seed(3)).total
        with torch.autocast("cpu", torch.bfloat16):
            near = model.loss(x, cond, generator=torch.Generator().manual_seed(3)).total
    require(
        abs(near - exact) <= 0.1 * abs(exact) + 0.1 * x[0].numel(),
        f"{model.spec}: the loss is {near.item():.6g}, and {exact.item():.6g} in float32",
    )


def torch_compile(subject: Subject) -> None:
    """A training step under torch.compile gives the eager step's loss and gradients.

    Compiled with the backend `aot_eager`: it traces forward and backward as the default one
    does and needs no compiler. Graph breaks are allowed (a distribution's constructor makes
    them); an error or another number is not.

    Fix: in forward, read no tensor's value in Python (.item(), bool(tensor)) and change no
    attributes that are not buffers; draw as aezoo.components.draws does, for where a generator
    is named, even None, torch compiles each size of batch alone; where it cannot be helped,
    decorate the method with torch.compiler.disable.
    """
    model = subject.build().train()
    x, cond = batch(model, 8)
    model.loss(x, cond)  # the first batch may set statistics
    state = {name: value.clone() for name, value in model.state_dict().items()}

    def step(loss) -> tuple[torch.Tensor, dict[str, torch.Tensor]]:
        with torch.no_grad():
            for name, value in model.state_dict().items():
                value.copy_(state[name])  # in place: nothing but the numbers goes back
        model.zero_grad()
        torch.manual_seed(4)
        total = loss(x, cond)
        total.backward()
        return total.detach(), {
            n: p.grad.clone() for n, p in model.named_parameters() if p.grad is not None
        }

    def loss(x, cond):
        return model.loss(x, cond).total

    expected, gradients = step(loss)
    with _quiet_compiler():
        found, compiled = step(torch.compile(loss, backend="aot_eager"))
    require(
        torch.allclose(found, expected, atol=1e-3, rtol=1e-4),
        f"{model.spec}: the loss is {found.item():.6g} compiled and {expected.item():.6g} eagerly",
    )
    other = [
        n
        for n, g in gradients.items()
        if n not in compiled or not torch.allclose(compiled[n], g, atol=1e-3, rtol=1e-2)
    ]
    require(not other, f"{model.spec}: compiled, the gradient of {', '.join(other[:3])} is another")


@contextlib.contextmanager
def _quiet_compiler() -> Iterator[None]:
    """A compiler that remembers nothing, and keeps to itself where the graph breaks."""
    log = logging.getLogger("torch._dynamo")
    level = log.level
    torch._dynamo.reset()
    log.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        log.setLevel(level)
        torch._dynamo.reset()
