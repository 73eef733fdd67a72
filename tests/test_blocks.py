"""ConvNeXt, attention and transformer networks: each layer against its definition, any shape."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import nn

import aezoo
from aezoo.components import nd
from aezoo.components.attention import MapAttention, SmoothBlock
from aezoo.components.convnext import ConvNeXtBlock, PlaceNorm
from aezoo.components.decoders.configs import UnConvNeXt, UnResAttn, UnViT
from aezoo.components.decoders.unconvnext import UnConvNeXtDecoder
from aezoo.components.decoders.unresattn import UnResAttnDecoder
from aezoo.components.decoders.unvit import UnViTDecoder
from aezoo.components.encoders.configs import ConvNeXt, ResAttn, ViT
from aezoo.components.encoders.convnext import ConvNeXtEncoder
from aezoo.components.encoders.resattn import ResAttnEncoder
from aezoo.components.encoders.vit import ViTEncoder
from aezoo.components.vit import MapTransformer, TransformerBlock, positions
from aezoo.errors import ShapeError

SHAPES = [(1, 5), (2, 64), (1, 28, 28), (3, 7, 9), (1, 1, 1), (2, 5, 6, 7), (3, 1, 4)]
DOWNS = [1, 2, 4, 8]

ENCODERS = {
    "convnext": lambda down, s: ConvNeXtEncoder(ConvNeXt(20, 1, down), in_shape=s),
    "resattn": lambda down, s: ResAttnEncoder(ResAttn(20, 1, 2, down), in_shape=s),
}
DECODERS = {
    "unconvnext": lambda i, o: UnConvNeXtDecoder(UnConvNeXt(20, 1), in_shape=i, out_shape=o),
    "unresattn": lambda i, o: UnResAttnDecoder(UnResAttn(20, 1, 2), in_shape=i, out_shape=o),
}
PAIRS = dict(zip(ENCODERS, DECODERS, strict=True))


def stirred(module: nn.Module) -> Any:
    """With every parameter moved, so that no branch is without effect."""
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.1 * torch.randn_like(parameter))
    return module


# -- shapes


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("down", DOWNS)
@pytest.mark.parametrize("name", ENCODERS)
def test_encoder_and_decoder_of_any_shape(name: str, down: int, shape: tuple[int, ...]) -> None:
    encoder = ENCODERS[name](down, shape)
    h = encoder(torch.rand(2, *shape))
    assert encoder.in_shape == shape
    assert encoder.out_shape == (20, *nd.halved(shape[1:], down.bit_length() - 1))
    assert h.shape == (2, *encoder.out_shape)
    decoder = DECODERS[PAIRS[name]](encoder.out_shape, (4, *shape[1:]))
    params = decoder(h)
    assert nd.crop(params, shape[1:]).shape == (2, 4, *shape[1:])
    params.square().sum().backward()
    for part in (encoder, decoder):
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in part.parameters())


@pytest.mark.parametrize("name", ENCODERS)
def test_any_size_is_true(name: str) -> None:
    """What is built for one size reads another, as what is built for that does."""
    small, large = (2, 8, 12), (2, 13, 20)
    torch.manual_seed(1)
    encoder, other = (stirred(ENCODERS[name](4, s)) for s in (small, large))
    other.load_state_dict(encoder.state_dict())
    x = torch.rand(2, *large)
    assert encoder.any_size
    assert torch.equal(encoder(x), other(x))
    assert encoder(x).shape[1:] == other.out_shape
    decoder = stirred(DECODERS[PAIRS[name]](encoder.out_shape, (1, 8, 12)))
    beyond = DECODERS[PAIRS[name]](other.out_shape, (1, 13, 20))
    beyond.load_state_dict(decoder.state_dict())
    assert decoder.any_size
    assert torch.equal(decoder(other(x)), beyond(other(x)))


@pytest.mark.parametrize("decoder", [*DECODERS, "unres"])
def test_a_decoder_from_a_map_says_what_to_take(decoder: str) -> None:
    with pytest.raises(ShapeError, match=rf"{decoder} needs a map .* take deconv or mlp"):
        aezoo.create(f"ae(mlp(8),point(16),{decoder}(8))")
    with pytest.raises(ShapeError, match=rf"\(8, 8\) to size \(112, 112\), as {decoder} .* deconv"):
        # Patches of 14: no halvings.
        aezoo.create(
            f"ae(timm(vit_small_patch14_dinov2),point(4),{decoder}(8),input=(3,112,112))",
            device="meta",
        )


def test_widths_halve_up_to_sixteen() -> None:
    assert nd.pyramid(128, 5) == [128, 64, 32, 16, 16]
    assert nd.pyramid(24, 3) == [24, 16, 16]
    assert nd.pyramid(8, 3) == [8, 8, 8]
    encoder = ConvNeXtEncoder(ConvNeXt(64, 1, 8), in_shape=(3, 32, 32))
    depthwise = [p.shape for p in encoder.parameters() if p.ndim == 4 and p.shape[-1] == 7]
    assert depthwise == [(16, 1, 7, 7), (32, 1, 7, 7), (64, 1, 7, 7)]


# -- ConvNeXt


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_the_convnext_block_is_the_papers(rank: int) -> None:
    """Channel by channel and place by place, in plain tensor algebra."""
    block = stirred(ConvNeXtBlock(rank, 3, 0.5)).double()
    x = torch.randn(2, 3, *(4, 5, 6)[:rank], dtype=torch.float64)
    convolve = (F.conv1d, F.conv2d, F.conv3d)[rank - 1]
    parts = [
        convolve(x[:, i : i + 1], block.conv.weight[i : i + 1], padding=3) + block.conv.bias[i]
        for i in range(3)
    ]
    h = torch.cat(parts, 1)
    mean, variance = h.mean(1, keepdim=True), h.var(1, correction=0, keepdim=True)
    h = ((h - mean) / (variance + 1e-6).sqrt()).movedim(1, -1)
    h = h * block.norm.weight + block.norm.bias
    h = h @ block.wider.weight.T + block.wider.bias
    assert h.shape[-1] == 12
    h = h * 0.5 * (1 + torch.erf(h / math.sqrt(2)))
    h = (h @ block.project.weight.T + block.project.bias) * block.gamma
    torch.testing.assert_close(block(x), x + h.movedim(-1, 1))


def test_convnext_starts_small() -> None:
    encoder = ConvNeXtEncoder(ConvNeXt(64, 1, 2), in_shape=(3, 8, 8))
    for name, parameter in encoder.named_parameters():
        if parameter.ndim > 1:
            assert float(parameter.detach().std()) == pytest.approx(0.02, rel=0.1), name
    gammas = [p for n, p in encoder.named_parameters() if n.endswith("gamma")]
    assert gammas
    assert all(torch.equal(g, torch.full((64,), 1e-6)) for g in gammas)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_layer_scale_of_zero_is_the_identity(rank: int) -> None:
    block = ConvNeXtBlock(rank, 4, 0.0)
    x = torch.randn(2, 4, *(3, 4, 5)[:rank])
    assert torch.equal(block(x), x)
    assert not torch.equal(ConvNeXtBlock(rank, 4, 1.0)(x), x)


def test_places_are_normalised_by_themselves() -> None:
    norm = PlaceNorm(5)
    x = torch.randn(2, 5, 3, 4)
    y = norm(x)
    torch.testing.assert_close(y.mean(1), torch.zeros(2, 3, 4), atol=1e-5, rtol=0)
    torch.testing.assert_close(y.var(1, correction=0), torch.ones(2, 3, 4), atol=1e-3, rtol=0)
    torch.testing.assert_close(norm(x[..., :1, 2:3]), y[..., :1, 2:3])


# -- attention


@pytest.mark.parametrize("heads", [1, 4])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_attention_by_hand(rank: int, heads: int) -> None:
    attention = stirred(MapAttention(rank, 8, heads)).double()
    x = torch.randn(2, 8, *(3, 2, 2)[:rank], dtype=torch.float64)
    h = F.group_norm(x, 2, attention.norm.weight, attention.norm.bias, 1e-5).flatten(2)
    weight, bias = attention.qkv.weight.flatten(1), attention.qkv.bias
    q, k, v = (weight @ h + bias[:, None]).chunk(3, 1)
    size = 8 // heads
    found = []
    for i in range(heads):
        mine = slice(i * size, (i + 1) * size)
        scores = q[:, mine].transpose(1, 2) @ k[:, mine] / math.sqrt(size)  # (B, from, to)
        found.append(v[:, mine] @ scores.softmax(-1).transpose(1, 2))
    out = attention.project.weight.flatten(1) @ torch.cat(found, 1)
    out = out + attention.project.bias[:, None]
    torch.testing.assert_close(attention(x), x + out.reshape(x.shape))


def test_every_place_sees_every_other_and_their_order_is_the_convolutions_business() -> None:
    attention = stirred(MapAttention(1, 8, 2))
    x = torch.randn(1, 8, 6, requires_grad=True)
    (slope,) = torch.autograd.grad(attention(x)[0, :, 0].sum(), x)
    assert (slope[0].abs().sum(0) > 0).all()
    order = torch.tensor([3, 1, 5, 0, 2, 4])
    torch.testing.assert_close(attention(x[..., order]), attention(x)[..., order])


def test_attention_stands_at_the_smallest_map_alone() -> None:
    sizes: list[tuple[int, ...]] = []
    encoder = ResAttnEncoder(ResAttn(16, 1, 1, 4), in_shape=(1, 12, 8))
    decoder = UnResAttnDecoder(UnResAttn(16, 1), in_shape=(16, 3, 2), out_shape=(1, 12, 8))
    for part in (encoder, decoder):
        (attention,) = [m for m in part.modules() if isinstance(m, MapAttention)]
        attention.register_forward_hook(lambda _, x, y: sizes.append(tuple(x[0].shape[2:])))
    decoder(encoder(torch.rand(1, 1, 12, 8)))
    assert sizes == [(3, 2), (3, 2)]


def test_the_smooth_block_by_hand() -> None:
    for outputs in (8, 12):
        block = stirred(SmoothBlock(2, 8, outputs))
        x = torch.randn(2, 8, 5, 4)
        norm, _, first, again, _, second = block.layers
        h = F.conv2d(F.silu(norm(x)), first.weight, first.bias, padding=1)
        h = F.conv2d(F.silu(again(h)), second.weight, second.bias, padding=1)
        skip = x if outputs == 8 else F.conv2d(x, block.skip.weight, block.skip.bias)
        torch.testing.assert_close(block(x), skip + h)
    nn.init.zeros_(second.weight)
    nn.init.zeros_(second.bias)
    assert torch.equal(block(x), skip)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("resattn(8,heads=3)", "width = 8 must split evenly over heads"),
        ("resattn(8,down=3)", "down must be a power of two, not 3"),
        ("convnext(8,down=6)", "down must be a power of two, not 6"),
        ("convnext(8,scale=-1.0)", "scale must be at least 0"),
    ],
)
def test_wrong_arguments_are_said(text: str, message: str) -> None:
    with pytest.raises(aezoo.SpecError, match=message):
        aezoo.create(f"ae({text},point(2),unres(8))")


# -- transformers


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("patch", [1, 2, 3])
def test_patches_of_any_shape(patch: int, shape: tuple[int, ...]) -> None:
    encoder = ViTEncoder(ViT(8, 1, 2, patch), in_shape=shape)
    h = encoder(torch.rand(2, *shape))
    assert h.shape == (2, *encoder.out_shape) == (2, 8, *(math.ceil(n / patch) for n in shape[1:]))
    decoder = UnViTDecoder(UnViT(8, 1, 2, patch), in_shape=h.shape[1:], out_shape=(4, *shape[1:]))
    params = decoder(h)
    assert nd.crop(params, shape[1:]).shape == (2, 4, *shape[1:])
    params.square().sum().backward()
    for part in (encoder, decoder):
        assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in part.parameters())


def test_transformers_read_any_size() -> None:
    small, large = (2, 9, 12), (2, 16, 21)
    encoder, other = (stirred(ViTEncoder(ViT(8, 2, 2, 3), in_shape=s)) for s in (small, large))
    other.load_state_dict(encoder.state_dict())
    x = torch.rand(2, *large)
    assert encoder.any_size
    assert torch.equal(encoder(x), other(x))
    decoder, beyond = (
        UnViTDecoder(UnViT(8, 2, 2, 3), in_shape=e.out_shape, out_shape=(1, *s[1:]))
        for e, s in ((encoder, small), (other, large))
    )
    beyond.load_state_dict(decoder.state_dict())
    assert decoder.any_size
    assert torch.equal(decoder(other(x)), beyond(other(x)))


def test_the_transformers_block_is_torchs() -> None:
    block = stirred(TransformerBlock(8, 2)).double()
    theirs = nn.TransformerEncoderLayer(
        8, 2, 32, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
    ).double()
    pairs = {
        "self_attn.in_proj_weight": block.qkv.weight, "self_attn.in_proj_bias": block.qkv.bias,
        "self_attn.out_proj.weight": block.project.weight,
        "self_attn.out_proj.bias": block.project.bias,
        "norm1.weight": block.before.weight, "norm1.bias": block.before.bias,
        "norm2.weight": block.mlp[0].weight, "norm2.bias": block.mlp[0].bias,
        "linear1.weight": block.mlp[1].weight, "linear1.bias": block.mlp[1].bias,
        "linear2.weight": block.mlp[3].weight, "linear2.bias": block.mlp[3].bias,
    }  # fmt: skip
    theirs.load_state_dict(pairs)
    x = torch.randn(3, 5, 8, dtype=torch.float64)
    torch.testing.assert_close(block(x), theirs.train()(x))


@pytest.mark.parametrize(("size", "width"), [((7,), 9), ((4, 5), 8), ((2, 3, 4), 13)])
def test_every_place_has_its_own_position(size: tuple[int, ...], width: int) -> None:
    found = positions(size, width, torch.device("cpu"))
    assert found.shape == (width, *size)
    places = found.flatten(1).T
    assert len(torch.unique(places, dim=0)) == math.prod(size)
    waves = width // (2 * len(size))
    assert not found[2 * len(size) * waves :].any()
    for axis, n in enumerate(size):
        for place in range(n):
            at = [0] * len(size)
            at[axis] = place
            for i in range(waves):
                angle = place / 10_000 ** (i / waves)
                mine = found[(slice(None), *at)][2 * axis * waves :]
                assert float(mine[i]) == pytest.approx(math.sin(angle), abs=1e-6)
                assert float(mine[waves + i]) == pytest.approx(math.cos(angle), abs=1e-6)


def test_a_place_becomes_a_patch_as_large_as_it_was() -> None:
    layer: Any = nd.unpatched(2, 64, 3, 4)
    z = torch.randn(8, 64, 3, 3)
    assert 0.4 < float(layer(z).detach().std()) < 0.8  # 1 / sqrt(3), as of a dense layer
    by_hand = torch.einsum("cpij,c->pij", layer.weight, z[0, :, 1, 2]) + layer.bias[:, None, None]
    torch.testing.assert_close(layer(z)[0, :, 4:8, 8:12], by_hand)


def test_a_patch_is_a_linear_map() -> None:
    encoder: Any = ViTEncoder(ViT(6, 0, 1, 2), in_shape=(3, 4, 6))
    x = torch.rand(1, 3, 4, 6)
    by_hand = encoder.embed.weight.flatten(1) @ x[0, :, 2:4, 4:6].flatten() + encoder.embed.bias
    by_hand = by_hand + positions((2, 3), 6, x.device)[:, 1, 2]
    expected = encoder.transformer.norm(by_hand)
    torch.testing.assert_close(encoder(x)[0, :, 1, 2], expected)


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("ae(mlp(8),point(4),unvit(8))", r"unvit needs a map .* take deconv or mlp"),
        ("ae(vit(8,patch=8),point(4),unvit(8))", r"patches of 4 do not lead .*; take patch=8"),
        (
            "ae(vit(8,patch=4),point(4),unvit(8,patch=3),input=(1,8,30))",
            r"from a map of size \(2, 8\) to size \(8, 30\); take patch=4",
        ),
        (
            "ae(timm(resnet18,stage=0),point(4),unvit(8),input=(1,9,30))",
            r"from a map of size \(5, 15\) to size \(9, 30\); take patch=2",
        ),
        (
            "ae(vit(2,heads=1),point(4),unvit(8))",
            "takes 4 channels at least, and width is 2; take a wider",
        ),
    ],
)
def test_what_a_transformer_cannot_do_is_said(spec: str, message: str) -> None:
    with pytest.raises(ShapeError, match=message):
        aezoo.create(spec)


def test_a_transformer_without_layers_still_has_its_norm() -> None:
    h = torch.randn(2, 8, 3, 3)
    found = MapTransformer(2, 8, 0, 1)(h)
    expected = F.layer_norm((h + positions((3, 3), 8, h.device)).movedim(1, -1), (8,))
    torch.testing.assert_close(found, expected.movedim(-1, 1))


# -- timm's backbones, and decoders for whatever they leave


@pytest.mark.parametrize(
    ("backbone", "shape", "latent"),
    [
        ("resnet18", "(3,32,32)", (4, 1, 1)),
        ("resnet18", "(1,8,8)", (4, 1, 1)),
        ("resnet18,stage=1", "(1,8,8)", (4, 2, 2)),
        ("resnet18,stage=2", "(3,37,51)", (4, 5, 7)),
        ("mobilenetv3_small_050", "(1,28,28)", (4, 1, 1)),
        ("convnext_atto,stage=1", "(3,32,48)", (4, 4, 6)),
        ("vit_tiny_patch16_224", "(3,32,48)", (4, 2, 3)),
    ],
)
@pytest.mark.parametrize("decoder", ["unres(8)", "unconvnext(8)", "unresattn(8)", "deconv(8,4)"])
def test_a_generic_decoder_for_any_reduction(
    backbone: str, shape: str, latent: tuple[int, ...], decoder: str
) -> None:
    model = aezoo.create(f"ae(timm({backbone}),point(4),{decoder},input={shape})", device="meta")
    assert model.latent_shape == latent
    x = torch.empty(2, *model.input_shape, device="meta")
    assert model.eval().reconstruct(x).shape == x.shape


def test_patches_for_a_backbone_of_patches() -> None:
    model = aezoo.create(
        "ae(timm(vit_small_patch14_dinov2),point(4),unvit(8,patch=14),input=(3,112,112))",
        device="meta",
    )
    x = torch.empty(1, 3, 112, 112, device="meta")
    assert model.eval().reconstruct(x).shape == x.shape


@pytest.mark.parametrize("backbone", ["vgg11", "convnext_atto", "vit_tiny_patch16_224"])
def test_an_input_too_small_for_a_backbone(backbone: str, caplog: pytest.LogCaptureFixture) -> None:
    with pytest.raises(
        ShapeError, match=rf"{backbone} cannot reduce 8 x 8 as far as to its map -1 .*earlier map"
    ):
        aezoo.create(f"ae(timm({backbone}),point(4),unres(8),input=(1,8,8))")
    assert not caplog.records
