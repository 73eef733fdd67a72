"""Each quantizer against vector-quantize-pytorch's own layer with the same state."""

from __future__ import annotations

import math

import pytest
import torch
import vector_quantize_pytorch as vqp
from torch import Tensor, nn

import aezoo
from aezoo.resolve import bind
from aezoo.spec import parse

#: spec -> the library's layer, what its loss of one sample is multiplied by: N places, D channels
LAYERS = {
    "vq(16,4)": (lambda: vqp.VectorQuantize(4, 16), lambda n, d: n * d),
    "vq(16,4,learnable_codebook=true,commitment_weight=0.5)": (
        lambda: vqp.VectorQuantize(
            4, 16, learnable_codebook=True, ema_update=False, commitment_weight=0.5
        ),
        lambda n, d: n * d,
    ),
    "vq(16,4,use_cosine_sim=true,rotation_trick=false,decay=0.9)": (
        lambda: vqp.VectorQuantize(4, 16, use_cosine_sim=True, rotation_trick=False, decay=0.9),
        lambda n, d: n * d,
    ),
    "vq(16,4,kmeans_init=true,kmeans_iters=3,threshold_ema_dead_code=2)": (
        lambda: vqp.VectorQuantize(
            4, 16, kmeans_init=True, kmeans_iters=3, threshold_ema_dead_code=2
        ),
        lambda n, d: n * d,
    ),
    "vq(16,1)": (lambda: vqp.VectorQuantize(1, 16), lambda n, d: n * d),
    "rvq(3,16,4)": (
        lambda: vqp.ResidualVQ(dim=4, num_quantizers=3, codebook_size=16),
        lambda n, d: n * d,
    ),
    "grvq(2,3,16,4)": (
        lambda: vqp.GroupedResidualVQ(dim=4, groups=2, num_quantizers=3, codebook_size=16),
        lambda n, d: n * d / 2,
    ),
    "fsq(5,4,3)": (lambda: vqp.FSQ([5, 4, 3]), None),
    "fsq(2,3,preserve_symmetry=true,noise_dropout=0.5)": (
        lambda: vqp.FSQ([2, 3], preserve_symmetry=True, noise_dropout=0.5),
        None,
    ),
    "rfsq(2,(5,4,3))": (lambda: vqp.ResidualFSQ(levels=[5, 4, 3], num_quantizers=2), None),
    "lfq(4)": (lambda: vqp.LFQ(dim=4), lambda n, d: n),
    "lfq(4,spherical=true,diversity_gamma=0.5,entropy_loss_weight=0.3)": (
        lambda: vqp.LFQ(dim=4, spherical=True, diversity_gamma=0.5, entropy_loss_weight=0.3),
        lambda n, d: n,
    ),
    "lfq(4,entropy_loss_weight=0.0,commitment_loss_weight=0.25)": (
        lambda: vqp.LFQ(dim=4, entropy_loss_weight=0.0, commitment_loss_weight=0.25),
        lambda n, d: n * d,
    ),
    "rlfq(3,4)": (
        lambda: vqp.ResidualLFQ(dim=4, num_quantizers=3, codebook_size=16),
        lambda n, d: n,
    ),
    "simvq(16,4)": (lambda: vqp.SimVQ(4, 16), lambda n, d: n * d),
    "simvq(16,4,rotation_trick=false,commitment_weight=2.0)": (
        lambda: vqp.SimVQ(4, 16, rotation_trick=False, commitment_weight=2.0),
        lambda n, d: n * d,
    ),
    "rsimvq(2,16,4)": (
        lambda: vqp.ResidualSimVQ(dim=4, num_quantizers=2, codebook_size=16),
        lambda n, d: n * d,
    ),
}
SHAPES = [(6,), (6, 5), (6, 3, 4), (6, 2, 3, 2)]  # of h without the batch


def made(spec: str, shape: tuple[int, ...] = (6, 3, 4)) -> nn.Module:
    return bind(parse(f"vqp/{spec}"), ("quantizer",)).build(in_shape=shape)


def rows_of(h: Tensor) -> Tensor:
    """(B, C, *L) -> (B, N, C); a vector is one place."""
    return h.flatten(2).mT if h.ndim > 2 else h[:, None]


def both(spec: str, h: Tensor, *, training: bool):
    """Ours on h; and the library's (z, indices, loss) on the rows, with the same numbers drawn."""
    quantizer = made(spec, tuple(h.shape[1:])).train(training)
    layer = LAYERS[spec][0]().train(training)
    layer.load_state_dict(quantizer.layer.state_dict())
    rows = quantizer.project(rows_of(h))
    torch.manual_seed(1)
    latent = quantizer(h)
    torch.manual_seed(1)
    return quantizer, latent, layer, layer(rows)


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """The library warns through loguru of a k-means with few vectors."""
    from loguru import logger

    logger.disable("vector_quantize_pytorch")


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("training", [False, True])
@pytest.mark.parametrize("spec", LAYERS)
def test_vectors_codes_and_state_are_the_librarys(spec: str, training: bool, shape) -> None:
    quantizer, latent, layer, (z, indices, *_) = both(
        spec, torch.randn(3, *shape), training=training
    )
    assert latent.z.shape == (3, *quantizer.out_shape)
    assert latent.codes.shape == (3, *quantizer.code_shape) == (3, *quantizer.levels, *shape[1:])
    assert torch.equal(rows_of(latent.z), z)
    if spec.startswith("grvq"):  # (g, B, N, q): group after group
        indices = torch.cat(list(indices), -1)
    codes = latent.codes.reshape(3, *quantizer.levels, -1)
    assert torch.equal(codes.mT if quantizer.levels else codes, indices.long())
    for name, value in layer.state_dict().items():  # averages and codebooks after the step
        assert torch.equal(quantizer.layer.state_dict()[name], value), name


