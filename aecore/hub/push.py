"""Push: a run or a model becomes a repository of the Hub, with its card."""

from __future__ import annotations

import tempfile
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.analysis.card import format_card
from aecore.errors import HubError
from aecore.files import CARD_FILE, CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, write_text_file
from aecore.hub.client import Token, explain_hub_errors, open_client
from aecore.hub.repositories import check_repo_name, list_repo_files
from aecore.hub.spaces import find_explorer_page
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import RunConfig
from aecore.runs.foreign import (
    FOREIGN_FILE_LIMITS,
    copy_files,
    keep_sound_records,
    list_file_sizes,
    strip_local_paths,
    verify_model_loads,
)
from aecore.runs.listing import is_shipped_run
from aecore.runs.previews import is_preview_name
from aecore.runs.run import Run

if TYPE_CHECKING:
    pass


def push_run(run: Run, repo: str, *, token: Token = None, private: bool = False) -> str:
    """Commit the run's config, weights, records, previews and a new card to `user/name`, made if need be.

    Returns the commit's address. Previews hold a few test examples, which are published with the rest. A
    local path in the config is cut to its last part, so that folders of this machine stay unknown; beyond
    README.md the run itself is not changed. Raises CheckpointError where the model is unsound, else HubError.
    """
    check_repo_name(repo)
    config = strip_local_paths(run.config())
    with tempfile.TemporaryDirectory(prefix="aecore-push-") as name:
        folder = Path(name)
        with explain_hub_errors(repo):
            write_text_file(folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
            copy_files(
                run.path,
                folder,
                [
                    WEIGHTS_FILE,
                    METRICS_FILE,
                    *(n for n in list_file_sizes(run.path) if is_preview_name(n)),
                ],
            )
            keep_sound_records(folder / METRICS_FILE)
        verify_model_loads(folder, run.id)
        staged = Run(folder)
        text = format_card(
            config,
            staged.test_metrics(),
            repo=repo,
            history=staged.epochs(),
            space=find_explorer_page(repo, token),
        )
        write_text_file(folder / CARD_FILE, text)
        address = upload_folder(folder, repo, token, private)
    if not is_shipped_run(run.path):
        with suppress(OSError):  # a folder that cannot be written to is no reason to fail now
            write_text_file(run.path / CARD_FILE, text)
    return address


def push_model(model: Autoencoder, repo: str, *, token: Token = None, private: bool = False) -> str:
    """Commit a model that has no run to `user/name`, with a card. Returns and raises as `push`."""
    check_repo_name(repo)
    config = RunConfig(model=model.config)
    with tempfile.TemporaryDirectory(prefix="aecore-push-") as name:
        folder = Path(name)
        with explain_hub_errors(repo):
            model.save(folder, config)
        verify_model_loads(folder, "The model")
        write_text_file(folder / CARD_FILE, format_card(config, {}, repo=repo))
        return upload_folder(folder, repo, token, private)


# -- up


def upload_folder(folder: Path, repo: str, token: Token, private: bool) -> str:
    """All files of `folder` in one commit, without those that an earlier run left there."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = list(list_file_sizes(folder))
    with explain_hub_errors(repo):
        api = open_client(token)
        if token is False:
            raise HubError(
                "Pushing needs a login. Sign in to the Hub, or give a token that may write."
            )
        old = list_repo_files(api, repo, private)
        api.create_repo(repo, private=private, exist_ok=True)
        stale = [
            name
            for name in old
            if name not in names and (name in FOREIGN_FILE_LIMITS or is_preview_name(name))
        ]
        changes = [CommitOperationDelete(name) for name in stale]
        changes += [CommitOperationAdd(name, str(folder / name)) for name in names]
        return str(
            api.create_commit(repo, changes, commit_message="Push from Autoencoder Lab").commit_url
        )
