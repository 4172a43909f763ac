"""The explorer of a run as a static Space of the Hub."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.analysis.latent import Projection
from aecore.errors import HubError
from aecore.explorer.static_page import export_static_page, list_optional_files
from aecore.files import CARD_FILE, LIBRARY, write_text_file
from aecore.hub.cards import format_push_card, format_space_card
from aecore.hub.client import HUB_TIMEOUT, Token, explain_hub_errors, open_client
from aecore.hub.repositories import (
    check_repo_name,
    list_commit_changes,
    list_space_files,
    space_address,
)
from aecore.progress import progress_part
from aecore.runs.drafts import PUBLISH_DRAFT, open_draft_folder
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
    trainable: bool = False,
) -> str:
    """Publishes the run's explorer as a static Space `user/name`; returns its address.

    Visitors train models of their own on it where it is `trainable`. It links to the model
    repository of the same name, and that one's card to it, where there is one. Raises what
    `export_static_page` does, and HubError.
    """
    check_repo_name(repo)
    if token is False:
        raise HubError(
            "Publishing needs a login. Sign in to the Hub, or give a token that may write."
        )
    with explain_hub_errors(repo):
        api = open_client(token)
        has_model = has_model_repo(api, repo, private)
        old_files = list_space_files(api, repo, private)
    model_repo = repo if has_model else ""
    with explain_hub_errors(repo), open_draft_folder(PUBLISH_DRAFT) as folder:
        with progress_part(0.0, 0.5):
            export_static_page(
                run,
                folder,
                maps=maps,
                thumbnails=thumbnails,
                trainable=trainable,
                repo=model_repo,
            )
        card = format_space_card(strip_local_paths(run.config()), model_repo, trainable)
        write_text_file(folder / CARD_FILE, card)
        commit_space(api, repo, folder, old_files, private)
        if has_model:
            link_to_space(api, repo, run)
    return space_address(repo)


def has_model_repo(api: HfApi, repo: str, private: bool) -> bool:
    """Returns True where there is a model of this library in the repository.

    Raises HubError where it is private and its page would not be.
    """
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, timeout=HUB_TIMEOUT)
    except RepositoryNotFoundError:
        return False
    if info.private and not private:
        raise HubError(
            f"The model {repo} is private, and its page would show its codes to all. "
            "Publish it as private."
        )
    return info.library_name == LIBRARY


def commit_space(
    api: HfApi, repo: str, folder: Path, old_files: Sequence[str], private: bool
) -> None:
    """Commits all files of `folder` to the Space, and deletes those that an earlier run left."""
    api.create_repo(repo, repo_type="space", space_sdk="static", private=private, exist_ok=True)
    replaceable = list_optional_files() - set(list_file_sizes(folder))
    stale = [name for name in old_files if name in replaceable]
    api.create_commit(
        repo,
        list_commit_changes(folder, stale),
        commit_message="Publish from Autoencoder Lab",
        repo_type="space",
    )


def link_to_space(api: HfApi, repo: str, run: Run) -> None:
    """Commits a new card to the model's own repository, with a link to its Space."""
    from huggingface_hub import CommitOperationAdd

    card = format_push_card(run, repo, space_address(repo))
    api.create_commit(
        repo,
        [CommitOperationAdd(CARD_FILE, card.encode())],
        commit_message="Link to its page",
    )
