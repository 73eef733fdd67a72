"""Which checks concern what, as cases to run one by one; and the pytest decorator over them."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from aezoo import plugins, registry
from aezoo.errors import AezooError, PluginMissingError, UnknownModelError
from aezoo.records import KINDS
from aezoo.resolve import bind
from aezoo.spec import Spec, SpecError, parse, suggest
from aezoo.testing.checks import CHECKS, Check
from aezoo.testing.outcome import Broken, CheckFailed, NotApplicable
from aezoo.testing.subject import Subject

CORE = "core"  # what the namespace of the core's own components is called here


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one case: a row of ``aezoo check``."""

    subject: str
    check: str
    state: str  # ok | failed | skipped
    message: str  # why it failed or was skipped, and the fix
    seconds: float


@dataclass(frozen=True, slots=True)
class Case:
    """One check of one subject. Call it: it raises where the rule is broken."""

    check: Check
    subject: Subject

    @property
    def id(self) -> str:
        return f"{self.subject}-{self.check.name}".replace(" ", ":")

    def __call__(self) -> None:
        """Run the check, with seeded random numbers and none of the caller's consumed.

        Raises:
            CheckFailed: the rule is broken; names the subject, the rule and the fix.
            NotApplicable: the check does not concern the subject.
        """
        try:
            with _own_random_numbers():
                self.check.run(self.subject)
        except NotApplicable:
            raise
        except Broken as broken:
            raise CheckFailed(self._message(broken.found, broken.fix)) from broken
        except Exception as error:  # whatever somebody else's component raises
            raise CheckFailed(self._message(f"{type(error).__name__}: {error}", "")) from error

    def result(self) -> Result:
        """Run the check and say what became of it."""
        start = time.perf_counter()
        state, message = "ok", ""
        try:
            self()
        except NotApplicable as reason:
            state, message = "skipped", str(reason)
        except CheckFailed as failure:
            state, message = "failed", str(failure)
        seconds = round(time.perf_counter() - start, 3)
        return Result(str(self.subject), self.check.name, state, message, seconds)

    def _message(self, found: str, fix: str) -> str:
        return (
            f"{self.subject} breaks the rule {self.check.name}: {self.check.rule}\n"
            f"found: {found}\nfix: {fix or self.check.fix}"
        )


def cases(what: str | Spec | Iterable[str | Spec]) -> list[Case]:
    """The cases of a namespace, a component, a spec or a model of the zoo; or of several.

    Args:
        what: ``"acme"`` is the whole plugin (``"core"`` is aezoo's own components),
            ``"acme/rvq"`` a component or a model, ``"acme/rvq(8,64,beta=0.1)"`` a component
            with these arguments, ``"vqvae(res(8),acme/rvq(8,64),unres(8))"`` a whole model.

    Raises:
        SpecError: a spec cannot be read.
        UnknownModelError: there is neither a plugin nor anything else of that name.
    """
    items = [what] if isinstance(what, str | Spec) else list(what)
    return [
        Case(check, subject)
        for item in items
        for subject in subjects(str(item))
        for check in CHECKS
        if subject.kind in check.kinds
    ]


def subjects(text: str) -> list[Subject]:
    """What a text names; the errors of `cases`."""
    if "(" in text:
        return _of_spec(text)
    if "/" not in text and (text == CORE or text in plugins.namespaces()):
        return _of_namespace(text)
    named = [s for s in _records("core" if "/" not in text else text.split("/")[0])
             if s.name == text]  # fmt: skip
    if not named:
        hint = suggest(text, [CORE, *plugins.namespaces()])
        raise UnknownModelError(
            f"there is no plugin, component, model or data set {text!r} to check{hint or ';'} "
            "`aezoo plugins` and `aezoo list --components` show what there is"
        )
    return named


def parametrize_with_checks(
    what: str | Spec | Iterable[str | Spec], *, expected_failed: Mapping[str, str] | None = None
) -> Callable[[Callable[..., Any]], Any]:
    """A pytest decorator: the test's argument ``check`` is each case in turn, to be called.

    Args:
        what: as for `cases`.
        expected_failed: checks that are known to fail, each with its reason: a check's name,
            or ``acme/rvq:check`` for one component's. They are strict expected failures: one
            that passes after all is an error, so that the entry goes.
    """
    import pytest

    expected = dict(expected_failed or {})
    for key in expected:
        name = key.rpartition(":")[2]
        known = [check.name for check in CHECKS]
        if name not in known:
            raise ValueError(f"expected_failed: there is no check {name!r}{suggest(name, known)}")

    def param(case: Case) -> Any:
        name = case.check.name
        reason = expected.get(f"{case.subject.name}:{name}", expected.get(name))
        marks = ()
        if reason is not None:
            marks = (pytest.mark.xfail(reason=reason, strict=True, raises=CheckFailed),)
        return pytest.param(case, id=case.id, marks=marks)

    return pytest.mark.parametrize("check", [param(case) for case in cases(what)])


# -- what a text names


def _of_spec(text: str) -> list[Subject]:
    spec = parse(text)
    found = []
    for kind in KINDS:
        with contextlib.suppress(SpecError):  # of another kind, perhaps
            entry = bind(spec, (kind,)).entry
            found.append(Subject(kind, entry.qualified, entry.component, entry, text))
    if found:
        return found
    known = registry.components()
    for entry in known:  # the error of the kind that has the name says what is wrong
        if entry.qualified == spec.name:
            bind(spec, (entry.kind,))
    hint = suggest(spec.name, [entry.qualified for entry in known])
    raise SpecError(f"unknown component {spec.name!r}{hint}", spec.name_span)


def _of_namespace(namespace: str) -> list[Subject]:
    if namespace == CORE:
        return _records(CORE)
    whole = Subject("namespace", namespace)
    if plugins.load(namespace).status.state != "ok":
        return [whole]  # the check `plugin_loads` says why there is no more
    return [whole, *_records(namespace)]


def _records(namespace: str) -> list[Subject]:
    """Every record of a namespace as a subject."""
    space = "" if namespace == CORE else namespace
    try:
        if space:
            plugins.require(space)
    except PluginMissingError:
        return []
    except AezooError:
        return [Subject("namespace", namespace)]
    found = [Subject(r.kind, r.qualified, r.component, r) for r in registry._components(space)]
    for kind in ("model", "dataset", "metric", "feature"):
        found += [Subject(kind, r.name, r) for r in registry._records(kind, space)]
    return found


@contextlib.contextmanager
def _own_random_numbers() -> Iterator[None]:
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        yield


__all__ = ["CORE", "Case", "Result", "cases", "parametrize_with_checks", "subjects"]
