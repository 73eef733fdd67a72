"""`create`: from anything that names a model to the model."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aezoo import registry
from aezoo.errors import UnknownModelError
from aezoo.spec import Spec, SpecError

if TYPE_CHECKING:
    import torch

    from aezoo.models.base import Autoencoder


def create(
    source: str | Spec | Path,
    pretrained: bool = False,
    *,
    device: str | torch.device | None = None,
    **overrides: Any,
) -> Autoencoder:
    """Make a model.

    Args:
        source: a spec (``"vae(conv(32,64),gaussian(16),deconv(64,32))"``), the name of a model
            in the zoo (``"vqvae-cifar10"``, see ``aezoo.list_models()``), or a place that
            brings weights (``"hf://org/name@revision"``, ``"local:FOLDER"``, a `Path`).
        pretrained: load the zoo model's weights, checked and memory-mapped; the model comes
            in eval mode. Without it the weights are fresh and the model is in training mode.
        device: where the model shall be; by default the CPU.
        overrides: arguments of the spec to replace, ``input=(1, 28, 28)``,
            ``quantizer="fsq(8,5,5,5)"``; for a part's own argument pass a dict,
            ``**{"quantizer.decay": 0.95}``.

    Raises:
        SpecError: the spec cannot be read, or does not fit the registry; with a caret.
        ShapeError: two parts do not fit each other; or overrides change the shapes of weights.
        UnknownModelError: no model of that name; suggests the nearest.
        WeightsError: the weights are not to be had, or not what they should be.
    """
    if not isinstance(source, str | Spec | Path):
        raise TypeError(
            "create takes a spec, the name of a model, a source such as 'hf://org/name' or "
            f"'local:FOLDER', or a folder's Path, not {type(source).__name__}"
        )
    import torch

    from aezoo.build import build
    from aezoo.resolve import override, resolve

    source = f"local:{source}" if isinstance(source, Path) else source
    if isinstance(source, Spec) or "(" in source:
        if pretrained:
            raise SpecError(
                "a bare spec has no pretrained weights; name a model of the zoo "
                "(aezoo.list_models()), or a source such as 'hf://org/name' or 'local:FOLDER'"
            )
        return build(override(resolve(source), overrides), device=device)
    if not pretrained and not _is_source(source):
        spec = _entry(source).spec
        return build(override(resolve(spec), overrides), device=device)
    model = _load_overridden(source, overrides) if overrides else load(source)
    return model if device is None else model.to(torch.device(device))


def load(source: str | Path) -> Autoencoder:
    """The model, with its weights, of a zoo name, a source with a scheme, or a folder."""
    from aezoo.hub.pretrained import pretrained

    if isinstance(source, Path) or (not _is_source(source) and _is_folder(source)):
        return pretrained(f"local:{source}")
    return pretrained(source if _is_source(source) else _entry(source))


def _load_overridden(source: str, overrides: dict[str, Any]) -> Autoencoder:
    """Pretrained weights in a model with other arguments, if these leave all shapes alone."""
    from aezoo.build import build
    from aezoo.errors import ShapeError
    from aezoo.hub.load import materialise
    from aezoo.resolve import override, resolve

    def shapes(model: Any) -> dict[str, tuple[int, ...]]:
        return {name: tuple(t.shape) for name, t in model.state_dict().items()}

    if not _is_source(source):  # known before anything is downloaded
        bound = resolve(_entry(source).spec)
        changed = build(override(bound, overrides), device="meta")
        if shapes(changed) != shapes(build(bound, device="meta")):
            raise ShapeError(_changes_shapes(source, overrides))
    model = load(source)
    changed = build(override(model.bound, overrides), device="meta")
    if shapes(changed) != shapes(model):
        raise ShapeError(_changes_shapes(source, overrides))
    changed.load_state_dict(model.state_dict(), strict=True, assign=True)
    materialise(changed, changed.bound)
    changed.prior_fitted, changed.card = model.prior_fitted, model.card
    changed.license, changed.input_range = model.license, model.input_range
    return changed.eval()


def _changes_shapes(source: str, overrides: dict[str, Any]) -> str:
    named = ", ".join(f"{k}={v}" for k, v in overrides.items())
    return (
        f"the weights of {source} do not fit a model with {named}: the shapes differ; leave the "
        "override away, or drop pretrained=True and train the changed model"
    )


def _is_source(text: str) -> bool:
    return text.startswith(("hf://", "hf-hub:", "local:"))


def _is_folder(text: str) -> bool:
    """What is written as a path is one, so that the error is about a folder, not about a name."""
    return text.startswith(("/", ".", "~")) or Path(text).is_dir()


def _entry(name: str) -> Any:
    if name.startswith(("/", ".", "~")):
        raise UnknownModelError(f"{name!r} is a path and no model's name; write local:{name}")
    try:
        return registry.model(name)
    except UnknownModelError as error:
        if any(item.name.rpartition("/")[2] == name for item in registry.items()):
            raise UnknownModelError(
                f"{name!r} is a component, not a model; a spec has brackets: {name}(...)"
            ) from error
        raise
