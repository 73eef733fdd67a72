"""Every check of the conformance kit fails on a plugin made to break it, and says what to do."""

from __future__ import annotations

import re
from collections.abc import Iterator

import pytest
from broken_plugin import MANIFEST, MODULES
from plugin_packages import TOY, installed_in, lay_out

from aezoo.build import build
from aezoo.hub.save import save_pretrained
from aezoo.testing import cases
from aezoo.testing.checks import CHECKS
from aezoo.testing.outcome import CheckFailed

#: A check, what breaks it, and what the message must say of what was found and of the fix.
BROKEN = [
    ("plugin_loads", "raises", "ZeroDivisionError", "aezoo plugins"),
    ("manifest_imports_nothing_heavy", "heavy", "it imports .*torch", "move the import"),
    ("record_complete", "bad/NoExample", "needs codes, and its record has no example", "example="),
    ("spec_round_trip", "bad/Doubles", "is read back as", "left as it is given by __post_init__"),
    ("config_round_trip", "bad/Counting", "bottleneck.count", "not on globals"),
    ("shape_contract", "bad/WrongShape", r"z is \(1, 3,.*expected \(1, 4,", "set in_shape and"),
    ("meta_construction", "bad/ReadsNumbers", "item", "no numbers read back"),
    ("device_placement", "bad/OnTheCPU", r"of shape \(3,\) is on the CPU", "device=x.device"),
    ("weights_round_trip", "bad/Remembers", "differs after loading", "nothing in plain attributes"),
    ("codes_round_trip", "bad/LooksUpElse", r"lookup\(codes\) is not the z", "as forward does"),
    ("gradient_flow", "bad/NoGradient", r"no gradient .* reaches the encoder", "straight-through"),
    ("batch_independence", "bad/BatchMean", "with other batch-mates", "no statistics of the batch"),
    ("seed_determinism", "bad/GlobalNoise", "penalty differs", "generator=generator"),
    ("autocast_bf16", "bad/OtherDtype", "RuntimeError", "enabled=False"),
    ("torch_compile", "bad/OtherCompiled", "compiled", "torch.compiler.disable"),
    ("rate_is_monte_carlo", "bad/TooWide", "by 4000 draws", "draws z from"),
    ("probabilities_sum_to_one", "bad/NotNormalised", "81 probabilities sum to", "log_softmax"),
    ("samples_follow_log_prob", "bad/DrawsElse", "entropy|chi-square", "same distribution"),
    ("causality", "bad/Clairvoyant", "the logits of position 0 move", "mask or pad"),
    ("incremental_sampling_equals_naive", "bad/Forgets", "not the argmax of logits", "cache"),
    ("two_ranks_equal_one", "bad/NotReduced", "bottleneck.mean", "all_reduce"),
    ("pretrained_loads", "bad/tampered", "SHA-256|sha256|checksum", "FileRecord"),
]


@pytest.fixture(scope="module", autouse=True)
def _installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    folder = tmp_path_factory.mktemp("plugins")
    manifest = MANIFEST.replace("{package}", "bad_plugin")
    lay_out(folder, "bad", manifest, modules=MODULES)
    lay_out(folder, "raises", TOY + "\n1 / 0\n")
    lay_out(folder, "heavy", "import torch\n" + TOY)
    for name in ("tampered", "cardless"):
        model = build("vae(mlp(4),gaussian(2),mlp(4),input=(1,4,4))")
        save_pretrained(model, folder / "bad_plugin" / "models" / name)
    with pytest.MonkeyPatch.context() as patch, installed_in(folder, patch):
        yield


def failure(check: str, what: str) -> str:
    """The message with which the check fails on that subject."""
    (case,) = [c for c in cases(what) if c.check.name == check]
    with pytest.raises(CheckFailed) as caught:
        case()
    return str(caught.value)


@pytest.mark.parametrize(("check", "what", "found", "fix"), BROKEN, ids=[b[0] for b in BROKEN])
def test_a_check_fails_on_what_breaks_its_rule(check, what, found, fix):
    message = failure(check, what)
    first, rest = message.split("\n", 1)
    (rule,) = [c.rule for c in CHECKS if c.name == check]
    assert f"{what.partition('(')[0]} breaks the rule {check}: {rule}" in first
    assert re.search(found, rest)
    assert fix in rest.split("fix: ")[1]


def test_every_check_has_its_plugin():
    assert [b[0] for b in BROKEN] == [check.name for check in CHECKS]
    for check in CHECKS:
        assert check.rule.endswith(".") and check.fix.endswith(".")
