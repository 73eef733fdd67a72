"""What authors of plugins and tests import. Nothing here is imported by aezoo itself.

    # tests/test_conformance.py of a plugin whose namespace is acme
    from aezoo.testing import parametrize_with_checks

    @parametrize_with_checks("acme", expected_failed={"two_ranks_equal_one": "not reduced yet"})
    def test_conformance(check):
        check()

`aezoo.testing.conformance` are the checks' cases, `aezoo.testing.checks` the checks: each
function's docstring states its rule. ``aezoo check acme`` runs the same from the command line.
`aezoo.testing.elsewhere` is a second device on a machine that has none, for tests of what a GPU
would refuse. `aezoo.testing.localhub` is a Hugging Face Hub in the test's own process, and
`aezoo.testing.pytest_plugin` brings fixtures and markers to every pytest run.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from aezoo.testing.conformance import cases, parametrize_with_checks

__all__ = ["cases", "parametrize_with_checks"]


def __getattr__(name: str) -> object:
    # Lazy: the pytest plugin lives in this package, and every pytest run imports it.
    if name not in __all__:
        raise AttributeError(f"module 'aezoo.testing' has no attribute {name!r}")
    from aezoo.testing import conformance

    return getattr(conformance, name)
