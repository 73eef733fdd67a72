"""plugins/HOOKS.md from the docstrings of aezoo.hookspecs and the sources of the records.

python plugins/hooks.py            # writes it
python plugins/hooks.py --check    # says whether it is up to date
"""

from __future__ import annotations

import ast
import inspect
import sys
from pathlib import Path

from aezoo import hookspecs

PAGE = Path(__file__).parent / "HOOKS.md"
PACKAGE = Path(hookspecs.__file__).parent
#: What hooks give, and what components give back: module -> names, in the page's order.
RECORDS = {
    "records": (
        "slot",
        "rest",
        "Capabilities",
        "Component",
        "FileRecord",
        "ModelEntry",
        "Dataset",
        "MetricRecord",
        "FeatureRecord",
        "FormatRecord",
    ),
    "latents": ("Latent", "Output", "Losses"),
}


def page() -> str:
    """The whole page, Markdown."""
    hooks = [
        f"## `{hook}`\n\n{_doc(getattr(hookspecs, hook))}" for hook in hookspecs.HOOKS.values()
    ]
    parts = [
        "# The plugin API\n\n<!-- written by `python plugins/hooks.py` -->",
        _doc(hookspecs),
        *hooks,
        "## Records and results",
        *(_sources(PACKAGE / f"{module}.py", names) for module, names in RECORDS.items()),
    ]
    return "\n\n".join(parts) + "\n"


def _doc(thing: object) -> str:
    return inspect.cleandoc(thing.__doc__ or "")


def _sources(path: Path, names: tuple[str, ...]) -> str:
    """What the file defines under these names, with its comments. Nothing is imported."""
    text = path.read_text(encoding="utf-8")
    found = {
        node.name: node
        for node in ast.parse(text).body
        if isinstance(node, ast.ClassDef | ast.FunctionDef)
    }
    blocks = [_lines(text, found[name]) for name in names]
    title = f"From `aezoo.{path.stem}`:"
    return "\n\n".join([title, *(f"```python\n{block}\n```" for block in blocks)])


def _lines(text: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
    return "\n".join(text.splitlines()[first - 1 : node.end_lineno])


def main() -> int:
    if "--check" in sys.argv[1:]:
        fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print(f"{PAGE.name} is {'up to date' if fresh else 'old: python plugins/hooks.py'}")
        return 0 if fresh else 1
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
