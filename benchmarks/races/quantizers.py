"""aezoo's quantizers and vector-quantize-pytorch's, on the same maps with the same weights.

    python benchmarks/races/quantizers.py --rounds 10 --threads 1

Needs aezoo-vqp. ``step`` is a training step of the quantizer alone: forward, the gradient of z and
of the penalty, the codebook's moving averages. ``encode`` is eval mode without gradients. Before
they are timed, both must choose the same codes.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

import torch
from sidebyside import race
from torch import Tensor

from aezoo.resolve import bind
from aezoo.spec import parse

#: Ours and theirs: straight-through, moving averages, no codes moved.
PAIRS = {
    "vq": (
        "vq({codes},{dim},beta=1.0,decay=0.8,revive=0.0)",
        "vqp/vq({codes},{dim},rotation_trick=false)",
    ),
    "vq, rotation trick": (
        "vq({codes},{dim},beta=1.0,decay=0.8,revive=0.0,estimator=rotation)",
        "vqp/vq({codes},{dim})",
    ),
    "fsq": ("fsq(8,5,5,5)", "vqp/fsq(8,5,5,5)"),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--side", type=int, default=16, help="places along each of two axes")
    parser.add_argument("--features", type=int, default=64)
    parser.add_argument("--codes", type=int, default=512)
    parser.add_argument("--dim", type=int, default=64)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--threads", type=int, default=torch.get_num_threads())
    parser.add_argument("--device", default="cpu")
    given = parser.parse_args()
    torch.set_num_threads(given.threads)
    torch.manual_seed(0)
    shape = (given.features, given.side, given.side)
    h = torch.randn(given.batch, *shape, device=given.device)
    places = given.batch * given.side**2
    print(
        f"{places:,} places of {given.features} channels, K={given.codes}, D={given.dim}, "
        f"{given.device}, {given.threads} threads, torch {torch.__version__}"
    )
    for name, specs in PAIRS.items():
        ours, theirs = (
            bind(parse(s.format(codes=given.codes, dim=given.dim)), ("quantizer",))
            .build(in_shape=shape)
            .to(given.device)
            for s in specs
        )
        share(ours, theirs)
        agree(ours, theirs, h)
        for task in (step, encode):
            print(f"\n{name}, {task.__name__}, thousand places a second")
            contestants = {"aezoo": task(ours, h), "vector-quantize-pytorch": task(theirs, h)}
            race(contestants, given.rounds, places / 1000, "k/s")


@torch.no_grad()
def share(ours: Any, theirs: Any) -> None:
    """Give both the same linear map and the same codebook."""
    theirs.project.weight.copy_(ours.project.weight.flatten(1))
    theirs.project.bias.copy_(ours.project.bias)
    if hasattr(ours, "codebook"):
        ours.started.fill_(True)  # no k-means
        book = torch.randn_like(ours.codebook)
        ours.codebook.copy_(book)
        ours.sums.copy_(book)
        theirs.layer.codebook = book
        theirs.layer._codebook.embed_avg.copy_(book[None])


@torch.no_grad()
def agree(ours: Any, theirs: Any, h: Tensor) -> None:
    """The same codes, but where rounding leaves two codes equally near."""
    first, second = ours.eval()(h), theirs.eval()(h)
    if hasattr(ours, "codebook"):
        same = first.codes == second.codes
    else:  # FSQ's codes count the channels alike, and its vectors are the same
        same = (first.z - second.z).abs().amax(1) < 1e-5
    share_same = float(same.double().mean())
    if share_same < 0.9999:
        raise SystemExit(f"they agree on {share_same:.2%} of the places: no race")


def step(quantizer: Any, h: Tensor) -> Callable[[], object]:
    quantizer.train()
    x = h.clone().requires_grad_()

    def call() -> None:
        latent = quantizer.train()(x)
        loss = latent.z.square().sum()
        if latent.penalty is not None:
            loss = loss + latent.penalty.mean()
        loss.backward()
        wait(h)

    return call


def encode(quantizer: Any, h: Tensor) -> Callable[[], object]:
    def call() -> None:
        with torch.no_grad():
            quantizer.eval()(h)
        wait(h)

    return call


def wait(h: Tensor) -> None:
    if h.device.type == "cuda":
        torch.cuda.synchronize()


if __name__ == "__main__":
    main()
