"""The patch critic: the paper's layers and fields of view, and no sample sees another."""

from __future__ import annotations

import pytest
import torch

from aezoo.components import nd
from aezoo.components.critics.configs import MLP, Patch
from aezoo.components.critics.mlp import MLPCritic
from aezoo.components.critics.patch import PatchCritic
from aezoo.errors import ShapeError


@pytest.mark.parametrize("layers", [1, 2, 3])
@pytest.mark.parametrize(
    "shape", [(1, 5), (2, 64), (1, 8, 8), (3, 7, 9), (3, 1, 1), (2, 5, 6, 7)], ids=str
)
def test_a_verdict_for_each_patch(shape: tuple[int, ...], layers: int) -> None:
    critic = PatchCritic(Patch(8, layers), in_shape=shape)
    features = critic.features(torch.rand(2, *shape))
    assert features[-1].shape == (2, 1, *nd.halved(shape[1:], layers))
    assert [f.shape[1] for f in features] == [*(8 * 2**i for i in range(layers + 1)), 1]
    features[-1].sum().backward()
    assert all(p.grad is not None for p in critic.parameters())


@pytest.mark.parametrize(("layers", "field"), [(1, 16), (2, 34), (3, 70)])
def test_a_patch_is_as_large_as_the_papers(layers: int, field: int) -> None:
    """Of one logit in the middle; without the norms, which look at the whole map."""
    critic = PatchCritic(Patch(2, layers), in_shape=(1, 160)).double()
    for block in critic.blocks:
        if isinstance(block, torch.nn.Sequential):
            for i, layer in enumerate(block):
                if isinstance(layer, torch.nn.GroupNorm):
                    block[i] = torch.nn.Identity()
    x = torch.rand(1, 1, 160, dtype=torch.float64, requires_grad=True)
    logits = critic(x)
    (grad,) = torch.autograd.grad(logits[0, 0, logits.shape[-1] // 2], x)
    seen = grad[0, 0].nonzero()
    assert int(seen.max() - seen.min()) + 1 == field


def test_it_is_c64_c128_c256_c512() -> None:
    critic = PatchCritic(Patch(), in_shape=(3, 64, 64))
    kernels = [p for p in critic.parameters() if p.ndim > 1]
    assert [tuple(k.shape) for k in kernels] == [
        (64, 3, 4, 4), (128, 64, 4, 4), (256, 128, 4, 4), (512, 256, 4, 4), (1, 512, 4, 4),
    ]  # fmt: skip
    for kernel in kernels[:-1]:
        assert float(kernel.detach().std()) == pytest.approx(0.02, rel=0.05)


def test_samples_do_not_see_each_other() -> None:
    critic = PatchCritic(Patch(8, 2), in_shape=(1, 8, 8)).train()
    x = torch.rand(4, 1, 8, 8)
    torch.testing.assert_close(critic(x)[1:2], critic(x[1:2]))


@pytest.mark.parametrize("shape", [(5,), (2, 3, 4)])
def test_the_last_feature_is_the_verdict(shape: tuple[int, ...]) -> None:
    critic = MLPCritic(MLP((6, 4)), in_shape=shape)
    x = torch.rand(3, *shape)
    features = critic.features(x)
    assert [tuple(f.shape) for f in features] == [(3, 6), (3, 4), (3,)]
    assert torch.equal(features[-1], critic(x))


def test_vectors_take_the_dense_one() -> None:
    with pytest.raises(ShapeError, match="take critic=mlp"):
        PatchCritic(Patch(), in_shape=(8,))


def test_even_kernels_keep_the_size() -> None:
    even = nd.EvenConv(2, 1, 1, 4)
    x = torch.rand(2, 1, 5, 3)
    by_hand = torch.nn.functional.conv2d(x, even.conv.weight, even.conv.bias, padding=2)
    torch.testing.assert_close(even(x), by_hand[..., 1:, 1:])


@pytest.mark.parametrize(
    ("channels", "groups"), [(1, 1), (3, 1), (8, 2), (36, 9), (37, 1), (128, 32), (512, 32)]
)
def test_groups_have_four_channels_or_more(channels: int, groups: int) -> None:
    assert nd.group_norm(channels).num_groups == groups
