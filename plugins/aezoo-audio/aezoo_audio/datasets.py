"""This plugin's data sets: records alone, no torch and no numpy. `aezoo_audio.fsdd` loads them."""

from __future__ import annotations

from dataclasses import replace

from aezoo.records import Dataset

SPEAKERS = ("george", "jackson", "lucas", "nicolas", "theo", "yweweler")
LENGTH = 8_192  # samples of a recording, 1.024 s

FSDD = Dataset(
    "fsdd",
    summary="spoken digits by six speakers, 8 kHz; the class is the digit",
    shape=(1, LENGTH),
    splits=(("train", 2_700), ("test", 300)),
    validation=300,  # takes 45 to 49: each digit by each speaker, five times
    classes=tuple("0123456789"),
    license="cc-by-sa-4.0",
    target="aezoo_audio.fsdd:load",
    repo="Jakobovski/free-spoken-digit-dataset",
    config="data",
    image="audio",
    dtype="int16",
    rate=8_000,
    citation="Jackson, Souza, Flaks, Pan, Nicolas, Thite, Free Spoken Digit Dataset, v1.0.8, "
    "2018, doi:10.5281/zenodo.1342401",
)
FSDD_SPEAKERS = replace(
    FSDD,
    name="fsdd-speakers",
    summary="spoken digits by six speakers, 8 kHz; the class is the speaker",
    classes=SPEAKERS,
    label="speaker",
)
