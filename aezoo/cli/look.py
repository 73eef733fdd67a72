"""`aezoo list`, `aezoo info` and `aezoo plugins`: what there is. No torch."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from aezoo.cli import console
from aezoo.cli.options import Json

if TYPE_CHECKING:
    from aezoo.inventory import Item

PANEL = "Look"


def add_to(app: typer.Typer) -> None:
    app.command("list", rich_help_panel=PANEL)(list_)
    app.command(rich_help_panel=PANEL)(info)
    group = typer.Typer(invoke_without_command=True, add_help_option=True)
    group.callback()(plugins)
    group.command()(search)
    app.add_typer(group, name="plugins", rich_help_panel=PANEL)


def list_(
    pattern: Annotated[str, typer.Argument(help="A part of the name, or a pattern: vae-*")] = "*",
    components: Annotated[
        bool, typer.Option("--components", help="List components in place of models.")
    ] = False,
    kind: Annotated[
        str | None, typer.Option(help="Components of this kind alone: encoder, quantizer, ...")
    ] = None,
    papers: Annotated[
        bool, typer.Option("--papers", help="With components, the paper that each is from.")
    ] = False,
    json: Json = False,
) -> None:
    """The models of the zoo, or the components that specs are made of."""
    from aezoo import listing
    from aezoo.records import KINDS

    if kind is not None and kind not in KINDS:
        raise typer.BadParameter(f"there is no kind {kind!r}; kinds are {', '.join(KINDS)}")
    if components or papers or kind is not None:
        found = listing.matching_components(pattern, kind)
        if json:
            return console.as_json([_component_row(c) for c in found])
        header, right = ("KIND", "NAME", "SUMMARY"), ()
        rows = [(c.kind, c.name, c.summary) for c in found]
        if papers:
            header = (*header, "PAPER")
            rows = [(*row, c.paper) for row, c in zip(rows, found, strict=True)]
    else:
        models = listing.matching_models(pattern)
        if json:
            return console.as_json([_model_row(m) for m in models])
        header, right = ("NAME", "DATA", "MIB", "SUMMARY"), (2,)
        # Of a model that the Hub alone has, the files may not be known.
        sizes = [console.megabytes(m.bytes) if m.bytes else "" for m in models]
        rows = [(m.name, m.data, size, m.summary) for m, size in zip(models, sizes, strict=True)]
    if rows:
        console.table(header, rows, right)
    else:
        console.note(f"nothing matches {pattern!r}")
    _note_trouble()


def info(
    name: Annotated[str, typer.Argument(help="Of a model or a component.")], json: Json = False
) -> None:
    """All that is known of a model or a component."""
    from aezoo import listing, registry
    from aezoo.records import ModelEntry

    found = listing.info(name)  # UnknownModelError suggests what was meant
    if isinstance(found, ModelEntry):
        facts = _model_facts(found)
        if json:
            return console.as_json({"name": name, "model": facts, "components": []})
        return _print_model(facts)
    named = registry.named(name)
    if json:
        facts = [_component_facts(r) for r in named]
        return console.as_json({"name": name, "model": None, "components": facts})
    for i, registered in enumerate(named):
        if i:
            console.say()
        _print_component(_component_facts(registered))


def plugins(ctx: typer.Context, json: Json = False) -> None:
    """The installed plugins, and what became of each; `search` looks among all that are known."""
    if ctx.invoked_subcommand is not None:
        return None
    from aezoo import inventory

    statuses = inventory.statuses()
    if json:
        return console.as_json([dataclasses.asdict(s) for s in statuses])
    if not statuses:
        return console.note("no plugins are installed; aezoo's own parts are always there")
    for i, status in enumerate(statuses):
        if i:
            console.say()
        colour = typer.colors.GREEN if status.state == "ok" else typer.colors.RED
        console.say(
            f"{console.heading(status.namespace)}  {typer.style(status.state, fg=colour)}  "
            f"{status.distribution} {status.version}  ({status.manifest})"
        )
        for line in (*status.provides, *filter(None, [status.message])):
            console.say(f"  {line}")
        for line in status.traceback.splitlines():
            console.say(f"    {line}")


def search(
    text: Annotated[
        str, typer.Argument(help="Words that occur in its name, kinds or summary.")
    ] = "",
    json: Json = False,
) -> None:
    """The known plugins, installed or not: what each has, and what to install for it."""
    from aezoo import known
    from aezoo import plugins as loader

    found, here = known.search(text), loader.namespaces()
    if json:
        rows = [{**dataclasses.asdict(p), "installed": p.namespace in here} for p in found]
        return console.as_json(rows)
    if not found:
        return console.note(f"no known plugin matches {text!r}; `aezoo plugins search` shows all")
    for i, plugin in enumerate(found):
        if i:
            console.say()
        console.say(f"{console.heading(plugin.namespace)}  {plugin.summary}")
        state = "installed" if plugin.namespace in here else f"pip install {plugin.distribution}"
        rows = [("kinds", ", ".join(plugin.kinds)), ("install", state), ("page", plugin.homepage)]
        console.pairs([(f"  {name}", value) for name, value in rows])
    return None


# -- facts, as `--json` prints them


def _model_row(model: Item) -> dict[str, Any]:
    names = ("name", "summary", "data", "spec", "bytes", "license")
    return {name: getattr(model, name) for name in names}


def _component_row(component: Item) -> dict[str, Any]:
    names = ("kind", "name", "summary", "version", "distribution", "distribution_version", "paper")
    return {name: getattr(component, name) for name in names}


def _model_facts(model: Any) -> dict[str, Any]:
    from aezoo import inventory, resolve

    bound = resolve.resolve(model.spec)
    parts = list(resolve.walk(bound))
    return {
        **_model_row(inventory.item("model", model, "", "", "")),
        "resolved": str(resolve.resolved(bound)),
        "input": list(bound.config.input),
        "codes": any(p.entry.component.caps.discrete for p in parts),
        "conditional": any(p.entry.kind == "condition" for p in parts),
        "parts": [{"spec": str(p), **_component_row(p.entry.item)} for p in parts[1:]],
        "paper": bound.entry.component.paper,
        "origin": _origin(model.name),
        "repo": model.repo,
        "revision": model.revision,
        "folder": model.folder,
        "files": [dataclasses.asdict(f) for f in model.files],
        "training": _training(model.folder),
    }


def _component_facts(registered: Any) -> dict[str, Any]:
    from aezoo.cli.arguments import arguments

    component = registered.component
    return {
        **_component_row(registered.item),
        "api": component.api,
        "target": component.target,
        "capabilities": dataclasses.asdict(component.caps),
        "arguments": [dataclasses.asdict(a) for a in arguments(component.config)],
    }


def _origin(name: str) -> str:
    """The distribution that brings a model."""
    namespace, slash, _ = name.rpartition("/")
    if slash:
        from aezoo.plugins import require

        status = require(namespace).status
        return f"{status.distribution} {status.version}"
    from aezoo import __version__

    return f"aezoo {__version__}"


def _training(folder: str | None) -> dict[str, Any] | None:
    """What training.json beside the weights says."""
    path = Path(folder or "") / "training.json"
    return json.loads(path.read_text(encoding="utf-8")) if folder and path.is_file() else None


# -- printing


def _print_model(facts: dict[str, Any]) -> None:
    repo = facts["repo"] and f"hf://{facts['repo']}@{facts['revision']}"
    console.say(console.heading(facts["name"]))
    console.say(facts["summary"])
    console.say()
    papers = [facts["paper"], *(p["paper"] for p in facts["parts"])]
    console.pairs(
        [
            ("spec", facts["spec"]),
            ("input", _shape(facts["input"])),
            ("data", facts["data"]),
            ("codes", _yes(facts["codes"])),
            ("conditional", _yes(facts["conditional"])),
            ("from", facts["origin"]),
            ("repo", repo),
            ("folder", facts["folder"]),
            ("licence", facts["license"]),
            ("files", "\n".join(_file(f) for f in facts["files"])),
            ("papers", "\n".join(dict.fromkeys(filter(None, papers)))),
            ("trained", _trained(facts["training"])),
            ("measured", _measured(facts["training"])),
            ("use", f'aezoo.create("{facts["name"]}", pretrained=True)'),
        ]
    )
    console.say()
    console.table(
        ("KIND", "PART", "SUMMARY"), [(p["kind"], p["spec"], p["summary"]) for p in facts["parts"]]
    )


def _print_component(facts: dict[str, Any]) -> None:
    caps = facts["capabilities"]
    console.say(f"{console.heading(facts['name'])}  ({facts['kind']})")
    console.say(facts["summary"])
    console.say()
    console.pairs(
        [
            ("paper", facts["paper"]),
            ("from", f"{facts['distribution']} {facts['distribution_version']}"),
            ("version", facts["version"]),
            ("target", facts["target"]),
            ("spatial axes", ", ".join(map(str, caps["ranks"]))),
            ("discrete", _yes(caps["discrete"])),
            ("conditional", _yes(caps["conditional"])),
        ]
    )
    if facts["arguments"]:
        console.say()
        rows = [
            (
                a["name"],
                a["type"],
                "required" if a["default"] is None else a["default"],
                a["comment"],
            )
            for a in facts["arguments"]
        ]
        console.table(("ARGUMENT", "TYPE", "DEFAULT", ""), rows)


def _trained(training: dict[str, Any] | None) -> str:
    if not training:
        return ""
    minutes = training["seconds"] / 60
    return (
        f"{minutes:.1f} min on {training['device']}, size {training['size']}, "
        f"seed {training['seed']}, {training['date']}, torch {training['torch']}"
    )


def _measured(training: dict[str, Any] | None) -> str:
    """A line a figure: ``mse 0.0031  cifar10 test[:1000], N=1000 (pixels in [0,1])``."""
    lines = [
        " ".join(
            filter(
                None,
                [
                    f["metric"],
                    f.get("bound"),
                    f"{f['value']:.6g}",
                    f.get("unit"),
                    f" {f['data']} {f['split']}, N={f['n']} ({f['protocol']})",
                ],
            )
        )
        for f in (training or {}).get("figures", [])
    ]
    return "\n".join(lines)


def _file(record: dict[str, Any]) -> str:
    return f"{record['name']}  {record['size']:,} bytes  sha256 {record['sha256']}"


def _shape(shape: list[int]) -> str:
    return f"({', '.join(map(str, shape))})"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _note_trouble() -> None:
    """Point to plugins that are installed and cannot be used."""
    from aezoo import inventory

    bad = [
        s.namespace
        for s in inventory.statuses()
        if s.state in ("broken", "conflict", "incompatible")
    ]
    if bad:
        console.note(f"not loaded: {', '.join(dict.fromkeys(bad))}; `aezoo plugins` says why")
