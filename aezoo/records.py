"""What plugins hand to the registry: small frozen records, no torch.

A component is described by a `Component` record and a *config*: a frozen dataclass whose
fields are the component's arguments in a spec, in order. The field's annotation says what
a spec may write there:

    int, float, bool            a number, true or false
    str                         a bare name, such as ``timm(resnet18.a1_in1k)``
    Literal["ema", "gradient"]  one of these names
    tuple[int, ...]             a tuple
    X | None                    also ``none``
    field(...) = slot("prior")  a nested component of that kind
    field(...) = rest()         all remaining positional values: ``mlp(256,64)``
    field(...) = rest("prior")  the same, each a nested component of that kind

A config checks its own values in ``__post_init__`` and raises ValueError; the spec's error
then shows the place.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any

API = 1  # the version of the contract between the core and plugins

#: Every kind of component and the slot it stands in. Families are the core's own.
KINDS = (
    "family",
    "encoder",
    "decoder",
    "posterior",
    "quantizer",
    "prior",
    "likelihood",
    "condition",
    "corruption",
    "objective",
    "critic",
)


def slot(*kinds: str, default: Any = dataclasses.MISSING) -> Any:
    """A config field that holds a component of one of these kinds.

    ``default`` is a spec string such as ``"normal"``, None for "may be left out", or
    nothing for "must be given".
    """
    return dataclasses.field(default=default, metadata={"kinds": kinds})


def rest(*kinds: str, default: Any = dataclasses.MISSING) -> Any:
    """A ``tuple`` config field that takes all remaining positional values of a call.

    With ``kinds``, these are components of one of these kinds: ``levels(res(128),res(128))``.
    """
    metadata: dict[str, Any] = {"rest": True}
    return dataclasses.field(
        default=default, metadata=metadata | ({"kinds": kinds} if kinds else {})
    )


@dataclass(frozen=True, slots=True)
class Capabilities:
    """What a component can do, for those who choose one without importing it."""

    discrete: bool = False  # its latents are codes
    ranks: tuple[int, ...] = (1, 2, 3)  # numbers of spatial axes it serves
    conditional: bool = False  # it can use a condition


@dataclass(frozen=True, slots=True)
class Component:
    """One encoder, decoder, posterior, quantizer, prior, likelihood, ... in the registry."""

    name: str  # as specs write it, without the namespace
    config: type  # the dataclass of its arguments
    target: str  # "package.module:Class", imported when the component is first built
    summary: str  # one line
    version: int = 1  # raised whenever the same weights would give other numbers
    api: int = API  # the plugin contract it was written for
    caps: Capabilities = Capabilities()
    paper: str = ""  # "authors, title, year, arXiv:NNNN.NNNNN"
    deprecated: str = ""  # on its way out: what to use instead, "use acme/rvq2"; using it warns
    # A small one for the conformance checks, ``rvq(8,64)``, where an argument has no default;
    # or a whole model's spec with it, where it fits only certain partners or inputs.
    example: str = ""


@dataclass(frozen=True, slots=True)
class FileRecord:
    """One file of a model's repository, as it must be."""

    name: str
    size: int  # bytes
    sha256: str  # 64 hex digits


@dataclass(frozen=True, slots=True)
class ModelEntry:
    """One pretrained model of the zoo."""

    name: str  # as in aezoo.create(name)
    spec: str  # display form
    summary: str
    files: tuple[FileRecord, ...]  # config.json, model.safetensors
    data: str = ""  # the data set it was trained on
    license: str = "apache-2.0"  # of the weights
    repo: str | None = None  # "org/name" or "org/name/folder" on the Hub; None: in the package
    revision: str | None = None  # the pinned 40-hex commit, where repo is given
    folder: str | None = None  # absolute; where the plugin's own package carries the files
    deprecated: str = ""  # on its way out: what to use instead; using it warns


#: The range of float32 x that stored values become: v/255 of uint8, v/32768 of int16.
RANGES = {"uint8": (0.0, 1.0), "int16": (-1.0, 1.0)}


