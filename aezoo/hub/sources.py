"""Where weights come from: ``hf://org/name[/folder][@revision]``, ``local:DIR``; to a folder.

A branch or tag is turned into its commit first, and every file of a load is of that one
commit. Files come through huggingface_hub into its ordinary cache, one by one (an offline
``snapshot_download`` may give an incomplete folder), and are compared with their SHA-256 here:
over plain HTTP the client compares sizes only.
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from aezoo.errors import (
    ChecksumError,
    IncompatibleWeightsError,
    UnknownModelError,
    UnknownRevisionError,
    UnsafeWeightsError,
    WeightsError,
    WeightsNotCachedError,
)
from aezoo.hub.config import CARD, CONFIG, WEIGHTS
from aezoo.hub.formats import format_of
from aezoo.records import FileRecord

#: Formats that run code when they are opened. Refused by name, never looked into.
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl", ".pickle")

_COMMIT = re.compile(r"[0-9a-f]{40}")
_REPO = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*", re.ASCII)
_FOLDER = re.compile(r"(?:[A-Za-z0-9_][\w.-]*/)*[A-Za-z0-9_][\w.-]*", re.ASCII)
_TIMEOUT = 2.0  # seconds to the first answer; HF_HUB_ETAG_TIMEOUT overrides it


@dataclass(frozen=True, slots=True)
class Source:
    """A place that holds one model: a Hub repository, or a folder in it, or one here."""

    repo: str | None = None  # "org/name"
    revision: str = "main"  # branch, tag or commit of the repository
    folder: Path | None = None
    inside: str = ""  # the repository's folder that holds the model, "vae"; "": the repository

    def __str__(self) -> str:
        if self.folder:
            return f"local:{self.folder}"
        return f"hf://{self.repo}{'/' if self.inside else ''}{self.inside}@{self.revision}"


def is_source(text: str) -> bool:
    """Whether the text has a source's scheme."""
    return text.startswith(("hf://", "hf-hub:", "local:"))


def parse_source(text: str) -> Source:
    """Read ``hf://org/name[/folder][@revision]``, its alias ``hf-hub:...``, and ``local:DIR``.

    Raises:
        UnknownModelError: another scheme, or no repository's name behind it.
        UnsafeWeightsError: it names a pickle.
    """
    scheme, _, rest = text.partition(":")
    if scheme == "local" and rest:
        refuse_pickle(rest)
        return Source(folder=Path(rest).expanduser())
    if scheme == "hf-hub" or (scheme == "hf" and rest.startswith("//")):
        path, at, revision = rest.removeprefix("//").partition("@")
        refuse_pickle(path)
        names = path.split("/")
        repo, inside = repo_name("/".join(names[:2])), "/".join(names[2:])
        fits = len(names) == 2 or (_FOLDER.fullmatch(inside) and ".." not in inside)
        if fits and bool(at) == bool(revision):
            return Source(repo=repo, revision=revision or "main", inside=inside)
    raise UnknownModelError(
        f"{text!r} is no source of weights; write hf://org/name, hf://org/name@revision "
        "(branch, tag or commit), hf://org/name/folder@revision or local:FOLDER"
    )


def repo_name(text: str) -> str:
    """The text, if it is "org/name" as the Hub has them; else UnknownModelError."""
    if not _REPO.fullmatch(text) or ".." in text or "--" in text or len(text) > 96:
        raise UnknownModelError(
            f"{text!r} is no repository's name; expected org/name of letters, digits and '-_.'"
        )
    return text


def folder_of(source: Source, files: Iterable[FileRecord] = (), model: str = "") -> Path:
    """The folder on this machine that holds the source's files, downloaded where need be.

    Args:
        files: What the files must be; without, a downloaded file is compared with the
            checksum that the Hub gave for it.
        model: The model's name, for errors.

    Raises:
        UnknownModelError, UnknownRevisionError: the Hub has no such repository or revision.
        WeightsNotCachedError: not in the cache, and the Hub cannot be reached.
        ChecksumError: a file is not what it should be; the bad copy is out of the cache.
        IncompatibleWeightsError, UnsafeWeightsError: the repository holds no model of ours.
    """
    records = {record.name: record for record in files}
    if source.folder is not None:
        for record in records.values():
            check(source.folder / record.name, record)
        return source.folder
    assert source.repo is not None
    what = f"model {model!r}, repository" if model else "repository"
    folder = f" (its folder {source.inside})" if source.inside else ""
    what = f"{what} {source.repo}{folder} at {source.revision}"
    paths = _files(source, what, records.get(CONFIG))
    for path in paths:
        _check_cached(path, records.get(path.name), str(source))
    return paths[0].parent


