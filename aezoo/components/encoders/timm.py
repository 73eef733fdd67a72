"""Any backbone of timm (PyTorch Image Models) as an encoder: one of its feature maps."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.backbone import feature_maps, readable
from aezoo.components.encoders.configs import Timm


class TimmEncoder(nn.Module):
    """x (B, C, H, W) in [0, 1] -> h (B, F, H', W'), the feature map of ``stage``.

    The input is normalised with the backbone's own mean and standard deviation where the
    numbers of channels agree. Weights are timm's with ``pretrained=true``, except on the
    meta device, where a model is built only to be filled from a file.
    """

    mean: Tensor  # (1, C, 1, 1)
    std: Tensor

    def __init__(self, config: Timm, *, in_shape: tuple[int, ...]):
        super().__init__()
        on_meta = torch.get_default_device().type == "meta"
        self.backbone: Any = feature_maps(
            config.name,
            (config.stage,),
            channels=in_shape[0],
            size=in_shape[1:],
            pretrained=config.pretrained and not on_meta,
        )
        # Buffers that timm would compute anew are saved too: a model that is built on the
        # meta device has only what its file holds.
        for module in self.backbone.modules():
            module._non_persistent_buffers_set.clear()
        self.channels_last = getattr(self.backbone, "output_fmt", "NCHW") == "NHWC"  # swin's
        settings = self.backbone.pretrained_cfg
        mean, std = settings.get("mean", ()), settings.get("std", ())
        for key, values in (("mean", mean), ("std", std)):
            chosen = values if len(values) == in_shape[0] else (0.5,) * in_shape[0]
            self.register_buffer(key, torch.tensor(chosen).view(1, -1, 1, 1))
        self.in_shape = in_shape
        with readable(config.name, (config.stage,), in_shape[1:]):
            self.out_shape = self._measure(in_shape)

    def _measure(self, in_shape: tuple[int, ...]) -> tuple[int, ...]:
        """The feature map's shape, by a run that computes nothing."""
        from torch._subclasses.fake_tensor import FakeTensorMode

        device = next(self.backbone.parameters()).device
        computes = device.type != "meta"
        fake = FakeTensorMode(allow_non_fake_inputs=True) if computes else nullcontext()
        training = self.backbone.training
        self.backbone.eval()  # in training, BatchNorm refuses one sample of one pixel
        with fake, torch.no_grad():
            shape = tuple(self(torch.empty(1, *in_shape, device=device)).shape[1:])
        self.backbone.train(training)
        return shape

    def forward(self, x: Tensor) -> Tensor:
        features = self.backbone((x - self.mean) / self.std)[0]
        return features.movedim(-1, 1) if self.channels_last else features
