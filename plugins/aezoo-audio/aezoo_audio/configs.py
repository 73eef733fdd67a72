"""The arguments of this plugin's components, one frozen dataclass each. No torch here."""

from __future__ import annotations

from dataclasses import dataclass

from aezoo.checks import at_least


@dataclass(frozen=True, slots=True)
class DilatedConfig:
    width: int  # channels at the codes' rate
    strides: tuple[int, ...] = (8, 4, 4)  # how much each stage shortens, from the waveform's side
    depth: int = 3  # residual blocks a stage, dilated 1, 3, 9, 1, ...
    narrow: int = 64  # channels of the stage next to the waveform; they double up to width

    def __post_init__(self) -> None:
        at_least(1, width=self.width, narrow=self.narrow)
        at_least(0, depth=self.depth)
        if not self.strides or any(s < 1 for s in self.strides):
            raise ValueError(f"strides needs at least one, each at least 1, not {self.strides}")

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage, from the waveform's side; the last one's are ``width``."""
        last = len(self.strides) - 1
        wide = [min(self.width, self.narrow << i) for i in range(last)]
        return (*wide, self.width)

    def latent_length(self, samples: int) -> int:
        """How many places the strides leave of a waveform."""
        for stride in self.strides:
            samples = -(-samples // stride)
        return samples


@dataclass(frozen=True, slots=True)
class MuLawConfig:
    levels: int = 256  # of the companded amplitude

    def __post_init__(self) -> None:
        at_least(2, levels=self.levels)


@dataclass(frozen=True, slots=True)
class WaveNetConfig:
    width: int = 64  # channels of the residual path
    layers: int = 20  # gated layers
    cycle: int = 10  # layers until the dilation starts again at 1; it doubles with each
    levels: int = 256  # of the companded amplitude
    features: int = 64  # channels of the decoder's output that each layer is conditioned on

    def __post_init__(self) -> None:
        at_least(1, width=self.width, layers=self.layers, cycle=self.cycle)
        at_least(1, features=self.features)
        at_least(2, levels=self.levels)


@dataclass(frozen=True, slots=True)
class WaveNetPriorConfig:
    width: int = 128  # channels of the residual path
    layers: int = 12  # gated layers
    cycle: int = 6  # layers until the dilation starts again at 1; it doubles with each
    dropout: float = 0.0  # of the gated activations, in training

    def __post_init__(self) -> None:
        at_least(1, width=self.width, layers=self.layers, cycle=self.cycle)
        if not 0 <= self.dropout < 1:
            raise ValueError(f"dropout must be at least 0 and below 1, not {self.dropout}")


@dataclass(frozen=True, slots=True)
class SpectralConfig:
    windows: tuple[int, ...] = (64, 256, 1024)  # samples of the STFTs' windows
    waveform: float = 0.0  # weight of the distortion, -log p(x|z), beside the spectra

    def __post_init__(self) -> None:
        if not self.windows or any(w < 4 or w % 4 for w in self.windows):
            raise ValueError(f"windows are multiples of 4 samples, not {self.windows}")
        at_least(0.0, waveform=self.waveform)
