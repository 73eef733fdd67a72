"""Spec strings and config.json come back as what they were."""

from __future__ import annotations

from aezoo.hub import config as configs
from aezoo.resolve import bind, display, resolve, resolved
from aezoo.spec import parse, spec_hash
from aezoo.testing.outcome import require
from aezoo.testing.subject import Subject


def spec_round_trip(subject: Subject) -> None:
    """A component's arguments printed, read and bound again are the same arguments.

    Fix: let each field of the config be an int, float, bool, name, Literal or tuple of them
    (`aezoo.records`), compare equal by value, and be left as it is given by __post_init__.
    """
    from aezoo.testing.examples import is_model

    kind = "family" if is_model(subject.example) else subject.kind
    bound = bind(parse(subject.example), (kind,))
    for form in (display, resolved):
        text = str(form(bound))
        again = bind(parse(text), (kind,))
        require(again == bound, f"{text} is read back as {resolved(again)}")
        require(str(form(again)) == text, f"{text} is printed again as {form(again)}")
    hashes = {spec_hash(resolved(b)) for b in (bound, bind(parse(str(display(bound))), (kind,)))}
    require(len(hashes) == 1, f"the short and the long form of {bound} have other hashes")


def config_round_trip(subject: Subject) -> None:
    """The model that config.json describes is the model that was saved.

    Fix: let what is built depend on the config and the given shapes alone, not on globals,
    the environment or a counter.
    """
    model = subject.build()
    text = configs.dumps(configs.config_of(model))
    config = configs.loads(text)
    require(configs.dumps(config) == text, "config.json is written differently the second time")
    require(
        resolve(config.spec) == model.bound and resolve(config.display) == model.bound,
        f"its spec is read back as {config.spec}",
    )
    from aezoo.build import build

    again = build(config.spec, device="meta")
    mine, theirs = (
        {name: (tuple(t.shape), t.dtype) for name, t in m.state_dict().items()}
        for m in (model, again)
    )
    names = sorted(n for n in {*mine, *theirs} if mine.get(n) != theirs.get(n))
    require(not names, f"built again from config.json, {', '.join(names[:3])} are others")
