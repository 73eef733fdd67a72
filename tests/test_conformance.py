"""The conformance kit over the core itself."""

from __future__ import annotations

from aezoo.testing import parametrize_with_checks

KNOWN = {
    "timm:two_ranks_equal_one": "batch normalisation of timm's backbones: its running "
    "statistics are each process's own",
}


@parametrize_with_checks("core", expected_failed=KNOWN)
def test_core(check):
    check()
