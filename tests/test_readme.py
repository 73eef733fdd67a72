"""README.md does what it says: its specs build, its commands parse, its error is that error.

What its commands do is tested where they are; the numbers of its table are `aezoo card --check`'s.
"""

from __future__ import annotations

import re
import shlex
from itertools import chain
from pathlib import Path

import pytest
import torch
import typer
from typer.core import TyperGroup

import aezoo
from aezoo.cli.app import app

TEXT = (Path(__file__).resolve().parent.parent / "README.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```$", TEXT, re.DOTALL | re.MULTILINE)
SPECS = [
    line
    for _, text in BLOCKS
    for line in text.splitlines()
    if re.match(r"(ae|vae|hvae|vqvae)\(", line)
]
COMMANDS = sorted(
    {
        line[line.index("aezoo ") :]
        for language, text in BLOCKS
        if language == "sh"
        for line in chain.from_iterable(part.split("&&") for part in text.splitlines())
        if re.search(r"(^|-m )aezoo ", line.strip())
    }
    | set(re.findall(r"`(aezoo [a-z-]+ [^`]+)`", TEXT))
)


def block(word: str) -> str:
    (found,) = [text for _, text in BLOCKS if word in text]
    return found


@pytest.mark.parametrize("spec", SPECS)
def test_specs_build(spec: str) -> None:
    assert aezoo.create(spec, device="meta").latent_shape


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_parse(line: str) -> None:
    """Every command is there, with these options and as many arguments."""
    _, name, *arguments = shlex.split(line, comments=True)
    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    group.commands[name].make_context(name, arguments).close()


def test_the_error_is_that_error() -> None:
    text = block("did you mean 'codes'?")
    with pytest.raises(aezoo.SpecError) as caught:
        aezoo.create(text.splitlines()[1].strip())
    assert str(caught.value) == text.strip()


def test_the_surface_is_there() -> None:
    (listed,) = re.findall(r"Every model has the same surface: (.*?)\. `", TEXT, re.DOTALL)
    names = re.findall(r"`(\w+)", listed)
    assert len(names) > 10
    assert [name for name in names if not callable(getattr(aezoo.Autoencoder, name, None))] == []


def test_the_loop_learns() -> None:
    torch.manual_seed(0)
    model = aezoo.create("vae(mlp(32),gaussian(4),mlp(32))", input=(1, 8, 8))
    x = torch.rand(16, 1, 8, 8)
    before = model.loss(x).total.item()
    exec(block("AdamW"), {"torch": torch, "model": model, "batches": [x] * 50})
    assert model.loss(x).total.item() < before - 100
