"""Repositories of the Hub, models and Spaces: their names, their listing, and what is in one."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from aecore.analysis.card import VARIANT_TAG
from aecore.errors import HubError
from aecore.explorer.static_page import MODEL_PACK
from aecore.files import CARD_FILE, LIBRARY
from aecore.hub.client import (
    HUB_TIMEOUT,
    Token,
    explain_hub_errors,
    get_json,
    hub_endpoint,
    open_client,
)
from aecore.hub.pretrained import is_published_file
from aecore.runs.foreign import FOREIGN_FILE_LIMITS, list_file_sizes
from aecore.runs.previews import is_preview_name

if TYPE_CHECKING:
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete, HfApi

REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
NAME_LETTER = re.compile(r"[\w./-]", re.ASCII)
REVISION_NAME = re.compile(r"[A-Za-z0-9][\w./+-]{0,249}", re.ASCII)
MAX_ASKED = 40  # files whose sizes are asked for one by one
VARIANT_NAME = re.compile(r"[a-z0-9-]{1,64}")


# -- models


class HubModel(NamedTuple):
    """A model on the Hub, as its card describes it."""

    repo: str
    author: str
    updated: datetime | None
    variant: str  # empty where the card names none
    downloads: int
    likes: int


def search_models(text: str = "", *, token: Token = False, limit: int = 20) -> list[HubModel]:
    """Returns models of this library whose name contains `text`, the newest first.

    Raises HubError.
    """
    params: dict[str, Any] = {
        "filter": LIBRARY,
        "search": text[:200],
        "sort": "lastModified",
        "limit": max(1, min(limit, 100)),
        "expand": ["author", "lastModified", "tags", "downloads", "likes"],
    }
    with explain_hub_errors():
        return [parse_hub_model(row) for row in get_json("/api/models", token, params)[:limit]]


def parse_hub_model(row: Mapping[str, Any]) -> HubModel:
    """Returns the model of a row of the Hub's listing."""
    repo = str(row["id"])
    updated = None
    with suppress(ValueError):
        updated = datetime.fromisoformat(str(row.get("lastModified")))
    return HubModel(
        repo=repo,
        author=str(row.get("author") or repo.split("/")[0]),
        updated=updated,
        variant=find_variant_tag(row.get("tags") or ()),
        downloads=int(row.get("downloads") or 0),
        likes=int(row.get("likes") or 0),
    )


def find_variant_tag(tags: Iterable[object]) -> str:
    """Returns the variant that the first tag of that kind names; empty where none is sound."""
    for tag in map(str, tags):
        if tag.startswith(VARIANT_TAG):
            variant = tag.removeprefix(VARIANT_TAG)
            return variant if VARIANT_NAME.fullmatch(variant) else ""
    return ""


def name_of_token(token: Token = None) -> str:
    """Returns the account that a token belongs to; HubError where the Hub does not know it."""
    with explain_hub_errors():
        return str(get_json("/api/whoami-v2", token)["name"])


# -- names and files


def check_name_letters(name: str) -> None:
    """Raises HubError for a name with a character that no name on the Hub has."""
    strange = next((letter for letter in name if not NAME_LETTER.fullmatch(letter)), "")
    if strange:
        what = "a space" if strange.isspace() else repr(strange)
        raise HubError(f"{name[:100]!r} has {what} in it; names have letters, digits, - _ and .")


def check_repo_name(repo: str) -> None:
    """Raises HubError for what is no `user/name`."""
    check_name_letters(repo)
    is_well_formed = REPO_NAME.fullmatch(repo) and not repo.endswith((".", "-", ".git"))
    if not is_well_formed or "--" in repo or ".." in repo:
        raise HubError(f"{repo[:100]!r} is no repository. Give it as user/name.")


def list_repo_files(api: HfApi, repo: str, private: bool) -> list[str]:
    """Returns the files of a model repository; none where it is new.

    Raises HubError where it is not ours to replace.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, timeout=HUB_TIMEOUT)
    except RepositoryNotFoundError:
        return []
    if info.library_name not in (None, LIBRARY):
        raise HubError(
            f"{repo} holds a model of another library, {info.library_name}. Choose another name."
        )
    check_still_private(repo, info, private)
    return [file.rfilename for file in info.siblings or ()]


def check_still_private(repo: str, info: Any, private: bool) -> None:
    """Raises HubError where something private would go to a repository that is public."""
    if private and info.private is False:
        raise HubError(
            f"{repo} is public already. Choose another name, or make it private on the Hub first."
        )


def ask_missing_sizes(
    api: HfApi, repo: str, revision: str | None, sizes: Mapping[str, int | None]
) -> dict[str, int | None]:
    """Returns a listing {path: bytes} with the sizes asked for that it does not state.

    Only files that a pull takes are asked about, few at a time; None stays where the Hub does not
    say.
    """
    unknown = [name for name, size in sizes.items() if size is None and is_taken_name(name)]
    unknown.sort(key=lambda name: (is_preview_name(name), "/" in name, not name.startswith("vae/")))
    return {**sizes, **{name: ask_size(api, repo, revision, name) for name in unknown[:MAX_ASKED]}}


def is_taken_name(name: str) -> bool:
    """Returns True for the name of a file that a pull may take."""
    return name in FOREIGN_FILE_LIMITS or is_preview_name(name) or is_published_file(name)


def ask_size(api: HfApi, repo: str, revision: str | None, name: str) -> int | None:
    """Returns how many bytes a file has, by a HEAD; None where the answer does not say."""
    from huggingface_hub import hf_hub_url

    url = hf_hub_url(repo, name, revision=revision, endpoint=hub_endpoint())
    return api.get_hf_file_metadata(url=url, timeout=HUB_TIMEOUT).size


def list_commit_changes(
    folder: Path, stale: Iterable[str]
) -> list[CommitOperationAdd | CommitOperationDelete]:
    """Returns the changes of a commit that deletes stale files and adds all files of `folder`."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    changes: list[CommitOperationAdd | CommitOperationDelete] = [
        CommitOperationDelete(name) for name in stale
    ]
    changes += [CommitOperationAdd(name, str(folder / name)) for name in list_file_sizes(folder)]
    return changes


# -- Spaces that show an explorer


def space_address(repo: str) -> str:
    """Returns the address of the Space of a name."""
    return f"{hub_endpoint()}/spaces/{repo}"


def find_explorer_page(repo: str, token: Token) -> str:
    """Returns the address of a model's explorer; empty where there is none or that is unknown."""
    try:
        with explain_hub_errors(repo):
            space = open_client(token).space_info(repo, timeout=HUB_TIMEOUT)
    except HubError:
        return ""
    return space_address(repo) if is_explorer_space(space) else ""


def list_space_files(api: HfApi, repo: str, private: bool) -> list[str]:
    """Returns the files of a Space; none where it is new.

    Raises HubError where it is not ours to replace.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.space_info(repo, timeout=HUB_TIMEOUT)
    except RepositoryNotFoundError:
        return []
    if not is_explorer_space(info):
        raise HubError(f"The Space {repo} holds something else. Choose another name.")
    check_still_private(repo, info, private)
    return [file.rfilename for file in info.siblings or ()]


def is_explorer_space(space: Any) -> bool:
    """Returns True for a Space that `publish_explorer` made, or one that is still empty."""
    files = {file.rfilename for file in space.siblings or ()} - {".gitattributes", CARD_FILE}
    return space.sdk == "static" and (not files or {"explorer.js", MODEL_PACK} <= files)
