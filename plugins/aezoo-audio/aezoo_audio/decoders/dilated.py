"""The mirror of the strided encoder (SoundStream's, arXiv:2107.03312, section III.B).

The output is gated, a * sigmoid(b) (Dauphin, Fan, Auli, Grangier, Language Modeling with Gated
Convolutional Networks, 2016, arXiv:1612.08083): between words a recording is silent to a
thousandth, which a sum of many channels hits by luck and a closed gate with ease. The gate never
shuts quite: behind closed gates no gradient tells that there is something to be heard.
"""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.errors import ShapeError
from aezoo_audio.configs import DilatedConfig
from aezoo_audio.layers import Lengthen, blocks

LEAK = 1 / 512  # what a closed gate lets through


class DilatedDecoder(nn.Module):
    """z (B, D, L) -> params (B, P, L * down), down the product of the strides.

    Raises:
        ShapeError: the latent is not as long as these strides make it.
    """

    any_size = True

    def __init__(
        self, config: DilatedConfig, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]
    ):
        super().__init__()
        self.in_shape, self.out_shape = in_shape, out_shape
        if len(in_shape) != 2 or in_shape[1] != config.latent_length(out_shape[1]):
            raise ShapeError(
                f"strides {config.strides} lead from {out_shape[1]} samples to a latent "
                f"(D, {config.latent_length(out_shape[1])}), but it is {in_shape}; "
                "give the decoder the encoder's strides"
            )
        stages = list(zip(config.strides, config.widths, strict=True))[::-1]
        narrower = [width for _, width in stages[1:]] + [2 * out_shape[0]]
        layers: list[nn.Module] = [nn.Conv1d(in_shape[0], stages[0][1], 3, padding=1)]
        for (stride, width), outputs in zip(stages, narrower, strict=True):
            layers += [*blocks(width, config.depth), nn.ELU(), Lengthen(width, outputs, stride)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        a, b = self.layers(z).chunk(2, dim=1)
        return a * (b.sigmoid() + LEAK)
