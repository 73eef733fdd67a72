"""model_cards/GALLERY.md: the gallery's specs, all components with their papers, other libraries.

python model_cards/gallery.py            # writes it
python model_cards/gallery.py --check    # says whether it is up to date
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path

from aezoo import registry
from aezoo.bench.peers import Comparison, comparison
from aezoo.gallery import GALLERY, LARGE, Example, citation
from aezoo.records import KINDS

HERE = Path(__file__).resolve().parent
PAGE = HERE / "GALLERY.md"
TABLE = HERE.parent / "benchmarks" / "peers.csv"
INTRODUCTION = """\
# The gallery

<!-- written by `python model_cards/gallery.py` -->

Variants of the field, each as a spec for the 8x8 digits that come with scikit-learn: \
`aezoo.create(spec)` builds it, `aezoo train spec --data digits` trains it, but for those that \
name another data set. The tests train every \
one for 200 steps and ask that it improves and that its weights come back bit for bit."""
LARGER = """\
## At the size of a paper

No test trains these, but the first step of each is tested."""
COMPONENTS = """\
# The components

All that specs are made of; `aezoo info NAME` has their arguments. Those of plugins are in \
`aezoo list --components --papers`."""
PEERS = """\
# In other libraries

Which class, or which option of a class, is the variant: {libraries}, of what their releases \
contain and not of what could be written with them. An empty cell is a variant that the library, \
or aezoo, does not have. The plugins aezoo-diffusers and aezoo-vqp bring diffusers' pretrained \
autoencoders and vector-quantize-pytorch's quantizers into specs. The table is \
`benchmarks/peers.csv`; a test looks every name up."""
SOURCES = {
    "arXiv": "https://arxiv.org/abs/",
    "doi": "https://doi.org/",
    "openreview": "https://openreview.net/forum?id=",
}


def page() -> str:
    """The whole page, Markdown."""
    parts = [INTRODUCTION, _variants(GALLERY), LARGER, _variants(LARGE), COMPONENTS]
    for kind in KINDS:
        core = [r.component for r in registry.components(kind) if not r.namespace]
        rows = [(f"`{c.name}`", c.summary, linked(c.paper)) for c in core]
        parts.append(f"## {kind}\n\n{_table(('name', 'what it is', 'paper'), rows)}")
    parts += _peers(comparison(TABLE))
    return "\n\n".join(parts) + "\n"


def _variants(examples: Sequence[Example]) -> str:
    rows = [(e.name, _spec(e), linked(citation(e))) for e in examples]
    return _table(("variant", "spec", "paper"), rows)


def linked(paper: str) -> str:
    """The citation as a link, where it names an arXiv number, a DOI or an OpenReview page."""
    found = re.search(rf"\b({'|'.join(SOURCES)}):(\S+)", paper)
    return f"[{paper}]({SOURCES[found[1]]}{found[2]})" if found else paper


def _peers(found: Comparison) -> list[str]:
    """The paragraphs about other libraries; names there are without their package's."""
    libraries = [" ".join(library) for library in found.libraries]
    rows = [(v.name, _ours(v.ours), *map(_theirs, v.theirs)) for v in found.variants]
    header = ("variant", "aezoo", *(name for name, _ in found.libraries))
    return [PEERS.format(libraries=", ".join(libraries)), _table(header, rows)]


def _ours(cell: str) -> str:
    kind, _, name = cell.partition(" ")
    return f"{kind} `{name}`" if kind in KINDS else name


def _theirs(cell: str) -> str:
    """`pythae.models.VAE, pythae.samplers.X` as `models.VAE`, `samplers.X`."""
    short = re.sub(r"(^|, )[a-z_]+\.(?=\w)", r"\1", cell)
    return f"`{short}`" if cell else ""


def _spec(example: Example) -> str:
    decay = example.weight_decay
    how = f", trained with `weight_decay={decay}`" if decay else ""
    where = f", on `{example.data}`" if example.data != "digits" else ""
    few = f", with {example.labelled} labels a class" if example.labelled else ""
    return f"`{example.spec}`{how}{where}{few}"


def _table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join("| " + " | ".join(c.replace("|", "\\|") for c in row) + " |" for row in lines)


def main() -> int:
    if "--check" in sys.argv[1:]:
        fresh = PAGE.is_file() and PAGE.read_text(encoding="utf-8") == page()
        print(f"{PAGE.name} is {'up to date' if fresh else 'old: python model_cards/gallery.py'}")
        return 0 if fresh else 1
    PAGE.write_text(page(), encoding="utf-8", newline="\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