def check(path: Path, record: FileRecord) -> None:
    """ChecksumError unless the file has the record's size and SHA-256."""
    try:
        size = path.stat().st_size
    except OSError as error:
        raise WeightsError(f"{path} cannot be read: {error.strerror}") from error
    if size != record.size:
        raise ChecksumError(f"{path} has {size:,} bytes, expected {record.size:,}")
    found = _digest(path, "sha256")
    if found != record.sha256:
        raise ChecksumError(f"{path} has SHA-256 {found}, expected {record.sha256}")


def refuse_pickle(name: str) -> None:
    """UnsafeWeightsError for the name of a pickle."""
    if name.lower().endswith(PICKLES):
        raise UnsafeWeightsError(
            f"{name} is a pickle, which runs code when opened: aezoo reads safetensors only. "
            "Load it where you trust it and save it anew with model.save_pretrained(folder)"
        )


def refuse_incomplete(names: Iterable[str], where: str, weights: str | None = WEIGHTS) -> None:
    """An error for a listing of files that lacks config.json or the weights.

    ``weights`` None: nobody knows yet what their file is called, any safetensors will do.
    """
    names = set(names)
    pickles = sorted(n for n in names if n.lower().endswith(PICKLES) and "/" not in n)
    known = weights or WEIGHTS
    complete = known in names or (
        weights is None and any(n.endswith(".safetensors") and "/" not in n for n in names)
    )
    if not complete and pickles:
        raise UnsafeWeightsError(
            f"{where} holds {pickles[0]} but no {known}. A pickle runs code when opened: aezoo "
            "reads safetensors only. Load it where you trust it and save it anew with "
            "model.save_pretrained(folder)"
        )
    for name, there in ((CONFIG, CONFIG in names), (known, complete)):
        if not there:
            raise IncompatibleWeightsError(
                f"{where} holds no {name}, so no model of aezoo's; model.save_pretrained writes "
                f"{CONFIG} and {WEIGHTS}{_elsewhere(names)}"
            )


def _elsewhere(names: set[str]) -> str:
    """Which folders of a listing hold a config.json."""
    folders = sorted(n.removesuffix(f"/{CONFIG}") for n in names if n.endswith(f"/{CONFIG}"))
    if not folders:
        return ""
    return f". Its folders {', '.join(folders)} hold a {CONFIG}; name one: hf://org/name/FOLDER"


# -- the Hub


def _files(source: Source, what: str, config: FileRecord | None) -> list[Path]:
    """config.json, the weights and the card, if any, of one commit, in the HF cache.

    For a folder in a repository the card of the whole repository comes too: it says under
    which licence. ``config`` is what config.json must be, where that is known.
    """
    repo, revision = source.repo or "", source.revision
    prefix = f"{source.inside}/" if source.inside else ""
    if _COMMIT.fullmatch(revision) and (cached := _cached(source, config)):
        return cached

    from huggingface_hub import HfApi, constants
    from huggingface_hub.errors import (
        EntryNotFoundError,
        GatedRepoError,
        HfHubHTTPError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]  # httpx's in 1.x, httpx2's in 2.x
        LocalEntryNotFoundError,
        RepositoryNotFoundError,
        RevisionNotFoundError,
    )

    def download(name: str, revision: str) -> Path:
        return Path(api.hf_hub_download(repo, name, revision=revision, etag_timeout=timeout))

    api = HfApi(endpoint=constants.ENDPOINT)
    timeout = float(os.environ.get("HF_HUB_ETAG_TIMEOUT", _TIMEOUT))
    try:
        # Asked without retries: the client's own downloads would try for over 20 s before
        # they say that nobody is there.
        info = api.model_info(repo, revision=revision, timeout=timeout)
        names = {sibling.rfilename for sibling in info.siblings or ()}
        here = {name.removeprefix(prefix) for name in names if name.startswith(prefix)}
        refuse_incomplete(here, what, weights=None)
        # The first file by the name of its branch, so that the cache knows the branch offline;
        # the others of the commit that it turned out to be.
        first = download(prefix + CONFIG, revision)
        weights = _weights(first, config, source)
        refuse_incomplete(here, what, weights)
        commit = first.parents[prefix.count("/")].name
        cards = [name for name in dict.fromkeys((prefix + CARD, CARD)) if name in names]
        return [first, *(download(name, commit) for name in (prefix + weights, *cards))]
    except GatedRepoError as error:
        raise WeightsError(
            f"{what} is open to those who accepted its terms: accept them at "
            f"{constants.ENDPOINT}/{repo}, then log in with `hf auth login`"
        ) from error
    except RevisionNotFoundError as error:
        raise UnknownRevisionError(
            f"the Hub has no such revision: {what}; branches, tags and commits are at "
            f"{constants.ENDPOINT}/{repo}/commits/main"
        ) from error
    except RepositoryNotFoundError as error:
        raise UnknownModelError(
            f"the Hub at {constants.ENDPOINT} has no {what}, or it is private; check the name, "
            "or log in with `hf auth login`"
        ) from error
    except (HTTPError, OSError) as error:
        if isinstance(error, EntryNotFoundError) and not isinstance(error, LocalEntryNotFoundError):
            raise IncompatibleWeightsError(f"{what} lacks a file: {_short(error)}") from error
        if type(error) is OSError and error.errno is None:  # the client's own check of the size
            raise ChecksumError(
                f"{what}: a download was cut short and is not kept; try again: {_short(error)}"
            ) from error
        refused = isinstance(error, HfHubHTTPError) and 400 <= error.response.status_code < 429
        if not refused and (cached := _cached(source, config)):
            return cached
        raise WeightsNotCachedError(
            f"{what} is not in the cache {constants.HF_HUB_CACHE}, and the Hub at "
            f"{constants.ENDPOINT} gave no answer: {_short(error)}. "
            + (
                "HF_HUB_OFFLINE is set; unset it to download"
                if constants.HF_HUB_OFFLINE
                else "Try again with a connection, or copy the repository's files here and use "
                "local:FOLDER"
            )
        ) from error


