"""The causal video decoder; see `aezoo_video.layers`."""

from __future__ import annotations

from torch import Tensor, nn

from aezoo.errors import ShapeError
from aezoo_video.configs import Causal
from aezoo_video.layers import CausalConv, Up, blocks


class CausalDecoder(nn.Module):
    """z (B, D, T', H', W') -> params (B, P, 1 + (T'-1) * time, H' * space, W' * space).

    Frame i depends on z's frames 0 to ceil(i / time) alone.
    """

    any_size = True

    def __init__(self, config: Causal, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        if len(in_shape) != 4 or config.latent_size(out_shape[1:]) != tuple(in_shape[1:]):
            raise ShapeError(
                f"with time={config.time} and space={config.space}, video of size {out_shape[1:]} "
                f"is decoded from a map of size {config.latent_size(out_shape[1:])}, but its input "
                f"is {in_shape}; give video/causal the encoder's time and space"
            )
        self.in_shape, self.out_shape = in_shape, out_shape
        layers: list[nn.Module] = [CausalConv(in_shape[0], config.width)]
        layers += blocks(config.width, config.depth, config.hidden)
        channels = config.width
        for i, (time, space) in enumerate(reversed(config.strides), 1):
            if i == len(config.strides):
                layers.append(Up(channels, out_shape[0], time, space))
                break
            layers.append(Up(channels, channels // 2, time, space))
            channels //= 2
            layers += blocks(channels, config.depth, config.hidden)
        if not config.strides:
            layers.append(CausalConv(channels, out_shape[0]))
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
