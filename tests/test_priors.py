"""Priors: densities, causality, and that the cached sampler draws what the network says."""

from __future__ import annotations

import dataclasses
import importlib
import itertools
import math

import pytest
import scipy.stats
import torch
from naive_sampling import naive_sample

from aezoo.components.priors.configs import RECORDS, NormalConfig, PixelCNNConfig, UniformConfig
from aezoo.components.priors.normal import NormalPrior
from aezoo.components.priors.pixelcnn import PixelCNNPrior
from aezoo.components.priors.raster import draw
from aezoo.components.priors.uniform import UniformPrior
from aezoo.errors import ShapeError


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def pixelcnn(
    shape=(4, 5), num_codes=7, cond_dim=None, width=8, layers=3, kernel=3, dropout=0.0, gain=3.0
) -> PixelCNNPrior:
    """A random network in float64 whose weights are scaled up: codes depend on each other."""
    torch.manual_seed(0)
    config = PixelCNNConfig(width, layers, kernel, dropout)
    prior = PixelCNNPrior(config, shape=shape, num_codes=num_codes, cond_dim=cond_dim).double()
    with torch.no_grad():
        for parameter in prior.parameters():
            parameter.mul_(gain)
    return prior.eval()


# -- normal


def test_normal_is_scipys():
    prior = NormalPrior(NormalConfig(), shape=(2, 3))
    z = torch.randn(5, 2, 3)
    expected = torch.from_numpy(scipy.stats.norm.logpdf(z.double()).sum((1, 2)))
    torch.testing.assert_close(prior.log_prob(z).double(), expected, rtol=1e-5, atol=1e-5)
    p = prior.distribution(z)
    assert p.event_shape == (2, 3) and p.batch_shape == ()
    torch.testing.assert_close(p.log_prob(z), prior.log_prob(z))


def test_normal_meets_a_posterior_in_the_kl_registry():
    z = torch.randn(4, 3, 2, 2)
    q = torch.distributions.Independent(torch.distributions.Normal(z, 0.5), 3)
    kl = torch.distributions.kl_divergence(
        q, NormalPrior(NormalConfig(), (3, 2, 2)).distribution(z)
    )
    expected = (z**2 + 0.25 - 1 - math.log(0.25)).sum((1, 2, 3)) / 2
    torch.testing.assert_close(kl, expected)


@pytest.mark.parametrize("shape", [(4,), (2, 5), (2, 3, 3), (2, 2, 2, 2)])
def test_normal_samples(shape):
    prior = NormalPrior(NormalConfig(), shape=shape)
    z = prior.sample(8, generator=seeded())
    assert z.shape == (8, *shape)
    assert torch.equal(z, prior.sample(8, generator=seeded()))
    torch.testing.assert_close(prior.sample(8, generator=seeded(), temperature=0.5), z / 2)
    assert not prior.sample(8, temperature=0.0).any()
    assert prior.sample(3, shape=(1, 9)).shape == (3, 1, 9)


def test_normal_refuses_codes_and_uniform_refuses_none():
    with pytest.raises(ShapeError, match="prior=uniform"):
        NormalPrior(NormalConfig(), shape=(4, 4), num_codes=8)
    with pytest.raises(ShapeError, match="prior=normal"):
        UniformPrior(UniformConfig(), shape=(4, 4))
    with pytest.raises(ShapeError, match="prior=normal"):
        PixelCNNPrior(PixelCNNConfig(), shape=(4, 4))


# -- uniform


@pytest.mark.parametrize("shape", [(4,), (3, 3), (2, 2, 2)])
def test_uniform(shape):
    prior = UniformPrior(UniformConfig(), shape=shape, num_codes=5)
    codes = prior.sample(400, generator=seeded())
    assert codes.shape == (400, *shape) and codes.dtype == torch.int64
    assert torch.equal(codes.unique(), torch.arange(5))
    assert torch.equal(codes, prior.sample(400, generator=seeded()))
    expected = torch.full((400,), -math.prod(shape) * math.log(5))
    torch.testing.assert_close(prior.log_prob(codes), expected)
    assert prior.sample(2, shape=(1, 1, 7)).shape == (2, 1, 1, 7)


