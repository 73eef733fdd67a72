"""Some weights and the optimizer that moves them. A bad step moves nothing, and nothing waits."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

import torch
from torch import Tensor


class Learner:
    """AdamW over ``weights`` (by name); decoupled weight decay on matrices and kernels alone.

    Loshchilov and Hutter, Decoupled Weight Decay Regularization, 2017, arXiv:1711.05101.
    """

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        *,
        lr: float,
        betas: tuple[float, float],
        weight_decay: float = 0.0,
    ):
        self.weights = dict(weights)
        self.optimizer = torch.optim.AdamW(
            _groups(self.weights, weight_decay), lr=lr, betas=betas, fused=True
        )

    def step(
        self, loss: Tensor, lr: float, *, clip: float | None = None, skip: float | None = None
    ) -> tuple[Tensor, Tensor]:
        """One step down the gradient of a scalar: the gradient's norm, and whether it was taken.

        It is not where the norm is not finite, or above ``skip``; above ``clip`` the gradient
        is scaled down to it. Both results are scalars on the device, which nobody waits for.
        """
        optimizer = self.optimizer
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        gradients = [w.grad for w in self.weights.values() if w.grad is not None]
        norm = torch.nn.utils.get_total_norm(gradients)
        ok = torch.isfinite(norm)
        if skip is not None:
            ok = ok & (norm <= skip)
        if clip is not None:
            torch.nn.utils.clip_grads_with_norm_(self.weights.values(), clip, norm)
        for group in optimizer.param_groups:
            group["lr"] = lr
        optimizer.grad_scale = None  # pyright: ignore[reportAttributeAccessIssue]
        optimizer.found_inf = (~ok).to(torch.float32)  # pyright: ignore[reportAttributeAccessIssue]
        optimizer.step()
        return norm, ok

    def state(self) -> dict[str, Tensor]:
        """AdamW's tensors by name of the weight; made where the first step is still to come."""
        state = {}
        for name, weight in self.weights.items():
            slots = self.optimizer.state[weight]
            if not slots:
                slots["step"] = torch.zeros((), dtype=torch.float32, device=weight.device)
                slots["exp_avg"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
                slots["exp_avg_sq"] = torch.zeros_like(weight, memory_format=torch.preserve_format)
            state.update({f"{name}/{slot}": value for slot, value in slots.items()})
        return state


def _groups(weights: Mapping[str, Tensor], decay: float) -> list[dict]:
    """Weight decay for matrices and kernels only: a bias or a gain has no scale to lose."""
    if decay == 0:
        return [{"params": list(weights.values()), "weight_decay": 0.0}]
    split = itertools.groupby(sorted(weights.values(), key=_is_kernel), key=_is_kernel)
    return [{"params": list(ws), "weight_decay": decay if kernel else 0.0} for kernel, ws in split]


def _is_kernel(weight: Tensor) -> bool:
    return weight.ndim > 1
