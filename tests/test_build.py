"""From a spec to a model: shapes negotiated, the two parts that do not fit named; `create`."""

from __future__ import annotations

from typing import Any, cast

import pytest
import torch

import aezoo
from aezoo.build import build
from aezoo.errors import ShapeError, UnknownModelError, WeightsError
from aezoo.models.families import AE, VAE, VQVAE
from aezoo.resolve import resolve
from aezoo.spec import SpecError, parse

GALLERY = [
    ("ae(mlp(16,8),point(4),mlp(8,16))", AE, (4,)),
    ("ae(conv(4,8),point(4),deconv(8,4))", AE, (4,)),
    ("ae(res(8),point(3),unres(8))", AE, (3, 8, 8)),
    ("vae(mlp(8),gaussian(3),deconv(8))", VAE, (3,)),
    ("vae(res(8,down=8),gaussian(3),unres(8))", VAE, (3, 4, 4)),
    ("vae(res(8,down=8),gaussian(3),mlp(8))", VAE, (3, 4, 4)),
    ("vqvae(res(8),vq(16,5),unres(8))", VQVAE, (5, 8, 8)),
    ("vqvae(res(8,down=1),fsq(4,4),unres(8),prior=pixelcnn(width=8,layers=1))", VQVAE, (2, 32, 32)),
    ("vqvae(mlp(8),vq(16,5),mlp(8))", VQVAE, (5,)),
]


@pytest.mark.parametrize(("text", "family", "latent"), GALLERY)
def test_a_spec_becomes_a_model(text, family, latent):
    model = build(text)
    assert type(model) is family
    assert model.training
    assert str(model.spec) == text
    assert model.input_shape == (3, 32, 32)
    assert model.latent_shape == latent
    assert model.bound == resolve(text)
    assert parse(str(model.resolved)) == model.resolved
    assert text in repr(model)
    assert type(build(parse(text))) is type(build(resolve(text))) is family


@pytest.mark.parametrize(("text", "family", "latent"), GALLERY)
def test_on_meta_it_has_shapes_and_no_numbers(text, family, latent):
    real, hollow = build(text), build(text, device="meta")
    assert all(t.is_meta for t in hollow.state_dict().values())
    assert {k: (t.shape, t.dtype) for k, t in hollow.state_dict().items()} == {
        k: (t.shape, t.dtype) for k, t in real.state_dict().items()
    }
    state = real.state_dict()
    assert {k for k, _ in (*real.named_parameters(), *real.named_buffers())} == set(state)
    missing = hollow.load_state_dict(state, strict=True, assign=True)
    assert not missing.missing_keys
    hollow.eval(), real.eval()
    x = torch.rand(2, 3, 32, 32)
    assert torch.equal(hollow.reconstruct(x), real.reconstruct(x))


@pytest.mark.parametrize(("text", "family", "latent"), GALLERY)
def test_no_two_entries_of_the_state_share_memory(text, family, latent):
    state = build(text).state_dict()
    places = [t.untyped_storage().data_ptr() for t in state.values()]
    assert len(set(places)) == len(places)
    assert all(t.is_contiguous() for t in state.values())


def test_the_seed_decides_the_weights():
    states = []
    for seed in (0, 0, 1):
        torch.manual_seed(seed)
        states.append(torch.cat([t.flatten() for t in build(GALLERY[0][0]).state_dict().values()]))
    assert torch.equal(states[0], states[1])
    assert not torch.equal(states[0], states[2])


def test_building_leaves_the_default_device_alone():
    build(GALLERY[0][0], device="meta")
    assert torch.get_default_device().type == "cpu"
    with pytest.raises(ShapeError):
        build("vae(mlp(8),gaussian(2),unres(8))", device="meta")
    assert torch.empty(1).device.type == "cpu"


# -- what does not fit

ERRORS = [
    ("vae(mlp(8),gaussian(2),unres(8))", ["unres(8) does not fit behind gaussian(2)",
     "its input is (2,)", "take deconv or mlp"]),
    ("vqvae(res(8),vq(4,2),unres(8),prior=normal)", ["normal does not fit behind vq(4,2)",
     "use prior=uniform or prior=pixelcnn"]),
    ("vae(mlp(8),gaussian(2),mlp(8),prior=uniform)", ["uniform does not fit behind gaussian(2)",
     "use prior=normal, or a quantizer"]),
    ("vae(mlp(8),gaussian(2),mlp(8),prior=pixelcnn)", ["pixelcnn does not fit behind gaussian(2)"]),
    ("vqvae(mlp(8),vq(4,2),mlp(8),prior=pixelcnn)", ["pixelcnn does not fit behind vq(4,2)"]),
    ("vae(timm(resnet18),gaussian(2),mlp(8),input=(1,64))",
     ["timm(resnet18)", "2 spatial axes", "input=(1, 64) has 1"]),
    ("vqvae(res(8),vq(4,2),unres(8),prior=pixelcnn,input=(1,8,8,8))",
     ["pixelcnn serves inputs with", "has 3"]),
    ("ae(timm(resnet17),point(2),mlp(8))", ["timm has no model 'resnet17'"]),
    ("ae(timm(resnet10t,stage=9),point(2),mlp(8))", ["timm(resnet10t,stage=9)", "counted from 0"]),
    ("ae(timm(vit_tiny_patch16_224,stage=40),point(2),mlp(8))", ["all of the maps 40"]),
    ("hvae(levels(mlp(8),res(8)),ladder(4,2),mlp(8))", ["level 1, res(8)", "take mlp here"]),
    ("hvae(levels(levels(mlp(8),mlp(8)),mlp(8)),ladder(4,2),mlp(8))",
     ["level 0, levels(mlp(8),mlp(8)), has levels itself", "side by side"]),
    ("vae(levels(mlp(8),mlp(8)),gaussian(4),mlp(8))", ["gaussian(4) serves one level",
     "take one encoder without levels, or the family hvae"]),
    ("hvae(levels(mlp(8),mlp(8)),gaussian(4),mlp(8))", ["take topdown(...), nvae(...) or ladder"]),
    ("vae(mlp(8),joint(gaussian(2),joint(gaussian(2),gaussian(2))),mlp(8))",
     ["joint(gaussian(2),gaussian(2)) is a joint in a joint", "side by side"]),
    ("vae(mlp(8),joint(gaussian(2),gumbel(1,4)),mlp(8),prior=joint(normal,normal))",
     ["normal is no prior over what part 1", "take prior=joint(normal,categorical(4))"]),
    ("vqvae(mlp(8),vq(4,2),mlp(8),prior=maskgit(8,heads=2))", ["one code alone; take prior=made"]),
]  # fmt: skip


