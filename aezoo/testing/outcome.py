"""How a check says that its rule is broken, or that it does not concern what it was given."""

from __future__ import annotations

from unittest import SkipTest


class Broken(AssertionError):
    """A rule is broken: what was found, and the fix where the rule's own is not the one."""

    def __init__(self, found: str, fix: str = ""):
        super().__init__(found)
        self.found = found
        self.fix = fix


class CheckFailed(AssertionError):
    """The message a plugin's author reads: the subject, the rule, what was found, the fix."""


class NotApplicable(SkipTest):
    """The check does not concern the subject; pytest shows it as skipped, with the reason."""


def require(holds: object, found: str, fix: str = "") -> None:
    """Raise `Broken` unless ``holds``."""
    if not holds:
        raise Broken(found, fix)
