"""``pixelcnnpp`` over codes: causality by gradient, probabilities, and draws as the naive ones."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from naive_sampling import naive_sample
from torch import Tensor

import aezoo
from aezoo.components.pixelcnnpp import TwoStreams, coarser
from aezoo.components.priors.configs import PixelCNNPPConfig
from aezoo.components.priors.pixelcnnpp import PixelCNNPPPrior
from aezoo.errors import ShapeError
from aezoo.testing.subject import stir


def prior(
    shape=(4, 5), num_codes=7, cond_dim=None, layers=1, down=1, dropout=0.0
) -> PixelCNNPPPrior:
    """In float64 and eval mode, its weights moved: codes depend on each other."""
    torch.manual_seed(0)
    config = PixelCNNPPConfig(8, layers, down, dropout)
    made = PixelCNNPPPrior(config, shape, num_codes, cond_dim)
    stir(made, 0.2)
    return made.double().eval()


def seeded(seed: int = 1) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


# -- the network


@pytest.mark.parametrize("down", [0, 1, 2])
@pytest.mark.parametrize("size", [(5, 6), (1, 4), (3, 1)])
def test_a_walk_reads_as_the_whole_does(size, down):
    """Numbers, not draws, are put: each place's own, whatever the network makes of the others."""
    torch.manual_seed(0)
    net = TwoStreams(3, 4, layers=2, down=down, dropout=0.5, cond_dim=2).double().eval()
    x, cond = torch.randn(2, 3, *size).double(), torch.randn(2, 2, *size).double()
    found = torch.zeros(2, 4, *size).double()

    def put(behind: Tensor, i: int, j: int) -> Tensor:
        found[:, :, i, j] = behind[:, :, 0, 0]
        return x[:, :, i : i + 1, j : j + 1]

    net.walk(2, size, cond, put)
    with torch.no_grad():
        torch.testing.assert_close(found, net.behind(x, cond))


def test_a_coarser_condition_is_the_mean_of_its_places():
    cond = torch.arange(6.0).reshape(1, 1, 2, 3)
    found = coarser(cond)
    assert found is not None
    torch.testing.assert_close(found, torch.tensor([[[[2.0, 3.5]]]]))
    one = torch.randn(2, 3)
    assert coarser(one) is one and coarser(None) is None


# -- probabilities


@pytest.mark.parametrize("down", [0, 1, 2])
def test_causality_by_gradient(down):
    """With layers enough every position depends on all codes before it, and on no other."""
    shape = (5, 6)
    p = prior(shape, layers=3, down=down)
    seen: list[Tensor] = []

    def keep(module, inputs, output):
        seen.append(output.detach().requires_grad_())
        return seen[-1]

    p.embed.register_forward_hook(keep)
    logits = p.logits(torch.randint(7, (1, *shape), generator=seeded()))[0].flatten(1)
    mix = torch.randn(7, generator=seeded()).double()
    for position in range(math.prod(shape)):
        (gradient,) = torch.autograd.grad(
            (logits[:, position] * mix).sum(), seen[0], retain_graph=True
        )
        depends = (gradient != 0).any(-1).flatten()
        assert depends[:position].all()
        assert not depends[position:].any()


@pytest.mark.parametrize("down", [0, 1])
@pytest.mark.parametrize("shape", [(2, 2), (1, 4), (4, 1)])
@pytest.mark.parametrize("cond_dim", [None, 3])
def test_probabilities_sum_to_one(shape, cond_dim, down):
    p = prior(shape, num_codes=3, cond_dim=cond_dim, down=down)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).reshape(81, *shape)
    cond = None if cond_dim is None else torch.randn(1, 3).double().expand(81, -1)
    with torch.no_grad():
        probabilities = p.log_prob(every, cond).exp()
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-6)
    assert float(probabilities.max()) > 1.5 / 81  # the network says something


def test_it_draws_with_the_frequencies_it_scores():
    p = prior((2, 2), num_codes=2)
    every = torch.tensor(list(itertools.product(range(2), repeat=4))).reshape(16, 2, 2)
    with torch.no_grad():
        probabilities = p.log_prob(every).exp()
    count = 20_000
    index = (p.sample(count, generator=seeded()).flatten(1) * torch.tensor([8, 4, 2, 1])).sum(1)
    found = index.bincount(minlength=16) / count
    sigma = (probabilities * (1 - probabilities) / count).sqrt()
    assert ((found - probabilities).abs() < 4.5 * sigma).all()


