"""Encoders, decoders, posteriors, conditions and the shape arithmetic below them."""

from __future__ import annotations

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import nn
from torch.autograd import gradcheck

from aezoo import registry
from aezoo.components import nd
from aezoo.components.conditions.configs import Label
from aezoo.components.conditions.label import LabelCondition
from aezoo.components.decoders.configs import UnRes
from aezoo.components.decoders.deconv import DeconvDecoder
from aezoo.components.decoders.mlp import MLPDecoder
from aezoo.components.decoders.unres import UnResDecoder
from aezoo.components.encoders.configs import MLP, Conv, Res, Timm
from aezoo.components.encoders.conv import ConvEncoder
from aezoo.components.encoders.mlp import MLPEncoder
from aezoo.components.encoders.res import ResEncoder
from aezoo.components.encoders.timm import TimmEncoder
from aezoo.components.posteriors.configs import Gaussian, Point
from aezoo.components.posteriors.gaussian import LOG_VARIANCE, GaussianPosterior
from aezoo.components.posteriors.point import PointPosterior
from aezoo.components.residual import ResidualBlock
from aezoo.errors import ShapeError

SHAPES = [(1, 5), (2, 64), (1, 28, 28), (3, 50, 50), (3, 7, 9), (1, 1, 1), (2, 5, 6, 7), (3, 1, 4)]

ENCODERS = {
    "mlp": lambda s: MLPEncoder(MLP((9, 7)), in_shape=s),
    "conv": lambda s: ConvEncoder(Conv((4, 6), hidden=11), in_shape=s),
    "res1": lambda s: ResEncoder(Res(6, depth=1, down=1), in_shape=s),
    "res4": lambda s: ResEncoder(Res(6, depth=1), in_shape=s),
    "res8": lambda s: ResEncoder(Res(6, depth=0, down=8, hidden=2), in_shape=s),
}

DECODERS = {
    "mlp": lambda i, o: MLPDecoder(MLP((7, 9)), in_shape=i, out_shape=o),
    "deconv": lambda i, o: DeconvDecoder(Conv((6, 4), hidden=5), in_shape=i, out_shape=o),
}


