"""WaveNet as a likelihood and as a prior: enumeration, causality, and the sampler's cache."""

from __future__ import annotations

import itertools

import pytest
import torch

from aezoo.build import build
from aezoo.errors import ShapeError
from aezoo.latents import mean_of, point
from aezoo_audio.configs import WaveNetConfig, WaveNetPriorConfig
from aezoo_audio.likelihoods.wavenet import WaveNetLikelihood
from aezoo_audio.mulaw import from_levels, to_levels
from aezoo_audio.priors.wavenet import WaveNetPrior
from aezoo_audio.wavenet import WaveNet, draw


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def net(symbols: int = 5, cond: int | None = None, *, layers: int = 5, cycle: int = 3) -> WaveNet:
    """With weights large enough that the places depend on each other; in float64."""
    torch.manual_seed(0)
    made = WaveNet(symbols, 8, layers, cycle, cond).double().eval()
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.4)
    return made


# -- the stack


@pytest.mark.parametrize("cond", [None, 4])
def test_the_probabilities_sum_to_one(cond):
    model = net(3, cond)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    c = None if cond is None else torch.randn(1, cond, 4, dtype=torch.float64).expand(81, -1, -1)
    total = model.log_prob(every, c).exp().sum()
    torch.testing.assert_close(total, torch.ones_like(total))


def test_a_place_depends_on_all_those_before_it_and_on_no_other():
    """By the gradient of each place's logits with respect to each place's embedding."""
    model, length = net(layers=6, cycle=3), 14
    symbols = torch.randint(5, (1, length), generator=seeded())
    rows = model.embed.weight[symbols].detach().requires_grad_()
    model.embed.forward = lambda s: rows[:, : s.shape[1]]
    logits = model.logits(symbols)
    reach = sum(1 << i % 3 for i in range(6))  # of the causal convolutions; one more for the shift
    for t in range(length):
        (slope,) = torch.autograd.grad(logits[0, :, t].sum(), rows, retain_graph=True)
        seen = slope[0].abs().sum(1).nonzero().flatten().tolist()
        assert seen == list(range(max(0, t - 1 - reach), t))


def test_a_condition_a_place_is_seen_from_that_place_on():
    model = net(5, 4)
    cond = torch.randn(1, 4, 9, dtype=torch.float64, requires_grad=True)
    logits = model.logits(torch.randint(5, (1, 9), generator=seeded()), cond)
    (slope,) = torch.autograd.grad(logits[0, :, 3].sum(), cond)
    assert slope[0].abs().sum(0).nonzero().flatten().tolist() == [0, 1, 2, 3]


@pytest.mark.parametrize("cond", [None, 4])
@pytest.mark.parametrize("temperature", [0.0, 0.7, 1.0])
def test_the_cached_sampler_equals_drawing_from_all_logits_again_and_again(cond, temperature):
    model, n, length = net(5, cond, layers=7, cycle=3), 6, 24
    c = None if cond is None else torch.randn(n, cond, length, dtype=torch.float64)
    fast = model.sample(n, length, c, generator=seeded(1), temperature=temperature)
    noise = torch.rand((n, length), generator=seeded(1))
    slow = torch.zeros(n, length, dtype=torch.int64)
    for t in range(length):
        slow[:, t] = draw(model.logits(slow, c)[:, :, t], noise[:, t], temperature)
    assert torch.equal(fast, slow)
    assert len(fast.unique()) > 1


def test_the_cached_logits_equal_the_parallel_ones():
    from aezoo_audio.wavenet import _Steps

    model = net(5, 4, layers=7, cycle=3)
    symbols = torch.randint(5, (2, 20), generator=seeded())
    cond = torch.randn(2, 4, 20, dtype=torch.float64)
    steps, h = _Steps(model, 2), torch.zeros(2, 8, dtype=torch.float64)
    found = []
    for t in range(20):
        found.append(steps.logits(h, cond[:, :, t]))
        h = model.embed(symbols[:, t])
    torch.testing.assert_close(torch.stack(found, 2), model.logits(symbols, cond))


