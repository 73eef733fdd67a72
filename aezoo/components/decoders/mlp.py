"""Dense decoder: a latent through hidden layers to the likelihood's parameters."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from aezoo.components.encoders.configs import MLP
from aezoo.components.nd import activation, flat


class MLPDecoder(nn.Module):
    """z (B, D, *L) -> params (B, P, *S)."""

    def __init__(self, config: MLP, *, in_shape: tuple[int, ...], out_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape, self.out_shape = in_shape, out_shape
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((flat(in_shape), *config.widths)):
            layers += [nn.Linear(inputs, outputs), activation(config.act)]
        layers += [nn.Linear(config.widths[-1], flat(out_shape)), nn.Unflatten(1, out_shape)]
        self.layers = nn.Sequential(*layers)

    def forward(self, z: Tensor) -> Tensor:
        return self.layers(z)
