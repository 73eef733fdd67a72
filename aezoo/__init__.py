"""aezoo: a plugin-based zoo of autoencoders.

    model = aezoo.create("vqvae-cifar10", pretrained=True)
    codes = model.encode(x).codes
    y = model.reconstruct(x)
    new = model.sample(16)

Every name here is imported when it is first used: `import aezoo` itself loads no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aezoo import bench as bench
    from aezoo.data.sets import load as load_data
    from aezoo.errors import AezooError
    from aezoo.factory import create
    from aezoo.hookspecs import hookimpl
    from aezoo.hub.publish import publish
    from aezoo.listing import info, list_components, list_models
    from aezoo.models.base import Autoencoder
    from aezoo.records import (
        Capabilities,
        Component,
        Dataset,
        FileRecord,
        MetricRecord,
        ModelEntry,
        rest,
        slot,
    )
    from aezoo.spec import Spec, SpecError, parse
    from aezoo.train.expost import fit_prior

__version__ = "0.1.0"

_HOMES = {
    "Autoencoder": "aezoo.models.base",
    "AezooError": "aezoo.errors",
    "Capabilities": "aezoo.records",
    "Component": "aezoo.records",
    "Dataset": "aezoo.records",
    "FileRecord": "aezoo.records",
    "MetricRecord": "aezoo.records",
    "ModelEntry": "aezoo.records",
    "Spec": "aezoo.spec",
    "SpecError": "aezoo.spec",
    "create": "aezoo.factory",
    "fit_prior": "aezoo.train.expost",
    "hookimpl": "aezoo.hookspecs",
    "info": "aezoo.listing",
    "list_components": "aezoo.listing",
    "list_models": "aezoo.listing",
    "load_data": "aezoo.data.sets:load",
    "parse": "aezoo.spec",
    "publish": "aezoo.hub.publish",
    "rest": "aezoo.records",
    "slot": "aezoo.records",
}

_MODULES = ("bench",)  # aezoo.bench.run(...) without an import of its own

__all__ = [
    "AezooError",
    "Autoencoder",
    "Capabilities",
    "Component",
    "Dataset",
    "FileRecord",
    "MetricRecord",
    "ModelEntry",
    "Spec",
    "SpecError",
    "create",
    "fit_prior",
    "hookimpl",
    "info",
    "list_components",
    "list_models",
    "load_data",
    "parse",
    "publish",
    "rest",
    "slot",
]


def __getattr__(name: str) -> object:
    if name in _MODULES:
        return import_module(f"aezoo.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'aezoo' has no attribute {name!r}")
    module, _, attribute = _HOMES[name].partition(":")
    value = getattr(import_module(module), attribute or name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES, *_MODULES})
