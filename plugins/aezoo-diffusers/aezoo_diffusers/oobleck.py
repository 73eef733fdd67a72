"""Oobleck's networks, their weight norm written as torch does today.

diffusers still uses ``torch.nn.utils.weight_norm``, which torch has deprecated and which leaves
modules that cannot be copied. The parametrization in its place computes the same numbers.
"""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

from diffusers.models.autoencoders import autoencoder_oobleck
from torch import nn
from torch.nn.utils import parametrizations, remove_weight_norm

from aezoo_diffusers import configs

#: How the two tensors of a normed weight are called there, and here.
RENAMED = {
    "weight_g": "parametrizations.weight.original0",
    "weight_v": "parametrizations.weight.original1",
}


def oobleck_encoder(config: configs.OobleckEncoder, channels: int) -> nn.Module:
    """Audio (B,C,T) -> (B,2D,T/s)."""
    with _quietly():
        network = autoencoder_oobleck.OobleckEncoder(
            encoder_hidden_size=config.encoder_hidden_size,
            audio_channels=channels,
            downsampling_ratios=list(config.downsampling_ratios),
            channel_multiples=list(config.channel_multiples),
        )
        return _renormed(network)


def oobleck_decoder(config: configs.OobleckDecoder, inputs: int, channels: int) -> nn.Module:
    """Raw latents (B,D,L) -> audio (B,C,s*L)."""
    with _quietly():
        network = autoencoder_oobleck.OobleckDecoder(
            channels=config.decoder_channels,
            input_channels=inputs,
            audio_channels=channels,
            upsampling_ratios=list(reversed(config.downsampling_ratios)),
            channel_multiples=list(config.channel_multiples),
        )
        return _renormed(network)


def _renormed(network: nn.Module) -> nn.Module:
    for module in list(network.modules()):
        if hasattr(module, "weight_g"):
            remove_weight_norm(module)
            parametrizations.weight_norm(module)
    return network


@contextlib.contextmanager
def _quietly() -> Iterator[None]:
    """Without the one warning that diffusers' use of weight_norm gives."""
    with warnings.catch_warnings():
        warnings.filterwarnings(
            "ignore",
            message=r"`torch\.nn\.utils\.weight_norm` is deprecated in favor of "
            r"`torch\.nn\.utils\.parametrizations\.weight_norm`\.",
            category=FutureWarning,
        )
        yield
