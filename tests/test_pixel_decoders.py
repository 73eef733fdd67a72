"""Likelihoods that go pixel after pixel: causality, probabilities, and draws as the naive ones."""

from __future__ import annotations

import itertools
import math
from typing import Any

import pytest
import torch

import aezoo
import aezoo.components.likelihoods.pixelcnnpp as pixelcnnpp_module
from aezoo.components.likelihoods.configs import PixelCNNConfig, PixelCNNPPConfig
from aezoo.components.likelihoods.pixelcnn import PixelCNNLikelihood
from aezoo.components.likelihoods.pixelcnnpp import PixelCNNPPLikelihood
from aezoo.components.priors.raster import draw
from aezoo.errors import ShapeError
from aezoo.latents import mean_of
from aezoo.metrics.likelihood import scored
from aezoo.testing.subject import stir

FEATURES = 3


def made(part: Any, amount: float = 0.2) -> Any:
    """In float64 and eval mode, its weights moved: pixels depend on each other."""
    torch.manual_seed(1)
    stir(part, amount)
    return part.double().eval()


def pixelcnn(shape, levels=5, layers=2, amount=0.2, **config) -> PixelCNNLikelihood:
    torch.manual_seed(0)
    config = PixelCNNConfig(FEATURES, width=8, layers=layers, levels=levels, **config)
    return made(PixelCNNLikelihood(config, shape), amount)


def pixelcnnpp(shape, down=0, layers=1, components=2, **config) -> PixelCNNPPLikelihood:
    torch.manual_seed(0)
    config = PixelCNNPPConfig(
        FEATURES, width=8, layers=layers, down=down, components=components, **config
    )
    return made(PixelCNNPPLikelihood(config, shape))


def features(n: int, size: tuple[int, ...]) -> torch.Tensor:
    return torch.randn(n, FEATURES, *size, generator=torch.Generator().manual_seed(2)).double()


def seeded(seed: int = 3) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- probabilities


@pytest.mark.parametrize(
    ("shape", "levels"), [((1, 2, 2), 3), ((2, 1, 2), 3), ((3, 1, 1), 5), ((1, 3, 3), 2)]
)
def test_a_softmax_sums_to_one_over_all_pictures(shape, levels):
    p = pixelcnn(shape, levels)(features(1, shape[1:]))
    count = math.prod(shape)
    every = torch.tensor(list(itertools.product(range(levels), repeat=count))).double()
    x = every.reshape(-1, *shape) / (levels - 1)
    p.features = p.features.expand(len(x), -1, -1, -1)
    with torch.no_grad():
        probabilities = p.log_prob(x).exp()
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-9)
    assert float(probabilities.max()) > 1.5 / len(x)  # the network says something


@pytest.mark.parametrize("down", [0, 1])
@pytest.mark.parametrize("shape", [(1, 1, 2), (2, 1, 1), (1, 2, 1)])
def test_a_mixture_sums_to_one_over_all_pictures(shape, down):
    p = pixelcnnpp(shape, down)(features(1, shape[1:]))
    level = torch.arange(256).double() / 255
    total = 0.0
    for part in torch.cartesian_prod(level, level).reshape(-1, *shape).split(1 << 14):
        p.features = p.features[:1].expand(len(part), -1, -1, -1)
        with torch.no_grad():
            total += float(p.log_prob(part).exp().sum())
    assert total == pytest.approx(1, abs=1e-6)


def test_colours_of_a_pixel_depend_on_those_before_in_both():
    """p(x) is not the product of the channels' own: summed out, the later one is not the same."""
    shape, k = (2, 1, 1), 4
    p = pixelcnn(shape, k)(features(1, (1, 1)))
    pairs = torch.cartesian_prod(torch.arange(k), torch.arange(k)).double()
    p.features = p.features.expand(len(pairs), -1, -1, -1)
    with torch.no_grad():
        joint = p.log_prob(pairs.reshape(-1, *shape) / (k - 1)).exp().reshape(k, k)
    given = joint / joint.sum(1, keepdim=True)
    assert float((given - given.mean(0)).abs().max()) > 0.01


# -- causality


