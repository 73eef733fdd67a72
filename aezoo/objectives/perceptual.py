"""How two pictures look: the feature maps of a frozen network, and two distances in them."""

from __future__ import annotations

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.components.backbone import feature_maps, readable
from aezoo.components.nd import wide
from aezoo.errors import CapabilityError


class Perceptual(nn.Module):
    """x (B, C, H, W) in the model's range -> maps (B, C_l, H_l, W_l) of each layer.

    The network is any of timm's; grey pictures are shown to it as three equal channels. It is
    loaded when it is first used, in eval mode for good, and never learns: a model that is only
    to encode, decode or sample needs it not. Without pretrained weights it has random ones,
    always the same.
    """

    network: Any
    mean: Tensor  # (1, 3, 1, 1)
    std: Tensor

    def __init__(self, name: str, layers: tuple[int, ...], *, pretrained: bool):
        super().__init__()
        self.name, self.layers, self.pretrained = name, layers, pretrained
        self.network = None
        self.shape: tuple[int, ...] = ()

    def attach(self, model: Any) -> None:
        """Raises CapabilityError unless the model's x are pictures, grey or in colours."""
        shape = tuple(model.input_shape)
        if len(shape) != 3 or shape[0] not in (1, 3):
            raise CapabilityError(
                f"{model.spec}: {self.name} looks at pictures of 1 or 3 channels, and the input "
                f"is {shape}; take an objective without a network, as elbo"
            )
        self.shape = shape

    def load(self, x: Tensor) -> None:
        """Load the network to where x is. The global generators are left as they were.

        Raises:
            ShapeError: timm has no such network, or it cannot read pictures so small.
            WeightsNotCachedError: its weights cannot be had now; says how to get them.
        """
        with torch.inference_mode(False):  # these weights outlive the call
            with torch.random.fork_rng(devices=[]), torch.device("cpu"):
                torch.default_generator.manual_seed(0)
                network = feature_maps(
                    self.name,
                    self.layers,
                    channels=3,
                    size=self.shape[1:],
                    pretrained=self.pretrained,
                )
                settings: Any = network.pretrained_cfg
                for key in ("mean", "std"):
                    self.register_buffer(key, torch.tensor(settings[key]).view(1, -1, 1, 1))
                with readable(self.name, self.layers, self.shape[1:]), torch.no_grad():
                    network.eval()(torch.zeros(1, 3, *self.shape[1:]))
            self.network = network.requires_grad_(False)
            self.to(device=x.device, dtype=x.dtype).eval()

    def train(self, mode: bool = True) -> Perceptual:
        return super().train(False)

    def forward(self, x: Tensor, span: tuple[float, float] = (0.0, 1.0)) -> list[Tensor]:
        """``span`` is what x lies in."""
        if self.network is None:
            self.load(x)
        low, high = span
        x = ((x - low) / (high - low)).expand(-1, 3, -1, -1)
        network: Any = self.network
        maps = network((x - self.mean) / self.std)
        last = getattr(network, "output_fmt", "NCHW") == "NHWC"
        return [wide(m.movedim(-1, 1) if last else m) for m in maps]


def squared(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """Half the mean squared difference of each layer's map, summed over layers: (B,)."""
    parts = [(a - b).square().flatten(1).mean(1) for a, b in zip(ours, theirs, strict=True)]
    return 0.5 * torch.stack(parts).sum(0)


def angular(ours: list[Tensor], theirs: list[Tensor]) -> Tensor:
    """LPIPS's distance with all channels alike, (B,).

    Zhang, Isola, Efros, Shechtman, Wang, The Unreasonable Effectiveness of Deep Features as a
    Perceptual Metric, 2018, arXiv:1801.03924, equation 1: of the features at each place, of
    length one, the squared difference; its mean over places, summed over layers. The weights
    that the paper learns for channels are 1 here: timm does not have them.
    """
    parts = [
        (F.normalize(a, dim=1, eps=1e-6) - F.normalize(b, dim=1, eps=1e-6))
        .square()
        .sum(1)
        .flatten(1)
        .mean(1)
        for a, b in zip(ours, theirs, strict=True)
    ]
    return torch.stack(parts).sum(0)
