"""README.md of a model: what it is, how it was made, what it measured, what it cannot do.

Written from records alone, so the same records always give the same card. A figure comes
with its data set, split, number of samples and protocol; one that lacks them is an error.
"""

from __future__ import annotations

import json
import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from aezoo import registry
from aezoo.errors import PluginMissingError, UnknownDatasetError
from aezoo.hub.config import Config
from aezoo.records import Figure
from aezoo.resolve import bind
from aezoo.spec import Spec, parse

RECIPE, TRAINING = "recipe.toml", "training.json"
#: What the Hub calls a model of inputs with so many axes: sound, pictures, video.
TASKS = {2: "audio-to-audio", 3: "image-to-image", 4: "video-to-video"}


def card(
    config: Config,
    *,
    name: str,
    summary: str = "",
    data: str = "",
    dataset_repo: str = "",
    data_license: str = "",
    source: str = "",
    papers: Sequence[str] = (),
    recipe: Mapping[str, Any] | None = None,
    training: Mapping[str, Any] | None = None,
    figures: Iterable[Figure | Mapping[str, Any]] = (),
    limits: str = "",
) -> str:
    """The Markdown of README.md, with the Hub's YAML at its head.

    Args:
        config: The model's config.json.
        name: What it is called; what ``aezoo.create(name)`` takes, if there is no ``source``.
        summary: One line on what it is.
        data: The data set it was trained on, as aezoo calls it; ``dataset_repo`` as the Hub does;
            ``data_license`` is the licence of the data.
        source: What ``aezoo.create`` loads it from: hf://org/name where it is published, and
            local:FOLDER where it is not, nor in the zoo.
        papers: "authors, title, year, arXiv:..." of what it is made of.
        recipe: recipe.toml as a dict.
        training: training.json: seed, device, seconds, stages.
        figures: What was measured, best first; a dict has the fields of `Figure`.
        limits: What it cannot do.
    """
    measured = [f if isinstance(f, Figure) else Figure(**f) for f in figures]
    head = _metadata(config, name, data, dataset_repo, measured)
    sections = [
        ("", f"# {name}\n\n{summary}".strip()),
        ("What it is", _what(config, papers)),
        ("Use", _use(config, name, source)),
        ("Data", _data(data, dataset_repo, data_license, training)),
        ("Training", _training(training)),
        ("Recipe", _recipe(recipe)),
        ("Measured", _measured(measured)),
        ("Limits", limits),
        ("Licence", f"The weights are under {config.license}."),
    ]
    body = "\n\n".join(
        f"## {title}\n\n{text}" if title else text for title, text in sections if text
    )
    return f"---\n{_yaml(head)}---\n\n{body}\n"


def folder_card(
    folder: Path,
    config: Config,
    *,
    name: str,
    source: str = "",
    figures: Iterable[Figure | Mapping[str, Any]] | None = None,
) -> str:
    """The `card` of a model's folder: its recipe's and its training's facts, where it has them.

    ``figures`` are those of training.json where they are not given.
    """
    recipe, training = {}, {}
    if (folder / RECIPE).is_file():
        recipe = tomllib.loads((folder / RECIPE).read_text(encoding="utf-8"))
    if (folder / TRAINING).is_file():
        training = json.loads((folder / TRAINING).read_text(encoding="utf-8"))
    said = {key: recipe.get(key, "") for key in ("summary", "data", "limits")}
    return card(
        config,
        name=name,
        source=source,
        papers=papers(config),
        recipe={key: value for key, value in recipe.items() if key != "limits"},
        training=training,
        figures=training.get("figures", ()) if figures is None else figures,
        **said,
        **_data_facts(said["data"]),
    )


def papers(config: Config) -> list[str]:
    """Of the model's components, each once."""
    found = [registry.component((c.kind,), c.name).component.paper for c in config.components]
    return list(dict.fromkeys(paper for paper in found if paper))


def published(text: str, repo: str) -> str:
    """A card whose lines load the model from a folder of its author's, as those of ``repo``."""
    return re.sub(r'aezoo\.create\("local:[^"\n]*"', f'aezoo.create("hf://{repo}"', text)


def _data_facts(data: str) -> dict[str, str]:
    """What a data set's record says of its source; nothing of a folder of pictures."""
    try:
        record = registry.dataset(data)
    except (UnknownDatasetError, PluginMissingError):
        return {}
    return {"dataset_repo": record.repo, "data_license": record.license}


def _metadata(
    config: Config, name: str, data: str, dataset_repo: str, figures: list[Figure]
) -> dict[str, Any]:
    family = config.components[0].name
    metadata: dict[str, Any] = {
        "library_name": "aezoo",
        "license": config.license,
        "tags": ["aezoo", "autoencoder", *([family] if family != "autoencoder" else [])],
    }
    if dataset_repo:
        metadata["datasets"] = [dataset_repo]
    if figures:
        groups: dict[tuple[str, str], list[Figure]] = {}
        for figure in figures:
            groups.setdefault((figure.data, figure.split), []).append(figure)
        metadata["model-index"] = [
            {
                "name": name,
                "results": [
                    {
                        "task": {"type": TASKS[len(config.input.shape)], "name": "Autoencoding"},
                        "dataset": {
                            "type": dataset_repo if set_name == data and dataset_repo else set_name,
                            "name": set_name,
                            "split": split,
                        },
                        "metrics": [
                            {
                                "type": f.metric,
                                "value": f.value,
                                "name": f"{f.metric} ({f.protocol}, N={f.n})",
                            }
                            for f in group
                        ],
                    }
                    for (set_name, split), group in groups.items()
                ],
            }
        ]
    return metadata


