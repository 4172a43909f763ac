"""Model repositories of the Hub: their names, their listing, and what is in one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from aecore.analysis.card import VARIANT_TAG
from aecore.errors import HubError
from aecore.hub.client import HUB_TIMEOUT, LIBRARY, Token, explain_hub_errors, get_json

if TYPE_CHECKING:
    from huggingface_hub import HfApi


REPO_NAME = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
REVISION_NAME = re.compile(r"[A-Za-z0-9][\w./+-]{0,249}", re.ASCII)


class HubModel(NamedTuple):
    """A model on the Hub, as its card describes it."""

    repo: str
    author: str
    updated: datetime | None
    variant: str  # empty where the card names none
    downloads: int
    likes: int


def search_models(text: str = "", *, token: Token = False, limit: int = 20) -> list[HubModel]:
    """Models of this library whose name contains `text`, the newest first. Raises HubError."""
    params: dict[str, Any] = {"filter": LIBRARY, "search": text[:200], "sort": "lastModified"}
    fields = ["author", "lastModified", "tags", "downloads", "likes"]
    params |= {"limit": max(1, min(limit, 100)), "expand": fields}
    with explain_hub_errors():
        return [parse_hub_model(row) for row in get_json("/api/models", token, params)[:limit]]


def name_of_token(token: Token = None) -> str:
    """The name that a token belongs to. Raises HubError where the Hub does not know it."""
    with explain_hub_errors():
        return str(get_json("/api/whoami-v2", token)["name"])


def list_repo_files(api: HfApi, repo: str, private: bool) -> list[str]:
    """The files that the repository has; none where it is new. HubError where it is not ours to replace."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, timeout=HUB_TIMEOUT)
    except RepositoryNotFoundError:
        return []
    if info.library_name not in (None, LIBRARY):
        raise HubError(
            f"{repo} holds a model of another library, {info.library_name}. Choose another name."
        )
    if private and info.private is False:
        raise HubError(
            f"{repo} is public already. Choose another name, or make it private on the Hub first."
        )
    return [file.rfilename for file in info.siblings or ()]


# -- what they share


def check_repo_name(repo: str) -> None:
    if (
        not REPO_NAME.fullmatch(repo)
        or "--" in repo
        or ".." in repo
        or repo.endswith((".", "-", ".git"))
    ):
        raise HubError(f"{repo[:100]!r} is no repository. Give it as user/name.")


def parse_hub_model(row: Mapping[str, Any]) -> HubModel:
    """A row of the Hub's listing."""
    tags = [str(tag) for tag in row.get("tags") or ()]
    variant = next(
        (tag.removeprefix(VARIANT_TAG) for tag in tags if tag.startswith(VARIANT_TAG)), ""
    )
    updated = None
    with suppress(ValueError):
        updated = datetime.fromisoformat(str(row.get("lastModified")))
    repo = str(row["id"])
    author = str(row.get("author") or repo.split("/")[0])
    counts = (int(row.get(name) or 0) for name in ("downloads", "likes"))
    return HubModel(
        repo, author, updated, variant if re.fullmatch(r"[a-z0-9-]{1,64}", variant) else "", *counts
    )
