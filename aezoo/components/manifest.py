"""The built-in components, registered through the hooks that every plugin uses.

The records stand beside the components, in each kind's ``configs.py``.
"""

from __future__ import annotations

from aezoo.components.conditions.configs import RECORDS as CONDITIONS
from aezoo.components.corruptions.configs import RECORDS as CORRUPTIONS
from aezoo.components.critics.configs import RECORDS as CRITICS
from aezoo.components.decoders.configs import RECORDS as DECODERS
from aezoo.components.encoders.configs import RECORDS as ENCODERS
from aezoo.components.likelihoods.configs import RECORDS as LIKELIHOODS
from aezoo.components.posteriors.configs import RECORDS as POSTERIORS
from aezoo.components.priors.configs import RECORDS as PRIORS
from aezoo.components.quantizers.configs import RECORDS as QUANTIZERS
from aezoo.hookspecs import hookimpl
from aezoo.models.configs import RECORDS as FAMILIES
from aezoo.objectives.configs import RECORDS as OBJECTIVES
from aezoo.records import Component


@hookimpl
def aezoo_families() -> tuple[Component, ...]:
    return FAMILIES


@hookimpl
def aezoo_encoders() -> tuple[Component, ...]:
    return ENCODERS


@hookimpl
def aezoo_decoders() -> tuple[Component, ...]:
    return DECODERS


@hookimpl
def aezoo_posteriors() -> tuple[Component, ...]:
    return POSTERIORS


@hookimpl
def aezoo_quantizers() -> tuple[Component, ...]:
    return QUANTIZERS


@hookimpl
def aezoo_priors() -> tuple[Component, ...]:
    return PRIORS


@hookimpl
def aezoo_likelihoods() -> tuple[Component, ...]:
    return LIKELIHOODS


@hookimpl
def aezoo_conditions() -> tuple[Component, ...]:
    return CONDITIONS


@hookimpl
def aezoo_corruptions() -> tuple[Component, ...]:
    return CORRUPTIONS


@hookimpl
def aezoo_objectives() -> tuple[Component, ...]:
    return OBJECTIVES


@hookimpl
def aezoo_critics() -> tuple[Component, ...]:
    return CRITICS
