"""What aezoo makes of a repository computes what diffusers computes."""

from __future__ import annotations

import json
import shutil

import pytest
import torch
from safetensors.torch import load_file, save_file
from small_diffusers import MODELS, folder, in_their_range, inputs, ours, postprocessed, raw, theirs

import aezoo
from aezoo.errors import CapabilityError, IncompatibleWeightsError, UnsafeWeightsError
from aezoo.hub.load import load_folder

CONTINUOUS = [name for name in MODELS if name not in ("vq", "movq")]
POSTERIORS = ["sd", "flux", "standardised", "grey", "oobleck"]
WEIGHTS = "diffusion_pytorch_model.safetensors"


def scaled(name, latents):
    """As diffusers' pipelines do before the diffusion model."""
    config = theirs(name).config
    factor = config.get("scaling_factor") or 1.0
    if config.get("latents_mean") is not None:
        mean, std = (
            torch.tensor(config[key]).view(1, latents.shape[1], -1, *[1] * (latents.ndim - 3))
            for key in ("latents_mean", "latents_std")
        )
        frames = latents.shape[2]
        return (latents - mean[:, :, :frames]) * factor / std[:, :, :frames]
    return (latents - (config.get("shift_factor") or 0.0)) * factor


def unscaled(name, z):
    """As diffusers' pipelines do before the decoder."""
    config = theirs(name).config
    factor = config.get("scaling_factor") or 1.0
    if config.get("latents_mean") is not None:
        mean, std = (
            torch.tensor(config[key]).view(1, z.shape[1], -1, *[1] * (z.ndim - 3))
            for key in ("latents_mean", "latents_std")
        )
        frames = z.shape[2]
        return z * std[:, :, :frames] / factor + mean[:, :, :frames]
    return z / factor + (config.get("shift_factor") or 0.0)


@pytest.mark.parametrize("name", CONTINUOUS)
def test_latents_and_decoded_are_theirs_bit_for_bit(name):
    model, x = ours(name), inputs(name)
    z = model.encode(x).z
    assert torch.equal(z, scaled(name, raw(name, x)))
    decoded = theirs(name).decode(unscaled(name, z)).sample
    assert torch.equal(model.decode(z)[..., : x.shape[-1]], postprocessed(name, decoded))
    assert torch.equal(model.reconstruct(x), model.p(z, size=tuple(x.shape[2:])).mean)


@pytest.mark.parametrize("name", ["vq", "movq"])
def test_codes_are_theirs(name):
    model, x = ours(name), inputs(name)
    quantised, _, (_, _, codes) = theirs(name).quantize(raw(name, x))
    latent = model.encode(x)
    assert torch.equal(latent.codes.flatten(), codes)
    assert len(codes.unique()) > 1
    torch.testing.assert_close(latent.z, quantised, rtol=0, atol=1e-6)
    decoded = theirs(name).decode(latent.z, force_not_quantize=True).sample
    assert torch.equal(model.decode(latent.z), postprocessed(name, decoded))
    # Their own pass rounds z + (e - z), where ours takes the code e itself.
    decoded = postprocessed(name, theirs(name).decode(raw(name, x)).sample)
    torch.testing.assert_close(model.reconstruct(x), decoded, rtol=0, atol=1e-5)
    assert torch.equal(model.decode_codes(latent.codes), model.decode(latent.z))


