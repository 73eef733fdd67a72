"""The strided dilated encoder and its mirror: shapes, reach, and what goes through a gate."""

from __future__ import annotations

import pytest
import torch

from aezoo.build import build
from aezoo.errors import ShapeError
from aezoo_audio.configs import DilatedConfig
from aezoo_audio.decoders.dilated import LEAK, DilatedDecoder
from aezoo_audio.encoders.dilated import DilatedEncoder
from aezoo_audio.layers import Block, Lengthen, Shorten

SMALL = DilatedConfig(16, (4, 3, 2), depth=2, narrow=4)


@pytest.mark.parametrize("stride", [1, 2, 3, 5, 8])
@pytest.mark.parametrize("length", [1, 7, 16, 40])
def test_strides_shorten_any_length_and_lengthen_back(stride, length):
    x = torch.randn(2, 3, length)
    short = Shorten(3, 5, stride)(x)
    assert short.shape == (2, 5, -(-length // stride))
    assert Lengthen(5, 3, stride)(short).shape == (2, 3, stride * short.shape[-1])


@pytest.mark.parametrize("stride", [2, 3, 8])
def test_each_place_stands_for_the_samples_around_it(stride):
    """By gradient: place l reads 2s samples, centred on those from s l to s (l + 1)."""
    x = torch.zeros(1, 1, 10 * stride, requires_grad=True)
    y = Shorten(1, 1, stride)(x)
    (slope,) = torch.autograd.grad(y[0, 0, 4], x)
    first = 4 * stride - stride // 2
    assert slope[0, 0].nonzero().flatten().tolist() == list(range(first, first + 2 * stride))
    z = torch.zeros(1, 1, 10, requires_grad=True)
    back = Lengthen(1, 1, stride)(z)
    touched = [
        t
        for t in range(10 * stride)
        if torch.autograd.grad(back[0, 0, t], z, retain_graph=True)[0][0, 0, 4]
    ]
    assert touched == list(range(first, first + 2 * stride))


def test_a_block_reaches_its_dilation_to_both_sides():
    block = Block(1, 9)
    for weight in block.parameters():
        torch.nn.init.ones_(weight)
    x = torch.zeros(1, 1, 40, requires_grad=True)
    (slope,) = torch.autograd.grad(block(x)[0, 0, 20], x)
    assert slope[0, 0].nonzero().flatten().tolist() == [11, 20, 29]


@pytest.mark.parametrize("length", [1, 23, 24, 25, 100])
def test_every_length_has_its_latent_and_comes_back(length):
    encoder = DilatedEncoder(SMALL, in_shape=(1, length))
    assert encoder.out_shape == (16, SMALL.latent_length(length))
    h = encoder(torch.randn(2, 1, length))
    assert h.shape == (2, *encoder.out_shape)
    decoder = DilatedDecoder(SMALL, in_shape=encoder.out_shape, out_shape=(3, length))
    params = decoder(h)
    assert params.shape[:2] == (2, 3)
    assert length <= params.shape[2] < length + 24


def test_the_widths_double_up_to_the_last():
    assert DilatedConfig(192).widths == (64, 128, 192)
    assert DilatedConfig(256, (2, 2, 2, 2, 2), narrow=32).widths == (32, 64, 128, 256, 256)
    assert DilatedConfig(48, (64,)).widths == (48,)
    assert DilatedConfig(192).latent_length(8192) == 64


def test_the_decoder_needs_the_encoders_strides():
    with pytest.raises(ShapeError, match=r"strides \(4, 3, 2\) lead from 100 samples to"):
        DilatedDecoder(SMALL, in_shape=(16, 7), out_shape=(1, 100))
    with pytest.raises(ShapeError, match="give the decoder the encoder's strides"):
        build("ae(audio/dilated(8,(4,4)),point(4),audio/dilated(8,(4,2)),input=(1,64))")


def test_a_closed_gate_lets_a_little_through():
    decoder = DilatedDecoder(SMALL, in_shape=(4, 2), out_shape=(1, 48))
    last = decoder.layers[-1].conv
    torch.nn.init.zeros_(last.weight)
    last.bias.data = torch.tensor([0.5, -100.0])
    torch.testing.assert_close(decoder(torch.randn(1, 4, 2)), torch.full((1, 1, 48), LEAK / 2))
    last.bias.data = torch.tensor([0.5, 100.0])
    opened = torch.full((1, 1, 48), (1 + LEAK) / 2)
    torch.testing.assert_close(decoder(torch.randn(1, 4, 2)), opened)


def test_the_encoder_hears_a_whisper():
    """Companded, a hundredth of the amplitude moves the features by more than a hundredth."""
    torch.manual_seed(0)
    encoder = DilatedEncoder(SMALL, in_shape=(1, 96))
    x = torch.randn(4, 1, 96).clamp(-1, 1)
    silent = encoder(torch.zeros_like(x))
    loud, quiet = ((encoder(g * x) - silent).norm() for g in (1.0, 0.01))
    assert quiet > 0.1 * loud


def test_a_recording_does_not_depend_on_the_others_of_its_batch():
    torch.manual_seed(0)
    model = build(
        "vqvae(audio/dilated(16,(4,2),narrow=8),vq(8,4),audio/dilated(16,(4,2),narrow=8),"
        "cond=label(6),input=(1,100))"
    ).eval()
    x, who = torch.rand(3, 1, 100) * 2 - 1, torch.tensor([0, 3, 5])
    alone = torch.cat([model.reconstruct(x[i : i + 1], who[i : i + 1]) for i in range(3)])
    torch.testing.assert_close(model.reconstruct(x, who), alone)
    longer = torch.rand(2, 1, 333) * 2 - 1  # and the model takes other lengths
    assert model.reconstruct(longer, who[:2]).shape == longer.shape


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"width": 0}, "width must be at least 1"),
        ({"width": 8, "strides": ()}, "strides needs at least one"),
        ({"width": 8, "strides": (2, 0)}, "each at least 1"),
        ({"width": 8, "depth": -1}, "depth must be at least 0"),
    ],
)
def test_arguments_that_make_no_network_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        DilatedConfig(**arguments)