def cropped(params: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """A decoder may give more at the far end of an axis; the model crops it."""
    assert all(have >= want for have, want in zip(params.shape[2:], size, strict=True))
    return nd.crop(params, size)


# -- shape arithmetic


@given(st.lists(st.integers(1, 300), min_size=1, max_size=3).map(tuple), st.integers(0, 6))
def test_doublings_undo_halvings(size, times):
    small = nd.halved(size, times)
    once = size
    for _ in range(times):
        once = tuple((n + 1) // 2 for n in once)
    assert small == once
    found = nd.doublings(small, size)
    assert found <= times
    assert nd.halved(size, found) == small
    assert all(n * 2**found >= want for n, want in zip(small, size, strict=True))


def test_no_number_of_doublings():
    with pytest.raises(ShapeError, match=r"from a map of size \(7, 7\) to size \(32, 32\)"):
        nd.doublings((7, 7), (32, 32))
    with pytest.raises(ShapeError):
        nd.doublings((8, 4), (32, 32))
    with pytest.raises(ShapeError):
        nd.doublings((8,), (32, 32))


@pytest.mark.parametrize("size", [(1,), (2,), (9,), (8, 7), (1, 1), (3, 4, 5), (2, 1, 7)])
def test_down_halves_and_rounds_up(size):
    down = nd.Down(len(size), 2, 3)
    assert down(torch.randn(2, 2, *size)).shape == (2, 3, *nd.halved(size, 1))
    assert nd.up(len(size), 2, 3)(torch.randn(2, 2, *size)).shape == (2, 3, *(2 * n for n in size))


def test_down_pads_an_odd_axis_with_one_zero_at_its_end():
    down = nd.Down(2, 1, 1)
    x = torch.randn(1, 1, 5, 6)
    padded = torch.zeros(1, 1, 6, 6)
    padded[:, :, :5] = x
    assert torch.equal(down(x), down(padded))
    assert torch.equal(down(x), down.conv(padded))


def test_crop_takes_the_first_places():
    x = torch.arange(24.0).reshape(1, 1, 4, 6)
    assert torch.equal(nd.crop(x, (3, 5)), x[:, :, :3, :5])
    assert nd.crop(x, (4, 6)) is x


@pytest.mark.parametrize("name", ["relu", "gelu", "silu", "elu", "tanh", "softplus"])
def test_activations(name):
    x = torch.randn(10)
    assert torch.equal(nd.activation(name)(x), getattr(nn.functional, name, torch.tanh)(x))


# -- encoders and decoders


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", ENCODERS)
def test_an_encoder_gives_the_shape_it_says(name, shape):
    encoder = ENCODERS[name](shape)
    h = encoder(torch.rand(2, *shape))
    assert encoder.in_shape == shape
    assert h.shape == (2, *encoder.out_shape)
    h.square().sum().backward()
    assert all(p.grad is not None for p in encoder.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("latent", [(5,), (3, 2), (3, 2, 4)], ids=str)
@pytest.mark.parametrize("name", DECODERS)
def test_a_dense_decoder_takes_any_latent(name, latent, shape):
    decoder = DECODERS[name](latent, shape)
    params = decoder(torch.randn(2, *latent))
    assert params.shape == (2, *shape)
    params.square().sum().backward()
    assert all(p.grad is not None for p in decoder.parameters())


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("times", [0, 1, 2, 3])
def test_unres_goes_back_from_any_map(shape, times):
    latent = (5, *nd.halved(shape[1:], times))
    decoder = UnResDecoder(UnRes(6, depth=1), in_shape=latent, out_shape=shape)
    params = decoder(torch.randn(2, *latent))
    assert cropped(params, shape[1:]).shape == (2, *shape)


def test_unres_says_what_to_take_for_a_vector():
    with pytest.raises(ShapeError, match="for vector latents take deconv or mlp"):
        UnResDecoder(UnRes(6), in_shape=(16,), out_shape=(3, 32, 32))
    with pytest.raises(ShapeError, match="no number of doublings"):
        UnResDecoder(UnRes(6), in_shape=(16, 7, 7), out_shape=(3, 32, 32))


def test_res_is_the_papers_net():
    """Two 4x4 convolutions of stride 2, a 3x3 one, two residual blocks (3x3, 1x1); CIFAR-10."""
    encoder = ResEncoder(Res(128, hidden=32), in_shape=(3, 32, 32))
    shapes = [tuple(p.shape) for p in encoder.parameters() if p.ndim == 4]
    assert shapes == [
        (64, 3, 4, 4),
        (128, 64, 4, 4),
        (128, 128, 3, 3),
        (32, 128, 3, 3),
        (128, 32, 1, 1),
        (32, 128, 3, 3),
        (128, 32, 1, 1),
    ]
    assert encoder.out_shape == (128, 8, 8)
    decoder = UnResDecoder(UnRes(128), in_shape=(64, 8, 8), out_shape=(3, 32, 32))
    shapes = [tuple(p.shape) for p in decoder.parameters() if p.ndim == 4]
    assert shapes[-2:] == [(128, 64, 4, 4), (64, 3, 4, 4)]


def test_a_residual_block_is_the_identity_where_its_branch_is_zero():
    block = ResidualBlock(2, 4, 3)
    x = torch.randn(2, 4, 5, 5)
    by_hand = x + block.project(torch.relu(block.conv(torch.relu(x))))
    assert torch.equal(block(x), by_hand)
    nn.init.zeros_(block.project.weight)
    nn.init.zeros_(block.project.bias)
    assert torch.equal(block(x), x)


def test_res_and_unres_are_translation_equivariant_inside():
    """Away from the borders, a shift by the total stride shifts the map by one place."""
    encoder = ResEncoder(Res(4, depth=1), in_shape=(1, 64))
    x = torch.randn(1, 1, 64)
    inner = slice(4, 12)
    torch.testing.assert_close(
        encoder(x.roll(4, -1))[..., inner], encoder(x).roll(1, -1)[..., inner]
    )


# -- timm


@pytest.mark.parametrize(
    ("name", "shape", "out_shape"),
    [
        ("resnet10t", (3, 32, 32), (512, 1, 1)),
        ("mobilenetv3_small_050", (1, 28, 28), (288, 1, 1)),
        ("vit_tiny_patch16_224", (3, 32, 48), (192, 2, 3)),
        ("swin_tiny_patch4_window7_224", (3, 56, 56), (768, 2, 2)),  # NHWC inside
    ],
)
def test_timm_backbones(name, shape, out_shape):
    config = Timm(name)
    encoder = TimmEncoder(config, in_shape=shape).eval()
    assert encoder.out_shape == out_shape
    x = torch.rand(2, *shape)
    with torch.no_grad():
        h = encoder(x)
    assert h.shape == (2, *out_shape)
    with torch.device("meta"):
        hollow = TimmEncoder(config, in_shape=shape).eval()
    assert hollow.out_shape == out_shape
    hollow.load_state_dict(encoder.state_dict(), strict=True, assign=True)
    with torch.no_grad():
        assert torch.equal(hollow(x), h)


def test_timm_trains_after_it_was_measured():
    encoder = TimmEncoder(Timm("resnet10t", stage=1), in_shape=(3, 32, 32))
    assert encoder.training
    assert all(m.training for m in encoder.modules())
    assert all(torch.isfinite(b).all() for b in encoder.buffers())


def test_timm_input_is_normalised_by_the_backbones_own_figures():
    encoder = TimmEncoder(Timm("resnet10t", stage=1), in_shape=(3, 32, 32))
    assert encoder.mean.flatten().tolist() == pytest.approx([0.485, 0.456, 0.406])
    grey = TimmEncoder(Timm("resnet10t", stage=1), in_shape=(2, 32, 32))
    assert grey.mean.flatten().tolist() == [0.5, 0.5]


def test_an_unknown_timm_model_names_near_ones():
    with pytest.raises(ShapeError, match=r"timm has no model 'resnet17'; near: .*resnet"):
        TimmEncoder(Timm("resnet17"), in_shape=(3, 32, 32))


# -- posteriors


@pytest.mark.parametrize("shape", [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)], ids=str)
def test_gaussian_is_mu_plus_sigma_epsilon(shape):
    posterior = GaussianPosterior(Gaussian(4), in_shape=shape)
    h = torch.randn(3, *shape)
    mode = posterior(h)
    assert mode.z.shape == (3, *posterior.out_shape) == (3, 4, *shape[1:])
    assert mode.q.batch_shape == (3,)
    assert mode.q.event_shape == posterior.out_shape
    assert torch.equal(mode.z, mode.q.mean)
    drawn = posterior(h, sample=True, generator=torch.Generator().manual_seed(3))
    epsilon = torch.randn(drawn.z.shape, generator=torch.Generator().manual_seed(3))
    torch.testing.assert_close(drawn.z, mode.q.mean + mode.q.stddev * epsilon)
    mu, log_variance = posterior.project(h).chunk(2, 1)
    torch.testing.assert_close(drawn.q.mean, mu)
    torch.testing.assert_close(drawn.q.variance, log_variance.exp())


def test_gaussian_samples_have_its_moments():
    posterior = GaussianPosterior(Gaussian(2), in_shape=(3,))
    h = torch.randn(1, 3)
    latent = posterior(h.expand(200_000, 3), sample=True)
    mean, deviation = posterior(h).q.mean[0], posterior(h).q.stddev[0]
    assert torch.allclose(latent.z.mean(0), mean, atol=5 * deviation.max().item() / 447)
    assert torch.allclose(latent.z.std(0), deviation, rtol=0.02)


def test_gaussian_gradient_is_that_of_the_reparametrisation():
    posterior = GaussianPosterior(Gaussian(2), in_shape=(3,))
    h = torch.randn(4, 3, requires_grad=True)
    latent = posterior(h, sample=True, generator=torch.Generator().manual_seed(0))
    (grad,) = torch.autograd.grad(latent.z.sum(), h)
    mu, log_variance = posterior.project(h).chunk(2, 1)
    epsilon = torch.randn(4, 2, generator=torch.Generator().manual_seed(0))
    (by_hand,) = torch.autograd.grad((mu + (0.5 * log_variance).exp() * epsilon).sum(), h)
    torch.testing.assert_close(grad, by_hand)


def test_gaussian_stays_finite_for_wild_features():
    posterior = GaussianPosterior(Gaussian(2), in_shape=(3,))
    for scale in (1e6, -1e6):
        latent = posterior(torch.full((1, 3), scale), sample=True)
        assert torch.isfinite(latent.z).all()
        assert (latent.q.variance.log() >= LOG_VARIANCE[0] - 1e-3).all()
        assert (latent.q.variance.log() <= LOG_VARIANCE[1] + 1e-3).all()


@pytest.mark.parametrize("shape", [(6,), (6, 3, 4)], ids=str)
def test_point_is_a_linear_map(shape):
    posterior = PointPosterior(Point(4), in_shape=shape)
    a, b = torch.randn(2, *shape), torch.randn(2, *shape)
    latent = posterior(a, sample=True)
    assert latent.q is latent.codes is latent.rate is latent.penalty is None
    assert latent.z.shape == (2, 4, *shape[1:])
    zero = posterior(torch.zeros_like(a)).z
    torch.testing.assert_close(
        posterior(a + b).z - zero, latent.z + posterior(b).z - 2 * zero, atol=1e-5, rtol=1e-4
    )


# -- conditions


def test_label_one_hot_and_embedded():
    y = torch.tensor([2, 0, 1])
    plain = LabelCondition(Label(3))
    assert plain.dim == 3
    assert torch.equal(plain(y), torch.eye(3)[y])
    embedded = LabelCondition(Label(3, dim=5))
    assert embedded.dim == 5
    assert torch.equal(embedded(y), embedded.embedding.weight[y])


def test_labels_are_drawn_alike_and_from_the_generator():
    label = LabelCondition(Label(4))
    device = torch.device("cpu")
    drawn = label.draw(40_000, device=device, generator=torch.Generator().manual_seed(0))
    again = label.draw(40_000, device=device, generator=torch.Generator().manual_seed(0))
    assert torch.equal(drawn, again)
    share = drawn.bincount(minlength=4) / 40_000
    assert len(share) == 4
    assert (share - 0.25).abs().max() < 5 * math.sqrt(0.25 * 0.75 / 40_000)


# -- all of the core's components


CORE = [e for e in registry.components() if not e.namespace]


@pytest.mark.parametrize("entry", CORE, ids=lambda e: f"{e.kind}-{e.qualified}")
def test_every_record_is_complete(entry):
    record = entry.component
    assert record.summary
    assert len(record.summary) < 100
    assert not record.summary.endswith(".")
    cls = entry.load()
    assert callable(cls)
    assert (entry.kind in ("quantizer",)) <= record.caps.discrete


def test_gradients_of_a_small_net_are_those_of_finite_differences():
    encoder = ConvEncoder(Conv((2,), hidden=3, act="tanh"), in_shape=(1, 3, 4)).double()
    decoder = DeconvDecoder(
        Conv((2,), hidden=3, act="tanh"), in_shape=(3,), out_shape=(1, 3, 4)
    ).double()
    x = torch.rand(1, 1, 3, 4, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda x: decoder(encoder(x)), (x,))
