"""Where aezoo keeps what it can make again. No imports: listing commands ask here too."""

from __future__ import annotations

import os
from pathlib import Path


def cache_dir() -> Path:
    """``AEZOO_CACHE``, else ``$XDG_CACHE_HOME/aezoo``, else ``~/.cache/aezoo``."""
    if chosen := os.environ.get("AEZOO_CACHE"):
        return Path(chosen)
    home = os.environ.get("XDG_CACHE_HOME")
    return (Path(home) if home else Path.home() / ".cache") / "aezoo"
