"""Corruptions: what they do to x, how often, and that only training sees it."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

import aezoo
from aezoo.errors import AezooError
from aezoo.resolve import bind
from aezoo.spec import parse

NAMES = ("gaussian", "masking", "salt_and_pepper", "speckle")


def corruption(text: str):
    return bind(parse(text), ("corruption",)).build()


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("shape", [(4, 1, 50), (4, 3, 8, 8), (2, 1, 4, 6, 6)])
def test_shape_type_and_seed(name: str, shape: tuple[int, ...]) -> None:
    x = torch.rand(shape, generator=seeded(9))
    kept = x.clone()
    corrupt = corruption(name)
    state = torch.get_rng_state()
    y = corrupt(x, generator=seeded())
    assert torch.equal(state, torch.get_rng_state())
    assert y.shape == x.shape
    assert y.dtype == x.dtype
    assert torch.equal(x, kept)
    assert torch.equal(y, corrupt(x, generator=seeded()))
    assert not torch.equal(y, corrupt(x, generator=seeded(1)))


def test_gaussian_and_speckle_add_the_noise_they_say() -> None:
    x = torch.full((200, 3, 16, 16), 0.4)
    added = corruption("gaussian(0.5)")(x, generator=seeded()) - x
    times = corruption("speckle(0.5)")(x, generator=seeded()) / x - 1
    for noise in (added, times):
        values = noise.flatten().double().numpy()
        assert stats.kstest(values / 0.5, "norm").pvalue > 1e-3
    assert torch.equal(
        corruption("speckle")(torch.zeros(2, 1, 4), generator=seeded()).abs().sum(),
        torch.tensor(0.0),
    )


@pytest.mark.parametrize(
    ("text", "values"),
    [
        ("masking(0.3)", {0.0: 0.3}),
        ("salt_and_pepper(0.3)", {0.0: 0.15, 1.0: 0.15}),
        ("salt_and_pepper(0.3,low=-1.0,high=1.0)", {-1.0: 0.15, 1.0: 0.15}),
    ],
)
def test_places_are_lost_with_all_channels_and_as_often_as_said(
    text: str, values: dict[float, float]
) -> None:
    x = torch.rand((100, 3, 20, 20), generator=seeded(3)) * 0.5 + 0.25
    y = corruption(text)(x, generator=seeded())
    n = 100 * 20 * 20
    left = torch.ones(100, 20, 20, dtype=torch.bool)
    for value, share in values.items():
        hit = (y == value).all(1)
        assert torch.equal(hit, (y == value).any(1))  # never one channel alone
        assert abs(int(hit.sum()) - n * share) < 5 * math.sqrt(n * share * (1 - share))
        left &= ~hit
    kept = left.unsqueeze(1).expand_as(x)
    assert torch.equal(y[kept], x[kept])


@pytest.mark.parametrize("text", ["masking(0.0)", "salt_and_pepper(0.0)"])
def test_nothing_is_lost_at_zero(text: str) -> None:
    x = torch.rand(3, 1, 5, 5)
    assert torch.equal(corruption(text)(x), x)


@pytest.mark.parametrize(
    "text",
    [
        "masking(1.5)",
        "salt_and_pepper(-0.1)",
        "gaussian(0.0)",
        "speckle(-1.0)",
        "salt_and_pepper(0.1,low=1.0,high=0.0)",
    ],
)
def test_arguments_out_of_range_are_refused(text: str) -> None:
    with pytest.raises(AezooError, match=text.partition("(")[0]):
        corruption(text)


def test_only_the_encoder_sees_it_and_only_in_training() -> None:
    spec = "ae(mlp(8),point(3),mlp(8),corruption=masking(1.0),input=(1,4,4))"
    model = aezoo.create(spec)
    x = torch.rand(5, 1, 4, 4, generator=seeded())
    training = model(x)
    blank = model.encode(torch.zeros_like(x)).z
    assert torch.equal(training.latents[0].z, blank)
    expected = -model.p(blank).log_prob(x)  # of the clean x
    torch.testing.assert_close(training.distortion, expected)
    assert not torch.equal(model.eval()(x).latents[0].z, blank)
    assert torch.equal(model.encode(x).z, model(x).latents[0].z)
    assert "corruption" not in str(aezoo.create("ae(mlp(8),point(3),mlp(8))").resolved)
    assert aezoo.create(str(model.resolved)).spec == model.spec