# -- pixelcnn: what it may see


@pytest.mark.parametrize(("shape", "kernel"), [((6, 7), 3), ((7, 6), 5), ((9,), 3), ((9,), 5)])
def test_pixelcnn_sees_all_codes_before_and_none_after(shape, kernel):
    """Gradient of a position's logits with respect to the embeddings, for every position."""
    prior = pixelcnn(shape, kernel=kernel, layers=9 if kernel == 3 else 5)
    seen = []
    prior.embed.register_forward_hook(lambda module, args, out: seen.append(out))
    codes = torch.randint(7, (1, *shape))
    logits = prior.logits(codes)[0].flatten(1)  # (K, N)
    embedded = seen[0]
    for position in range(math.prod(shape)):
        gradient = torch.autograd.grad(
            (logits[:, position] * torch.randn(7, dtype=torch.float64)).sum(),
            embedded,
            retain_graph=True,
        )[0]
        depends = (gradient != 0).any(-1).flatten()
        assert depends[:position].all(), f"blind to {depends[:position].logical_not().nonzero()}"
        assert not depends[position:].any()


def test_pixelcnn_layer_reaches_half_a_kernel():
    """Just as far as the config says: two layers of three see two rows up, two columns left."""
    prior = pixelcnn((5, 5), layers=2)
    codes = torch.zeros(26, 5, 5, dtype=torch.int64)  # one code changed in each, none in the last
    for i in range(25):
        codes[i, i // 5, i % 5] = 1
    logits = prior.logits(codes)[:, :, 4, 2]
    moved = ((logits[:25] - logits[25]).abs().amax(1) > 1e-9).reshape(5, 5)
    assert not moved[:2].any()
    assert moved[2:4].all(1).any() and moved[4].tolist() == [True, True, False, False, False]


# -- pixelcnn: probabilities


@pytest.mark.parametrize("shape", [(2, 2), (4,)])
@pytest.mark.parametrize("cond_dim", [None, 3])
def test_pixelcnn_sums_to_one(shape, cond_dim):
    prior = pixelcnn(shape, num_codes=3, cond_dim=cond_dim)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).reshape(81, *shape)
    cond = None if cond_dim is None else torch.randn(1, 3).double().expand(81, -1)
    log_p = prior.log_prob(every, cond)
    assert log_p.shape == (81,)
    assert log_p.exp().sum().item() == pytest.approx(1, abs=1e-6)
    assert log_p.exp().max().item() > 1.5 / 81  # the network says something


def test_pixelcnn_log_prob_is_that_of_its_logits():
    prior = pixelcnn()
    codes = torch.randint(7, (3, 4, 5))
    one = prior.logits(codes).log_softmax(1).gather(1, codes[:, None])[:, 0]
    torch.testing.assert_close(prior.log_prob(codes), one.sum((1, 2)))


def test_pixelcnn_samples_with_the_frequencies_it_scores():
    prior = pixelcnn((2, 2), num_codes=3)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).reshape(81, 2, 2)
    n = 20_000
    codes = prior.sample(n, generator=seeded())
    index = (codes.flatten(1) * torch.tensor([27, 9, 3, 1])).sum(1)
    counts = torch.bincount(index, minlength=81).double()
    expected = n * prior.log_prob(every).double().softmax(0).detach()
    often = expected >= 5  # the chi-square approximation's usual condition
    observed = torch.cat([counts[often], counts[~often].sum(0, keepdim=True)])
    wanted = torch.cat([expected[often], expected[~often].sum(0, keepdim=True)])
    keep = wanted > 0
    assert scipy.stats.chisquare(observed[keep], wanted[keep]).pvalue > 1e-3