def test_it_learns_what_a_condition_says():
    """The condition at a place is its code: nine tenths of the nats go in a hundred steps."""
    torch.manual_seed(0)
    p = PixelCNNPPPrior(PixelCNNPPConfig(16, 1, 1), (4, 4), num_codes=4, cond_dim=4)
    optimizer = torch.optim.Adam(p.parameters(), 3e-3)
    for step in range(100):
        codes = torch.randint(4, (32, 4, 4), generator=seeded(step))
        cond = torch.nn.functional.one_hot(codes, 4).permute(0, 3, 1, 2).float()
        loss = -p.log_prob(codes, cond).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 0.1 * 16 * math.log(4)


# -- draws


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("condition", ["none", "a sample", "a place"])
@pytest.mark.parametrize(
    ("built", "shape", "down"),
    [((4, 5), (4, 5), 1), ((4, 5), (5, 3), 2), ((3, 1), (3, 1), 1), ((4, 4), (1, 6), 0)],
)
def test_cached_sampling_is_naive_sampling(built, shape, down, condition, temperature):
    p = prior(built, cond_dim=None if condition == "none" else 3, down=down, dropout=0.5)
    sizes = {"none": None, "a sample": (4, 3), "a place": (4, 3, *shape)}
    size = sizes[condition]
    cond = None if size is None else torch.randn(size, generator=seeded()).double()
    options = {"shape": shape, "cond": cond, "temperature": temperature}
    fast = p.sample(4, generator=seeded(), **options)
    slow = naive_sample(p, 4, generator=seeded(), **options)
    assert fast.dtype == torch.int64 and fast.shape == (4, *shape)
    assert torch.equal(fast, slow)
    assert torch.equal(fast, p.train().sample(4, generator=seeded(), **options))


def test_cached_sampling_in_float32_at_its_real_size():
    torch.manual_seed(0)
    p = PixelCNNPPPrior(PixelCNNPPConfig(32, 2, 1), shape=(6, 6), num_codes=512).eval()
    fast = p.sample(4, generator=seeded())
    slow = naive_sample(p, 4, shape=(6, 6), generator=seeded())
    assert torch.equal(fast, slow)


def test_dropout_acts_in_training():
    p = prior(dropout=0.5)
    codes = torch.randint(7, (2, 4, 5), generator=seeded())
    with torch.no_grad():
        torch.testing.assert_close(p.log_prob(codes), p.log_prob(codes))
        p.train()
        assert not torch.allclose(p.log_prob(codes), p.log_prob(codes))


# -- conditions, models, errors


@pytest.mark.parametrize("down", [0, 2])
def test_a_condition_a_place_that_is_everywhere_the_same_is_one_a_sample(down):
    p = prior((3, 5), cond_dim=3, down=down)
    codes = torch.randint(7, (2, 3, 5), generator=seeded())
    cond = torch.randn(2, 3, generator=seeded()).double()
    alike = cond[:, :, None, None].expand(2, 3, 3, 5)
    with torch.no_grad():
        torch.testing.assert_close(p.log_prob(codes, alike), p.log_prob(codes, cond))
        other = p.log_prob(codes, torch.randn(2, 3, 3, 5, generator=seeded()).double())
    assert not torch.allclose(other, p.log_prob(codes, cond))
    with pytest.raises(ShapeError, match="one a position"):
        p.log_prob(codes, alike[..., :-1])


def test_it_stands_in_a_model_with_levels():
    model = aezoo.create(
        "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
        "unres(8,depth=1),prior=levels(pixelcnnpp(8,1,0),pixelcnnpp(8,1,1),width=4),"
        "input=(1,8,8))"
    ).eval()
    model.prior_fitted = True
    assert model.elbo(torch.rand(2, 1, 8, 8)).shape == (2,)
    assert model.sample(2).shape == (2, 1, 8, 8)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="codes with 2 axes"):
        prior((4,))
    with pytest.raises(ShapeError, match="prior over codes"):
        PixelCNNPPPrior(PixelCNNPPConfig(), (2, 2))
    codes = torch.zeros(1, 4, 5, dtype=torch.int64)
    with pytest.raises(ShapeError, match=r"pass cond \(B,3\)"):
        prior(cond_dim=3).log_prob(codes)
    with pytest.raises(ShapeError, match="leave cond out"):
        prior().sample(1, cond=torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="number of axes"):
        prior().sample(1, shape=(4,))
    with pytest.raises(ValueError, match="temperature"):
        prior().sample(1, temperature=-1.0)
    for bad in ((0,), (8, 0), (8, 1, -1)):
        with pytest.raises(ValueError, match="at least"):
            PixelCNNPPConfig(*bad)
    with pytest.raises(ValueError, match="dropout"):
        PixelCNNPPConfig(dropout=1.0)