def _what(config: Config, papers: Sequence[str]) -> str:
    low, high = config.input.range
    shape = ", ".join(str(n) for n in config.input.shape)
    lines = [
        f"```\n{config.display}\n```",
        f"It takes float32 (B, {shape}) with values in [{low:g}, {high:g}].",
        "\n".join(f"- {paper}" for paper in papers),
    ]
    return "\n\n".join(line for line in lines if line)


def _use(config: Config, name: str, source: str) -> str:
    told = _told(config)
    shape = ", ".join(str(n) for n in config.input.shape)
    told_which = json.dumps(source or name, ensure_ascii=False)
    lines = [
        "import aezoo",
        "",
        f"model = aezoo.create({told_which}{'' if source else ', pretrained=True'})",
        f"x_hat = model.reconstruct(x, cond)  # x: (B, {shape}), cond: {told}"
        if told
        else f"x_hat = model.reconstruct(x)  # x: (B, {shape})",
    ]
    return "\n".join(["```python", *lines, "```"])


def _told(config: Config) -> str:
    """What condition must be given with x; "" for none, or one that is known from x."""
    given = dict(parse(config.display).kwargs).get("cond")
    if not isinstance(given, Spec):
        return ""
    condition = bind(given, ("condition",))
    if hasattr(condition.entry.load(), "of"):
        return ""
    values = getattr(condition.config, "values", None)
    return "(B,)" if values is None else f"(B, {values})"


def _data(
    data: str, dataset_repo: str, data_license: str, training: Mapping[str, Any] | None
) -> str:
    if not data:
        return ""
    place = f" ([{dataset_repo}](https://huggingface.co/datasets/{dataset_repo}))"
    split = (training or {}).get("split")
    return (
        f"`{data}`{place if dataset_repo else ''}"
        + (f", trained on its split `{split}`" if split else "")
        + (f". The data's licence: {data_license}" if data_license else "")
        + "."
    )


def _training(training: Mapping[str, Any] | None) -> str:
    if not training:
        return ""
    rows = [
        ("size of the recipe", training.get("size")),
        ("seed", training.get("seed")),
        ("device", training.get("device")),
        ("processes", training.get("processes")),
        ("time", _duration(training.get("seconds"))),
        ("date", training.get("date")),
        ("torch", training.get("torch")),
        ("aezoo", training.get("aezoo")),
    ]
    for stage, facts in training.get("stages", {}).items():
        parts = [
            f"{facts[key]:,} {word}" if isinstance(facts[key], int) else f"{facts[key]:g} {word}"
            for key, word in (("steps", "steps"), ("epochs", "epochs"))
            if facts.get(key) is not None
        ]
        if duration := _duration(facts.get("seconds")):
            parts.append(duration)
        rows.append((f"stage {stage}", ", ".join(parts)))
    lines = [f"| {what} | {_cell(value)} |" for what, value in rows if value not in (None, "")]
    return "\n".join(["| | |", "|---|---|", *lines])


def _recipe(recipe: Mapping[str, Any] | None) -> str:
    return f"```toml\n{_toml(recipe)}```" if recipe else ""


def _measured(figures: list[Figure]) -> str:
    if not figures:
        return ""
    lines = [
        f"| {_cell(f.metric)} | {f'{f.bound} ' if f.bound else ''}{f.value:.6g}"
        f"{f' {f.unit}' if f.unit else ''} | {_cell(f.data)} {_cell(f.split)} | {f.n:,} "
        f"| {_cell(f.protocol)} |"
        for f in figures
    ]
    return "\n".join(["| metric | value | data | N | protocol |", "|---|---|---|---|---|", *lines])


def _duration(seconds: float | None) -> str:
    if seconds is None:
        return ""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"


def _cell(value: Any) -> str:
    return str(value).replace("|", r"\|").replace("\n", " ")


def _scalar(value: Any) -> str:
    """JSON's spelling: the YAML and TOML of any text, number or truth value."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False)


def _yaml(value: Mapping[str, Any], indent: str = "") -> str:
    """Block YAML of nested dicts and lists; every text quoted, so that none is misread."""
    lines = []
    for key, item in value.items():
        if isinstance(item, Mapping):
            lines.append(f"{indent}{key}:\n{_yaml(item, indent + '  ')}")
        elif isinstance(item, list):
            lines.append(f"{indent}{key}:\n")
            for element in item:
                if isinstance(element, Mapping):
                    block = _yaml(element, indent + "  ")
                    lines.append(f"{indent}- {block[len(indent) + 2 :]}")
                else:
                    lines.append(f"{indent}- {_scalar(element)}\n")
        else:
            lines.append(f"{indent}{key}: {_scalar(item)}\n")
    return "".join(lines)


def _toml(value: Mapping[str, Any], path: str = "") -> str:
    """TOML of nested dicts: plain keys first, then a table for each dict."""
    plain = {k: v for k, v in value.items() if not isinstance(v, Mapping) and v is not None}
    tables = {k: v for k, v in value.items() if isinstance(v, Mapping)}
    text = "".join(f"{key} = {_scalar(item)}\n" for key, item in plain.items())
    for key, table in tables.items():
        name = f"{path}.{key}" if path else key
        text += f"\n[{name}]\n{_toml(table, name)}"
    return text.lstrip("\n") if not path else text
