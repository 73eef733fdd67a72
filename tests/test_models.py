"""The surface of every family, and its mathematics: closed forms, quadrature, enumeration."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import torch
from torch import Tensor

from aezoo.build import build
from aezoo.errors import CapabilityError, ShapeError
from aezoo.latents import Output
from aezoo.models.base import Autoencoder, streamed_logmeanexp

#: (spec without its closing bracket, input): every family over ranks, odd sizes, conditions.
GALLERY = [
    ("ae(mlp(9),point(3),mlp(9)", (1, 28, 28)),
    ("ae(conv(4,6,hidden=8),point(3),deconv(6,4,hidden=8)", (3, 50, 50)),
    ("ae(res(6,depth=1),point(3),unres(6,depth=1),cond=label(3),prior=normal", (2, 7, 9)),
    ("ae(res(6,depth=1),point(3),unres(6,depth=1)", (2, 5, 6, 7)),
    ("vae(mlp(9),gaussian(3),mlp(9),likelihood=bernoulli", (1, 28, 28)),
    ("vae(conv(4,hidden=8),gaussian(3),deconv(4,hidden=8),cond=label(3,dim=2)", (2, 5, 6, 7)),
    ("vae(res(6,depth=1,down=2),gaussian(2),unres(6,depth=1)", (1, 33)),
    ("vae(mlp(9),gaussian(2),mlp(9),likelihood=logistic_mixture(3),objective=beta(2.0)", (3, 7, 9)),
    ("vae(res(6,depth=1),gaussian(2),mlp(9),likelihood=gaussian(sigma=pixel)", (3, 7, 9)),
    ("vqvae(res(6,depth=1),vq(8,3),unres(6,depth=1)", (3, 50, 50)),
    ("vqvae(res(6,depth=1,down=2),vq(8,3,update=gradient,estimator=rotation),unres(6)", (1, 33)),
    ("vqvae(res(6,depth=1),vq(8,3),unres(6),cond=label(3)", (2, 5, 6, 7)),
    ("vqvae(res(6,depth=1),fsq(4,3),unres(6),prior=pixelcnn(8,layers=2)", (1, 28, 28)),
    ("vqvae(res(6,depth=1),vq(8,3),unres(6),prior=pixelcnn(8,layers=2),prior_cond=label(3)",
     (3, 7, 9)),
    ("vqvae(res(6,depth=1),vq(8,3),unres(6),prior=pixelcnn(8,layers=2),cond=label(3)", (1, 33)),
    ("vqvae(mlp(9),vq(8,3),mlp(9),likelihood=bernoulli", (1, 7, 9)),
]  # fmt: skip


def make(text: str, shape: tuple[int, ...], *, fitted: bool = True) -> Autoencoder:
    """In eval mode, its prior taken as fitted and, should it start at zero, told to say more."""
    model = build(text + ")", input=shape)
    for name, parameter in model.named_parameters():
        if name.startswith("prior."):
            torch.nn.init.normal_(parameter, std=0.3)
    for module in model.modules():
        if hasattr(module, "started"):
            module.started.fill_(True)
    model.prior_fitted = fitted
    return model.eval()


def batch(model: Autoencoder, n: int = 3) -> tuple[Tensor, Tensor | None]:
    x = torch.rand(n, *model.input_shape)
    if "bernoulli" in str(model.spec):
        x = x.round()
    return x, torch.arange(n) % 3 if model.capabilities.conditional else None


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture(params=GALLERY, ids=lambda g: f"{g[0].split(',')[0]}-{len(g[1]) - 1}d")
def model(request):
    return make(*request.param)


# -- every method


def test_every_method_gives_the_shape_it_says(model):
    x, y = batch(model)
    latent = model.encode(x, y)
    assert latent.z.shape == (3, *model.latent_shape)
    assert model.decode(latent.z, y).shape == x.shape
    assert model.reconstruct(x, y).shape == x.shape
    output = model(x, y)
    assert output.x_hat.shape == x.shape
    assert output.distortion.shape == (3,)
    assert output.p.batch_shape == (3,)
    assert output.p.event_shape == model.input_shape
    assert len(output.latents) == 1
    losses = model.loss(x, y)
    assert losses.total.shape == ()
    assert losses.total.requires_grad
    assert torch.isfinite(losses.total)
    assert model.interpolate(x, x.flip(0), 5, y).shape == (5, *x.shape)
    if model.capabilities.bound:
        assert model.elbo(x, y).shape == (3,)
        assert model.log_prob(x, y, k=2).shape == (3,)
    if model.capabilities.codes:
        codes = model.encode_codes(x, y)
        assert codes.shape == (3, *model.latent_shape[1:])
        assert codes.dtype == torch.int64
        assert model.decode_codes(codes, y).shape == x.shape
    if model.capabilities.sample:
        assert model.sample(2, None if y is None else y[:2]).shape == (2, *model.input_shape)
        assert model.sample(2).shape == (2, *model.input_shape)


def test_what_capabilities_deny_raises_and_what_they_grant_works(model):
    x, y = batch(model)
    can = model.capabilities
    if not can.bound:
        assert model(x, y).elbo is None
        assert model(x, y).rate is None
        for ask in (model.elbo, model.log_prob):
            with pytest.raises(CapabilityError, match="has no likelihood bound"):
                ask(x, y)
    if not can.codes:
        with pytest.raises(CapabilityError, match="has no codes; a vqvae with a quantizer has"):
            model.encode_codes(x, y)
        with pytest.raises(CapabilityError, match="has no codes"):
            model.decode_codes(torch.zeros(1, 2, 2).long(), y)
    if not can.sample:
        with pytest.raises(CapabilityError, match="has no prior to sample from"):
            model.sample(2)
    if not can.conditional:
        for ask in (model.encode, model.reconstruct, model.loss):
            with pytest.raises(CapabilityError, match=r"takes no condition.*cond=label\(10\)"):
                ask(x, torch.zeros(3).long())
    if not can.conditional and can.sample:
        with pytest.raises(CapabilityError, match="takes no condition"):
            model.sample(3, torch.zeros(3).long())
    if model.cond is not None:
        for ask in (model.encode, model.reconstruct, model.loss):
            with pytest.raises(CapabilityError, match=r"needs cond, the condition of each sample"):
                ask(x)
    assert can.bound == {"AE": None, "VAE": "elbo", "VQVAE": "vq-bound"}[type(model).__name__]


def test_a_generator_decides_every_draw(model):
    x, y = batch(model)
    before = torch.random.get_rng_state()
    draws = [lambda g: model(x, y, generator=g).distortion]
    draws.append(lambda g: model.loss(x, y, generator=g).total)
    if model.capabilities.sample:
        draws.append(lambda g: model.sample(2, generator=g))
    if model.capabilities.bound:
        draws.append(lambda g: model.log_prob(x, y, k=3, generator=g))
    for draw in draws:
        first = draw(seeded())
        assert torch.equal(first, draw(seeded()))
        if type(model).__name__ == "VAE":
            assert not torch.equal(first, draw(seeded(1)))
    assert torch.equal(torch.random.get_rng_state(), before)  # the global one is left alone


def test_a_samples_result_does_not_depend_on_its_batch_mates(model):
    x, y = batch(model, 5)
    whole = model.reconstruct(x, y)
    for i in range(5):
        alone = model.reconstruct(x[i : i + 1], None if y is None else y[i : i + 1])
        torch.testing.assert_close(whole[i : i + 1], alone, atol=1e-5, rtol=1e-4)


def test_the_loss_does_not_depend_on_the_batch_size(model):
    """The loss of a batch is the mean of the losses of its samples."""
    x, y = batch(model, 4)
    z = model.encode(x, y, sample=True, generator=seeded())

    def loss_of(rows: slice) -> dict[str, Tensor]:
        """As `model.loss`, with the draws of q given: epsilon of row i is always the same."""
        fixed = model.encode(x[rows], None if y is None else y[rows])
        if fixed.q is not None:
            fixed.z = z.z[rows]
        cond = None if y is None else y[rows]
        p = model.p(fixed.z, cond, size=tuple(x.shape[2:]))
        fixed.rate = model.rate(fixed, cond)
        out = Output(p, (fixed,), -p.log_prob(x[rows]), fixed.rate)
        losses = model.objective(model, x[rows], out)
        return {**losses.terms, "total": losses.total}

    whole = loss_of(slice(0, 4))
    singles = [loss_of(slice(i, i + 1)) for i in range(4)]
    for name, value in whole.items():
        mean = torch.stack([s[name] for s in singles]).mean()
        torch.testing.assert_close(value, mean, atol=1e-3, rtol=1e-4, msg=name)
    again = model.loss(x, y, generator=seeded())
    torch.testing.assert_close(whole["total"], again.total, atol=1e-3, rtol=1e-4)


@pytest.mark.parametrize("update", ["ema", "gradient"])
def test_vq_penalties_in_training_are_those_of_single_samples(update):
    text = f"vqvae(res(6,depth=1),vq(8,3,update={update}),unres(6)"
    model = make(text, (3, 8, 8)).train()
    state = {k: v.clone() for k, v in model.state_dict().items()}
    x = torch.rand(4, 3, 8, 8)

    def loss(rows: Tensor) -> Tensor:
        model.load_state_dict(state)  # a step in training moves the codebook
        return model.loss(rows).total.detach()

    singles = torch.stack([loss(x[i : i + 1]) for i in range(4)])
    torch.testing.assert_close(loss(x), singles.mean())
    torch.testing.assert_close(loss(x.repeat(3, 1, 1, 1)), loss(x))


@pytest.mark.parametrize(("text", "shape"), [g for g in GALLERY if g[0].startswith("vqvae")])
def test_codes_decode_to_the_reconstruction_exactly(text, shape):
    model = make(text, shape)
    x, y = batch(model)
    cond = y if model.cond is not None else None
    decoded = model.decode_codes(model.encode_codes(x, cond), cond)
    assert torch.equal(decoded, model.reconstruct(x, cond))


def test_interpolation_ends_at_the_reconstructions(model):
    x, y = batch(model)
    way = model.interpolate(x, x.flip(0), 4, y)
    torch.testing.assert_close(way[0], model.reconstruct(x, y), atol=1e-5, rtol=1e-5)
    ends = model.interpolate(x.flip(0), x, 4, y)[-1]
    torch.testing.assert_close(ends, model.reconstruct(x, y), atol=1e-5, rtol=1e-5)
    middle = model.interpolate(x, x.flip(0), 3, y)[1]
    z = (model.encode(x, y).z + model.encode(x.flip(0), y).z) / 2
    cond = y if model.cond is not None else None
    torch.testing.assert_close(middle, model.decode(z, cond), atol=1e-5, rtol=1e-5)


def test_bf16_autocast_runs_and_is_finite(model):
    x, y = batch(model)
    model.train()
    with torch.autocast("cpu", torch.bfloat16):
        losses = model.loss(x, y)
    assert losses.total.dtype == torch.float32
    losses.total.backward()
    assert torch.isfinite(losses.total)
    assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)
    exact = model.eval().loss(x, y, generator=seeded()).total
    with torch.autocast("cpu", torch.bfloat16):
        close = model.loss(x, y, generator=seeded()).total
    assert abs(close - exact) < 0.05 * abs(exact) + 5


def test_every_parameter_of_the_autoencoder_learns(model):
    x, y = batch(model)
    model.train().loss(x, y).total.backward()
    for name, parameter in model.named_parameters():
        # a prior that is fitted afterwards takes part only when taken as fitted
        if not name.startswith(("prior", "bottleneck.codebook")):
            assert parameter.grad is not None, name


def test_wrong_input_shapes_name_the_right_ones(model):
    right = "(B, " + ", ".join(map(str, model.input_shape)) + ")"
    wrong = torch.rand(2, model.input_shape[0] + 1, *model.input_shape[1:])
    for x in (wrong, wrong[0], torch.rand(2, 3)):
        with pytest.raises(ShapeError) as caught:
            model.encode(x, torch.zeros(len(x)).long() if model.cond is not None else None)
        assert right in str(caught.value)
        assert str(tuple(x.shape)) in str(caught.value)
    if not model.capabilities.any_size:
        bigger = torch.rand(2, model.input_shape[0], *(n + 1 for n in model.input_shape[1:]))
        with pytest.raises(ShapeError, match="create"):
            model.encode(bigger, torch.zeros(2).long() if model.cond is not None else None)


# -- any size


@pytest.mark.parametrize("size", [(43, 64), (32, 32), (1, 1), (5, 4), (64, 43), (31, 33)])
@pytest.mark.parametrize(
    "text",
    [
        "vqvae(res(6,depth=1),vq(8,3),unres(6),prior=pixelcnn(8,layers=2)",
        "vqvae(res(6,depth=1,down=8),fsq(4,3),unres(6),cond=label(3)",
        "vae(res(6,depth=1),gaussian(2),unres(6)",
        "ae(res(6,depth=1,down=1),point(2),unres(6)",
    ],
)
def test_convolutional_models_take_any_size(text, size):
    model = make(text, (3, 32, 32))
    assert model.capabilities.any_size
    x, y = torch.rand(2, 3, *size), None
    if model.cond is not None:
        y = torch.tensor([0, 2])
    assert model.reconstruct(x, y).shape == x.shape
    assert model.interpolate(x, x, 2, y).shape == (2, *x.shape)
    assert torch.isfinite(model.loss(x, y).total)
    if model.capabilities.bound:
        assert model.log_prob(x, y, k=2).shape == (2,)
    if model.capabilities.codes:
        decoded = model.decode_codes(model.encode_codes(x, y), y)
        inside = decoded[:, :, : size[0], : size[1]]
        rows, columns = inside.shape[2:]
        assert torch.equal(inside, model.reconstruct(x, y)[:, :, :rows, :columns])


def test_a_dense_model_takes_its_own_size_alone():
    assert not make("vae(mlp(9),gaussian(3),mlp(9)", (1, 8, 8)).capabilities.any_size
    assert not make("vae(res(6),gaussian(3),mlp(9)", (1, 8, 8)).capabilities.any_size


# -- rate and bounds


def test_rate_is_the_kl_by_hand_and_by_monte_carlo():
    """KL = 1/2 sum(mu^2 + sigma^2 - log sigma^2 - 1), arXiv:1312.6114, appendix B."""
    model = make("vae(res(6),gaussian(2),unres(6)", (1, 8, 8))
    x = torch.rand(3, 1, 8, 8)
    output = model(x)
    q = output.latents[0].q
    mu, variance = q.mean, q.variance
    by_hand = 0.5 * (mu**2 + variance - variance.log() - 1).flatten(1).sum(1)
    torch.testing.assert_close(output.rate, by_hand)
    z = q.sample((20_000,))
    prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).flatten(2).sum(2)
    ratios = q.log_prob(z) - prior
    error = ratios.std(0) / math.sqrt(20_000)
    assert ((ratios.mean(0) - output.rate).abs() < 5 * error).all()


def tiny_vae() -> Autoencoder:
    """Four pixels and one latent dimension; trained a little, so that q is near p(z|x)."""
    model = make("vae(mlp(8,act=tanh),gaussian(1),mlp(8,act=tanh),likelihood=bernoulli", (1, 2, 2))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
    x = all_images()[[0, 1, 3, 7, 15, 15, 0]].repeat(8, 1, 1, 1)
    for _ in range(100):
        optimizer.zero_grad()
        model.loss(x).total.backward()
        optimizer.step()
    return model


def exact_log_prob(model: Autoencoder, x: Tensor) -> Tensor:
    """log of the integral of p(x|z) N(z; 0, 1), by the trapezium rule: (B,)."""
    z = torch.linspace(-9, 9, 4001).reshape(-1, 1)
    with torch.no_grad():
        p = model.p(z)
        log_joint = torch.stack([p.log_prob(row.expand(len(z), 1, 2, 2)) for row in x]).double()
    log_joint = log_joint + torch.distributions.Normal(0.0, 1.0).log_prob(z[:, 0]).double()
    return torch.logsumexp(log_joint, 1) + math.log(18 / 4000)


def all_images() -> Tensor:
    bits = list(itertools.product((0.0, 1.0), repeat=4))
    return torch.tensor(bits).reshape(16, 1, 2, 2)


def test_elbo_and_iwae_bounds_rise_to_the_exact_log_prob():
    model, x = tiny_vae(), all_images()
    exact = exact_log_prob(model, x)
    assert exact.exp().sum().item() == pytest.approx(1, abs=1e-4)  # all images there are
    with torch.no_grad():
        draws = 1000
        many = x.repeat_interleave(draws, 0)

        def bound(k: int) -> Tensor:
            found = model.log_prob(many, k=k, generator=seeded(k))
            return found.double().reshape(16, draws).mean(1)

        elbo = model.elbo(many, generator=seeded(9)).double().reshape(16, draws).mean(1)
        one, five, fifty = bound(1), bound(5), bound(50)
    # The same bound by another estimator. Images it was not trained on have a wide spread.
    seen = [0, 1, 3, 7, 15]
    torch.testing.assert_close(one[seen], elbo[seen], atol=0.1, rtol=0)
    assert one.mean() < five.mean() < fifty.mean() < exact.mean()
    for lower, higher in ((one, five), (five, fifty), (fifty, exact), (elbo, exact)):
        assert (lower < higher + 0.02).all()  # but for the draws' noise
    torch.testing.assert_close(fifty[seen], exact[seen], atol=0.03, rtol=0)


def test_log_prob_is_the_importance_weighted_bound_by_hand():
    model, x = tiny_vae(), all_images()[:3]
    found = model.log_prob(x, k=4, generator=seeded(2))
    q, generator, weights = model.encode(x).q, seeded(2), []
    for _ in range(4):
        z = q.mean + q.stddev * torch.randn(q.mean.shape, generator=generator)
        prior = torch.distributions.Normal(0.0, 1.0).log_prob(z).sum(1)
        weights.append(model.p(z).log_prob(x) + prior - q.log_prob(z))
    expected = torch.logsumexp(torch.stack(weights), 0) - math.log(4)
    torch.testing.assert_close(found, expected)


def test_streamed_logmeanexp_is_numpys():
    parts = torch.randn(7, 5, dtype=torch.float64) * 300
    expected = np.logaddexp.reduce(parts.numpy(), 0) - math.log(7)
    found = streamed_logmeanexp(iter(parts), 7)
    np.testing.assert_allclose(found.numpy(), expected, rtol=1e-6)


@pytest.mark.parametrize("prior", ["uniform", "pixelcnn(4,layers=1)"])
def test_vq_bound_is_below_the_log_prob_over_all_codes(prior):
    """Two codes of K=3 a picture: log p(x) is a sum over nine."""
    text = f"vqvae(res(4,depth=1),vq(3,2),unres(4),likelihood=bernoulli,prior={prior}"
    model = make(text, (1, 4, 8))
    x = torch.rand(6, 1, 4, 8).round()
    codes = torch.tensor(list(itertools.product(range(3), repeat=2))).reshape(9, 1, 2)
    with torch.no_grad():
        p = model.p(model.bottleneck.lookup(codes))
        given = torch.stack([p.log_prob(row.expand(9, *row.shape)) for row in x])
        priors = model.prior.log_prob(codes)
        assert priors.exp().sum().item() == pytest.approx(1, abs=1e-5)
        exact = torch.logsumexp(given + priors, 1)
        bound = model.elbo(x)
        assert (bound < exact).all()
        taken = model.encode_codes(x)
        index = taken[:, 0, 0] * 3 + taken[:, 0, 1]
        torch.testing.assert_close(bound, (given + priors).gather(1, index[:, None])[:, 0])
        torch.testing.assert_close(model.log_prob(x, k=7), bound)


def test_an_unfitted_prior_costs_log_k_a_code_and_samples_nothing():
    text = "vqvae(res(6,depth=1),vq(8,3),unres(6),prior=pixelcnn(8,layers=2),prior_cond=label(3)"
    model = make(text, (3, 8, 8), fitted=False)
    x = torch.rand(2, 3, 8, 8)
    output = model(x)  # without labels: only the prior would read them
    torch.testing.assert_close(output.rate, torch.full((2,), 4 * math.log(8)))
    assert not model.capabilities.sample
    with pytest.raises(CapabilityError, match=r"was not fitted yet; `aezoo train` does it"):
        model.sample(2)
    model.prior_fitted = True
    with pytest.raises(CapabilityError, match="needs cond"):
        model.elbo(x)
    y = torch.tensor([0, 2])
    codes = model.encode_codes(x)
    expected = -model.prior.log_prob(codes, model.prior_cond(y))
    torch.testing.assert_close(model(x, y).rate, expected)
    assert model.sample(2, y).shape == x.shape


def test_a_uniform_prior_needs_no_fitting():
    model = make("vqvae(res(6,depth=1),vq(8,3),unres(6)", (3, 8, 8), fitted=False)
    assert model.capabilities.sample
    torch.testing.assert_close(
        model(torch.rand(2, 3, 8, 8)).rate, torch.full((2,), 4 * math.log(8))
    )


def test_the_condition_changes_what_is_decoded_and_sampled():
    model = make("vae(mlp(9),gaussian(3),mlp(9),cond=label(3)", (1, 4, 4))
    x, zero, one = torch.rand(2, 1, 4, 4), torch.zeros(2).long(), torch.ones(2).long()
    z = torch.randn(2, 3)
    assert not torch.equal(model.decode(z, zero), model.decode(z, one))
    assert not torch.equal(model.encode(x, zero).z, model.encode(x, one).z)
    a, b = (model.sample(2, y, generator=seeded()) for y in (zero, one))
    assert not torch.equal(a, b)


def test_temperature_zero_samples_the_priors_mode():
    model = make("vae(mlp(9),gaussian(3),mlp(9)", (1, 4, 4))
    sample = model.sample(2, temperature=0.0)
    torch.testing.assert_close(sample, model.decode(torch.zeros(2, 3)))


@pytest.mark.parametrize("k", [0, -1])
def test_k_is_at_least_one(k):
    for text in ("vae(mlp(9),gaussian(3),mlp(9)", "vqvae(res(6),vq(4,2),unres(6)"):
        model = make(text, (1, 8, 8))
        with pytest.raises(ValueError, match=f"k must be at least 1, not {k}"):
            model.log_prob(torch.rand(1, 1, 8, 8), k=k)


def test_an_empty_batch_has_an_empty_answer():
    for text in ("vae(mlp(9),gaussian(3),mlp(9)", "vqvae(res(6),vq(4,2),unres(6)"):
        model = make(text, (1, 8, 8))
        x = torch.rand(0, 1, 8, 8)
        assert model.reconstruct(x).shape == x.shape
        assert model.sample(0).shape == x.shape


def test_sampling_and_encoding_leave_training_alone():
    model = make("vqvae(res(6),vq(4,2),unres(6)", (1, 8, 8))
    before = {k: v.clone() for k, v in model.state_dict().items()}
    model.sample(2), model.reconstruct(torch.rand(2, 1, 8, 8)), model.elbo(torch.rand(2, 1, 8, 8))
    assert all(torch.equal(v, before[k]) for k, v in model.state_dict().items())


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize(("text", "shape"), GALLERY)
def test_on_a_gpu_with_and_without_a_cpu_generator(text, shape):
    model = make(text, shape).cuda()
    x, y = batch(model)
    x, y = x.cuda(), None if y is None else y.cuda()
    for generator in (None, seeded(), torch.Generator("cuda").manual_seed(0)):
        assert model(x, y, generator=generator).x_hat.device.type == "cuda"
        if model.capabilities.sample:
            assert model.sample(2, generator=generator).device.type == "cuda"


def test_where_a_generator_draws_is_its_own_device(monkeypatch):
    """What a CPU generator draws is moved to the model: shown on a model on meta."""
    model = build("vae(mlp(9),gaussian(3),mlp(9),input=(1,4,4))", device="meta")
    for generator in (None, seeded()):
        assert model.sample(2, generator=generator).is_meta
        x = torch.empty(2, 1, 4, 4, device="meta")
        assert model(x, generator=generator).x_hat.is_meta
    model = build("vae(mlp(9),gaussian(3),mlp(9),cond=label(3,dim=2),input=(1,4,4))", device="meta")
    assert model.sample(2, generator=seeded()).is_meta


def test_wrong_types_of_input_are_named() -> None:
    model = build("vqvae(res(8),vq(8,4),unres(8),input=(1,8,8))").eval()
    with pytest.raises(TypeError, match=r"takes float32 x in \[0, 1\], not torch.uint8"):
        model.reconstruct(torch.zeros(1, 1, 8, 8, dtype=torch.uint8))
    for codes in (torch.full((1, 2, 2), 8), torch.full((1, 2, 2), -1), torch.zeros(1, 2, 2)):
        with pytest.raises(ValueError, match="integer codes from 0 to 7"):
            model.decode_codes(codes)


def test_a_vae_without_a_posterior_says_beforehand_that_it_has_no_bound() -> None:
    model = build("vae(mlp(8),point(2),mlp(8),input=(1,4,4))")
    assert model.capabilities.bound is None
    assert model.capabilities.sample
    x = torch.rand(3, 1, 4, 4)
    assert model.reconstruct(x).shape == x.shape
    with pytest.raises(CapabilityError, match="has no likelihood bound: z is a point"):
        model.elbo(x)


def test_a_pass_in_two_halves_is_the_pass() -> None:
    model = build("vae(mlp(8),gaussian(2),mlp(8),cond=label(3),input=(1,4,4))").eval()
    x, cond = torch.rand(5, 1, 4, 4), torch.tensor([0, 1, 2, 0, 1])
    whole = model(x, cond, generator=seeded(3))
    latent = model.encode(x, cond, sample=True, generator=seeded(3))
    halves = model.output(x, latent, cond)
    assert torch.equal(halves.elbo, whole.elbo)
    assert torch.equal(halves.x_hat, whole.x_hat)
    assert halves.cond is cond


@pytest.mark.parametrize("bottleneck", ["gaussian(2)", "vmf(3)", "poincare(2)", "bernoulli(3)"])
def test_a_model_in_float64_samples(bottleneck: str) -> None:
    """Priors without parameters draw in float32, whatever the model is in."""
    model = build(f"vae(mlp(8),{bottleneck},mlp(8),input=(1,4,4))").double().eval()
    drawn = model.sample(3, generator=seeded(0))
    assert drawn.dtype == torch.float64 and bool(drawn.isfinite().all())
