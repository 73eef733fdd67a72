"""A folder, or a model, to a repository on the Hugging Face Hub: one commit."""

from __future__ import annotations

import hashlib
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aezoo import registry
from aezoo.errors import WeightsError
from aezoo.hub.cards import RECIPE, TRAINING, card, folder_card, papers, published
from aezoo.hub.config import CARD, CONFIG, WEIGHTS, config_of
from aezoo.hub.load import load_folder
from aezoo.hub.save import save_pretrained
from aezoo.hub.sources import check, repo_name
from aezoo.hub.zoo import file_record
from aezoo.records import FileRecord, ModelEntry

#: What a repository holds; the last two where the folder has them.
FILES = (CARD, CONFIG, WEIGHTS, RECIPE, TRAINING)


@dataclass(frozen=True, slots=True)
class Publication:
    """What was, or with ``dry_run`` would be, published."""

    repo: str  # "org/name"
    branch: str
    files: tuple[FileRecord, ...]
    message: str  # of the commit
    url: str  # of the commit; of the repository where nothing was sent
    commit: str | None = None  # 40 hex digits; None: a dry run


def publish(
    source: ModelEntry | str | os.PathLike[str],
    repo: str,
    *,
    branch: str | None = None,
    private: bool = False,
    dry_run: bool = False,
    token: str | None = None,
    message: str | None = None,
) -> Publication:
    """Put a model's folder on the Hub, in one commit.

    A folder without a card gets one, of its config and of the recipe and the training beside
    it; a card that loads the model from a folder, ``local:``, loads it from the repository. The
    model is loaded first: what does not load is not published. The repository and the
    branch are made where they are not there; what else the repository holds is left alone.

    Args:
        source: An entry or the name of a model of the zoo, or a Path (or "local:DIR").
        repo: "org/name".
        branch: Where the commit goes; None is main.
        private: Whether a new repository is private.
        dry_run: Say what would be sent; no network is used.
        token: None takes the one of ``hf auth login`` or HF_TOKEN.
        message: Of the commit; by default it names model and weights.

    Raises:
        WeightsError: the folder holds no model, or the Hub refused.
        UnknownModelError: there is no such model, or ``repo`` is no repository's name.
    """
    repo_name(repo)
    folder = _folder(source)
    model = load_folder(folder)
    there = (name for name in FILES[1:] if (folder / name).is_file())
    made = {CARD: _card(model, folder, repo).encode()}
    files = (_record(CARD, made[CARD]), *(file_record(folder / name) for name in there))
    weights = next(record for record in files if record.name == WEIGHTS)
    name = source.name if isinstance(source, ModelEntry) else folder.name
    message = message or f"{name}: weights {weights.sha256[:12]}"
    from huggingface_hub import constants

    plan = Publication(repo, branch or "main", files, message, f"{constants.ENDPOINT}/{repo}")
    return plan if dry_run else _send(plan, folder, made, private, token)


def push_to_hub(
    model: Any,
    repo: str,
    *,
    card: str | None = None,
    branch: str | None = None,
    private: bool = False,
    token: str | None = None,
) -> str:
    """Save the model and `publish` it; gives the commit's address.

    Args:
        model: An Autoencoder.
        card: Markdown for README.md; None: ``model.card``, else one that says what the model
            is and how it is loaded.
    """
    repo_name(repo)
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / repo.partition("/")[2]
        save_pretrained(model, folder, card or model.card or _plain_card(model, repo))
        return publish(folder, repo, branch=branch, private=private, token=token).url


def _plain_card(model: Any, repo: str) -> str:
    config = config_of(model)
    return card(config, name=_title(repo), source=f"hf://{repo}", papers=papers(config))


def _card(model: Any, folder: Path, repo: str) -> str:
    """The folder's own card as it is true of the repository, else one of what is beside it."""
    if (folder / CARD).is_file():
        return published((folder / CARD).read_bytes().decode(), repo)
    return folder_card(folder, config_of(model), name=_title(repo), source=f"hf://{repo}")


def _title(repo: str) -> str:
    return repo.partition("/")[2]


def _record(name: str, content: bytes) -> FileRecord:
    return FileRecord(name, len(content), hashlib.sha256(content).hexdigest())


def _folder(source: ModelEntry | str | os.PathLike[str]) -> Path:
    """The folder to publish, its files checked where the zoo has a record of them."""
    if isinstance(source, str):
        if source.startswith("local:"):
            return Path(source.removeprefix("local:")).expanduser()
        source = registry.model(source)
    if not isinstance(source, ModelEntry):
        return Path(source)
    if source.folder is None:
        raise WeightsError(
            f"model {source.name!r} has no folder here to publish; it is at hf://{source.repo}"
        )
    for record in source.files:
        check(Path(source.folder) / record.name, record)
    return Path(source.folder)


def _send(
    plan: Publication, folder: Path, made: dict[str, bytes], private: bool, token: str | None
) -> Publication:
    from huggingface_hub import CommitOperationAdd, HfApi, constants
    from huggingface_hub.errors import (
        HfHubHTTPError,
        HTTPError,  # pyright: ignore[reportPrivateImportUsage]  # httpx's in 1.x, httpx2's in 2.x
    )

    api = HfApi(endpoint=constants.ENDPOINT, token=token)
    operations = [CommitOperationAdd(r.name, made.get(r.name, folder / r.name)) for r in plan.files]
    try:
        api.create_repo(plan.repo, private=private, exist_ok=True)
        if plan.branch != "main":
            api.create_branch(plan.repo, branch=plan.branch, exist_ok=True)
        sent = api.create_commit(
            plan.repo, operations, commit_message=plan.message, revision=plan.branch
        )
    except (HTTPError, OSError) as error:
        status = error.response.status_code if isinstance(error, HfHubHTTPError) else None
        raise _refused(plan, error, status) from error
    except ValueError as error:  # what the client makes of the Hub's check of the card
        raise WeightsError(f"{plan.repo}: the Hub refuses the card {CARD}: {error}") from error
    return Publication(
        plan.repo, plan.branch, plan.files, plan.message, str(sent.commit_url), sent.oid
    )


def _refused(plan: Publication, error: Exception, status: int | None) -> WeightsError:
    from huggingface_hub import constants

    advice = (
        "log in with a token that may write there: hf auth login"
        if status in (401, 403)
        else "no commit was made; try again"
    )
    reason = next((line for line in str(error).splitlines() if line.strip()), "")
    return WeightsError(
        f"could not publish to {plan.repo} at {constants.ENDPOINT}: "
        f"{type(error).__name__}: {reason}; {advice}"
    )
