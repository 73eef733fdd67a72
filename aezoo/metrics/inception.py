"""Inception-2015's 2048 features, fast: the network of `fid-inception-tf1`.

Against the usual port (pytorch-fid, torch-fidelity) the arithmetic is the same up to the order
of sums, and less is moved through memory: BatchNorm is folded into the convolutions, which end
in their ReLU; images lie in memory with their channels last; the resize is two matrix
products; the average pool of a block comes after its 1x1 convolution, where there are fewer
channels (both are linear, so they commute); and on a CPU a few images at a time stay in the
cache, each few with a thread of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from aezoo.metrics.inception_layers import BLOCKS_A, BLOCKS_C, Layer, layers
from aezoo.metrics.side_by_side import side_by_side

DIM = 2048  # features of an image
SIZE = 299  # pixels a side that the network takes
EPS = 0.001  # of BatchNorm, in TensorFlow's graph
# Images in the network at a time. On a CPU the largest layer's output, 5.3 MiB an image, stays
# below the 32 MiB above which glibc gives memory back to the system at once: with more images, a
# twentieth of the time went into getting it again, page by page.
_AT_ONCE = {"cpu": 4}
_AT_ONCE_ELSEWHERE = 64


class Inception:
    """uint8 images, or float in [0,1], (B, 3 or 1, H, W) -> features float32 (B, 2048).

    Args:
        weights: `aezoo.metrics.inception_weights.state_dict()`.
        device: where it computes; images are moved there.
        dtype: of the convolutions. bfloat16 gives other figures: name its protocol.
    """

    dim = DIM

    def __init__(
        self,
        weights: Mapping[str, Tensor],
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self.device, self.dtype = torch.device(device), dtype
        self.convolutions = {
            name: _Convolution(layer, weights, name, self.device, dtype)
            for name, layer in layers().items()
        }

    def __call__(self, images: Tensor) -> Tensor:
        at_once = _AT_ONCE.get(self.device.type, _AT_ONCE_ELSEWHERE)
        parts = images.to(self.device).split(at_once)
        if self.device.type == "cpu":
            return torch.cat(side_by_side(self._features, parts))
        with torch.backends.cudnn.flags(enabled=True, allow_tf32=False):
            return torch.cat([self._features(part) for part in parts])

    @torch.no_grad()  # of the thread that computes
    def _features(self, images: Tensor) -> Tensor:
        x = (resize(levels(images), SIZE) - 128) / 128
        x = x.to(self.dtype, memory_format=torch.channels_last)
        x = self._chain(x, "Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3")
        x = self._chain(F.max_pool2d(x, 3, 2), "Conv2d_3b_1x1", "Conv2d_4a_3x3")
        x = F.max_pool2d(x, 3, 2)
        for name in BLOCKS_A:
            x = self._a(x, f"{name}.")
        x = self._b(x, "Mixed_6a.")
        for name in BLOCKS_C:
            x = self._c(x, f"{name}.")
        x = self._d(x, "Mixed_7a.")
        x = self._e(x, "Mixed_7b.", self._average(x, "Mixed_7b."))
        # The last block has a maximum where all others average: so it is in the graph of 2015.
        top = self._chain(F.max_pool2d(x, 3, 1, padding=1), "Mixed_7c.branch_pool")
        x = self._e(x, "Mixed_7c.", top)
        return x.float().mean((2, 3))

    def _chain(self, x: Tensor, *names: str) -> Tensor:
        for name in names:
            x = self.convolutions[name](x)
        return x

    def _average(self, x: Tensor, block: str) -> Tensor:
        x = self.convolutions[block + "branch_pool"](x, relu=False)
        # TensorFlow's average leaves the padding out.
        return F.avg_pool2d(x, 3, 1, padding=1, count_include_pad=False).relu_()

    def _a(self, x: Tensor, at: str) -> Tensor:
        one = self._chain(x, at + "branch1x1")
        five = self._chain(x, at + "branch5x5_1", at + "branch5x5_2")
        three = self._chain(x, *(f"{at}branch3x3dbl_{i}" for i in (1, 2, 3)))
        return torch.cat([one, five, three, self._average(x, at)], 1)

    def _b(self, x: Tensor, at: str) -> Tensor:
        one = self._chain(x, at + "branch3x3")
        three = self._chain(x, *(f"{at}branch3x3dbl_{i}" for i in (1, 2, 3)))
        return torch.cat([one, three, F.max_pool2d(x, 3, 2)], 1)

    def _c(self, x: Tensor, at: str) -> Tensor:
        one = self._chain(x, at + "branch1x1")
        seven = self._chain(x, *(f"{at}branch7x7_{i}" for i in (1, 2, 3)))
        double = self._chain(x, *(f"{at}branch7x7dbl_{i}" for i in (1, 2, 3, 4, 5)))
        return torch.cat([one, seven, double, self._average(x, at)], 1)

    def _d(self, x: Tensor, at: str) -> Tensor:
        three = self._chain(x, at + "branch3x3_1", at + "branch3x3_2")
        seven = self._chain(x, *(f"{at}branch7x7x3_{i}" for i in (1, 2, 3, 4)))
        return torch.cat([three, seven, F.max_pool2d(x, 3, 2)], 1)

    def _e(self, x: Tensor, at: str, pooled: Tensor) -> Tensor:
        three = self._chain(x, at + "branch3x3_1")
        double = self._chain(x, at + "branch3x3dbl_1", at + "branch3x3dbl_2")
        parts = [self._chain(x, at + "branch1x1")]
        parts += [self._chain(three, at + f"branch3x3_2{ab}") for ab in "ab"]
        parts += [self._chain(double, at + f"branch3x3dbl_3{ab}") for ab in "ab"]
        return torch.cat([*parts, pooled], 1)


class _Convolution:
    """One convolution with its BatchNorm folded in (in float64), and a ReLU."""

    def __init__(
        self,
        layer: Layer,
        weights: Mapping[str, Tensor],
        name: str,
        device: torch.device,
        dtype: torch.dtype,
    ) -> None:
        weight, beta, mean, var = (weights[f"{name}.{part}"].double() for part in layer.shapes)
        scale = (var + EPS).rsqrt()
        weight = weight * scale.view(-1, 1, 1, 1)
        self.weight = weight.to(device, dtype, memory_format=torch.channels_last)
        self.bias = (beta - mean * scale).to(device, dtype)
        self.stride, self.padding = [layer.stride] * 2, layer.padding
        self.fused = _fused(device)
        self.packed: Tensor | None = None  # the weights in oneDNN's own order for this input

    def __call__(self, x: Tensor, relu: bool = True) -> Tensor:
        if self.fused:
            if self.packed is None:
                self.packed = torch.ops.mkldnn._reorder_convolution_weight(
                    self.weight, self.padding, self.stride, [1, 1], 1, list(x.shape)
                )
            after: tuple[Any, ...] = ("relu" if relu else "none", [], "")
            return torch.ops.mkldnn._convolution_pointwise(
                x, self.packed, self.bias, self.padding, self.stride, [1, 1], 1, *after
            )
        x = F.conv2d(x, self.weight, self.bias, self.stride, self.padding)
        return x.relu_() if relu else x


def _fused(device: torch.device) -> bool:
    """Whether torch has oneDNN's convolution that ends in a ReLU, which its compiler uses."""
    operators = ("_reorder_convolution_weight", "_convolution_pointwise")
    return (
        device.type == "cpu"
        and torch.backends.mkldnn.is_available()
        and all(hasattr(torch.ops.mkldnn, name) for name in operators)
    )


