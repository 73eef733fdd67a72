"""The decoder of ViT-VQGAN: a transformer over the latents' places, and a patch from each.

Yu et al., Vector-quantized Image Modeling with Improved VQGAN, 2021, arXiv:2110.04627, section 3.1.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.components.decoders.configs import UnViT
from aezoo.components.nd import pointwise, unpatched
from aezoo.components.vit import MapTransformer
from aezoo.errors import ShapeError


class UnViTDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S') with S' = patch * L >= S."""

    any_size = True

    def __init__(self, config: UnViT, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        _check(config.patch, in_shape, out_shape)
        rank = len(out_shape) - 1
        self.in_shape, self.out_shape = in_shape, out_shape
        self.layers = nn.Sequential(
            pointwise(rank, in_shape[0], config.width),
            MapTransformer(rank, config.width, config.depth, config.heads),
            unpatched(rank, config.width, out_shape[0], config.patch),
        )

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)


def _check(patch: int, in_shape: tuple[int, ...], out_shape: tuple[int, ...]) -> None:
    if len(in_shape) != len(out_shape):
        raise ShapeError(
            f"unvit needs a map with {len(out_shape) - 1} spatial axes, but its input is "
            f"{in_shape}; for vector latents take deconv or mlp, or an encoder that keeps a map, "
            "as vit"
        )

    def fits(p: int) -> bool:
        return all(-(-n // p) == m for m, n in zip(in_shape[1:], out_shape[1:], strict=True))

    if not fits(patch):
        others = [p for p in range(1, max(out_shape[1:]) + 1) if fits(p)]
        fix = f"take patch={others[0]}" if others else "take deconv or mlp, which read any map"
        raise ShapeError(
            f"patches of {patch} do not lead from a map of size {in_shape[1:]} to size "
            f"{out_shape[1:]}; {fix}"
        )
