"""The names of a new plugin, all of which follow from its distribution's; bad ones are refused."""

from __future__ import annotations

import keyword
import re
import sys
from dataclasses import dataclass

from aezoo import known
from aezoo.errors import ScaffoldError
from aezoo.manifest import is_word
from aezoo.plugins import RESERVED

LONGEST = 30  # characters of a name: the lines of what is written stay within a hundred

_DISTRIBUTION = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?", re.ASCII)
_TAKEN = {"aezoo", "numpy", "pluggy", "pytest", "tests", "timm", "torch"}  # packages it uses


@dataclass(frozen=True, slots=True)
class Names:
    """What a plugin and its parts are called."""

    distribution: str  # what pip installs: "acme-rvq"
    namespace: str  # what specs write in front: "acme"
    package: str  # what Python imports: "acme_rvq"
    component: str  # what specs write behind: "rvq"
    cls: str  # its class: "Rvq"


def names(distribution: str, kind: str, namespace: str | None = None) -> Names:
    """The names for ``acme-rvq``: namespace acme, package acme_rvq, component rvq.

    A name of one word is its own namespace, and its component is called after its kind.

    Raises:
        ScaffoldError: one of them cannot be used; says why, and what to do.
    """
    if not _DISTRIBUTION.fullmatch(distribution) or len(distribution) > LONGEST:
        raise ScaffoldError(
            f"{distribution!r} is no name for a distribution; write letters, digits, '-', '_' and "
            f"'.', at most {LONGEST}, a letter or digit at both ends, as in acme-rvq"
        )
    words = re.split(r"[-_.]+", distribution.lower())
    package = "_".join(words)
    if not package.isidentifier() or keyword.iskeyword(package):
        raise ScaffoldError(
            f"{distribution!r} would be imported as {package!r}, which Python cannot import; "
            "begin with a letter and take no keyword, as in acme-rvq"
        )
    if package in sys.stdlib_module_names or package in _TAKEN:
        raise ScaffoldError(
            f"{distribution!r} would be imported as {package!r} and hide another package of that "
            "name; add a word, as in acme-rvq"
        )
    space = namespace if namespace is not None else words[0]
    _check_namespace(space, distribution)
    component = "_".join(words[1:]) or f"my_{kind}"
    if not is_word(component):
        raise ScaffoldError(
            f"{distribution!r} has {component!r} behind its first word, which a spec cannot write "
            "as a component's name; take words that begin with a letter, as in acme-rvq"
        )
    if len(space) + len(component) > LONGEST:
        raise ScaffoldError(
            f"{space}/{component}, as specs would write it, has more than {LONGEST} letters; take "
            "a shorter name or --namespace"
        )
    cls = "".join(word.capitalize() for word in component.split("_"))
    return Names(distribution, space, package, component, cls)


def _check_namespace(namespace: str, distribution: str) -> None:
    if not is_word(namespace):
        raise ScaffoldError(
            f"the namespace {namespace!r} is not one word of letters, digits and '_' that begins "
            "with a letter; give another: --namespace acme"
        )
    if namespace in RESERVED:
        raise ScaffoldError(
            f"the namespace {namespace!r} is reserved for the core; give your own: --namespace acme"
        )
    plugin = known.of(namespace)
    if plugin is not None and plugin.distribution != distribution:
        raise ScaffoldError(
            f"the namespace {namespace!r} is that of {plugin.distribution}, and of two plugins "
            "with one namespace neither is loaded; give your own: --namespace acme"
        )
