"""``maskgit``: its bound over all orders, its steps, and that it draws what the bound is of."""

from __future__ import annotations

import itertools
import math

import pytest
import torch

import aezoo
from aezoo.components.priors.configs import MaskGITConfig
from aezoo.components.priors.exact import is_exact
from aezoo.components.priors.maskgit import MaskGITPrior, step_sizes
from aezoo.errors import ShapeError

SHAPES = [(4,), (2, 2), (1, 2, 2)]


def prior(shape=(2, 2), codes=3, cond=None, steps=2, gain=3.0, **config) -> MaskGITPrior:
    """A random network in float64 whose weights are scaled up: codes depend on each other."""
    torch.manual_seed(0)
    config = MaskGITConfig(**{"width": 16, "layers": 2, "heads": 2, "steps": steps} | config)
    p = MaskGITPrior(config, shape, codes, cond).double()
    with torch.no_grad():
        for parameter in p.parameters():
            parameter.mul_(gain)
    return p.eval()


def every_code(shape, codes=3) -> torch.Tensor:
    each = itertools.product(range(codes), repeat=math.prod(shape))
    return torch.tensor(list(each)).reshape(-1, *shape)


def every_order(places: int) -> torch.Tensor:
    return torch.tensor(list(itertools.permutations(range(places))))


def by_order(p: MaskGITPrior, codes: torch.Tensor, cond=None) -> torch.Tensor:
    """log P(codes | order) for all orders: (N!, B)."""
    orders = every_order(math.prod(p.shape))
    with torch.no_grad():
        return torch.stack([p.in_order(codes, o.expand(len(codes), -1), cond) for o in orders])


# -- the schedule


@pytest.mark.parametrize("places", [1, 4, 5, 64, 256])
@pytest.mark.parametrize("steps", [1, 2, 8, 12, 1000])
def test_steps_take_every_code_along_a_cosine(places, steps):
    sizes = step_sizes(places, steps)
    assert sum(sizes) == places and min(sizes) >= 1 and len(sizes) <= min(places, steps)
    assert sizes[-1] == max(sizes) or places < 16  # few at first, many at last
    if places == 64 and steps == 8:
        left = [math.ceil(64 * math.cos(math.pi * t / 16)) for t in range(9)]
        left[8] = 0
        assert list(sizes) == [a - b for a, b in itertools.pairwise(left)]
    if steps == 1:
        assert sizes == (places,)
    if steps == 1000:
        assert len(sizes) == min(places, len(sizes)) and sizes[0] == 1


def test_a_cosine_that_is_exact_is_not_rounded_up():
    assert step_sizes(4, 3) == (2, 2)  # cos(pi/3) = 1/2, and half of 4 is 2


# -- the bound


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("steps", [1, 2, 8])
@pytest.mark.parametrize("width", [None, 3])
def test_every_order_is_a_distribution_and_their_mean_log_a_bound(shape, steps, width):
    p = prior(shape, steps=steps, cond=width)
    every = every_code(shape)
    cond = None if width is None else torch.randn(1, width, *shape).double()
    cond = None if cond is None else cond.expand(len(every), *cond.shape[1:])
    each = by_order(p, every, cond)
    torch.testing.assert_close(each.exp().sum(1), torch.ones(len(each)).double())
    mixture = each.exp().mean(0)
    assert float(mixture.sum()) == pytest.approx(1)
    bound = each.mean(0)
    assert (bound <= mixture.log() + 1e-12).all()
    if steps == 1:
        torch.testing.assert_close(bound, mixture.log())  # one step has no order
    else:
        assert float((mixture.log() - bound).max()) > 1e-3
    assert float(mixture.max()) > 1.5 / len(every)  # the network says something


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_training_draws_the_mean_over_orders(steps, monkeypatch):
    """Over all orders and turns, the one-pass estimate is the mean of log P(codes | order)."""
    p = prior((2, 2), steps=steps).train()
    codes = torch.randint(3, (1, 2, 2), generator=torch.Generator().manual_seed(1))
    found = []
    for order, turn in itertools.product(every_order(4), range(4)):
        noise = torch.cat([(order + 0.5) / 4, torch.tensor([(turn + 0.5) / 4])]).double()
        monkeypatch.setattr(
            "aezoo.components.priors.maskgit.uniforms", lambda *args, noise=noise: noise[None]
        )
        with torch.no_grad():
            found.append(p.log_prob(codes))
    mean = by_order(p.eval(), codes).mean(0)
    torch.testing.assert_close(torch.stack(found).mean(0), mean)


