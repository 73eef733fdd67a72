"""A prior for each part of a joint latent: Dupont 2018, arXiv:1804.00104, equation 6."""

from __future__ import annotations

from typing import Any

import torch
from torch import Generator, Tensor, nn

from aezoo.checks import over_latents
from aezoo.components.joint import Joint
from aezoo.components.priors.configs import JointConfig
from aezoo.components.priors.exact import closed_kl, is_exact, log_prob, weighs_in_training
from aezoo.errors import CapabilityError, ShapeError


class JointPrior(nn.Module):
    """log p(z) = sum of its parts' over the channels of each; in the order of the posterior's."""

    space = "joint"

    def __init__(
        self,
        config: JointConfig,
        shape: tuple[int, ...],
        num_codes: int | None = None,
        cond_dim: int | None = None,
    ):
        super().__init__()
        over_latents("joint", num_codes)
        self.config, self.shape, self.cond_dim = config, tuple(shape), cond_dim

    def attach(self, model: Any) -> None:
        """Make the parts, now that the posterior says which channels are whose.

        Raises:
            ShapeError: there are more or fewer parts, or one is no prior over what its part gives.
            CapabilityError: a part needs the model itself, as vamp does.
        """
        theirs = model.bottleneck.parts
        if len(theirs) != len(self.config.parts):
            raise ShapeError(
                f"{model.spec}: joint has {len(self.config.parts)} priors for {len(theirs)} "
                "posteriors; give one for each"
            )
        self.shapes = [tuple(part.out_shape) for part in theirs]
        made: list[Any] = []
        for i, (part, shape, posterior) in enumerate(
            zip(self.config.parts, self.shapes, theirs, strict=True)
        ):
            made.append(part.build(shape=shape, num_codes=None, cond_dim=self.cond_dim))
            if hasattr(made[-1], "attach"):
                raise CapabilityError(
                    f"{model.spec}: {part} reads the model that it is the prior of, and here it "
                    "is that of one part of z; take another, mog(10) say"
                )
            if any(
                getattr(made[-1], name, None) != getattr(posterior, name, None)
                for name in ("one_hot_of", "space")
            ):
                raise ShapeError(
                    f"{model.spec}: {part} is no prior over what part {i} of the posterior "
                    f"gives; take prior={model.bound.config.bottleneck.config.default_prior}"
                )
        self.parts: Any = nn.ModuleList(made)
        self.exact = all(is_exact(part) for part in made)
        self.weighs_in_training = all(weighs_in_training(part) for part in made)

    def distribution(self, like: Tensor) -> Joint | None:
        """The parts' of one sample of ``like`` (B,D,*L), where each has one."""
        found = [
            part.distribution(piece)
            for part, piece in zip(self.parts, self._split(like), strict=True)
        ]
        return None if any(p is None for p in found) else Joint(tuple(found))

    def rates(
        self, q: Joint, z: Tensor, cond: Tensor | None = None, generator: Generator | None = None
    ) -> tuple[Tensor, ...]:
        """(B,) nats that each part costs: in closed form where its pair has one."""
        found: list[Tensor] = []
        for part, mine, piece in zip(self.parts, q.parts, q.split(z), strict=True):
            rate = closed_kl(part, mine, piece)
            if rate is None:
                rate = mine.log_prob(piece) - log_prob(part, piece, cond, generator)
            found.append(rate)
        return tuple(found)

    def log_prob(
        self, z: Tensor, cond: Tensor | None = None, *, generator: Generator | None = None
    ) -> Tensor:
        """z (B,D,*L), cond (B,E) -> (B,) nats; ``generator`` is of a part's bound."""
        pieces = zip(self.parts, self._split(z), strict=True)
        found = [log_prob(part, piece, cond, generator) for part, piece in pieces]
        return sum(found[1:], found[0])

    @torch.no_grad()
    def start(self, latents: Tensor) -> None:
        """Each part that begins near the latents (N,D,*L) that it is fitted on does."""
        for part, piece in zip(self.parts, self._split(latents), strict=True):
            if hasattr(part, "start"):
                part.start(piece)

    @torch.no_grad()
    def sample(
        self,
        n: int,
        *,
        shape: tuple[int, ...] | None = None,
        cond: Tensor | None = None,
        generator: Generator | None = None,
        temperature: float = 1.0,
    ) -> Tensor:
        """(n,*shape); the parts are drawn one after the other."""
        places = self.shape[1:] if shape is None else tuple(shape)[1:]
        drawn = [
            part.sample(n, shape=(channels, *places), cond=cond, generator=generator,
                        temperature=temperature)
            for part, (channels, *_) in zip(self.parts, self.shapes, strict=True)
        ]  # fmt: skip
        weight = next(self.parameters(), drawn[0])  # a part without any draws anywhere
        return torch.cat([piece.to(weight.device) for piece in drawn], dim=1)

    def _split(self, z: Tensor) -> tuple[Tensor, ...]:
        return z.split([shape[0] for shape in self.shapes], dim=1)