@pytest.mark.parametrize("down", [0, 1, 2])
def test_a_mixture_reads_what_comes_before_by_gradient(down, monkeypatch):
    """Each pixel's parameters depend on no pixel at or after it."""
    shape = (2, 5, 6)
    net, f = pixelcnnpp(shape, down, layers=2), features(1, shape[1:])
    x = torch.rand(1, *shape).double().requires_grad_()
    read = net.pixels

    def means(value):
        pixels = read(value, f)
        return (pixels.means[0].sum(1) + pixels.log_weights[0]).sum(0)  # (H,W)

    monkeypatch.setattr(pixelcnnpp_module, "to_levels", lambda value: value * 255)  # no rounding
    found = means(x).flatten()
    count = len(found)
    for pixel in range(count):
        (gradient,) = torch.autograd.grad(found[pixel], x, retain_graph=True)
        reached = (gradient[0] != 0).any(0).flatten()
        assert not reached[pixel:].any()
        if pixel:
            assert reached[pixel - 1] or pixel % shape[2] == 0


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4)])
def test_a_softmax_reads_what_comes_before_by_gradient(shape):
    """Pixels before with all their channels, channels before of the pixel itself, no others."""
    net, f = pixelcnn(shape, layers=4), features(1, shape[1:])
    seen: list[torch.Tensor] = []  # (1,H,W,C,w), and what each channel hears of those before

    def keep(module, inputs, output):
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    net.embed.register_forward_hook(keep)
    if net.told is not None:
        net.told.register_forward_hook(keep)
    channels = shape[0]
    levels = torch.randint(5, (1, *shape))
    logits = net.logits(levels, f)[0].flatten(2).movedim(1, -1)  # (K,N,C)
    for pixel in range(logits.shape[1]):
        for channel in range(channels):
            weighted = (logits[:, pixel, channel] * torch.randn(5).double()).sum()
            gradients = torch.autograd.grad(weighted, seen, retain_graph=True, allow_unused=True)
            reached = (gradients[0][0] != 0).flatten(2).any(-1).flatten()
            assert reached[:pixel].all()
            assert not reached[pixel:].any()
            uses = [g is not None and bool((g != 0).any()) for g in gradients[1:]]
            pairs = [(c, before) for c in range(channels) for before in range(c)]
            assert uses == [c == channel for c, _ in pairs]
    assert len(seen) == 1 + channels * (channels - 1) // 2


@pytest.mark.parametrize("kind", ["softmax", "mixture"])
def test_every_pixel_reads_the_decoder_at_its_place(kind):
    shape = (1, 4, 5)
    net = pixelcnn(shape) if kind == "softmax" else pixelcnnpp(shape)
    f = features(1, shape[1:]).requires_grad_()
    net.log_prob(torch.rand(1, *shape).double(), f).backward()
    assert f.grad is not None
    assert (f.grad != 0).all()


# -- draws


@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 3, 4), (2, 1, 1)])
def test_cached_draws_of_a_softmax_are_naive_ones(shape):
    net, f = pixelcnn(shape, dropout=0.5), features(4, shape[1:])
    fast = net(f).sample(generator=seeded())
    noise = torch.rand((4, *shape), generator=seeded())
    levels = torch.zeros(4, *shape, dtype=torch.int64)
    with torch.no_grad():
        for i, j, c in itertools.product(range(shape[1]), range(shape[2]), range(shape[0])):
            logits = net.logits(levels, f)[:, :, c, i, j]
            levels[:, c, i, j] = draw(logits, noise[:, c, i, j], 1.0)
    assert torch.equal(fast, levels.double() / 4)
    assert torch.equal(net.train()(f).sample(generator=seeded()), fast)  # dropout is off


@pytest.mark.parametrize("down", [0, 1, 2])
@pytest.mark.parametrize("shape", [(1, 4, 5), (3, 5, 3), (2, 1, 1)])
def test_cached_draws_of_a_mixture_are_naive_ones(shape, down):
    net, f = pixelcnnpp(shape, down, dropout=0.5), features(4, shape[1:])
    fast = net(f).sample(generator=seeded())
    noise = torch.rand((4, 2 + shape[0], *shape[1:]), generator=seeded()).double()
    slow = torch.zeros(4, *shape).double()
    with torch.no_grad():
        for i, j in itertools.product(range(shape[1]), range(shape[2])):
            slow[:, :, i, j] = net.pixels(slow, f).drawn(noise)[:, :, i, j]
    assert torch.equal(fast, slow)
    assert torch.equal(net.train()(f).sample(generator=seeded()), fast)  # dropout is off