def test_one_condition_for_all_places_is_the_same_vector_at_each():
    model = net(5, 4)
    symbols = torch.randint(5, (2, 10), generator=seeded())
    one = torch.randn(2, 4, 1, dtype=torch.float64)
    many = one.expand(-1, -1, 10)
    torch.testing.assert_close(model.log_prob(symbols, one), model.log_prob(symbols, many))
    drawn = [model.sample(2, 10, c, generator=seeded()) for c in (one, many)]
    assert torch.equal(*drawn)


def test_a_sequence_does_not_depend_on_the_others_of_its_batch():
    model = net()
    symbols = torch.randint(5, (4, 12), generator=seeded())
    alone = torch.cat([model.log_prob(s[None]) for s in symbols])
    torch.testing.assert_close(model.log_prob(symbols), alone)


def test_it_learns_a_sequence_by_heart():
    torch.manual_seed(0)
    model = WaveNet(4, 16, 4, 4)
    melody = torch.randint(4, (1, 32), generator=seeded())
    adam = torch.optim.Adam(model.parameters(), 1e-2)
    for _ in range(150):
        loss = -model.log_prob(melody).mean()
        adam.zero_grad()
        loss.backward()
        adam.step()
    assert loss < 1.0  # of 32 log 4 = 44 nats
    assert torch.equal(model.eval().sample(1, 32, temperature=0.0), melody)


# -- the likelihood


@pytest.fixture
def likelihood():
    made = WaveNetLikelihood(
        WaveNetConfig(width=6, layers=4, cycle=2, levels=3, features=5), shape=(1, 4)
    )
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5, generator=seeded(7))
    return made.eval()


def test_the_likelihood_sums_to_one_over_all_waveforms(likelihood):
    p = likelihood(torch.randn(2, 5, 4, generator=seeded()))
    assert p.batch_shape == (2,)
    assert p.event_shape == (1, 4)
    every = from_levels(torch.tensor(list(itertools.product(range(3), repeat=4))), 3)
    total = sum(p.log_prob(x.expand(2, 1, 4)).exp() for x in every)
    torch.testing.assert_close(total, torch.ones(2))


def test_draws_of_the_likelihood_follow_its_probabilities(likelihood):
    p = likelihood(torch.randn(1, 5, 4, generator=seeded()))
    draws = p.sample((4000,), generator=seeded(2))
    assert draws.shape == (4000, 1, 1, 4)
    levels = to_levels(draws[:, 0, 0], 3)
    number = (levels * torch.tensor([27, 9, 3, 1])).sum(1)
    seen = torch.bincount(number, minlength=81) / 4000
    every = from_levels(torch.tensor(list(itertools.product(range(3), repeat=4))), 3)
    truth = torch.cat([p.log_prob(x.view(1, 1, 4)) for x in every]).exp().detach()
    assert ((seen - truth).abs() < 5 * (truth * (1 - truth) / 4000).sqrt() + 1e-4).all()


def test_the_likelihood_has_no_mean_and_a_draw_stands_for_it(likelihood):
    p = likelihood(torch.randn(2, 5, 4, generator=seeded()))
    assert mean_of(p) is None
    assert torch.equal(point(p, seeded(3)), p.sample(generator=seeded(3)))
    assert p.sample().shape == (2, 1, 4)


def test_the_likelihood_trains_the_decoder_and_itself(likelihood):
    params = torch.randn(2, 5, 4, generator=seeded(), requires_grad=True)
    x = torch.rand(2, 1, 4, generator=seeded()) * 2 - 1
    likelihood(params).log_prob(x).sum().backward()
    assert params.grad is not None
    assert (params.grad.abs().sum(1) > 0).all()
    for name, weight in likelihood.named_parameters():
        assert weight.grad is not None, name
        assert weight.grad.abs().sum() > 0, name