def test_log_prob_draws_an_order_and_a_generator_decides_it():
    p = prior((2, 3), steps=8)
    codes = torch.randint(3, (5, 2, 3))
    with torch.no_grad():
        for mode in (p.eval(), p.train()):
            one, same, other = (
                mode.log_prob(codes, generator=torch.Generator().manual_seed(seed))
                for seed in (1, 1, 2)
            )
            assert torch.equal(one, same)
            assert not torch.equal(one, other)
    assert not is_exact(p)


def test_in_evaluation_the_draws_average_to_the_mean_over_orders():
    p = prior((4,), steps=8)
    codes = torch.tensor([[0, 2, 1, 1]])
    each = by_order(p, codes)[:, 0]
    with torch.no_grad():
        drawn = p.log_prob(codes.expand(4000, -1), generator=torch.Generator().manual_seed(1))
    error = float(each.std()) / math.sqrt(4000)
    assert abs(float(drawn.mean() - each.mean())) < 5 * error


# -- what it reads


@pytest.mark.parametrize("shape", [(5,), (3, 4), (2, 3, 2)])
def test_a_prediction_reads_what_is_not_masked_by_gradient(shape):
    p = prior(shape, codes=5, gain=1.0)
    places = math.prod(shape)
    masked = torch.rand(1, places, generator=torch.Generator().manual_seed(3)) < 0.5
    seen: list[torch.Tensor] = []
    p.embed.register_forward_hook(
        lambda module, inputs, output: seen.append(output.detach().requires_grad_()) or seen[-1]
    )
    codes = torch.randint(5, (1, *shape))
    logits = p.predict(codes, masked)
    (gradient,) = torch.autograd.grad(logits[masked].pow(2).sum(), seen[0])
    assert (gradient != 0).any(-1)[~masked].all()  # of everything that is there
    other = torch.where(masked, (codes.flatten(1) + 1) % 5, codes.flatten(1)).reshape(codes.shape)
    assert torch.equal(p.predict(other, masked), p.predict(other, masked))
    torch.testing.assert_close(p.predict(other, masked), logits)  # of nothing that is masked


def test_places_are_told_apart_where_all_is_masked():
    p = prior((3, 4), gain=1.0)
    masked = torch.ones(1, 12, dtype=torch.bool)
    with torch.no_grad():
        logits = p.predict(torch.zeros(1, 3, 4, dtype=torch.int64), masked)[0]
    apart = torch.cdist(logits, logits) + torch.eye(12)
    assert float(apart.min()) > 1e-4


# -- draws


@pytest.mark.parametrize("steps", [1, 2, 8])
def test_at_temperature_one_it_draws_the_mixture_over_orders(steps):
    p, n = prior((2, 2), steps=steps), 20_000
    every = every_code((2, 2))
    wanted = by_order(p, every).exp().mean(0) * n
    drawn = p.sample(n, generator=torch.Generator().manual_seed(4)).flatten(1)
    index = (drawn * torch.tensor([27, 9, 3, 1])).sum(1)
    counts = torch.bincount(index, minlength=81).double()
    often = wanted >= 5
    cells = torch.cat([wanted[often], wanted[~often].sum()[None]]).clamp(min=1e-9)
    found = torch.cat([counts[often], counts[~often].sum()[None]])
    statistic = float(((found - cells).square() / cells)[cells > 1].sum())
    freedom = int((cells > 1).sum()) - 1
    assert statistic < freedom + 5 * math.sqrt(2 * freedom) + 10


def test_at_temperature_zero_the_surest_code_comes_first():
    """Step by step: the likeliest code everywhere, and of the places those with the most of it."""
    p = prior((2, 3), codes=4, steps=4)
    found = p.sample(2, temperature=0.0)
    codes, masked = torch.zeros(2, 6, dtype=torch.int64), torch.ones(2, 6, dtype=torch.bool)
    with torch.no_grad():
        for size in step_sizes(6, 4):
            log_p = p.predict(codes.reshape(2, 2, 3), masked).log_softmax(2)
            for row in range(2):
                order = sorted(range(6), key=lambda i, row=row: -float(log_p[row, i].max()))
                for place in [i for i in order if masked[row, i]][:size]:
                    codes[row, place] = log_p[row, place].argmax()
                    masked[row, place] = False
    assert torch.equal(found.flatten(1), codes)
    assert torch.equal(found, p.sample(2, temperature=0.0))