@pytest.mark.parametrize(("text", "parts"), ERRORS)
@pytest.mark.parametrize("device", [None, "meta"])
def test_errors_name_both_parts(text, parts, device):
    with pytest.raises(ShapeError) as caught:
        build(text, device=device)
    for part in parts:
        assert part in str(caught.value)


@pytest.mark.parametrize("size", [(28,), (7, 9), (5, 6, 7), (1, 1), (50, 50)])
@pytest.mark.parametrize(
    "text", ["ae(conv(4,4),point(2),deconv(4,4))", "vqvae(res(8),vq(4,2),unres(8))"]
)
def test_any_size_and_rank(text, size):
    model = build(text, input=(2, *size))
    assert model.input_shape == (2, *size)
    assert str(model.spec) == text[:-1] + f",input=(2,{','.join(map(str, size))}))"
    assert model.eval().reconstruct(torch.rand(2, 2, *size)).shape == (2, 2, *size)


def test_bad_input_shapes():
    with pytest.raises(SpecError, match="input is"):
        build(GALLERY[0][0], input=(3,))
    with pytest.raises(SpecError, match="input is"):
        build(GALLERY[0][0], input=(3, 0, 4))


def test_conditions_widen_what_reads_them():
    plain = build("vae(mlp(8),gaussian(3),mlp(8),input=(1,4,4))")
    told = build("vae(mlp(8),gaussian(3),mlp(8),cond=label(5),input=(1,4,4))")
    assert told.encoder.in_shape == (6, 4, 4)
    assert told.decoder.in_shape == (8,)
    assert plain.encoder.in_shape == (1, 4, 4)
    assert told.prior_cond is None
    text = "vqvae(res(8),vq(4,2),unres(8),prior=pixelcnn(8,layers=1)"
    prior = build(f"{text},prior_cond=label(5,dim=3))")
    assert prior.encoder.in_shape == (3, 32, 32)
    assert prior.prior.cond_dim == 3
    both = build(f"{text},cond=label(5))")
    assert both.prior.cond_dim == 5


# -- create


def test_create_from_a_spec():
    model = aezoo.create("vae(mlp(8),gaussian(2),mlp(8))", input=(1, 8, 8))
    assert model.training
    assert model.input_shape == (1, 8, 8)
    model = aezoo.create(parse("vqvae(res(8),vq(4,2),unres(8))"), quantizer="fsq(8,5,5,5)")
    assert str(model.spec) == "vqvae(res(8),fsq(8,5,5,5),unres(8))"
    model = aezoo.create("vqvae(res(8),vq(4,2),unres(8))", **{"quantizer.decay": 0.9})
    assert model.bottleneck.config.decay == 0.9
    assert aezoo.create("vae(mlp(8),gaussian(2),mlp(8))", device="meta").device.type == "meta"


def test_create_from_a_folders_path(tmp_path):
    made = aezoo.create("vae(mlp(8),gaussian(2),mlp(8),input=(1,8,8))")
    made.save_pretrained(tmp_path / "m")
    for model in (
        aezoo.create(tmp_path / "m"),
        aezoo.create(tmp_path / "m", pretrained=True),
        aezoo.create(tmp_path / "m", objective="beta(2.0)"),
    ):
        assert torch.equal(model.state_dict()["encoder.layers.1.bias"], made.encoder.layers[1].bias)
        assert not model.training
    with pytest.raises(WeightsError, match="nowhere is not a folder"):
        aezoo.create(tmp_path / "nowhere")


def test_create_says_what_it_was_given():
    with pytest.raises(SpecError, match="a bare spec has no pretrained weights"):
        aezoo.create("vae(mlp(8),gaussian(2),mlp(8))", pretrained=True)
    with pytest.raises(SpecError, match="did you mean 'vae'"):
        aezoo.create("vea(mlp(8),gaussian(2),mlp(8))")
    with pytest.raises(UnknownModelError, match="no model 'nosuchmodel' in the zoo"):
        aezoo.create("nosuchmodel")
    with pytest.raises(UnknownModelError, match=r"'vq' is a component.*vq\(\.\.\.\)"):
        aezoo.create("vq")
    with pytest.raises(UnknownModelError, match=r"'./runs/mine' is a path.*write local:./runs/m"):
        aezoo.create("./runs/mine")
    for wrong in (None, 3, b"vae-digits", ["vae-digits"]):
        with pytest.raises(TypeError, match=f"create takes a spec.*not {type(wrong).__name__}"):
            aezoo.create(cast("Any", wrong))
    with pytest.raises(SpecError, match="vae has no argument 'inptu' to override; did you mean"):
        aezoo.create("vae(mlp(8),gaussian(2),mlp(8))", inptu=(1, 2, 3))
