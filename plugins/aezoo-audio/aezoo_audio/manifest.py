"""What this plugin gives: its hooks, in the namespace ``audio``. No torch in here."""

from __future__ import annotations