@pytest.mark.parametrize("name", POSTERIORS)
def test_the_rate_is_their_kl(name):
    model, x = ours(name), inputs(name)
    latent = model.encode(x)
    rate = model.rate(latent)
    assert rate.shape == (len(x),)
    kl = theirs(name).encode(in_their_range(name, x)).latent_dist.kl()
    if name == "oobleck":  # there twice the nats of a place, averaged over batch and places
        rate, kl = rate.mean(), kl / 2 * latent.z.shape[-1]
    torch.testing.assert_close(rate, kl, rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", POSTERIORS)
def test_draws_are_theirs(name):
    model, x = ours(name), inputs(name)
    posterior = theirs(name).encode(in_their_range(name, x)).latent_dist
    theirs_drawn = posterior.sample(generator=torch.Generator().manual_seed(3))
    drawn = model.encode(x, sample=True, generator=torch.Generator().manual_seed(3)).z
    assert torch.equal(drawn, scaled(name, theirs_drawn))


@pytest.mark.parametrize("name", MODELS)
def test_saved_as_ours_it_comes_back_bit_identical(name, tmp_path):
    model, x = ours(name), inputs(name)
    model.save_pretrained(tmp_path / "a")
    again = load_folder(tmp_path / "a")
    assert str(again.resolved) == str(model.resolved)
    assert again.config == model.config
    before, after = model.state_dict(), again.state_dict()
    assert before.keys() == after.keys()
    assert all(torch.equal(before[key], after[key]) for key in before)
    assert torch.equal(again.reconstruct(x), model.reconstruct(x))
    again.save_pretrained(tmp_path / "b")
    for file in ("config.json", "model.safetensors"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


@pytest.mark.parametrize("name", MODELS)
def test_no_bound_is_made_up(name):
    model, x = ours(name), inputs(name)
    assert model.capabilities.bound is None
    output = model(x)
    assert output.elbo is None
    assert (output.rate is None) == (name in ("tiny", "dc", "cosmos"))
    for bound in (model.elbo, model.log_prob):
        with pytest.raises(CapabilityError, match="no likelihood bound"):
            bound(x)


@pytest.mark.parametrize("name", MODELS)
def test_the_rest_of_the_surface(name):
    model, x = ours(name), inputs(name)
    assert model.input_range == ((-1.0, 1.0) if name == "oobleck" else (0.0, 1.0))
    assert model.capabilities.any_size
    assert aezoo.parse(str(model.spec)) == model.spec
    assert torch.isfinite(model.loss(x).total)
    if name not in ("cosmos", "dc", "tiny"):  # those have no prior
        assert model.sample(1).shape[1] == x.shape[1]
    odd = x[..., : x.shape[-1] - 3] if name != "cosmos" else x[:, :, :6, :, :29]
    assert model.reconstruct(odd).shape == odd.shape


# -- repositories as they are


def copied(name, tmp_path):
    return shutil.copytree(folder(name), tmp_path / name)


def test_half_precision_and_the_old_names_of_attention(tmp_path):
    copy = copied("sd", tmp_path)
    old = {"to_q": "query", "to_k": "key", "to_v": "value", "to_out.0": "proj_attn"}
    tensors = {}
    for key, tensor in load_file(copy / WEIGHTS).items():
        for new, before in old.items():
            key = key.replace(f"attentions.0.{new}.", f"attentions.0.{before}.")
        tensors[key] = tensor.half()
    assert any("proj_attn" in key for key in tensors)
    save_file(tensors, copy / WEIGHTS)
    found, expected = load_folder(copy).state_dict(), ours("sd").state_dict()
    for key, tensor in expected.items():
        assert torch.equal(found[key], tensor.half().float())


def test_the_licence_is_the_cards(tmp_path):
    assert ours("sd").license == "unknown"
    copy = copied("tiny", tmp_path)
    (copy / "README.md").write_text("---\ntags: [a]\nlicense: mit\n---\n# tiny\n")
    model = load_folder(copy)
    assert model.license == "mit" and model.card.endswith("# tiny\n")
    model.save_pretrained(tmp_path / "ours")
    assert json.loads((tmp_path / "ours" / "config.json").read_text())["license"] == "mit"
    (copy / "README.md").rename(tmp_path / "README.md")  # the repository's, above the folder
    model = load_folder(copy)
    assert model.license == "mit" and model.card is None


def test_what_cannot_be_read_is_an_error(tmp_path):
    copy = copied("sd", tmp_path)
    config = json.loads((copy / "config.json").read_text())

    def with_config(**changes):
        (copy / "config.json").write_text(json.dumps(config | changes))
        return load_folder(copy)

    with pytest.raises(IncompatibleWeightsError, match="'novelty', which AutoencoderKL"):
        with_config(novelty=1)
    with pytest.raises(IncompatibleWeightsError, match="installed plugins read AutoencoderKL, "):
        with_config(_class_name="UNet2DModel")
    with pytest.raises(IncompatibleWeightsError, match="is not the weights"):
        with_config(block_out_channels=[8, 8])
    with pytest.raises(IncompatibleWeightsError, match="cannot be built"):
        with_config(block_out_channels=[])
    with_config()
    (copy / WEIGHTS).rename(copy / "diffusion_pytorch_model.bin")
    with pytest.raises(UnsafeWeightsError, match=f"no {WEIGHTS}"):
        load_folder(copy)


# -- tiles


def test_tiles_are_exact_where_the_receptive_field_is_small():
    """It sees 29 pixels to each side, and a quarter of the overlap is 32."""
    model = ours("tiny")
    cut = {"tile": 192, "overlap": 128}
    tiled = aezoo.create(
        f"local:{folder('tiny')}",
        **{f"{part}.{key}": n for part in ("encoder", "decoder") for key, n in cut.items()},
    )
    whole = torch.rand(1, 3, 320, 136)
    with torch.no_grad():
        z = model.encode(whole).z
        torch.testing.assert_close(tiled.encode(whole).z, z, rtol=0, atol=1e-5)
        torch.testing.assert_close(tiled.decode(z), model.decode(z), rtol=0, atol=1e-5)


def test_tiles_of_a_network_with_attention_come_near():
    model = ours("sd")
    tiled = aezoo.create(f"local:{folder('sd')}", **{"encoder.tile": 32, "decoder.tile": 32})
    whole = torch.rand(1, 3, 56, 40)
    with torch.no_grad():
        z, near = model.encode(whole).z, tiled.encode(whole).z
        assert near.shape == z.shape and not torch.equal(near, z)
        assert (near - z).abs().mean() < 0.1 * z.std()
        y, near = model.decode(z), tiled.decode(z)
        assert near.shape == y.shape and (near - y).abs().mean() < 0.25 * y.std()
    small = whole[..., :32, :32]
    assert torch.equal(tiled.encode(small).z, model.encode(small).z)
