"""aezoo's conformance kit over this plugin."""

from __future__ import annotations

from aezoo.testing import parametrize_with_checks

UNPINNED = (
    "the collection is kept on GitHub; nobody has packed it on the Hub, so no commit is there"
)


@parametrize_with_checks(
    "audio",
    expected_failed={
        "audio/fsdd:record_complete": UNPINNED,
        "audio/fsdd-speakers:record_complete": UNPINNED,
    },
)
def test_conformance(check):
    check()
