"""PatchGAN: a convolutional critic that gives a verdict on each patch.

Isola, Zhu, Zhou, Efros, Image-to-Image Translation with Conditional Adversarial Networks, 2016,
arXiv:1611.07004, sections 3.2.2 and 6.1.2: C64-C128-C256-C512 and a last convolution, kernels of
4, leaky ReLU, weights from N(0, 0.02); three layers of stride 2 see patches of 70 x 70.

Two things differ. Batch normalisation, which would couple the samples of a batch, is group
normalisation. Convolutions of stride 1 keep the size, so that small inputs have verdicts too.
"""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from aezoo.components.critics.configs import Patch
from aezoo.components.nd import Down, EvenConv, group_norm
from aezoo.errors import ShapeError

WIDEST = 8  # times the first width


class PatchCritic(nn.Module):
    """x (B, C, *S) -> logits (B, 1, *ceil(S / 2^layers)), larger where a patch looks real."""

    def __init__(self, config: Patch, *, in_shape: tuple[int, ...]):
        super().__init__()
        channels, *size = in_shape
        rank = len(size)
        if rank == 0:
            raise ShapeError(
                f"patch is a critic of maps, and what it is shown has the shape {in_shape}; for "
                "vectors take critic=mlp(256,256)"
            )
        self.in_shape = in_shape
        widths = [config.width * min(2**i, WIDEST) for i in range(config.layers + 1)]
        self.blocks = nn.ModuleList()
        for i, (inputs, outputs) in enumerate(pairwise((channels, *widths))):
            last = i == config.layers
            convolve = EvenConv(rank, inputs, outputs, 4) if last else Down(rank, inputs, outputs)
            norm = [group_norm(outputs)] if i else []  # the first has none
            self.blocks.append(nn.Sequential(convolve, *norm, nn.LeakyReLU(config.slope)))
        self.blocks.append(EvenConv(rank, widths[-1], 1, 4))
        for parameter in self.parameters():
            if parameter.ndim > 1:
                nn.init.normal_(parameter, std=0.02)

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """What every layer gives, the logits last."""
        found = []
        for block in self.blocks:
            x = block(x)
            found.append(x)
        return tuple(found)

    def forward(self, x: Tensor) -> Tensor:
        return self.features(x)[-1]
