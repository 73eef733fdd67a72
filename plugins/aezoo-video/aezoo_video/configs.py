"""The arguments of the components, one frozen dataclass each. No torch here."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Causal:
    width: int  # channels at the latents' resolution; half as many at each finer one
    depth: int = 2  # residual blocks at each resolution
    hidden: int | None = None  # channels inside a block; none: half of what it is given
    time: int = 4  # frames to a latent frame, a power of two; the first frame has its own
    space: int = 4  # how much smaller the latents' map is, a power of two

    def __post_init__(self) -> None:
        if self.depth < 0:
            raise ValueError(f"depth must be at least 0, not {self.depth}")
        if self.hidden is not None and self.hidden < 1:
            raise ValueError(f"hidden must be at least 1, not {self.hidden}")
        for name in ("time", "space"):
            value = getattr(self, name)
            if value < 1 or value & (value - 1):
                raise ValueError(f"{name} must be a power of two, not {value}")
        least = 2 ** max(0, len(self.strides) - 1)
        if self.width < least:
            raise ValueError(f"width must be at least {least} here, not {self.width}")

    @property
    def strides(self) -> tuple[tuple[int, int], ...]:
        """(time, space) of each stage from fine to coarse, 1 or 2: space first, time last."""
        time, space = self.time.bit_length() - 1, self.space.bit_length() - 1
        stages = max(time, space)
        return tuple((2 if i >= stages - time else 1, 2 if i < space else 1) for i in range(stages))

    def latent_size(self, size: tuple[int, ...]) -> tuple[int, ...]:
        """(T, H, W) -> (T', H', W'): the first frame, then ``time`` frames to each latent one."""
        frames, height, width = size
        return (
            1 + -(-(frames - 1) // self.time),
            -(-height // self.space),
            -(-width // self.space),
        )

    def size(self, latent_size: tuple[int, ...]) -> tuple[int, ...]:
        """The largest (T, H, W) that has latents of this size (T', H', W')."""
        frames, height, width = latent_size
        return (1 + (frames - 1) * self.time, height * self.space, width * self.space)
