"""The conformance kit over the core itself."""

from __future__ import annotations

from aezoo.testing import parametrize_with_checks


@parametrize_with_checks("core")
def test_core(check):
    check()
