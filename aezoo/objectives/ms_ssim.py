"""MS-SSIM in place of the likelihood: reconstructions that look alike, not pixel by pixel.

Snell, Ridgeway, Liao, Roads, Mozer, Zemel, Learning to Generate Images with Perceptual Similarity
Metrics, 2015, arXiv:1511.06409: the expected loss C * E_q[1 - MS-SSIM] beside the VAE's own KL, and
alone for an autoencoder. C is ``weight`` for each value of x, so that it means the same at every
size of picture. MS-SSIM is that of `aezoo.components.ssim`, and of the metric ``ms_ssim``.

Five scales with a window of 11 need 176 pixels a side. Smaller pictures take a smaller ``window``
and fewer ``weights``, one a scale, as pytorch-msssim and torchmetrics let them.
"""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import Tensor

from aezoo.components.nd import wide
from aezoo.components.ssim import WEIGHTS, similarities, smallest
from aezoo.errors import CapabilityError, ShapeError
from aezoo.latents import Losses, Output
from aezoo.objectives.configs import MSSSIM
from aezoo.objectives.terms import calibration, differentiable, weighted

FLOOR = 0.01  # of a scale's similarity: below it the power is continued, see `power`


class MSSSIMObjective:
    """weight * C*H*W * (1 - MS-SSIM) + rate + penalties.

    -log p(x|z) counts nothing for the networks; it keeps a likelihood's own scale calibrated. The
    model's ELBO is that of its likelihood: a bound still, which training did not raise.
    """

    def __init__(self, config: MSSSIM):
        self.config = config

    def attach(self, model: Any) -> None:
        """Raises CapabilityError for what is no picture, ShapeError for one too small."""
        shape = tuple(model.input_shape)
        if len(shape) != 3:
            raise CapabilityError(
                f"{model.spec}: ms_ssim compares pictures (C,H,W), and the input is {shape}; "
                "take elbo, or reconstruction"
            )
        window, scales = self.config.window, len(self.config.weights)
        side = min(shape[1:])
        if side < smallest(window, scales):
            raise ShapeError(
                f"{model.spec}: ms_ssim at {scales} scales with a window of {window} needs "
                f"{smallest(window, scales)} pixels a side, and there are {side}; {fitting(side)}"
            )

    def __call__(self, model: Any, x: Tensor, output: Output) -> Losses:
        losses = weighted(output, rate=1.0, penalty=1.0)
        low, high = model.input_range
        x, x_hat = ((wide(p) - low) / (high - low) for p in (x, differentiable(model, output)))
        with torch.autocast(x.device.type, enabled=False):
            unlike = dissimilarity(x, x_hat, self.config.window, self.config.weights).mean()
        scale = self.config.weight * math.prod(x.shape[1:])
        losses.total = losses.total + scale * unlike + calibration(model, output)
        losses.terms["ms_ssim"] = 1 - unlike.detach()
        return losses


def dissimilarity(x: Tensor, y: Tensor, window: int, weights: tuple[float, ...]) -> Tensor:
    """(B,) 1 - MS-SSIM of pictures (B,C,H,W), 0 where they are equal; its gradient is finite."""
    product = torch.ones((), dtype=x.dtype, device=x.device)
    for value, weight in zip(similarities(x, y, len(weights), window=window), weights, strict=True):
        product = product * power(value.clamp(-1, 1), weight)
    return 1 - product.mean(1)


def power(value: Tensor, weight: float) -> Tensor:
    """value^weight from FLOOR on; below it a hyperbola that goes on with the same slope.

    The power's own slope is infinite at 0, and of negative values there is none: a picture and its
    negative would have no way out. The hyperbola stays above 0 and rises everywhere.
    """
    below = (FLOOR - value).relu() / FLOOR
    return value.clamp(min=FLOOR) ** weight / (1 + weight * below)


def fitting(side: int) -> str:
    """What to take instead for pictures of so many pixels: the largest window of two scales."""
    for window in (11, 9, 7, 5, 3):
        scales = sum(smallest(window, n) <= side for n in range(1, len(WEIGHTS) + 1))
        if scales > 1:
            parts = [round(w / sum(WEIGHTS[:scales]), 4) for w in WEIGHTS[:scales]]
            return f"ms_ssim(window={window},weights=({','.join(map(str, parts))})) fits"
    return "no two scales fit: take elbo, or reconstruction"