def test_a_low_temperature_draws_likelier_codes():
    p = prior((3, 3), codes=4, steps=4)
    nats = []
    for temperature in (0.5, 1.0, 2.0):
        drawn = p.sample(500, temperature=temperature, generator=torch.Generator().manual_seed(1))
        with torch.no_grad():
            nats.append(float(p.log_prob(drawn, generator=torch.Generator().manual_seed(2)).mean()))
    assert nats[0] > nats[1] > nats[2]


def test_sampling_takes_a_pass_a_step_and_ignores_dropout():
    p = prior((4, 4), steps=5, dropout=0.5).train()
    calls = []
    p.head.register_forward_hook(lambda *args: calls.append(1))
    drawn = p.sample(3, generator=torch.Generator().manual_seed(1))
    assert len(calls) == len(step_sizes(16, 5)) <= 5
    assert p.training
    assert torch.equal(drawn, p.eval().sample(3, generator=torch.Generator().manual_seed(1)))


def test_it_learns_what_depends_on_a_condition():
    """Rows that are all alike, of a code that the condition gives."""
    torch.manual_seed(0)
    config = MaskGITConfig(16, layers=1, heads=2, steps=3)
    p = MaskGITPrior(config, (3, 3), 4, cond_dim=4)
    optimizer = torch.optim.Adam(p.parameters(), 1e-2)
    codes, cond = torch.arange(4)[:, None, None].expand(4, 3, 3), torch.eye(4)
    for _ in range(100):
        optimizer.zero_grad()
        (-p.log_prob(codes, cond).mean()).backward()
        optimizer.step()
    assert torch.equal(p.eval().sample(4, cond=cond, temperature=0.0), codes)
    with torch.no_grad():
        assert float(-p.log_prob(codes, cond).mean()) < 1


# -- in a model


def test_a_model_with_it_has_a_bound_that_a_generator_decides():
    for spec in (
        "vqvae(res(8,depth=1),rvq(2,8,4),unres(8,depth=1),prior=maskgit(16,1,2),input=(1,8,8))",
        "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
        "unres(8,depth=1),prior=levels(pixelcnn(8,2),maskgit(8,1,2),width=4),input=(1,8,8))",
    ):
        model = aezoo.create(spec).eval()
        model.prior_fitted = True
        x = torch.rand(3, 1, 8, 8)
        with torch.no_grad():
            one, same = (
                model.elbo(x, generator=torch.Generator().manual_seed(1)) for _ in range(2)
            )
            state = torch.get_rng_state()
            model.elbo(x, generator=torch.Generator().manual_seed(1))
        assert torch.equal(state, torch.get_rng_state())
        assert torch.equal(one, same) and one.isfinite().all()
        assert not is_exact(model.prior)
        assert model.sample(2).shape == (2, 1, 8, 8)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="prior over codes"):
        MaskGITPrior(MaskGITConfig(), (2, 2))
    with pytest.raises(ShapeError, match="at least one axis"):
        MaskGITPrior(MaskGITConfig(), (), 4)
    with pytest.raises(ShapeError, match="pair"):
        prior((2, 2, 2), width=4)
    p = prior()
    with pytest.raises(ShapeError, match="the shape it was built for"):
        p.log_prob(torch.zeros(1, 2, 3, dtype=torch.int64))
    with pytest.raises(ShapeError, match="the shape it was built for"):
        p.sample(1, shape=(3, 3))
    with pytest.raises(ShapeError, match="leave cond out"):
        p.sample(1, cond=torch.zeros(1, 3))
    with pytest.raises(ValueError, match="temperature"):
        p.sample(1, temperature=-1.0)
    with pytest.raises(ValueError, match="steps must be at least 1"):
        MaskGITConfig(steps=0)
    with pytest.raises(ValueError, match="multiple of"):
        MaskGITConfig(width=12, heads=4)
