"""The explorer of a run as a static Space of the Hub."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from aecore.analysis.card import format_card, format_card_title
from aecore.analysis.latent import Projection
from aecore.errors import HubError
from aecore.explorer.static_page import MODEL_PACK, export_static_page, list_pack_names
from aecore.files import CARD_FILE, write_text_file
from aecore.hub.client import (
    HUB_TIMEOUT,
    LIBRARY,
    Token,
    explain_hub_errors,
    hub_endpoint,
    open_client,
)
from aecore.hub.repositories import check_repo_name
from aecore.model.config import RunConfig
from aecore.runs.foreign import list_file_sizes, strip_local_paths
from aecore.runs.run import Run

if TYPE_CHECKING:
    from huggingface_hub import HfApi


def publish_explorer(
    run: Run,
    repo: str,
    *,
    token: Token = None,
    private: bool = False,
    maps: Sequence[Projection] = ("pca",),
    thumbnails: bool = False,
) -> str:
    """The run's explorer as a static Space of the name `user/name`; returns its address.

    It links to the model repository of the same name, and that one's card to it, where there is one. Raises what
    `static.export` does, and HubError.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    check_repo_name(repo)
    if token is False:
        raise HubError(
            "Publishing needs a login. Sign in to the Hub, or give a token that may write."
        )
    with explain_hub_errors(repo):
        api = open_client(token)
        model = check_model_repo(api, repo, private)
        old = list_space_files(api, repo, private)
    with tempfile.TemporaryDirectory(prefix="aecore-publish-") as name:
        folder = Path(name)
        export_static_page(
            run, folder, maps=maps, thumbnails=thumbnails, repo=repo if model else ""
        )
        write_text_file(
            folder / CARD_FILE,
            format_space_card(strip_local_paths(run.config()), repo if model else ""),
        )
        names = list(list_file_sizes(folder))
        with explain_hub_errors(repo):
            api.create_repo(
                repo, repo_type="space", space_sdk="static", private=private, exist_ok=True
            )
            changes = [
                CommitOperationDelete(path)
                for path in old
                if path in list_pack_names() - set(names)
            ]
            changes += [CommitOperationAdd(path, str(folder / path)) for path in names]
            api.create_commit(
                repo, changes, commit_message="Publish from Autoencoder Lab", repo_type="space"
            )
            if model:
                text = format_card(
                    strip_local_paths(run.config()),
                    run.test_metrics(),
                    repo=repo,
                    history=run.epochs(),
                    space=space_address(repo),
                )
                api.create_commit(
                    repo,
                    [CommitOperationAdd(CARD_FILE, text.encode())],
                    commit_message="Link to its page",
                )
    return space_address(repo)


def space_address(repo: str) -> str:
    """The address of the Space of a name."""
    return f"{hub_endpoint()}/spaces/{repo}"


def find_explorer_page(repo: str, token: Token) -> str:
    """The address of a model's own page; empty where there is none, or where that cannot be known."""
    try:
        with explain_hub_errors(repo):
            return (
                space_address(repo)
                if is_explorer_space(open_client(token).space_info(repo, timeout=HUB_TIMEOUT))
                else ""
            )
    except HubError:
        return ""


def format_space_card(config: RunConfig, repo: str) -> str:
    """README.md of a static Space: what the Hub reads of it."""
    values: dict[str, Any] = {
        "title": format_card_title(config)[:80],
        "emoji": "🔬",
        "colorFrom": "indigo",
        "colorTo": "blue",
    }
    values |= {"sdk": "static", "app_file": "index.html", "pinned": False, "license": "mit"}
    values |= {"tags": ["autoencoder", LIBRARY], **({"models": [repo]} if repo else {})}
    text = (
        f"The latent space of [{repo}](https://huggingface.co/{repo}), to explore."
        if repo
        else "A latent space."
    )
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n\n{text}\n"


def check_model_repo(api: HfApi, repo: str, private: bool) -> bool:
    """Whether a model of this library is there. HubError where it is private and its page would not be."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, timeout=HUB_TIMEOUT)
    except RepositoryNotFoundError:
        return False
    if info.private and not private:
        raise HubError(
            f"The model {repo} is private, and its page would show its codes to all. Publish it as private."
        )
    return info.library_name == LIBRARY


def list_space_files(api: HfApi, repo: str, private: bool) -> list[str]:
    """The files that the Space has; none where it is new. HubError where it is not ours to replace."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.space_info(repo, timeout=HUB_TIMEOUT)
    except RepositoryNotFoundError:
        return []
    if not is_explorer_space(info):
        raise HubError(f"The Space {repo} holds something else. Choose another name.")
    if private and info.private is False:
        raise HubError(
            f"{repo} is public already. Choose another name, or make it private on the Hub first."
        )
    return [file.rfilename for file in info.siblings or ()]


def is_explorer_space(space: Any) -> bool:
    """Whether a Space is a page that `publish` made, or one that is still empty."""
    files = {file.rfilename for file in space.siblings or ()} - {".gitattributes", CARD_FILE}
    return space.sdk == "static" and (not files or {"explorer.js", MODEL_PACK} <= files)