def test_the_likelihood_serves_mono():
    with pytest.raises(ShapeError, match="serves mono"):
        WaveNetLikelihood(WaveNetConfig(), shape=(2, 100))


# -- the prior


def prior(cond: int | None = None) -> WaveNetPrior:
    made = WaveNetPrior(
        WaveNetPriorConfig(width=8, layers=4, cycle=2), shape=(6,), num_codes=3, cond_dim=cond
    )
    for weight in made.parameters():
        torch.nn.init.normal_(weight, std=0.5, generator=seeded(7))
    return made.eval()


@pytest.mark.parametrize("cond", [None, 2])
def test_the_prior_sums_to_one_and_is_drawn_from(cond):
    model = prior(cond)
    every = torch.tensor(list(itertools.product(range(3), repeat=4)))
    c = None if cond is None else torch.randn(1, cond, generator=seeded())
    truth = model.log_prob(every, None if c is None else c.expand(81, -1)).exp().detach()
    torch.testing.assert_close(truth.sum(), torch.ones(()))
    many = None if c is None else c.expand(4000, -1)
    drawn = model.sample(4000, shape=(4,), cond=many, generator=seeded(1))
    seen = torch.bincount((drawn * torch.tensor([27, 9, 3, 1])).sum(1), minlength=81) / 4000
    assert ((seen - truth).abs() < 5 * (truth * (1 - truth) / 4000).sqrt() + 1e-4).all()
    assert model.sample(2, cond=None if c is None else c.expand(2, -1)).shape == (2, 6)


def test_the_prior_says_what_it_cannot_do():
    config = WaveNetPriorConfig()
    with pytest.raises(ShapeError, match="continuous"):
        WaveNetPrior(config, shape=(4, 6), num_codes=None)
    with pytest.raises(ShapeError, match="codes of shape"):
        WaveNetPrior(config, shape=(4, 6), num_codes=8)
    codes = torch.zeros(1, 6, dtype=torch.int64)
    with pytest.raises(ShapeError, match="pass cond"):
        prior(2).log_prob(codes)
    with pytest.raises(ShapeError, match="leave cond out"):
        prior().log_prob(codes, torch.zeros(1, 2))
    with pytest.raises(ValueError, match="temperature"):
        prior().sample(1, temperature=-1.0)
    with pytest.raises(ShapeError, match="in a row"):
        prior().sample(1, shape=(2, 3))


def test_dropout_is_off_in_evaluation():
    model = WaveNetPrior(
        WaveNetPriorConfig(width=8, layers=3, cycle=3, dropout=0.5), shape=(6,), num_codes=3
    )
    codes = torch.randint(3, (2, 6), generator=seeded())
    assert not torch.equal(model.train().log_prob(codes), model.log_prob(codes))
    assert torch.equal(model.eval().log_prob(codes), model.log_prob(codes))


# -- in a model


def test_a_model_with_both_reconstructs_and_samples():
    torch.manual_seed(0)
    model = build(
        "vqvae(audio/dilated(8,(2,2),depth=1),vq(8,4),audio/dilated(8,(2,2),depth=1),"
        "cond=label(6),likelihood=audio/wavenet(8,layers=4,cycle=2,levels=16,features=8),"
        "prior=audio/wavenet(8,layers=4,cycle=2),input=(1,50))"
    ).eval()
    model.prior_fitted = True
    x = torch.rand(2, 1, 50, generator=seeded()) * 2 - 1
    who = torch.tensor([1, 5])
    assert model.reconstruct(x, who).shape == x.shape
    draws = [model.sample(2, who, generator=seeded(4)) for _ in range(2)]
    assert torch.equal(*draws)
    assert draws[0].abs().max() <= 1
    assert torch.isfinite(model.elbo(x, who)).all()
