"""The causal encoder and decoder: what sees what, in every size; and that they learn."""

from __future__ import annotations

import pytest
import torch

import aezoo
from aezoo.errors import ShapeError
from aezoo.resolve import resolve
from aezoo.spec import SpecError
from aezoo_video.configs import Causal
from aezoo_video.decoder import CausalDecoder
from aezoo_video.encoder import CausalEncoder

SPEC = (
    "vqvae(video/causal(8,depth=1{0}),vq(16,4),video/causal(8,depth=1{0}),"
    "likelihood=logistic_mixture(2),input=(1,{1},8,12))"
)


def model(frames: int = 9, more: str = ""):
    torch.manual_seed(0)
    return aezoo.create(SPEC.format(more, frames)).eval()


def last_seen(out: torch.Tensor, x: torch.Tensor) -> list[int]:
    """For each frame of ``out``, the last frame of ``x`` that it has a gradient to."""
    seen = []
    for frame in out.unbind(2):
        (gradient,) = torch.autograd.grad(frame.square().sum(), x, retain_graph=True)
        seen.append(int(gradient.abs().sum((0, 1, 3, 4)).nonzero().max()))
    return seen


@pytest.mark.parametrize(("time", "space"), [(1, 1), (1, 4), (2, 4), (4, 2), (4, 1), (8, 4)])
@pytest.mark.parametrize("frames", [1, 5, 6, 9])
def test_no_frame_sees_a_later_one(time, space, frames):
    config = Causal(width=8, depth=1, time=time, space=space)
    size = (frames, 7, 9)
    encoder = CausalEncoder(config, in_shape=(2, *size))
    x = torch.randn(1, 2, *size, requires_grad=True)
    h = encoder(x)
    assert tuple(h.shape[1:]) == encoder.out_shape == (8, *config.latent_size(size))
    assert h.shape[2] == 1 + -(-(frames - 1) // time)
    assert last_seen(h, x) == [min(j * time, frames - 1) for j in range(h.shape[2])]

    decoder = CausalDecoder(config, in_shape=(8, *h.shape[2:]), out_shape=(3, *size))
    z = torch.randn(1, 8, *h.shape[2:], requires_grad=True)
    params = decoder(z)
    assert tuple(params.shape[2:]) == config.size(tuple(h.shape[2:]))
    assert last_seen(params, z) == [-(-i // time) for i in range(params.shape[2])]


def test_what_was_encoded_stays_when_more_frames_come():
    m = model()
    x = torch.rand(2, 1, 17, 8, 12)
    with torch.inference_mode():
        whole = m.encode_codes(x)
        for frames in (1, 5, 9, 13, 17):
            part = m.encode_codes(x[:, :, :frames])
            assert torch.equal(part, whole[:, : part.shape[1]])
            z = m.bottleneck.lookup(part)
            known = m.decoder(z)
            longer = m.decoder(m.bottleneck.lookup(whole))
            torch.testing.assert_close(known, longer[:, :, :frames])


def test_a_picture_is_a_video_of_one_frame():
    m = model()
    x = torch.rand(2, 1, 9, 8, 12)
    with torch.inference_mode():
        assert torch.equal(m.encode_codes(x[:, :, :1])[:, 0], m.encode_codes(x)[:, 0])
        assert m.reconstruct(x[:, :, :1]).shape == (2, 1, 1, 8, 12)


@pytest.mark.parametrize("size", [(1, 1, 1), (2, 3, 5), (9, 8, 12), (10, 9, 13), (16, 4, 4)])
def test_any_size_goes_in_and_out(size):
    m = model()
    x = torch.rand(2, 1, *size)
    with torch.inference_mode():
        assert m.reconstruct(x).shape == x.shape
        elbo = m.elbo(x)
    assert elbo.shape == (2,)
    assert elbo.isfinite().all()
    assert m.capabilities.any_size


def test_edges_are_held_where_a_size_does_not_fill_the_map():
    m = model()
    x = torch.rand(1, 1, 6, 6, 11)
    full = torch.cat([x, *[x[:, :, -1:]] * 3], 2)  # 9 frames
    full = torch.cat([full, *[full[:, :, :, -1:]] * 2], 3)  # 8 rows
    full = torch.cat([full, full[..., -1:]], 4)  # 12 columns
    with torch.inference_mode():
        torch.testing.assert_close(m.features(x), m.features(full))


def test_strides_take_space_first_and_time_last():
    assert Causal(8, time=4, space=4).strides == ((2, 2), (2, 2))
    assert Causal(8, time=2, space=8).strides == ((1, 2), (1, 2), (2, 2))
    assert Causal(8, time=4, space=1).strides == ((2, 1), (2, 1))
    assert Causal(8, time=1, space=1).strides == ()
    for size in [(13, 32, 32), (12, 31, 30), (1, 1, 1)]:
        config = Causal(8)
        assert config.latent_size(config.size(config.latent_size(size))) == config.latent_size(size)
        assert all(a >= b for a, b in zip(config.size(config.latent_size(size)), size, strict=True))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("video/causal(8,time=3)", "power of two"),
        ("video/causal(8,space=0)", "power of two"),
        ("video/causal(8,depth=-1)", "depth must be at least 0"),
        ("video/causal(8,hidden=0)", "hidden must be at least 1"),
        ("video/causal(1,space=8)", "width must be at least 4"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(spec, said):
    with pytest.raises(SpecError, match=said):
        resolve(f"vqvae({spec},vq(8,4),unres(8),input=(1,5,8,8))")


def test_a_decoder_with_other_strides_says_what_to_give_it():
    with pytest.raises(ShapeError, match="give video/causal the encoder's time and space"):
        aezoo.create("vqvae(video/causal(8,time=2),vq(8,4),video/causal(8),input=(1,9,8,8))")
    with pytest.raises(ShapeError, match="serves inputs with 3 spatial axes"):
        aezoo.create("vqvae(video/causal(8),vq(8,4),video/causal(8),input=(3,32,32))")


@pytest.mark.parametrize(
    "spec",
    [
        "vqvae(video/causal(8,depth=1),vq(16,4),video/causal(8,depth=1),input=(1,5,8,8))",
        "vae(video/causal(8,depth=1),gaussian(4),video/causal(8,depth=1),input=(1,5,8,8))",
        "vqvae(video/causal(8,depth=1),fsq(4,4),video/causal(8,depth=1),cond=label(3),"
        "prior=transformer(16,layers=1,heads=2),input=(1,5,8,8))",
    ],
)
def test_it_learns(spec):
    torch.manual_seed(0)
    m = aezoo.create(spec)
    x = torch.zeros(8, 1, 5, 8, 8)
    for i in range(8):
        for t in range(5):
            x[i, 0, t, (i + t) % 8] = 1.0  # a bar that falls
    cond = torch.arange(8) % 3 if m.capabilities.conditional else None
    optimizer = torch.optim.Adam([p for n, p in m.named_parameters() if "prior" not in n], 1e-2)
    losses = []
    for _ in range(60):
        loss = m.loss(x, cond).total
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.6 * losses[0]
