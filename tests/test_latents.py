"""What stands for p(x|z): its mean, or a draw where there is none."""

from __future__ import annotations

from typing import Any, ClassVar

import pytest
import torch
from torch import Tensor, nn
from torch.distributions import Distribution, Independent, Normal

from aezoo.build import build
from aezoo.latents import Output, mean_of, point


class Meanless(Distribution):
    """Normal samples whose mean nobody knows in closed form, as of an autoregressive model."""

    arg_constraints: ClassVar[dict[str, Any]] = {}

    def __init__(self, location: Tensor):
        self.location = location
        self.drawn = 0
        super().__init__(location.shape[:1], location.shape[1:], validate_args=False)

    def log_prob(self, value: Tensor) -> Tensor:
        return Normal(self.location, 1.0).log_prob(value).flatten(1).sum(1)

    def sample(self, sample_shape: tuple[int, ...] = (), generator: Any = None) -> Tensor:
        self.drawn += 1
        noise = torch.randn(self.location.shape, generator=generator)
        return self.location.detach() + noise


class MeanlessLikelihood(nn.Module):
    def forward(self, params: Tensor) -> Meanless:
        return Meanless(params)


def output(p: Distribution) -> Output:
    return Output(p, (), torch.zeros(2), None)


def test_the_mean_stands_for_p_where_there_is_one():
    p = Independent(Normal(torch.rand(2, 1, 5), 1.0), 2)
    assert torch.equal(mean_of(p), p.mean)
    assert torch.equal(point(p), p.mean)
    assert torch.equal(output(p).x_hat, p.mean)


def test_a_draw_stands_for_p_where_there_is_no_mean():
    p = Meanless(torch.rand(2, 1, 5))
    assert mean_of(p) is None
    first, second = (point(p, torch.Generator().manual_seed(3)) for _ in range(2))
    assert torch.equal(first, second)
    assert not torch.equal(first, point(p, torch.Generator().manual_seed(4)))


def test_x_hat_is_computed_once_and_when_asked_for():
    p = Meanless(torch.rand(2, 1, 5))
    out = output(p)
    assert p.drawn == 0
    assert torch.equal(out.x_hat, out.x_hat)
    assert p.drawn == 1


@pytest.fixture
def model():
    model = build("vae(mlp(8),gaussian(2),mlp(8),likelihood=gaussian(sigma=1.0),input=(1,5))")
    model.likelihood = MeanlessLikelihood()
    return model.eval()


def test_a_model_without_a_mean_has_the_whole_surface(model):
    x = torch.rand(3, 1, 5)
    z = model.encode(x).z
    assert model.decode(z).shape == model.reconstruct(x).shape == x.shape
    assert model.interpolate(x, x.flip(0), 4).shape == (4, *x.shape)
    assert model.elbo(x).shape == (3,)
    losses = model.loss(x)
    losses.total.backward()
    assert model.encoder.layers[1].weight.grad.abs().sum() > 0


def test_samples_of_a_model_without_a_mean_follow_the_generator(model):
    draws = [model.sample(3, generator=torch.Generator().manual_seed(seed)) for seed in (5, 5, 6)]
    assert torch.equal(draws[0], draws[1])
    assert not torch.equal(draws[0], draws[2])