@pytest.mark.parametrize("spec", LAYERS)
def test_the_penalty_is_the_librarys_loss_summed_over_a_sample(spec: str) -> None:
    h = torch.randn(3, 6, 3, 4, requires_grad=True)
    quantizer, latent, _, (_, _, *loss) = both(spec, h, training=True)
    factor = LAYERS[spec][1]
    if factor is None:
        assert latent.penalty is None
        return
    assert latent.penalty.shape == (3,)
    expected = loss[0].sum() * factor(12, quantizer.out_shape[0])
    torch.testing.assert_close(latent.penalty.mean(), expected)
    (ours,) = torch.autograd.grad(latent.penalty.mean(), h, retain_graph=True)
    (theirs,) = torch.autograd.grad(expected, h)
    torch.testing.assert_close(ours, theirs)
    assert quantizer.eval()(h).penalty is None  # nor does the library compute one


@pytest.mark.parametrize("spec", LAYERS)
def test_the_gradient_of_z_is_the_librarys(spec: str) -> None:
    h = torch.randn(3, 6, 3, 4, requires_grad=True)
    _, latent, _, (z, *_) = both(spec, h, training=True)
    w = torch.randn_like(z)
    (theirs,) = torch.autograd.grad((z * w).sum(), h)
    (ours,) = torch.autograd.grad((rows_of(latent.z) * w).sum(), h)
    torch.testing.assert_close(ours, theirs)
    assert ours.abs().sum() > 0


@pytest.mark.parametrize("spec", LAYERS)
def test_codes_look_up_the_z_they_came_with(spec: str) -> None:
    quantizer = made(spec)
    for _ in range(2):  # the codebooks meet data
        quantizer(torch.randn(4, 6, 3, 4))
    quantizer.eval()
    latent = quantizer(torch.randn(4, 6, 5, 2))  # of another size than it was built for
    torch.testing.assert_close(quantizer.lookup(latent.codes), latent.z, atol=1e-6, rtol=1e-6)


@pytest.mark.parametrize(
    "spec", [spec for spec, (_, factor) in LAYERS.items() if factor and "kmeans" not in spec]
)
def test_a_penalty_does_not_change_with_the_batch(spec: str) -> None:
    """A batch given twice has the same mean penalty: commitments and a batch's entropies."""
    h = torch.randn(3, 6, 3, 4)
    once, twice = made(spec), made(spec)
    twice.load_state_dict(once.state_dict())
    torch.testing.assert_close(
        once(h).penalty.mean(), twice(torch.cat([h, h])).penalty.mean(), atol=1e-5, rtol=1e-5
    )


def test_nan_stays_inside_the_table_and_shows_in_z() -> None:
    for spec in LAYERS:
        quantizer = made(spec).eval()
        latent = quantizer(torch.full((2, 6, 3, 4), math.nan))
        assert 0 <= latent.codes.min() <= latent.codes.max() < quantizer.num_codes, spec


def test_perplexity_is_that_of_each_level() -> None:
    latent = made("rvq(2,16,4)").eval()(torch.randn(8, 6, 3, 4))
    entropies = []
    for level in latent.codes.unbind(1):
        p = level.flatten().bincount().double() / level.numel()
        entropies.append(torch.special.entr(p).sum())
    expected = torch.stack(entropies).mean().exp()
    torch.testing.assert_close(latent.metrics["perplexity"], expected)


def test_the_state_is_the_layers_own_and_the_map() -> None:
    quantizer = made("rvq(2,16,4)")
    layer = vqp.ResidualVQ(dim=4, num_quantizers=2, codebook_size=16)
    names = {f"layer.{name}" for name in layer.state_dict()}
    assert set(quantizer.state_dict()) == names | {"project.weight", "project.bias"}
    assert set(made("fsq(5,4,3)").state_dict()) == {"project.weight", "project.bias"}


@pytest.mark.parametrize("spec", ["grvq(2,2,16,4)", "rfsq(2,(5,4,3))", "rlfq(2,4)", "simvq(16,4)"])
def test_a_model_is_saved_and_loaded(spec: str, tmp_path) -> None:
    model = aezoo.create(
        f"vqvae(res(8,depth=1),vqp/{spec},unres(8,depth=1))", input=(1, 8, 12)
    ).eval()
    model.save_pretrained(tmp_path / "model")
    again = aezoo.create(f"local:{tmp_path / 'model'}")
    x = torch.rand(2, 1, 8, 12)
    assert torch.equal(again.encode_codes(x), model.encode_codes(x))
    torch.testing.assert_close(again.reconstruct(x), model.reconstruct(x))
    again.train().loss(x).total.backward()  # constants that no file holds are there as well


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("vqp/vq(1,4)", "codes must be at least 2"),
        ("vqp/vq(16,4,decay=1.0)", "decay must be in"),
        ("vqp/vq(16,4,learnable_codebook=true,use_cosine_sim=true)", "exclude each other"),
        ("vqp/rvq(0,16,4)", "quantizers must be at least 1"),
        ("vqp/grvq(3,2,16,4)", "cannot be cut into 3 groups"),
        ("vqp/fsq(2,3)", "level count 1 must be at least 3"),
        ("vqp/fsq(4,3,noise_dropout=0.5)", "preserve_symmetry"),
        ("vqp/lfq(40)", "up to 2\\^20"),
        ("vqp/simvq(16,0)", "dim must be at least 1"),
    ],
)
def test_what_cannot_be_is_refused_where_it_stands(spec: str, message: str) -> None:
    with pytest.raises(aezoo.SpecError, match=message):
        bind(parse(spec), ("quantizer",))
