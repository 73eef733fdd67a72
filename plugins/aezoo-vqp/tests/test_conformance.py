"""aezoo's conformance checks over every quantizer of the plugin."""

from __future__ import annotations

from collections.abc import Callable

from aezoo.testing import parametrize_with_checks


@parametrize_with_checks("vqp")
def test_conformance(check: Callable[[], None]) -> None:
    check()
