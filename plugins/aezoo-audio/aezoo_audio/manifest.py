"""What this plugin gives: its hooks, in the namespace ``audio``. No torch in here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from aezoo.hookspecs import hookimpl
from aezoo.hub.zoo import read_index
from aezoo.records import Capabilities, Component, Dataset, MetricRecord, ModelEntry
from aezoo_audio import configs, datasets

_EXAMPLE = (
    "vqvae(audio/dilated(8,(4,2),depth=1,narrow=4),fsq(3,3),"
    "audio/dilated(8,(4,2),depth=1,narrow=4){},input=(1,72))"
)
_SOUNDSTREAM = (
    "Zeghidour et al., SoundStream: An End-to-End Neural Audio Codec, 2021, arXiv:2107.03312"
)
_WAVENET = "van den Oord et al., WaveNet: A Generative Model for Raw Audio, 2016, arXiv:1609.03499"
_PARALLEL_WAVEGAN = (
    "Yamamoto, Song, Kim, Parallel WaveGAN: A Fast Waveform Generation Model Based on "
    "Generative Adversarial Networks with Multi-Resolution Spectrogram, 2020, arXiv:1910.11480"
)


@hookimpl
def aezoo_encoders() -> Iterator[Component]:
    yield Component(
        "dilated",
        config=configs.DilatedConfig,
        target="aezoo_audio.encoders.dilated:DilatedEncoder",
        summary="strided convolutions and dilated residual blocks, from waveforms of any length",
        caps=Capabilities(ranks=(1,)),
        paper=_SOUNDSTREAM,
        example=_EXAMPLE.format(""),
    )


@hookimpl
def aezoo_decoders() -> Iterator[Component]:
    yield Component(
        "dilated",
        config=configs.DilatedConfig,
        target="aezoo_audio.decoders.dilated:DilatedDecoder",
        summary="dilated residual blocks and transposed convolutions, to waveforms of any length",
        caps=Capabilities(ranks=(1,)),
        paper=_SOUNDSTREAM,
        example=_EXAMPLE.format(""),
    )


@hookimpl
def aezoo_likelihoods() -> Iterator[Component]:
    yield Component(
        "mulaw",
        config=configs.MuLawConfig,
        target="aezoo_audio.likelihoods.mulaw:MuLawLikelihood",
        summary="each sample by itself on companded levels",
        caps=Capabilities(ranks=(1,)),
        paper=_WAVENET,
        example=_EXAMPLE.format(",likelihood=audio/mulaw(8)"),
    )
    yield Component(
        "wavenet",
        config=configs.WaveNetConfig,
        target="aezoo_audio.likelihoods.wavenet:WaveNetLikelihood",
        summary="each sample on companded levels given those before it; sampled with a cache",
        caps=Capabilities(ranks=(1,)),
        paper=_WAVENET,
        example=_EXAMPLE.format(
            ",likelihood=audio/wavenet(8,layers=4,cycle=2,levels=8,features=4)"
        ),
    )


@hookimpl
def aezoo_priors() -> Iterator[Component]:
    yield Component(
        "wavenet",
        config=configs.WaveNetPriorConfig,
        target="aezoo_audio.priors.wavenet:WaveNetPrior",
        summary="dilated causal convolutions over a row of codes; sampled with a cache",
        caps=Capabilities(discrete=True, ranks=(1,), conditional=True),
        paper=_WAVENET,
        example="audio/wavenet(8,layers=4,cycle=2)",
    )


@hookimpl
def aezoo_objectives() -> Iterator[Component]:
    yield Component(
        "spectral",
        config=configs.SpectralConfig,
        target="aezoo_audio.objectives.spectral:SpectralObjective",
        summary="distances of magnitude spectra at several resolutions, and the penalties",
        caps=Capabilities(ranks=(1,)),
        paper=_PARALLEL_WAVEGAN,
        example=_EXAMPLE.format(
            ",likelihood=gaussian(sigma=1.0),objective=audio/spectral((16,64))"
        ),
    )


@hookimpl
def aezoo_models() -> Iterator[ModelEntry]:
    yield from read_index(Path(__file__).parent / "models")


@hookimpl
def aezoo_datasets() -> Iterator[Dataset]:
    yield from (datasets.FSDD, datasets.FSDD_SPEAKERS)


@hookimpl
def aezoo_metrics() -> Iterator[MetricRecord]:
    yield MetricRecord(
        "conversion",
        target="aezoo_audio.conversion:Conversion",
        summary="whether converted speech is taken for the target speaker and keeps its digit",
    )
