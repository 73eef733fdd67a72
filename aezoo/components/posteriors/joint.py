"""Several posteriors side by side on the channels of one latent.

Dupont, Learning Disentangled Joint Continuous and Discrete Representations, 2018,
arXiv:1804.00104, section 3: q(z, c|x) = q(z|x) q(c|x).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

from aezoo.components.joint import Joint
from aezoo.components.log_joint import reads_log_joint
from aezoo.components.posteriors.configs import JointConfig
from aezoo.errors import ShapeError
from aezoo.latents import Latent


class JointPosterior(nn.Module):
    """h (B, F, *L) -> z (B, D_1 + D_2 + ..., *L): every part reads all of h."""

    space = "joint"

    def __init__(self, config: JointConfig, *, in_shape: tuple[int, ...]):
        super().__init__()
        for part in config.parts:
            if getattr(part.entry.load(), "several_levels", False):
                raise ShapeError(
                    f"joint puts posteriors of one level side by side; {part} has more"
                )
            if reads_log_joint(part.entry.load()):
                raise ShapeError(
                    f"{part} reads log p(x, z) of its own z, and in joint it has but a part of z; "
                    "take it alone, or gaussian here"
                )
            if isinstance(part.config, JointConfig):
                raise ShapeError(
                    f"{part} is a joint in a joint; write its parts side by side with the others"
                )
        self.in_shape = in_shape
        self.parts: Any = nn.ModuleList(part.build(in_shape=in_shape) for part in config.parts)
        places = {part.out_shape[1:] for part in self.parts}
        if len(places) > 1:
            raise ShapeError(f"the parts of joint have places {places}; they must be the same")
        self.out_shape = (sum(part.out_shape[0] for part in self.parts), *places.pop())
        self.deterministic = any(getattr(part, "deterministic", False) for part in self.parts)

    def forward(
        self, h: Tensor, *, sample: bool = False, generator: torch.Generator | None = None
    ) -> Latent:
        found = [part(h, sample=sample, generator=generator) for part in self.parts]
        pieces = tuple(latent.z for latent in found)
        z = torch.cat(pieces, dim=1)
        penalties = [latent.penalty for latent in found if latent.penalty is not None]
        return Latent(
            z=z,
            q=None if self.deterministic else Joint(tuple(one.q for one in found), (z, pieces)),
            penalty=torch.stack(penalties).sum(0) if penalties else None,
            metrics={f"{k}{i}": v for i, one in enumerate(found) for k, v in one.metrics.items()},
        )

    def between(self, z0: Tensor, z1: Tensor, weight: Tensor) -> Tensor:
        """The way from z0 to z1, both (B, D, *L), of each part its own."""
        sizes = [part.out_shape[0] for part in self.parts]
        pieces = zip(self.parts, z0.split(sizes, 1), z1.split(sizes, 1), strict=True)
        ways = [getattr(part, "between", torch.lerp)(a, b, weight) for part, a, b in pieces]
        return torch.cat(ways, dim=1)
