"""What all tests share: few threads, a fixed seed, and hypothesis without a clock.

Every random test draws from a seed, so that a failure can be had again.
"""

from __future__ import annotations

import os

# A process a core needs no more than one (`pytest -n auto`).
os.environ.setdefault("OMP_NUM_THREADS", "1" if "PYTEST_XDIST_WORKER" in os.environ else "2")

import hypothesis
import pytest
import torch

hypothesis.settings.register_profile(
    "aezoo",
    deadline=None,  # a busy machine is no failure
    derandomize=True,
    print_blob=True,
    suppress_health_check=[hypothesis.HealthCheck.too_slow],
)
hypothesis.settings.load_profile("aezoo")
torch.set_num_threads(min(2, torch.get_num_threads()))


@pytest.fixture(autouse=True)
def _seeded() -> None:
    torch.manual_seed(0)
