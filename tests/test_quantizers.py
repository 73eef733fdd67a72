"""Quantizers: nearest codes by brute force, gradients and codebook learning by the papers."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import rank_worker
import scipy.stats
import torch
import torch.multiprocessing
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from aezoo.components.quantizers import configs
from aezoo.components.quantizers import nearest as nearest_module
from aezoo.components.quantizers.estimators import rotate, straight_through
from aezoo.components.quantizers.fsq import FSQ
from aezoo.components.quantizers.nearest import code_sums, kmeans, nearest, perplexity, usage
from aezoo.components.quantizers.vq import VQ

SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def make_vq(shape=(6, 3, 4), *, codes=8, dim=4, start=False, **options) -> VQ:
    """A quantizer in training mode; without ``start`` it keeps the codebook it has."""
    quantizer = VQ(configs.VQ(codes, dim, **options), in_shape=shape)
    quantizer.started.fill_(not start)
    return quantizer


def identity_projection(quantizer: torch.nn.Module) -> None:
    """h is what is quantised."""
    with torch.no_grad():
        weight = quantizer.project.weight
        weight.copy_(torch.eye(len(weight)).reshape(weight.shape))
        quantizer.project.bias.zero_()


# -- the nearest code


@pytest.mark.parametrize("rows", [1, 7, 64])
def test_nearest_is_that_of_all_distances(monkeypatch, rows):
    z, codebook = torch.randn(200, 5), torch.randn(17, 5)
    brute = torch.cdist(z.double(), codebook.double()).argmin(1)
    assert torch.equal(nearest(z, codebook), brute)
    monkeypatch.setattr(nearest_module, "MAX_DISTANCES", rows * 17 + 3)
    assert torch.equal(nearest(z, codebook), brute)


def test_the_distances_held_at_once_are_bounded(monkeypatch):
    monkeypatch.setattr(nearest_module, "MAX_DISTANCES", 64)
    seen = []

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func, types, args=(), kwargs=None):
            out = func(*args, **(kwargs or {}))
            if isinstance(out, Tensor):
                seen.append(out.numel())
            return out

    z, codebook = torch.randn(200, 2), torch.randn(16, 2)
    with Watch():
        codes = nearest(z, codebook)
    assert torch.equal(codes, torch.cdist(z, codebook).argmin(1))
    assert max(n for n in seen if n != 400) <= 200  # 4 rows a chunk, and the codes themselves
    monkeypatch.setattr(nearest_module, "MAX_DISTANCES", 1)  # not even one row: one at a time
    assert torch.equal(nearest(z, codebook), codes)


def test_at_a_tie_the_lowest_code_wins():
    codebook = torch.tensor([[1.0, 0], [0, 1], [1, 0], [0, 1]])
    z = torch.tensor([[1.0, 0], [0, 1], [0.5, 0.5], [-1, -1]])
    assert nearest(z, codebook).tolist() == [0, 1, 0, 0]


def test_far_from_the_origin_the_choice_is_as_near_as_float32_can_tell():
    z = torch.randn(100, 8) + 100
    codebook = torch.randn(32, 8) + 100
    distances = torch.cdist(z.double(), codebook.double())
    chosen = distances.gather(1, nearest(z, codebook)[:, None])[:, 0]
    assert (chosen - distances.min(1).values).max() < 0.01


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_vq_shapes_and_values(shape, update):
    quantizer = make_vq(shape, update=update).eval()
    h = torch.randn(3, *shape)
    latent = quantizer(h)
    assert quantizer.out_shape == (4, *shape[1:])
    assert latent.z.shape == (3, 4, *shape[1:])
    assert latent.codes.shape == (3, *shape[1:])
    assert latent.codes.dtype == torch.int64
    assert latent.penalty.shape == (3,)
    assert latent.rate is None
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)
    z_e = quantizer.project(h).movedim(1, -1)
    brute = torch.cdist(z_e.reshape(1, -1, 4), quantizer.codebook[None]).argmin(-1)
    assert torch.equal(latent.codes.flatten(), brute[0])
    squares = (z_e - quantizer.codebook[latent.codes]).square().reshape(3, -1).sum(1)
    weight = 0.25 + (update == "gradient")
    torch.testing.assert_close(latent.penalty, weight * squares)


# -- gradients


def test_straight_through_is_e_exactly_with_the_gradient_of_z():
    z, e = torch.randn(50, 7, requires_grad=True), torch.randn(50, 7)
    out = straight_through(z, e)
    assert torch.equal(out, e)
    w = torch.randn_like(e)
    (grad,) = torch.autograd.grad((out * w).sum(), z)
    assert torch.equal(grad, w)


def test_rotation_is_e_exactly_with_the_gradient_of_rotation_and_scaling():
    """Against R = I - 2rr^T + 2vu^T as a matrix, arXiv:2410.06424, section 4.2."""
    z, e = torch.randn(50, 7, dtype=torch.float64, requires_grad=True), torch.randn(50, 7).double()
    out = rotate(z, e)
    assert torch.equal(out, e)
    w = torch.randn_like(e)
    (grad,) = torch.autograd.grad((out * w).sum(), z)
    for i in range(len(z)):
        x, y = z[i].detach(), e[i]
        u, v = x / x.norm(), y / y.norm()
        r = (u + v) / (u + v).norm()
        rotation = torch.eye(7, dtype=torch.float64) - 2 * torch.outer(r, r) + 2 * torch.outer(v, u)
        scale = y.norm() / x.norm()
        torch.testing.assert_close(rotation @ rotation.T, torch.eye(7, dtype=torch.float64))
        torch.testing.assert_close(torch.linalg.det(rotation), torch.tensor(1.0).double())
        torch.testing.assert_close(scale * rotation @ x, y)
        torch.testing.assert_close(grad[i], scale * rotation.T @ w[i])


def test_rotation_keeps_the_angle_between_gradient_and_code():
    z, e = torch.randn(20, 4, requires_grad=True), torch.randn(20, 4)
    w = torch.randn(20, 4)
    (grad,) = torch.autograd.grad((rotate(z, e) * w).sum(), z)
    cosine = torch.nn.functional.cosine_similarity
    torch.testing.assert_close(cosine(grad, z.detach()), cosine(w, e), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize(
    ("z", "e"),
    [
        ([0.0, 0.0], [1.0, 2.0]),
        ([1.0, 2.0], [0.0, 0.0]),
        ([0.0, 0.0], [0.0, 0.0]),
        ([1.0, 2.0], [-1.0, -2.0]),
        ([1.0, 2.0], [1.0, 2.0]),
        ([1e-30, 0.0], [1.0, 0.0]),
        ([1e15, 0.0], [1e-15, 0.0]),
    ],
)
def test_rotation_of_degenerate_vectors_is_finite(z, e):
    z, e = torch.tensor([z], requires_grad=True), torch.tensor([e])
    out = rotate(z, e)
    assert torch.equal(out, e)
    (grad,) = torch.autograd.grad(out.sum(), z)
    assert torch.isfinite(grad).all()


@pytest.mark.parametrize("estimator", ["straight_through", "rotation"])
@pytest.mark.parametrize("beta", [0.25, 2.0])
def test_the_commitment_reaches_the_encoder_alone(estimator, beta):
    quantizer = make_vq(estimator=estimator, beta=beta, update="ema").eval()
    h = torch.randn(3, 6, 3, 4, requires_grad=True)
    z_e = quantizer.project(h)
    latent = quantizer(h)
    (grad,) = torch.autograd.grad(latent.penalty.sum(), h)
    (by_hand,) = torch.autograd.grad(beta * (z_e - latent.z.detach()).square().sum(), h)
    torch.testing.assert_close(grad, by_hand)
    assert not quantizer.codebook.requires_grad


def test_the_gradient_codebook_gets_exactly_its_own_term():
    """d/de sum |sg[z] - e|^2 = sum over its vectors of 2 (e - z); eq. 3, second term."""
    quantizer = make_vq(update="gradient", revive=0.0)
    h = torch.randn(5, 6, 3, 4)
    latent = quantizer(h)
    # A decoder's gradient must not reach the codebook, whatever its size.
    (latent.penalty.sum() + (1e3 * latent.z).sum()).backward()
    rows = quantizer.project(h).detach().movedim(1, -1).reshape(-1, 4)
    codes = latent.codes.flatten()
    expected = torch.zeros(8, 4)
    for code in range(8):
        mine = rows[codes == code]
        expected[code] = 2 * (quantizer.codebook[code].detach() - mine).sum(0)
    torch.testing.assert_close(quantizer.codebook.grad, expected)


@pytest.mark.parametrize("estimator", ["straight_through", "rotation"])
def test_the_decoders_gradient_reaches_the_encoder(estimator):
    quantizer = make_vq(estimator=estimator)
    h = torch.randn(2, 6, 3, 4, requires_grad=True)
    (grad,) = torch.autograd.grad(quantizer(h).z.square().sum(), h)
    assert grad.abs().sum() > 0


# -- the codebook's learning


def test_moving_averages_are_those_of_the_paper():
    """N and m of appendix A.1 (eq. 6 to 8), three steps by hand in float64."""
    quantizer = make_vq((4, 3, 4), decay=0.9, revive=0.0)
    identity_projection(quantizer)
    e = quantizer.codebook.double().numpy().copy()
    n, m = np.ones(8), e.copy()
    for _ in range(3):
        h = torch.randn(6, 4, 3, 4)
        rows = h.movedim(1, -1).reshape(-1, 4).double().numpy()
        codes = ((rows[:, None] - e[None]) ** 2).sum(-1).argmin(1)
        assert quantizer(h).codes.flatten().tolist() == codes.tolist()
        taken = np.bincount(codes, minlength=8)
        sums = np.zeros_like(m)
        np.add.at(sums, codes, rows)
        n, m = 0.9 * n + 0.1 * taken, 0.9 * m + 0.1 * sums
        e = m / n[:, None]
        np.testing.assert_allclose(quantizer.counts.numpy(), n, rtol=1e-5)
        np.testing.assert_allclose(quantizer.codebook.numpy(), e, rtol=1e-4, atol=1e-6)


def test_a_code_that_is_never_taken_stays_where_it_is():
    quantizer = make_vq((2, 4), codes=3, dim=2, decay=0.5, revive=0.0)
    identity_projection(quantizer)
    far = torch.tensor([[0.0, 0.0], [100.0, 0.0], [0.0, 100.0]])
    quantizer.codebook.copy_(far)
    quantizer.sums.copy_(far)
    for _ in range(50):  # counts fall to 0.5^50
        quantizer(torch.randn(4, 2, 4))
    assert torch.equal(quantizer.codebook[1:], far[1:])


def test_eval_learns_nothing():
    quantizer = make_vq(start=True).eval()
    before = {k: v.clone() for k, v in quantizer.state_dict().items()}
    quantizer(torch.randn(2, 6, 3, 4))
    assert all(torch.equal(v, before[k]) for k, v in quantizer.state_dict().items())


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_the_first_batch_starts_the_codebook_by_k_means(update):
    quantizer = make_vq((2, 50), codes=4, dim=2, start=True, update=update)
    identity_projection(quantizer)
    corners = torch.tensor([[9.0, 9], [9, -9], [-9, 9], [-9, -9]])
    h = (corners[torch.arange(400) % 4] + 0.1 * torch.randn(400, 2)).reshape(8, 50, 2)
    before = quantizer.codebook.detach().clone()
    latent = quantizer(h.movedim(-1, 1))
    assert bool(quantizer.started)
    assert not torch.equal(quantizer.codebook, before)
    # every centre lies among the data, none is left at its random start
    gaps = torch.cdist(quantizer.codebook.detach(), h.reshape(-1, 2)).min(1).values
    assert gaps.max() < 9
    again = quantizer.codebook.detach().clone()
    quantizer.eval()
    quantizer(h.movedim(-1, 1))
    assert torch.equal(quantizer.codebook, again)
    assert latent.codes.unique().numel() >= 2


def test_k_means_finds_separate_clusters_and_its_own_fixed_point():
    z = torch.cat([torch.randn(100, 3) * 0.01 + 5 * i for i in range(3)])
    centres, counts = kmeans(z, 3, iterations=25)
    codes = nearest(z, centres)
    again, sums = code_sums(z, codes, 3)
    assert torch.equal(again, counts) or again.sum() == 300
    used = again > 0
    means = sums / again.clamp(min=1)[:, None]
    torch.testing.assert_close(centres[used], means[used], atol=1e-3, rtol=1e-3)


def test_k_means_with_fewer_points_than_codes():
    centres, counts = kmeans(torch.randn(3, 2), 10)
    assert centres.shape == (10, 2)
    assert torch.isfinite(centres).all()
    assert counts.sum() == 3


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_revival_moves_dead_codes_and_no_others(update):
    quantizer = make_vq((2, 4), codes=4, dim=2, decay=0.9, revive=0.1, update=update)
    identity_projection(quantizer)
    places = torch.tensor([[0.0, 0], [1, 1], [500, 500], [-500, 0]])
    with torch.no_grad():
        quantizer.codebook.copy_(places)
        quantizer.counts.copy_(torch.tensor([5.0, 5.0, 5.0, 1e-3]))
        if update == "ema":
            quantizer.sums.copy_(places * quantizer.counts[:, None])
    rows = torch.tensor([[0.0, 0.1], [1.0, 0.9]]).repeat(8, 1)
    latent = quantizer(rows.reshape(4, 4, 2).movedim(-1, 1))
    assert latent.codes.max() <= 1
    book = quantizer.codebook.detach()
    assert torch.equal(book[2], places[2])  # not taken now, but not dead yet
    assert any(torch.equal(book[3], row) for row in rows)
    assert quantizer.counts[3] == 16 / 4  # starts with an equal share of the visits
    if update == "ema":
        torch.testing.assert_close(quantizer.sums[3], book[3] * 4)
        assert (book[:2] - places[:2]).norm(dim=1).max() < 0.1
    else:
        assert torch.equal(book[:2], places[:2])


def test_without_revival_dead_codes_stay():
    quantizer = make_vq((2, 4), codes=4, dim=2, revive=0.0, decay=0.0)
    with torch.no_grad():
        quantizer.codebook[3] = 1000.0
        quantizer.sums[3] = 1000.0
    for _ in range(3):
        quantizer(torch.randn(4, 2, 4))
    assert torch.equal(quantizer.codebook[3], torch.full((2,), 1000.0))


def test_codes_collapsed_onto_one_place_are_all_used_again():
    quantizer = make_vq((2, 16), codes=16, dim=2, decay=0.9)
    identity_projection(quantizer)
    with torch.no_grad():
        quantizer.codebook.copy_(torch.tensor([50.0, 50.0]) + torch.arange(16)[:, None])
        quantizer.sums.copy_(quantizer.codebook)
    for _ in range(60):
        latent = quantizer(torch.rand(16, 2, 16))
    assert latent.metrics["usage"] == 1
    assert len(quantizer.eval()(torch.rand(64, 2, 16)).codes.unique()) == 16


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_a_batch_with_nan_leaves_the_codebook_unharmed(bad, update):
    quantizer = make_vq(update=update)
    quantizer(torch.randn(4, 6, 3, 4))
    before = {k: v.clone() for k, v in quantizer.state_dict().items()}
    h = torch.randn(4, 6, 3, 4)
    h[1, 2, 0, 1] = bad
    latent = quantizer(h)
    assert latent.codes.min() >= 0
    assert latent.codes.max() < 8
    for key, value in quantizer.state_dict().items():
        torch.testing.assert_close(value, before[key], msg=key)
    assert torch.isfinite(quantizer(torch.randn(4, 6, 3, 4)).penalty).all()


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_a_first_batch_with_nan_starts_nothing(update):
    quantizer = make_vq(start=True, update=update)
    quantizer(torch.full((4, 6, 3, 4), float("nan")))
    assert not bool(quantizer.started)
    assert torch.isfinite(quantizer.codebook).all()
    quantizer(torch.randn(4, 6, 3, 4))
    assert bool(quantizer.started)
    assert torch.isfinite(quantizer.codebook).all()


class NoSync(TorchDispatchMode):
    """Fails where the host would wait for the device: for a value, or a size that hangs on one."""

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        name = func.overloadpacket.__name__
        assert name not in (
            "_local_scalar_dense",
            "nonzero",
            "masked_select",
            "equal",
            "is_nonzero",
            "_unique2",
            "unique_dim",
            "unique_consecutive",
            "bincount",
        ), name
        kwargs = kwargs or {}
        for index in args[1] if name in ("index", "index_put", "index_put_") else ():
            assert index is None or index.dtype != torch.bool, "an index by a mask"
        return func(*args, **kwargs)


@pytest.mark.parametrize("estimator", ["straight_through", "rotation"])
@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_a_training_step_does_not_wait_for_the_device(update, estimator):
    quantizer = make_vq(start=True, update=update, estimator=estimator)
    quantizer(torch.randn(4, 6, 3, 4))  # the first batch may
    with NoSync():
        h = torch.randn(4, 6, 3, 4, requires_grad=True)
        latent = quantizer(h)
        (latent.z.square().sum() + latent.penalty.sum()).backward()
    with NoSync():
        quantizer.eval()(torch.randn(4, 6, 3, 4))


def test_fsq_does_not_wait_for_the_device():
    quantizer = FSQ(configs.FSQ((4, 5)), in_shape=(6, 3))
    with NoSync():
        quantizer(torch.randn(2, 6, 3)).z.sum().backward()


def test_the_watch_itself_sees_a_sync():
    x = torch.randn(3)
    for sync in (x.sum().item, lambda: bool(x[0] > 0), lambda: x[x > 0], x.nonzero):
        with pytest.raises(AssertionError), NoSync():
            sync()


def test_loading_weights_brings_their_start_along():
    fresh, trained = make_vq(start=True), make_vq(start=True)
    trained(torch.randn(4, 6, 3, 4))
    fresh._started = False  # as if it had looked at its own flag already
    fresh.load_state_dict(trained.state_dict())
    book = fresh.codebook.clone()
    fresh.train()(torch.randn(4, 6, 3, 4))
    assert (fresh.codebook - book).abs().max() < 1  # a small step, no new k-means
    assert fresh._started is True


def test_vq_in_autocast_computes_in_float32():
    quantizer = make_vq((6, 3, 4)).eval()
    h = torch.randn(2, 6, 3, 4).bfloat16()
    with torch.autocast("cpu", torch.bfloat16):
        inside = quantizer(h)
    outside = quantizer(h.float())
    assert inside.z.dtype == torch.float32
    assert torch.equal(inside.z, outside.z)
    assert torch.equal(inside.codes, outside.codes)


# -- gauges


def test_perplexity_is_the_exponential_of_scipys_entropy():
    counts = torch.tensor([5.0, 0, 3, 1, 0, 91])
    expected = math.exp(scipy.stats.entropy(counts.double().numpy()))
    assert math.isclose(perplexity(counts).item(), expected, rel_tol=1e-12)
    assert math.isclose(perplexity(torch.full((512,), 3.0)).item(), 512, rel_tol=1e-9)
    assert perplexity(torch.tensor([0.0, 7.0])).item() == 1
    assert usage(counts).item() == pytest.approx(4 / 6)


def test_perplexity_of_total_counts_is_not_the_mean_of_batches():
    halves = [torch.tensor([8.0, 0.0]), torch.tensor([0.0, 8.0])]
    assert [perplexity(c).item() for c in halves] == [1, 1]
    assert perplexity(sum(halves)).item() == pytest.approx(2)


def test_metrics_are_of_the_batch_in_eval_and_of_the_averages_in_training():
    quantizer = make_vq().eval()
    latent = quantizer(torch.randn(5, 6, 3, 4))
    counts = latent.codes.flatten().bincount(minlength=8).numpy()
    expected = math.exp(scipy.stats.entropy(counts))
    assert latent.metrics["perplexity"].item() == pytest.approx(expected)
    assert latent.metrics["usage"].item() == (counts > 0).mean()
    latent = quantizer.train()(torch.randn(5, 6, 3, 4))
    average = math.exp(scipy.stats.entropy(quantizer.counts.numpy()))
    assert latent.metrics["perplexity"].item() == pytest.approx(average)
    assert all(not m.requires_grad and m.ndim == 0 for m in latent.metrics.values())


# -- finite scalar quantization

LEVELS = [(2,), (3,), (8, 5, 5, 5), (2, 2, 2), (7, 4), (1000,), (999, 2)]


@pytest.mark.parametrize("levels", LEVELS)
def test_fsq_codes_and_vectors_are_one_to_one(levels):
    quantizer = FSQ(configs.FSQ(levels), in_shape=(4,))
    assert quantizer.num_codes == math.prod(levels)
    codes = torch.arange(quantizer.num_codes)
    z = quantizer.lookup(codes)
    assert z.shape == (len(codes), len(levels))
    assert z.abs().max() <= 1
    assert len(z.unique(dim=0)) == len(codes)
    for channel, count in enumerate(levels):
        grid = z[:, channel].unique()
        expected = (torch.arange(count) - count // 2) / (count // 2)
        assert torch.equal(grid, expected)
    # the mixed-radix number, the first channel counting fastest
    for code in range(0, len(codes), max(1, len(codes) // 50)):
        rest, digits = code, []
        for count in levels:
            rest, digit = divmod(rest, count)
            digits.append((digit - count // 2) / (count // 2))
        assert z[code].tolist() == pytest.approx(digits)


@pytest.mark.parametrize("levels", LEVELS)
def test_fsq_reaches_every_level_and_no_other(levels):
    """Far inputs reach the outermost levels; every code of a fine sweep is in the table."""
    quantizer = FSQ(configs.FSQ(levels), in_shape=(len(levels),))
    identity_projection(quantizer)
    sweep = torch.linspace(-12, 12, 40_001)[:, None].expand(-1, len(levels))
    latent = quantizer(sweep)
    assert latent.codes.min() >= 0
    assert latent.codes.max() < quantizer.num_codes
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)
    for channel, count in enumerate(levels):
        assert len(latent.z[:, channel].unique()) == count
        assert (latent.z[:, channel].diff() >= 0).all()  # monotone
    far = quantizer(torch.tensor([[1e9], [-1e9], [math.inf], [-math.inf]]).expand(-1, len(levels)))
    assert far.codes.min() >= 0
    assert far.codes.max() < quantizer.num_codes


@pytest.mark.parametrize("shape", SHAPES)
def test_fsq_shapes_over_ranks(shape):
    quantizer = FSQ(configs.FSQ((4, 3)), in_shape=shape)
    latent = quantizer(torch.randn(3, *shape))
    assert latent.z.shape == (3, *quantizer.out_shape) == (3, 2, *shape[1:])
    assert latent.codes.shape == (3, *shape[1:])
    assert torch.equal(quantizer.lookup(latent.codes), latent.z)
    assert latent.penalty is None


def test_fsq_gradient_is_that_of_the_bounded_value():
    quantizer = FSQ(configs.FSQ((4, 5)), in_shape=(2,))
    identity_projection(quantizer)
    h = torch.randn(30, 2, requires_grad=True)
    (grad,) = torch.autograd.grad(quantizer(h).z.sum(), h)
    levels = torch.tensor([4.0, 5.0])
    half = (levels - 1) * (1 + 1e-3) / 2
    shift = torch.tensor([math.atanh(0.5 / half[0].item()), 0.0])  # of even counts alone
    expected = half / (levels // 2) * (1 - (h.detach() + shift).tanh().square())
    torch.testing.assert_close(grad, expected, atol=1e-5, rtol=1e-4)


def test_fsq_is_centred_where_its_input_is():
    """An input of zero gives the middle: level 0 of the integers, for odd and even counts."""
    quantizer = FSQ(configs.FSQ((2, 3, 4, 5, 8)), in_shape=(5,))
    identity_projection(quantizer)
    assert torch.equal(quantizer(torch.zeros(1, 5)).z, torch.zeros(1, 5))


def test_fsq_with_nan_stays_inside_the_table():
    quantizer = FSQ(configs.FSQ((8, 5)), in_shape=(6, 3))
    latent = quantizer(torch.full((2, 6, 3), float("nan")))
    assert latent.codes.min() >= 0
    assert latent.codes.max() < 40
    assert latent.z.isnan().all()  # and the loss shows it


# -- several processes


@pytest.fixture(scope="module")
def ranks(tmp_path_factory):
    """What two ranks, and one alone, have learned: read(options, world, rank)."""
    folder = tmp_path_factory.mktemp("ranks")
    torch.multiprocessing.spawn(rank_worker.run, (2, str(folder)), nprocs=2)
    threads = torch.get_num_threads()
    rank_worker.run(0, 1, str(folder))
    torch.set_num_threads(threads)

    def read(name: str, world: int, rank: int) -> dict[str, Tensor]:
        return torch.load(folder / f"{name}-{world}-{rank}.pt", weights_only=True)

    return read


@pytest.mark.parametrize("name", rank_worker.OPTIONS)
def test_two_ranks_learn_what_one_does(ranks, name):
    first, second, alone = ranks(name, 2, 0), ranks(name, 2, 1), ranks(name, 1, 0)
    for key in first:
        assert torch.equal(first[key], second[key]), f"the ranks differ in {key}"
        if name != "revived":  # revival draws from the first rank's vectors
            torch.testing.assert_close(first[key], alone[key], msg=lambda m, k=key: f"{k}: {m}")


def test_the_entropy_of_lfq_is_that_of_all_ranks(ranks):
    """Penalty and gradient: the batch's entropy is that of the whole batch."""
    first, second, alone = (ranks("entropy", *at) for at in ((2, 0), (2, 1), (1, 0)))
    for key, value in alone.items():
        assert torch.equal(first[key], second[key])
        torch.testing.assert_close(first[key], value)


def test_every_pair_of_options_trains():
    for update, estimator, revive in itertools.product(
        ("ema", "gradient"), ("straight_through", "rotation"), (0.0, 0.03)
    ):
        quantizer = make_vq(start=True, update=update, estimator=estimator, revive=revive)
        for _ in range(3):
            latent = quantizer(torch.randn(2, 6, 3, 4))
        assert torch.isfinite(latent.z).all()
        assert torch.isfinite(quantizer.codebook).all()