# -- pixelcnn: the cached sampler


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("cond_dim", [None, 3])
@pytest.mark.parametrize(("built", "shape"), [((4, 5), (4, 5)), ((4, 5), (7, 3)), ((6,), (11,))])
def test_pixelcnn_cached_sampling_is_naive_sampling(built, shape, cond_dim, temperature):
    prior = pixelcnn(built, cond_dim=cond_dim)
    cond = None if cond_dim is None else torch.randn(6, cond_dim).double()
    options = {"shape": shape, "cond": cond, "temperature": temperature}
    fast = prior.sample(6, generator=seeded(), **options)
    slow = naive_sample(prior, 6, generator=seeded(), **options)
    assert fast.dtype == torch.int64 and fast.shape == (6, *shape)
    assert torch.equal(fast, slow)


@pytest.mark.parametrize(
    ("kernel", "layers", "shape"), [(5, 2, (6, 6)), (7, 1, (3, 4)), (3, 1, (1, 1))]
)
def test_pixelcnn_cached_sampling_with_other_kernels(kernel, layers, shape):
    prior = pixelcnn(shape, kernel=kernel, layers=layers)
    fast = prior.sample(4, generator=seeded())
    assert torch.equal(fast, naive_sample(prior, 4, shape=shape, generator=seeded()))


def test_pixelcnn_cached_sampling_in_float32_at_its_real_size():
    torch.manual_seed(0)
    prior = PixelCNNPrior(PixelCNNConfig(32, 4), shape=(8, 8), num_codes=512)
    fast = prior.sample(4, generator=seeded())
    assert torch.equal(fast, naive_sample(prior, 4, shape=(8, 8), generator=seeded()))


def test_priors_take_empty_batches():
    prior = pixelcnn()
    assert prior.sample(0).shape == (0, 4, 5)
    assert prior.log_prob(torch.zeros(0, 4, 5, dtype=torch.int64)).shape == (0,)


def test_pixelcnn_sampling_ignores_dropout():
    prior = pixelcnn(dropout=0.5).train()
    again = prior.sample(4, generator=seeded())
    assert torch.equal(again, prior.sample(4, generator=seeded()))
    assert prior.training
    codes = torch.randint(7, (4, 4, 5))
    assert not torch.equal(prior.logits(codes), prior.logits(codes))


def test_draw_inverts_the_cdf():
    probabilities = torch.tensor([[0.0, 0.25, 0.0, 0.75]]).expand(4, -1)
    noise = torch.tensor([0.0, 0.2499, 0.25, 0.9999])
    assert draw(probabilities.log(), noise, 1.0).tolist() == [1, 1, 3, 3]
    assert draw(probabilities.log(), noise, 0.0).tolist() == [3, 3, 3, 3]


@pytest.mark.parametrize("shape", [(3, 5), (6,)])
def test_pixelcnn_with_a_condition_a_position(shape):
    """Sums to one, samples as it should, and equals one condition a sample where all are alike."""
    prior = pixelcnn(shape, cond_dim=3)
    cond = torch.randn(6, 3, *shape).double()
    seeds = (torch.Generator().manual_seed(5) for _ in range(2))
    options = {"shape": shape, "cond": cond, "temperature": 1.0}
    fast, slow = (
        draw(prior, 6, generator=g, **options)
        for draw, g in zip((PixelCNNPrior.sample, naive_sample), seeds, strict=True)
    )
    assert torch.equal(fast, slow)
    one = torch.randn(6, 3).double()
    everywhere = one.reshape(6, 3, *[1] * len(shape)).expand(6, 3, *shape)
    torch.testing.assert_close(prior.log_prob(fast, everywhere), prior.log_prob(fast, one))
    assert not torch.allclose(prior.log_prob(fast, cond), prior.log_prob(fast, one))
    with pytest.raises(ShapeError, match="one a position"):
        prior.log_prob(fast, cond[..., :-1])


# -- pixelcnn: conditions, errors, weights


def test_pixelcnn_condition_changes_the_result():
    prior = pixelcnn(cond_dim=3)
    codes = torch.randint(7, (1, 4, 5))
    one, two = torch.randn(1, 3).double(), torch.randn(1, 3).double()
    assert prior.log_prob(codes, one).item() != prior.log_prob(codes, two).item()
    first = prior.logits(codes, one)[:, :, 0, 0]  # no code before it: the condition alone
    assert not torch.equal(first, prior.logits(codes, two)[:, :, 0, 0])
    # One condition a sample.
    both = prior.log_prob(codes.expand(2, -1, -1), torch.cat([one, two]))
    torch.testing.assert_close(both[1:], prior.log_prob(codes, two))


