"""aezoo's conformance kit over this plugin."""

from __future__ import annotations

from aezoo.testing import parametrize_with_checks


@parametrize_with_checks("video")
def test_conformance(check):
    check()
