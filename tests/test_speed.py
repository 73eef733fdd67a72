"""The speed rows: counts that are known, a clock that counts what it should."""

from __future__ import annotations

import time

import pytest
import torch

from aezoo import bench
from aezoo.bench.speed import Speed, Times, flops, peak_memory, timed, train_step
from aezoo.build import build
from aezoo.data.sets import load
from aezoo.metrics.base import Run

CPU = torch.device("cpu")
VAE = "vae(mlp(16),gaussian(4),mlp(16),input=(1,8,8))"
VQ = "vqvae(res(8,depth=1),vq(8,4),unres(8,depth=1),prior=pixelcnn(8,layers=2),input=(1,8,8))"
CONDITIONAL = "vae(mlp(16),gaussian(4),mlp(16),cond=label(10),input=(1,8,8))"
VERBS = ["encode", "decode", "reconstruct", "train"]


def test_times_are_medians_and_ranks():
    times = Times(tuple(float(i) for i in range(100, 0, -1)))
    assert times.median == 50.5
    assert times.p95 == 95
    assert Times((3.0,)).p95 == 3
    assert Times(tuple(range(1, 21))).p95 == 19


def test_the_clock_counts_the_call_and_nothing_else():
    calls = []
    times = timed(lambda: calls.append(time.sleep(0.01)), CPU, budget=0.05, least=3, warmup=2)
    assert len(calls) == len(times.seconds) + 2  # those that warm up are not counted
    assert len(times.seconds) >= 3
    assert 0.01 <= times.median < 0.1
    assert len(timed(lambda: None, CPU, budget=10, least=1, most=7).seconds) == 7


def test_a_gpu_is_timed_by_events_on_its_own_stream(monkeypatch):
    """Events of the current device would time nothing of what another one does."""
    second = torch.device("cuda", 1)
    recorded, waited = [], []

    class Event:
        def __init__(self, enable_timing):
            assert enable_timing

        def record(self, stream):
            recorded.append(stream)

        def synchronize(self):
            waited.append(self)

        def elapsed_time(self, last):
            assert waited[-1] is last is not self
            return 2.5

    monkeypatch.setattr(torch.cuda, "Event", Event)
    monkeypatch.setattr(torch.cuda, "current_stream", lambda device: f"stream of {device}")
    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    times = timed(lambda: recorded.append("call"), second, least=1, most=1, warmup=0)
    assert times.seconds == (0.0025,)
    assert recorded == ["stream of cuda:1", "call", "stream of cuda:1"]


def test_flops_of_a_known_product_and_of_a_model():
    a, b = torch.rand(3, 5), torch.rand(5, 7)
    assert flops(lambda: a @ b) == 2 * 3 * 5 * 7
    model = build(VAE).eval()
    x = torch.rand(1, 1, 8, 8)
    # 64-16, 16-8 (mean and log variance), 4-16, 16-64: a multiply and an add each
    assert flops(lambda: model.reconstruct(x)) == 2 * (64 * 16 + 16 * 8 + 4 * 16 + 16 * 64)


@pytest.mark.parametrize("spec", [VAE, VQ, CONDITIONAL])
def test_a_train_step_learns_on_a_copy(spec: str):
    torch.manual_seed(0)
    model = build(spec).eval()
    if "pixelcnn" in spec:
        model.requires_grad_(False)  # as after its prior was fitted
    before = {name: value.clone() for name, value in model.state_dict().items()}
    cond = torch.zeros(6, dtype=torch.int64) if "cond" in spec else None
    step = train_step(model, torch.rand(6, 1, 8, 8), cond)
    with torch.no_grad():  # as the bench calls it
        step()
        step()
    assert not model.training
    for name, value in model.state_dict().items():
        assert torch.equal(value, before[name])
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize("spec", [VAE, VQ, CONDITIONAL, "ae(mlp(8),point(2),mlp(8),input=(1,8,8))"])
def test_the_rows_of_every_family(spec: str):
    torch.manual_seed(0)
    model = build(spec).eval()
    state = torch.get_rng_state()
    rows = bench.run(
        [model],
        data="digits",
        split="test[:40]",
        metrics="speed(batch=32,samples=4,budget=0.01)",
        device="cpu",
    )
    assert torch.equal(torch.get_rng_state(), state)
    found = {row.metric: row for row in rows}
    for verb in VERBS:
        row = found[f"{verb}-per-second"]
        assert row.value > 0
        assert (row.unit, row.n, row.higher_is_better) == ("images/s", 32, True)
        assert "batch of 32" in row.protocol
        assert "cpu" in row.protocol
    assert ("sample-per-second" in found) == model.capabilities.sample
    assert 0 < found["latency-median"].value <= found["latency-p95"].value
    assert found["parameters"].value == sum(p.numel() for p in model.parameters())
    assert found["flops-reconstruct"].value > 0
    assert not [name for name in found if "memory" in name]  # no gauge on the CPU


def test_memory_has_no_gauge_on_the_cpu():
    assert peak_memory(lambda: None, CPU) is None


def test_options_and_more_than_one_process():
    for options in ({"batch": 0}, {"samples": 0}, {"budget": 0.0}):
        with pytest.raises(ValueError, match=next(iter(options))):
            Speed(**options)
    run = Run(build(VAE).eval(), load("digits", "test[:3]"), CPU, world=2)
    assert "one process" in Speed().missing(run)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
@pytest.mark.parametrize("spec", [VAE, VQ])
def test_the_rows_on_a_gpu(spec: str):
    model = build(spec).eval()
    metrics = "speed(budget=0.05)"
    rows = bench.run([model], data="digits", split="test", metrics=metrics, device="cuda")
    found = {row.metric: row for row in rows}
    assert torch.cuda.get_device_name() in found["encode-per-second"].protocol
    held = sum(t.nbytes for t in (*model.parameters(), *model.buffers())) / 2**20
    assert found["peak-memory-reconstruct"].value > held
    assert found["peak-memory-train"].value > 2 * held


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_peak_memory_of_a_known_tensor():
    cuda = torch.device("cuda")
    assert peak_memory(lambda: torch.empty(2**20, device=cuda), cuda) == 2**22
    # Events time the work, not the call that starts it.
    a = torch.rand(4096, 4096, device=cuda)
    few, many = (timed(lambda n=n: [a @ a for _ in range(n)], cuda).median for n in (1, 10))
    assert many > 5 * few