def test_pixelcnn_learns_what_depends_on_the_condition():
    """Codes that copy their left neighbour from a first one that the condition gives."""
    torch.manual_seed(0)
    prior = PixelCNNPrior(PixelCNNConfig(16, 2), shape=(3, 3), num_codes=4, cond_dim=4)
    optimizer = torch.optim.Adam(prior.parameters(), 1e-2)
    label = torch.arange(4)
    codes, cond = label[:, None, None].expand(4, 3, 3), torch.eye(4)
    for _ in range(150):
        optimizer.zero_grad()
        (-prior.log_prob(codes, cond).mean()).backward()
        optimizer.step()
    assert torch.equal(prior.sample(4, cond=cond, temperature=0.0), codes)


def test_pixelcnn_says_what_does_not_fit():
    with pytest.raises(ShapeError, match="1 or 2 spatial axes"):
        PixelCNNPrior(PixelCNNConfig(8, 1), shape=(2, 2, 2), num_codes=4)
    codes = torch.zeros(1, 4, 5, dtype=torch.int64)
    with pytest.raises(ShapeError, match=r"pass cond \(B,3\)"):
        pixelcnn(cond_dim=3).log_prob(codes)
    with pytest.raises(ShapeError, match="leave cond out"):
        pixelcnn().sample(1, cond=torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="number of axes"):
        pixelcnn().sample(1, shape=(4,))
    with pytest.raises(ValueError, match="temperature"):
        pixelcnn().sample(1, temperature=-1.0)


@pytest.mark.parametrize(
    "arguments", [(0, 1), (8, 0), (8, 1, 4), (8, 1, 1), (8, 1, 3, 1.0), (8, 1, 3, -0.1)]
)
def test_pixelcnn_config_refuses_nonsense(arguments):
    with pytest.raises(ValueError, match="must be"):
        PixelCNNConfig(*arguments)


@pytest.mark.parametrize("shape", [(4, 5), (6,)])
def test_pixelcnn_builds_on_meta_and_loads(shape):
    prior = pixelcnn(shape, cond_dim=3)
    with torch.device("meta"):
        other = PixelCNNPrior(PixelCNNConfig(8, 3), shape=shape, num_codes=7, cond_dim=3)
    assert not list(other.buffers())
    other.load_state_dict(prior.state_dict(), strict=True, assign=True)
    codes, cond = torch.randint(7, (2, *shape)), torch.randn(2, 3).double()
    assert torch.equal(other.log_prob(codes, cond), prior.log_prob(codes, cond))


def test_pixelcnn_logits_are_float32_under_autocast():
    prior = pixelcnn().float()
    codes = torch.randint(7, (2, 4, 5))
    with torch.autocast("cpu", torch.bfloat16):
        assert prior.logits(codes).dtype == torch.float32
        low = prior.log_prob(codes)
    assert low.dtype == torch.float32
    torch.testing.assert_close(low, prior.log_prob(codes), rtol=0.05, atol=0.1)


def test_pixelcnn_fits_the_zoo():
    """The prior of vqvae-cifar10 has a share of the model's 12 MiB."""
    with torch.device("meta"):
        prior = PixelCNNPrior(PixelCNNConfig(96, 10), shape=(8, 8), num_codes=512)
    assert sum(p.numel() for p in prior.parameters()) <= 1_900_000


def test_records_point_at_the_classes():
    for record in RECORDS:
        module, name = record.target.split(":")
        kind = getattr(importlib.import_module(module), name)
        num_codes = 4 if record.caps.discrete else None
        needed = [f for f in dataclasses.fields(record.config) if f.default is dataclasses.MISSING]
        if record.example and not record.example.startswith(record.name):
            continue  # a whole model: it fits certain latents alone; see its own tests
        config = record.config(*(3 for _ in needed))
        prior = kind(config, shape=(2, 2), num_codes=num_codes, cond_dim=None)
        assert prior.sample(1).shape == (1, 2, 2)