def _cached(source: Source, config: FileRecord | None) -> list[Path]:
    """The same list from the cache alone; empty where config or weights are not in it."""
    from huggingface_hub import try_to_load_from_cache

    def find(name: str, revision: str) -> Path | None:
        found = try_to_load_from_cache(source.repo or "", name, revision=revision)
        return Path(found) if isinstance(found, str) else None

    prefix = f"{source.inside}/" if source.inside else ""
    first = find(prefix + CONFIG, source.revision)
    if first is None:
        return []
    commit = first.parents[prefix.count("/")].name
    weights = find(prefix + _weights(first, config, source), commit)
    if weights is None:
        return []
    cards = [find(name, commit) for name in dict.fromkeys((prefix + CARD, CARD))]
    return [first, weights, *(card for card in cards if card is not None)]


def _weights(path: Path, config: FileRecord | None, source: Source) -> str:
    """The name of the weights beside this config.json, which is checked before it is read."""
    _check_cached(path, config, str(source))
    found = format_of(path.parent)
    return WEIGHTS if found is None else found.weights


def _check_cached(path: Path, record: FileRecord | None, source: str) -> None:
    """Compare a file of the cache with its record, or else with its name in the cache.

    The cache calls a file's content by the checksum that the Hub gave for it: SHA-256 for a
    large file, git's object id for a small one. A file that differs is taken out of the cache.
    """
    blob = path.parent / path.readlink() if path.is_symlink() else path
    try:
        if record is not None:
            check(path, record)
        elif re.fullmatch(r"[0-9a-f]{64}|[0-9a-f]{40}", blob.name):
            found = _digest(path, "sha256" if len(blob.name) == 64 else "git")
            if found != blob.name:
                raise ChecksumError(f"{path} has checksum {found}, expected {blob.name}")
    except ChecksumError as error:
        try:
            # The blob of a repository may be a link too, into the store that repositories share.
            for bad in (path.resolve(), blob, path):
                bad.unlink(missing_ok=True)
            advice = "The bad copy is out of the cache; the next call downloads it anew"
        except OSError:
            advice = f"Remove {path} and {blob} to have it downloaded anew"
        raise ChecksumError(f"{source}: {error}. {advice}") from None


def _digest(path: Path, kind: str) -> str:
    """Hex digest of a file: its SHA-256, or the object id that git gives to its content."""
    with path.open("rb") as file:
        if kind == "sha256":
            return hashlib.file_digest(file, "sha256").hexdigest()
        data = file.read()
    return hashlib.sha1(b"blob %d\0" % len(data) + data).hexdigest()


def _short(error: BaseException) -> str:
    """An error's first line of text, behind its kind."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[0][:200]}" if lines else type(error).__name__