@dataclass(frozen=True, slots=True)
class Dataset:
    """One data set: where it is, what a row holds."""

    name: str
    summary: str
    shape: tuple[int, ...]  # of one sample: (C, *S)
    splits: tuple[tuple[str, int], ...]  # official splits and their rows, ("train", 50_000)
    validation: int  # "validation" is this many rows at the end of train, "fit" is the others
    classes: tuple[str, ...]
    license: str
    target: str = "aezoo.data.parquet:load"  # (dataset, split) -> (rows of dtype, labels)
    repo: str = ""  # "org/name" of the data set on the Hub
    revision: str = ""  # the pinned commit there
    config: str = ""  # the folder of the parquet files in the repo
    image: str = "image"  # column of the picture
    label: str = "label"  # column of the class
    binary: bool = False  # pixels are probabilities of Bernoulli variables, drawn by the loader
    dtype: str = "uint8"  # what is stored: "uint8" pixels or "int16" audio; see RANGES
    rate: int = 0  # of audio: values a second
    citation: str = ""
    # Names of the k numbers that a row's label is, float32 (N,k); (): a class's number, int64 (N,)
    factors: tuple[str, ...] = ()

    @property
    def range(self) -> tuple[float, float]:
        """What x lies in: (0, 1) for pixels, (-1, 1) for audio."""
        return RANGES[self.dtype]


@dataclass(frozen=True, slots=True)
class ModelCapabilities:
    """What a built model can do. What it cannot raises CapabilityError."""

    bound: str | None  # what `elbo` gives: "elbo", "vq-bound", or None for no likelihood bound
    codes: bool  # encode_codes, decode_codes
    sample: bool  # sample
    conditional: bool  # encode, decode and sample take ``cond``
    any_size: bool  # takes inputs of other spatial sizes than the spec's
    draws_cond: bool = True  # sample needs no ``cond``: there is none, or it can be drawn


@dataclass(frozen=True, slots=True)
class MetricRecord:
    """One metric of the bench: a group of figures that are measured together."""

    name: str  # as in `aezoo bench --metrics name`, without the namespace
    target: str  # "package.module:Class", a subclass of aezoo.metrics.base.Metric
    summary: str  # one line
    default: bool = False  # measured where nothing is said
    extra: str = ""  # what must be installed beyond the core: "aezoo[bench]"
    api: int = API  # the plugin contract it was written for
    paper: str = ""


@dataclass(frozen=True, slots=True)
class FeatureRecord:
    """One network whose features images are compared by: ``fid(network=name)``."""

    name: str  # as in `fid(network=name)`, without the namespace
    target: str  # "package.module:function", called with a torch.device; see aezoo_features
    summary: str  # one line
    api: int = API  # the plugin contract it was written for
    paper: str = ""


@dataclass(frozen=True, slots=True)
class FormatRecord:
    """How another library keeps its models: how one is recognised, and who reads it."""

    name: str  # one word
    key: str  # the key of config.json that says what is there: "_class_name"
    kinds: tuple[str, ...]  # the values of it that can be read: ("AutoencoderKL", ...)
    weights: str  # the file beside config.json; safetensors only
    target: str  # "package.module:function", called with (config, tensors); see aezoo_formats
    summary: str  # one line
    api: int = API  # the plugin contract it was written for


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured number, with all that is needed to measure it again."""

    metric: str  # "mse", "-elbo", "fid-inception-tf1"
    value: float
    data: str  # the data set: "cifar10"
    split: str  # "test[:1000]"
    n: int  # samples it was measured on
    protocol: str  # "binarised once, seed 0", "pixels in [0,1]"
    unit: str = ""  # "nats", "dB"
    bound: str = ""  # "≤" or "≥" where what is meant is at most, at least this number
    kind: str = ""  # of a likelihood: "exact", "elbo", "iwae-5000", "vq-bound"
    seed: int | None = None  # of the draws, where there are any
    higher_is_better: bool | None = None  # None: neither is

    def __post_init__(self) -> None:
        for name in ("metric", "data", "split", "protocol"):
            if not getattr(self, name):
                raise ValueError(f"a figure needs its {name}; this is {self}")
        if self.n < 1:
            raise ValueError(f"a figure is measured on n >= 1 samples; this is {self}")