def test_draws_have_the_frequencies_of_their_probabilities():
    p = pixelcnn((1, 1, 2), levels=2)(features(1, (1, 2)).expand(20_000, -1, -1, -1))
    drawn = p.sample(generator=seeded()).flatten(1)
    for x in itertools.product((0.0, 1.0), repeat=2):
        wanted = torch.tensor(x).double().reshape(1, 1, 1, 2).expand(20_000, -1, -1, -1)
        with torch.no_grad():
            probability = float(p.log_prob(wanted)[0].exp())
        found = float((drawn == torch.tensor(x)).all(1).double().mean())
        assert abs(found - probability) < 5 * math.sqrt(probability / 20_000)


def test_a_sample_shape_repeats_the_batch():
    net = pixelcnn((1, 2, 3))
    p = net(features(4, (2, 3)))
    assert p.sample((5,), generator=seeded()).shape == (5, 4, 1, 2, 3)
    assert mean_of(p) is None


# -- in a model


def test_what_is_scored_says_its_levels():
    assert scored(None, pixelcnn((1, 2, 2), 2)(features(1, (2, 2))))[0] == "levels"
    p: Any = pixelcnn((1, 2, 2), 2)(features(1, (2, 2)))
    assert p.on_levels == "2 levels" and p.levels.tolist() == [0, 1]
    p = pixelcnnpp((1, 2, 2))(features(1, (2, 2)))
    assert p.on_levels is True and len(p.levels) == 256


def test_other_sizes_than_it_was_built_for():
    for net in (pixelcnn((1, 4, 4)), pixelcnnpp((1, 4, 4), down=1)):
        p = net(features(2, (3, 7)))
        x = p.sample(generator=seeded())
        assert x.shape == (2, 1, 3, 7)
        assert p.log_prob(x).isfinite().all()


@pytest.mark.parametrize(
    "likelihood", ["pixelcnn(3,width=8,layers=2,levels=3)", "pixelcnnpp(3,width=8,layers=1,down=1)"]
)
def test_models_with_it_bound_draw_and_reconstruct(likelihood):
    torch.manual_seed(0)
    model = aezoo.create(
        f"vae(mlp(8),gaussian(2),mlp(8),likelihood={likelihood},input=(2,4,5))"
    ).eval()
    x = torch.randint(3, (3, 2, 4, 5)) / 2
    with torch.no_grad():
        assert model.elbo(x).isfinite().all()
        assert model.reconstruct(x).shape == x.shape
        one, other = (model.sample(2, generator=seeded()) for _ in range(2))
    assert torch.equal(one, other)


def test_what_pixels_say_alone_is_left_out_of_z():
    """Stripes that the pixel above repeats: learned without any help of the decoder."""
    torch.manual_seed(0)
    config = PixelCNNConfig(1, width=8, layers=2, levels=2)
    net = PixelCNNLikelihood(config, (1, 4, 4))
    optimizer = torch.optim.Adam(net.parameters(), 2e-2)
    generator = seeded()
    for _ in range(80):
        x = torch.randint(2, (32, 1, 1, 4), generator=generator).expand(-1, -1, 4, -1).float()
        loss = -net.log_prob(x, torch.zeros(32, 1, 4, 4)).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 4 * math.log(2) + 0.5  # the first row, and no more


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="pictures"):
        PixelCNNLikelihood(PixelCNNConfig(), (1, 8))
    with pytest.raises(ShapeError, match="pictures"):
        PixelCNNPPLikelihood(PixelCNNPPConfig(), (1, 8, 8, 8))
    bad: dict[str, Any]
    for bad in ({"features": 0}, {"levels": 1}, {"kernel": 4}, {"dropout": 1.0}, {"layers": 0}):
        with pytest.raises(ValueError, match="must be"):
            PixelCNNConfig(**bad)
    for bad in ({"down": -1}, {"components": 0}, {"dropout": -0.1}, {"width": 0}):
        with pytest.raises(ValueError, match="must be"):
            PixelCNNPPConfig(**bad)
