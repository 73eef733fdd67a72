"""``pixelsnail``: causality by gradient, probabilities, and that its sampler is its network's."""

from __future__ import annotations

import itertools
import math

import pytest
import torch
from naive_sampling import naive_sample

import aezoo
from aezoo.components.causal import CausalConv, GatedResidual, Kept, concat_elu, pointwise
from aezoo.components.priors.configs import PixelSNAILConfig
from aezoo.components.priors.pixelsnail import PixelSNAILPrior, coordinates
from aezoo.errors import ShapeError


def prior(
    shape=(4, 5), num_codes=7, cond_dim=None, blocks=2, layers=1, dropout=0.0, gain=1.5
) -> PixelSNAILPrior:
    """A random network in float64 whose weights are scaled up: codes depend on each other."""
    torch.manual_seed(0)
    config = PixelSNAILConfig(8, blocks, layers, keys=4, values=6, dropout=dropout)
    made = PixelSNAILPrior(config, shape, num_codes, cond_dim).double()
    with torch.no_grad():
        for parameter in made.parameters():
            parameter.mul_(gain)
    return made.eval()


# -- the convolutions


@pytest.mark.parametrize("kernel", [(1, 1), (1, 3), (2, 3), (3, 5)])
@pytest.mark.parametrize("centred", [True, False])
@pytest.mark.parametrize("size", [(4, 5), (3, 1), (1, 6)])
def test_a_convolution_place_by_place_is_the_convolution(kernel, centred, size):
    torch.manual_seed(0)
    conv = CausalConv(3, 4, kernel, centred=centred).double()
    x = torch.randn(2, 3, *size).double()
    with torch.no_grad():
        whole = conv(x)
        kept = Kept(conv, 2, size[1])
        by_row = torch.cat([kept(x[:, :, i : i + 1]) for i in range(size[0])], 2)
        torch.testing.assert_close(by_row, whole)
        if not centred:
            kept = Kept(conv, 2, size[1])
            places = itertools.product(range(size[0]), range(size[1]))
            found = [kept(x[:, :, i : i + 1, j : j + 1]) for i, j in places]
            torch.testing.assert_close(torch.cat(found, 3).reshape(whole.shape), whole)


def test_a_convolution_reads_what_it_says():
    """By gradient: rows up to the place's own, columns up to it or around it."""
    for centred, seen in ((True, {1, 2, 3}), (False, {0, 1, 2})):
        conv = CausalConv(1, 1, (2, 3), centred=centred)
        x = torch.zeros(1, 1, 4, 5, requires_grad=True)
        (gradient,) = torch.autograd.grad(conv(x)[0, 0, 2, 2], x)
        reached = gradient[0, 0].nonzero().tolist()
        assert {tuple(place) for place in reached} == set(itertools.product((1, 2), seen))


def test_a_gated_residual_is_its_formula():
    torch.manual_seed(0)
    block = GatedResidual(3, pointwise, beside=2, cond_dim=4)
    x, beside, cond = torch.randn(2, 3, 4, 5), torch.randn(2, 2, 4, 5), torch.randn(2, 4)
    assert block.beside is not None and block.cond is not None
    h = block.second(concat_elu(block.first(concat_elu(x)) + block.beside(concat_elu(beside))))
    a, b = (h + block.cond(cond)[:, :, None, None]).chunk(2, 1)
    torch.testing.assert_close(block(x, beside, cond), x + a * b.sigmoid())


def test_coordinates_are_centred():
    found = coordinates(torch.zeros(2, 7, 4, 5))
    assert found.shape == (2, 2, 4, 5)
    torch.testing.assert_close(found[0, 0, :, 0], torch.tensor([-0.375, -0.125, 0.125, 0.375]))
    torch.testing.assert_close(found[1, 1, 0], torch.tensor([-0.4, -0.2, 0.0, 0.2, 0.4]))


# -- the prior


@pytest.mark.parametrize("shape", [(4, 5), (7,)])
def test_causality_by_gradient(shape):
    """Every position depends on all codes before it, the attention's doing, and on no other."""
    p = prior(shape)
    seen: list[torch.Tensor] = []
    p.embed.register_forward_hook(
        lambda module, inputs, output: seen.append(output.detach().requires_grad_()) or seen[-1]
    )
    logits = p.logits(torch.randint(7, (1, *shape)))[0].flatten(1)
    for position in range(math.prod(shape)):
        (gradient,) = torch.autograd.grad(
            (logits[:, position] * torch.randn(7).double()).sum(), seen[0], retain_graph=True
        )
        depends = (gradient != 0).any(-1).flatten()
        assert depends[:position].all()
        assert not depends[position:].any()


@pytest.mark.parametrize("shape", [(2, 2), (4,)])
@pytest.mark.parametrize("cond_dim", [None, 3])
def test_probabilities_sum_to_one(shape, cond_dim):
    p = prior(shape, num_codes=3, cond_dim=cond_dim)
    every = torch.tensor(list(itertools.product(range(3), repeat=4))).reshape(81, *shape)
    cond = None if cond_dim is None else torch.randn(1, 3).double().expand(81, -1)
    with torch.no_grad():
        probabilities = p.log_prob(every, cond).exp()
    assert float(probabilities.sum()) == pytest.approx(1, abs=1e-6)
    assert float(probabilities.max()) > 1.5 / 81  # the network says something


