"""Networks that images are compared by: found by name, kept, and asked once an image.

``inception_tf1`` is the network of FID; any other gives a distance of its own, ``fd-NAME``. A
plugin adds one through the hook ``aezoo_features``.
"""

from __future__ import annotations

import hashlib
import importlib
from functools import lru_cache
from typing import Any, Protocol, cast

import torch
import torch.nn.functional as F
from torch import Tensor

from aezoo import registry
from aezoo.components.backbone import no_weights
from aezoo.errors import MetricError
from aezoo.metrics import inception_weights
from aezoo.metrics.inception import Inception

DINOV2 = "vit_large_patch14_dinov2.lvd142m"


class Extractor(Protocol):
    """What a network's target gives."""

    dim: int  # D
    fingerprint: str  # changes whenever the features do: of the weights, and of what is around

    def __call__(self, images: Tensor) -> Tensor:
        """images (B, 3 or 1, H, W) float32 in [0,1] -> features (B, D) float32."""
        ...


class Shared:
    """A network that several metrics ask about the same batch; it computes once.

    It also turns what has been asked last into features, whoever asks; a batch is known again
    by being the same tensor, not an equal one.
    """

    def __init__(self, name: str, extractor: Extractor) -> None:
        self.name, self.extractor = name, extractor
        self._last: tuple[Tensor, Tensor] | None = None

    @property
    def dim(self) -> int:
        return self.extractor.dim

    @property
    def fingerprint(self) -> str:
        return self.extractor.fingerprint

    def __call__(self, images: Tensor) -> Tensor:
        if self._last is None or self._last[0] is not images:
            self._last = images, self.extractor(images)
        return self._last[1]


@lru_cache(maxsize=2)
def network(name: str, device: torch.device) -> Shared:
    """The network of that name on the device.

    Raises:
        UnknownMetricError: there is none; suggests the nearest.
        WeightsError: its weights cannot be had; says how to get them.
        MetricError: it cannot be imported, or gives something else than features.
    """
    record = registry.feature(name)
    module, _, path = record.target.partition(":")
    try:
        found: Any = importlib.import_module(module)
        for part in path.split("."):
            found = getattr(found, part)
    except (ImportError, AttributeError) as error:
        raise MetricError(
            f"the network {name} cannot be imported from {record.target}: {error}"
        ) from error
    extractor: Any = found(device)
    missing = [what for what in ("dim", "fingerprint") if not hasattr(extractor, what)]
    if missing or not callable(extractor):
        raise MetricError(
            f"the network {name}, {record.target}, gave a {type(extractor).__name__} without "
            f"{', '.join(missing) or 'a call'}; see aezoo.metrics.features.Extractor"
        )
    return Shared(name, cast("Extractor", extractor))


class _Inception(Inception):
    fingerprint: str


def inception_tf1(device: torch.device) -> Extractor:
    """Inception-2015 in float32."""
    return _inception(device, torch.float32)


def inception_tf1_bf16(device: torch.device) -> Extractor:
    """Inception-2015 with convolutions in bfloat16: another protocol, other figures."""
    return _inception(device, torch.bfloat16)


def _inception(device: torch.device, dtype: torch.dtype) -> Extractor:
    made = _Inception(inception_weights.state_dict(), device, dtype)
    made.fingerprint = f"{inception_weights.path().stem} {dtype}"
    return made


class Timm:
    """A backbone of timm, its pooled features: what is under its classifier.

    Images are resized to the network's own input (bicubic, without aliases) and normalised as
    it was trained.
    """

    def __init__(self, name: str, device: torch.device, *, pretrained: bool = True) -> None:
        import timm

        try:
            model = timm.create_model(name, pretrained=pretrained, num_classes=0)
        except (OSError, RuntimeError) as error:
            raise no_weights(name, error) from error
        settings = cast("dict[str, Any]", model.pretrained_cfg)
        self.device = device
        self.model = model.to(device).eval().requires_grad_(False)
        self.dim = cast("int", model.num_features)
        self.size = tuple(settings["input_size"][1:])
        self.mean, self.std = (
            torch.tensor(settings[key], device=device).view(1, -1, 1, 1) for key in ("mean", "std")
        )
        weights = hashlib.sha256()
        for key, value in sorted(model.state_dict().items()):
            weights.update(key.encode() + value.cpu().contiguous().numpy().tobytes())
        self.fingerprint = f"timm {name} {weights.hexdigest()}"

    @torch.no_grad()
    def __call__(self, images: Tensor) -> Tensor:
        x = images.to(self.device).float().expand(-1, 3, -1, -1)
        x = F.interpolate(x, self.size, mode="bicubic", antialias=True).clamp(0, 1)
        return self.model((x - self.mean) / self.std).float()


def dinov2(device: torch.device) -> Extractor:
    """DINOv2's class token, ViT-L/14 (as Stein et al. 2023 measure with)."""
    return Timm(DINOV2, device)
