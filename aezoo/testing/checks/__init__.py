"""The rules that every component, plugin and pretrained model keeps.

A check is a function of one `Subject`. The first paragraph of its docstring is the rule, the
paragraph that starts with ``Fix:`` says what to do; both are in the message of a failure. This
table is all that collecting tests needs: the functions are imported when they run.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

_PARTS = ("encoder", "decoder", "posterior", "quantizer", "prior", "likelihood", "condition")
_COMPONENTS = (*_PARTS, "corruption", "objective", "critic", "family")
_TRACED = ("encoder", "decoder", "posterior", "quantizer", "prior", "likelihood", "family")
_RECORDS = (*_COMPONENTS, "model", "dataset", "metric", "feature")
_BUILT = (*_PARTS, "corruption", "objective", "family")  # there is a model that they are a part of


@dataclass(frozen=True, slots=True)
class Check:
    """One rule, and the kinds of subjects that it is about."""

    name: str
    module: str  # below aezoo.testing.checks
    kinds: tuple[str, ...]

    @property
    def run(self) -> Callable[[Any], None]:
        return getattr(importlib.import_module(f"{__name__}.{self.module}"), self.name)

    @property
    def rule(self) -> str:
        return self._paragraphs()[0]

    @property
    def fix(self) -> str:
        marked = [p for p in self._paragraphs() if p.startswith("Fix:")]
        return marked[0].removeprefix("Fix:").strip() if marked else ""

    def _paragraphs(self) -> list[str]:
        text = inspect.getdoc(self.run) or self.name
        return [" ".join(part.split()) for part in text.split("\n\n")]


CHECKS = (
    Check("plugin_loads", "plugin", ("namespace",)),
    Check("manifest_imports_nothing_heavy", "plugin", ("namespace",)),
    Check("record_complete", "records", _RECORDS),
    Check("spec_round_trip", "specs", _COMPONENTS),
    Check("config_round_trip", "specs", _BUILT),
    Check("shape_contract", "shapes", _BUILT),
    Check("meta_construction", "shapes", _BUILT),
    Check("device_placement", "devices", _BUILT),
    Check("weights_round_trip", "weights", _BUILT),
    Check("codes_round_trip", "codes", ("quantizer", "family")),
    Check("gradient_flow", "gradients", _BUILT),
    Check("batch_independence", "evaluation", _BUILT),
    Check("seed_determinism", "evaluation", _BUILT),
    Check("autocast_bf16", "precision", _BUILT),
    Check("torch_compile", "precision", _TRACED),
    Check("rate_is_monte_carlo", "rates", ("posterior", "prior", "family")),
    Check("probabilities_sum_to_one", "probabilities", ("prior", "likelihood")),
    Check("samples_follow_log_prob", "probabilities", ("prior", "likelihood")),
    Check("causality", "autoregression", ("prior",)),
    Check("incremental_sampling_equals_naive", "autoregression", ("prior",)),
    Check("two_ranks_equal_one", "ranks", (*_PARTS, "family")),
    Check("pretrained_loads", "pretrained", ("model",)),
)