@pytest.mark.parametrize("temperature", [1.0, 0.7, 0.0])
@pytest.mark.parametrize("condition", ["none", "a sample", "a place"])
@pytest.mark.parametrize(
    ("built", "shape"), [((4, 5), (4, 5)), ((4, 5), (5, 3)), ((6,), (9,)), ((3, 1), (3, 1))]
)
def test_cached_sampling_is_naive_sampling(built, shape, condition, temperature):
    p = prior(built, cond_dim=None if condition == "none" else 3, dropout=0.5)
    conds = {"none": None, "a sample": torch.randn(4, 3), "a place": torch.randn(4, 3, *shape)}
    cond = conds[condition] if condition == "none" else conds[condition].double()
    options = {"shape": shape, "cond": cond, "temperature": temperature}
    fast = p.sample(4, generator=torch.Generator().manual_seed(1), **options)
    slow = naive_sample(p, 4, generator=torch.Generator().manual_seed(1), **options)
    assert fast.dtype == torch.int64 and fast.shape == (4, *shape)
    assert torch.equal(fast, slow)
    assert torch.equal(
        fast, p.train().sample(4, generator=torch.Generator().manual_seed(1), **options)
    )


def test_cached_sampling_in_float32_at_its_real_size():
    torch.manual_seed(0)
    p = PixelSNAILPrior(PixelSNAILConfig(32, 2, 2), shape=(6, 6), num_codes=512).eval()
    fast = p.sample(4, generator=torch.Generator().manual_seed(0))
    slow = naive_sample(p, 4, shape=(6, 6), generator=torch.Generator().manual_seed(0))
    assert torch.equal(fast, slow)


@pytest.mark.parametrize("shape", [(3, 5), (6,)])
def test_a_condition_a_place_that_is_everywhere_the_same_is_one_a_sample(shape):
    p = prior(shape, cond_dim=3)
    codes, cond = torch.randint(7, (2, *shape)), torch.randn(2, 3).double()
    alike = cond.reshape(2, 3, *[1] * len(shape)).expand(2, 3, *shape)
    with torch.no_grad():
        torch.testing.assert_close(p.log_prob(codes, alike), p.log_prob(codes, cond))
        other = p.log_prob(codes, torch.randn(2, 3, *shape).double())
    assert not torch.allclose(other, p.log_prob(codes, cond))
    with pytest.raises(ShapeError, match="one a position"):
        p.log_prob(codes, alike[..., :-1])


def test_it_copies_from_far_away():
    """The last code is the first: no convolution of this net reaches there, attention does."""
    torch.manual_seed(0)
    p = PixelSNAILPrior(PixelSNAILConfig(16, 1, 1, keys=8, values=16), shape=(8,), num_codes=3)
    optimizer = torch.optim.Adam(p.parameters(), 2e-3)
    generator = torch.Generator().manual_seed(0)
    for _ in range(250):
        codes = torch.randint(3, (64, 8), generator=generator)
        codes[:, -1] = codes[:, 0]
        loss = -p.log_prob(codes).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert float(loss.detach()) < 7 * math.log(3) + 0.3


def test_it_stands_in_a_model_with_levels():
    model = aezoo.create(
        "vqvae(levels(res(8,depth=1,down=2),res(8,depth=1,down=2)),levels(vq(4,3),vq(5,2)),"
        "unres(8,depth=1),prior=levels(pixelsnail(8,1,1),pixelsnail(8,1,1),width=4),input=(1,8,8))"
    ).eval()
    model.prior_fitted = True
    assert model.elbo(torch.rand(2, 1, 8, 8)).shape == (2,)
    assert model.sample(2).shape == (2, 1, 8, 8)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ShapeError, match="1 or 2 axes"):
        prior((2, 2, 2))
    with pytest.raises(ShapeError, match="prior over codes"):
        PixelSNAILPrior(PixelSNAILConfig(), (2, 2))
    codes = torch.zeros(1, 4, 5, dtype=torch.int64)
    with pytest.raises(ShapeError, match=r"pass cond \(B,3\)"):
        prior(cond_dim=3).log_prob(codes)
    with pytest.raises(ShapeError, match="leave cond out"):
        prior().sample(1, cond=torch.zeros(1, 3))
    with pytest.raises(ShapeError, match="number of axes"):
        prior().sample(1, shape=(4,))
    with pytest.raises(ValueError, match="temperature"):
        prior().sample(1, temperature=-1.0)
    for bad in ((0,), (8, 0), (8, 1, 0), (8, 1, 1, 0), (8, 1, 1, 4, 0)):
        with pytest.raises(ValueError, match="at least"):
            PixelSNAILConfig(*bad)
    with pytest.raises(ValueError, match="dropout"):
        PixelSNAILConfig(dropout=1.0)
