"""A dense critic: leaky ReLU layers (as FactorVAE's, arXiv:1802.05983, appendix A) to a logit."""

from __future__ import annotations

from itertools import pairwise

from torch import Tensor, nn

from aezoo.components.critics.configs import MLP
from aezoo.components.nd import flat


class MLPCritic(nn.Module):
    """x (B, *in_shape) -> (B,): a logit, larger where x looks real."""

    def __init__(self, config: MLP, *, in_shape: tuple[int, ...]):
        super().__init__()
        self.in_shape = in_shape
        layers: list[nn.Module] = [nn.Flatten()]
        for inputs, outputs in pairwise((flat(in_shape), *config.widths)):
            layers += [nn.Linear(inputs, outputs), nn.LeakyReLU(config.slope)]
        self.layers = nn.Sequential(*layers, nn.Linear(config.widths[-1], 1))

    def features(self, x: Tensor) -> tuple[Tensor, ...]:
        """What every layer gives, the logit last."""
        found = []
        for layer in self.layers:
            x = layer(x)
            if isinstance(layer, nn.LeakyReLU):
                found.append(x)
        return (*found, x[:, 0])

    def forward(self, x: Tensor) -> Tensor:
        return self.layers(x)[:, 0]
