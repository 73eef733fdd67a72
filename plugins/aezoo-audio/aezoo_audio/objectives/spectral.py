"""Multi-resolution spectral distance: what is heard, rather than where each sample lies.

Yamamoto, Song, Kim, Parallel WaveGAN: A Fast Waveform Generation Model Based on Generative
Adversarial Networks with Multi-Resolution Spectrogram, 2020, arXiv:1910.11480, equations 3 to 6.

A likelihood with independent samples averages over the phases that the codes do not tell, and
a mean over phases is silence; magnitudes have no phase to average over.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from aezoo.latents import Losses, Output
from aezoo_audio.configs import SpectralConfig

DEPTH = 1e-2  # of a recording's loudest magnitude: 40 dB below it nothing is told apart
QUIETEST = 1e-4  # amplitude that a silent recording is taken to be as loud as


class SpectralObjective:
    """T * (mean over windows of |log magnitudes' difference| + spectral convergence)
    + waveform * distortion + penalties, in units of nats per sample: mean over the batch."""

    def __init__(self, config: SpectralConfig):
        self.config = config

    def __call__(self, model: nn.Module, x: Tensor, output: Output) -> Losses:
        with torch.autocast(x.device.type, enabled=False):
            spectral = self.distance(x.float(), output.x_hat.float()).mean() * x[0].numel()
        terms = {"spectral": spectral.detach(), "distortion": output.distortion.mean().detach()}
        total = spectral
        if self.config.waveform:
            total = total + self.config.waveform * output.distortion.mean()
        if output.penalty is not None:
            penalty = output.penalty.mean()
            total = total + penalty
            terms["penalty"] = penalty.detach()
        return Losses(total, terms)

    def distance(self, x: Tensor, y: Tensor) -> Tensor:
        """x, y (B, C, T) in [-1,1] -> (B,), each sample's by itself."""
        found = [_distance(x, y, window) for window in self.config.windows]
        return sum(found[1:], found[0]) / len(found)


def _distance(x: Tensor, y: Tensor, window: int) -> Tensor:
    a, b = magnitudes(x, window).flatten(1), magnitudes(y, window).flatten(1)
    floor = DEPTH * a.amax(1, keepdim=True).clamp(min=QUIETEST)
    logs = ((a + floor).log() - (b + floor).log()).abs().mean(1)
    least = floor[:, 0].square()  # keeps the root's slope finite
    apart = ((a - b).square().sum(1) + least).sqrt() / (a.square().sum(1) + least).sqrt()
    return logs + apart


def magnitudes(x: Tensor, window: int) -> Tensor:
    """x (B, C, T) -> (B, C, window / 2 + 1, frames), in units of a steady tone's amplitude.

    |STFT| under a Hann window, with a hop of a quarter of it; zeros beyond both ends.
    """
    hann = torch.hann_window(window, device=x.device)
    flat = F.pad(x.flatten(0, 1), (window // 2, window // 2))
    s = torch.stft(flat, window, window // 4, window=hann, center=False, return_complex=True)
    power = s.real.square() + s.imag.square() + (1e-7 * window) ** 2  # a root's slope is finite
    return power.sqrt().unflatten(0, x.shape[:2]) * (4 / window)
