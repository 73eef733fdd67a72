"""Structural similarity of two images, at one scale and at five.

Wang, Bovik, Sheikh and Simoncelli, Image Quality Assessment: From Error Visibility to
Structural Similarity, IEEE Transactions on Image Processing 13(4), 2004, equation 13; Wang,
Simoncelli and Bovik, Multi-Scale Structural Similarity for Image Quality Assessment, Asilomar
2003, equation 7. As in the authors' code the window is a Gaussian and stays inside the image
(torchmetrics 1.9 also counts windows over a border that it pads, which gives other numbers).
The papers compare luminance; of several channels we take each by itself, and their mean.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor

from aezoo.errors import ShapeError

K1, K2 = 0.01, 0.03  # 2004, section III.C; values in [0,1], so L = 1
SIGMA = 1.5
WINDOW = 11
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # 2003, section 3.2: finest scale first


def ssim(x: Tensor, y: Tensor, *, window: int = WINDOW) -> Tensor:
    """(B,) SSIM of images x and y (B,C,H,W) in [0,1]: 1 where they are equal.

    Raises:
        ShapeError: the shapes differ, are no images, or a side is shorter than the window.
        ValueError: the window is not odd.
    """
    luminance, structure = _parts(x, y, window)
    return (luminance * structure).flatten(1).mean(1)


def ms_ssim(
    x: Tensor, y: Tensor, *, window: int = WINDOW, weights: tuple[float, ...] = WEIGHTS
) -> Tensor:
    """(B,) MS-SSIM of images x and y (B,C,H,W) in [0,1]: 1 where they are equal.

    Between the scales 2x2 pixels become their mean. A scale whose structures disagree
    (a negative mean) counts as 0, for a power of it would be no number.

    Raises:
        ShapeError: the coarsest scale does not hold the window: a side must have at least
            ``smallest(window)`` pixels, 176 with the papers' window of 11.
    """
    product = torch.ones((), dtype=x.dtype, device=x.device)
    for value, weight in zip(similarities(x, y, len(weights), window=window), weights, strict=True):
        product = product * value.clamp(min=0) ** weight
    return product.mean(1)


def similarities(x: Tensor, y: Tensor, scales: int, *, window: int = WINDOW) -> list[Tensor]:
    """What MS-SSIM is the weighted product of: for each scale (B,C), the finest first.

    The mean of contrast times structure, which lies in [-1,1]; at the last scale times luminance.

    Raises:
        ShapeError: the coarsest scale does not hold the window.
    """
    if min(x.shape[2:], default=0) < smallest(window, scales):
        raise ShapeError(
            f"MS-SSIM's {scales} scales with a window of {window} need "
            f"{smallest(window, scales)} pixels a side, and the images are "
            f"{tuple(x.shape[2:])}; take a smaller window, fewer scales, or ssim"
        )
    found = []
    for scale in range(scales):
        if scale:
            x, y = F.avg_pool2d(x, 2), F.avg_pool2d(y, 2)
        luminance, structure = _parts(x, y, window)
        last = scale == scales - 1
        found.append((luminance * structure if last else structure).mean((2, 3)))
    return found


def smallest(window: int = WINDOW, scales: int = len(WEIGHTS)) -> int:
    """The shortest side of an image whose coarsest scale holds the window."""
    return window * 2 ** (scales - 1)


def _parts(x: Tensor, y: Tensor, window: int) -> tuple[Tensor, Tensor]:
    """Luminance, and contrast times structure, at every place of the window: (B,C,H',W')."""
    if window < 1 or window % 2 == 0:
        raise ValueError(f"window={window}: expected an odd number of pixels")
    if x.shape != y.shape or x.ndim != 4:
        raise ShapeError(f"expected two (B,C,H,W), not {tuple(x.shape)} and {tuple(y.shape)}")
    if min(x.shape[2:]) < window:
        raise ShapeError(
            f"images of {tuple(x.shape[2:])} pixels do not hold a window of {window}; "
            "take a smaller, odd one"
        )
    # Values around their common middle: less is lost in the differences of squares.
    middle = 0.5
    u, v = x - middle, y - middle
    stack = torch.stack([u, v, u * u, v * v, u * v])  # (5,B,C,H,W)
    mu, nu, uu, vv, uv = _blurred(stack.flatten(0, 2), window).view(
        5, *x.shape[:2], *(side - window + 1 for side in x.shape[2:])
    )
    var_x, var_y, cov = uu - mu * mu, vv - nu * nu, uv - mu * nu
    mu, nu = mu + middle, nu + middle
    luminance = (2 * mu * nu + K1**2) / (mu * mu + nu * nu + K1**2)
    # Far outside [0,1] rounding may leave less than nothing of a variance.
    structure = (2 * cov + K2**2) / (var_x + var_y + K2**2).clamp(min=K2**2 / 2)
    return luminance, structure


def _blurred(x: Tensor, window: int) -> Tensor:
    """(M,H,W) -> (M,H-w+1,W-w+1): the Gaussian's weighted mean, as two matrix products.

    For pictures of usual sizes that is many times faster than a convolution with one channel.
    """
    place = torch.arange(window, dtype=x.dtype, device=x.device) - (window - 1) / 2
    weight = (-(place**2) / (2 * SIGMA**2)).exp()
    weight = weight / weight.sum()
    return _band(weight, x.shape[1]) @ (x @ _band(weight, x.shape[2]).T)


def _band(weight: Tensor, side: int) -> Tensor:
    """(side-w+1, side): row i holds the weights (w,) from column i on."""
    w = len(weight)
    place = torch.arange(side, device=weight.device)
    tap = place - place[: side - w + 1, None]
    return torch.where((tap >= 0) & (tap < w), weight[tap.clamp(0, w - 1)], 0.0)
