"""What a model was trained on, as its files say it. No torch in here."""

from __future__ import annotations

import json
from pathlib import Path

TRAINING = "training.json"


def trained_on(source: str | Path) -> str:
    """The data set of a zoo model or of a folder's model; "" where nobody knows.

    Raises:
        UnknownModelError: it is neither.
    """
    from aezoo import registry

    text = str(source)
    if text.startswith(("hf://", "hf-hub:")):
        return ""
    file = Path(text.removeprefix("local:")).expanduser() / TRAINING
    if file.is_file():
        return json.loads(file.read_text(encoding="utf-8")).get("data", "")
    return "" if file.parent.is_dir() else registry.model(text).data