def levels(images: Tensor) -> Tensor:
    """uint8, or float in [0,1], (B, 3 or 1, H, W) -> whole levels 0..255, float32 (B, 3, H, W).

    FID is defined on 8-bit images, so float ones are rounded to them first; grey ones are
    given three equal channels.
    """
    if images.ndim != 4 or images.shape[1] not in (1, 3):
        raise ValueError(f"images have shape {tuple(images.shape)}; expected (B, 3 or 1, H, W)")
    if images.is_floating_point():
        images = (images.float() * 255).round_().clamp_(0, 255)
    return images.float().expand(-1, 3, -1, -1)


def resize(x: Tensor, size: int) -> Tensor:
    """x float32 (B, C, H, W) -> (B, C, size, size), as TensorFlow 1 does by default.

    Bilinear, with the corners of the pixel grids laid on each other and no half pixel; it does
    not blur what it makes smaller. Linear along each axis, so two matrix products.
    """
    height, width = (_bilinear(n, size, x.device) for n in x.shape[2:])
    return height @ x @ width.T


@cache
def _bilinear(n: int, size: int, device: torch.device) -> Tensor:
    """(size, n) float32: each row holds the two weights of an output pixel.

    The places are computed in float32 as TensorFlow does, so that they are its very numbers.
    """
    place = torch.arange(size, dtype=torch.float32) * torch.tensor(n / size, dtype=torch.float32)
    low = place.long().clamp_max(n - 1)
    part = place - low
    rows = torch.arange(size)
    matrix = torch.zeros(size, n)
    matrix[rows, low] += 1 - part
    matrix[rows, (low + 1).clamp_max(n - 1)] += part
    return matrix.to(device)
