"""What a forward pass draws: whose stream it is, and that batches of any size compile."""

from __future__ import annotations

import logging

import pytest
import torch

import aezoo
from aezoo.components import draws

LIKE = torch.zeros(2, 3, dtype=torch.float64)


@pytest.mark.parametrize(
    ("draw", "torchs"), [(draws.normal, torch.randn), (draws.uniform, torch.rand)]
)
def test_the_stream_is_the_generators_or_the_global_one(draw, torchs) -> None:
    found = draw((4, 5), LIKE, torch.Generator().manual_seed(7))
    assert found.dtype == torch.float64
    expected = torchs(4, 5, generator=torch.Generator().manual_seed(7), dtype=torch.float64)
    assert torch.equal(found, expected)
    torch.manual_seed(7)
    assert torch.equal(draw((4, 5), LIKE, None), expected)
    assert draw((4,), LIKE.to("meta"), torch.Generator()).device.type == "meta"


@pytest.mark.parametrize(
    "spec",
    [
        "vae(mlp(8),gaussian(3),mlp(8))",
        "vae(mlp(8),planar(3,2),mlp(8))",
        "vae(mlp(8),bernoulli(3),mlp(8))",
        "vae(mlp(8),poincare(3),mlp(8))",
        "ae(mlp(8),dropout(3),mlp(8))",
        "ae(mlp(8),point(3),mlp(8),corruption=masking(0.25))",
        "hvae(levels(mlp(8),mlp(8)),ladder(4,2,hidden=8),mlp(8))",
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # the compiler's own, where the graph breaks
def test_a_compiled_model_takes_the_smaller_last_batch(spec: str, caplog) -> None:
    """Sizes that change become symbols, which torch.randn with a generator, None too, refuses."""
    torch._dynamo.reset()
    caplog.set_level(logging.CRITICAL, "torch._dynamo")
    model = aezoo.create(spec, input=(1, 8, 8)).train()
    compiled = torch.compile(model.loss, backend="eager")
    x = torch.rand(8, 1, 8, 8)
    for n in (8, 5, 6):
        torch.manual_seed(n)
        expected = model.loss(x[:n]).total
        torch.manual_seed(n)
        torch.testing.assert_close(compiled(x[:n]).total, expected, atol=1e-4, rtol=1e-4)
