"""What is checked: a plugin, a record of its manifest, or a spec; and the models to check it in.

No torch is imported before a model is asked for.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aezoo.testing import examples
from aezoo.testing.outcome import NotApplicable

if TYPE_CHECKING:
    import torch
    from torch import Tensor

    from aezoo.models.base import Autoencoder
    from aezoo.registry import Registered
    from aezoo.resolve import Bound


@dataclass(frozen=True, slots=True)
class Subject:
    """One thing that checks are run on."""

    kind: str  # of component; else "namespace", "model", "dataset", "metric", "feature"
    name: str  # qualified: "acme/rvq"; of a namespace, the namespace
    record: Any = None  # what the manifest gave, its name qualified where that is its place
    entry: Registered | None = None  # of a component
    text: str = ""  # the spec or part of one that was asked for; "": the record's example

    def __str__(self) -> str:
        return f"{self.kind} {self.text or self.name}"

    @property
    def example(self) -> str:
        """The spec, or the part of one, in which the component is built.

        Raises:
            Broken: the component has required arguments and no example of them.
        """
        assert self.entry is not None
        return self.text or examples.of(self.entry)

    @property
    def slot(self) -> str:
        """Where the component stands in a family's arguments; "" for a whole model."""
        return examples.SLOTS[self.kind]

    def bounds(self) -> dict[int, Bound]:
        """A model of each rank that the component declares: rank -> bound spec.

        Raises:
            Broken: there is none for one of them.
        """
        assert self.entry is not None
        if self.kind not in examples.SLOTS:
            raise NotApplicable(f"no family of api 1 has a place for a {self.kind}")
        return examples.models(self.entry, self.example)

    def bound(self) -> Bound:
        """The model of rank 2 where there is one, else of the lowest rank."""
        found = self.bounds()
        return found.get(2) or next(iter(found.values()))

    def build(
        self, bound: Bound | None = None, *, device: str | None = None, seed: int = 0
    ) -> Autoencoder:
        """A model with the component in it: fresh weights from ``seed``, fitted, in eval mode.

        Every parameter is moved a little, so that a part that starts as zero or as the
        identity does something.
        """
        import torch

        from aezoo.build import build

        torch.manual_seed(seed)
        model = build(bound or self.bound(), device=device)
        model.prior_fitted = model.prior is not None
        if device != "meta":
            stir(model)
        return model.eval()

    def part(self, model: Autoencoder) -> Any:
        """The component in a model that was built for it; the model itself for a family."""
        return getattr(model, self.slot) if self.slot else model


def stir(module: torch.nn.Module, amount: float = 0.05) -> None:
    """Add noise of this standard deviation to every parameter."""
    import torch

    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(amount * torch.randn_like(parameter))


def batch(model: Autoencoder, n: int = 4, seed: int = 1) -> tuple[Tensor, Tensor | None]:
    """x (n, C, *S) in the model's range, and a condition each where the model takes one.

    Drawn on the CPU, alike for each device, and moved to the model's.
    """
    import torch

    generator = torch.Generator().manual_seed(seed)
    low, high = getattr(model, "input_range", (0.0, 1.0))
    x = low + (high - low) * torch.rand(n, *model.input_shape, generator=generator)
    source = model.cond if model.cond is not None else model.prior_cond
    if source is None:
        return x.to(model.device), None
    if hasattr(source, "draw"):
        cond = source.draw(n, device=torch.device("cpu"), generator=generator)
    else:
        cond = source.of(x)
    return x.to(model.device), cond.to(model.device)


def by_level(name: str, value: Any) -> dict[str, Any]:
    """A tensor under its name; a tuple of them, of several levels, each under its own."""
    if not isinstance(value, tuple):
        return {name: value}
    return {f"{name} of level {i}": level for i, level in enumerate(value, 1)}


def decoder_cond(model: Autoencoder, cond: Any) -> Any:
    """What `decode` takes: the condition, unless the prior alone reads it."""
    return cond if model.cond is not None else None
