"""Push: a run or a model becomes a repository of the Hub, with its card."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from aecore.analysis.card import format_card
from aecore.errors import HubError
from aecore.files import CARD_FILE, CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, write_text_file
from aecore.hub.cards import make_push_card
from aecore.hub.client import Token, explain_hub_errors, open_client
from aecore.hub.repositories import check_repo_name, list_commit_changes, list_repo_files
from aecore.model.autoencoder import Autoencoder
from aecore.model.config import ModelConfig, RunConfig
from aecore.model.parts.networks.pretrained import PretrainedNetwork
from aecore.progress import report_share
from aecore.runs.drafts import PUSH_DRAFT, open_draft_folder
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


def push_run(run: Run, repo: str, *, token: Token = None, private: bool = False) -> str:
    """Commits config, weights, records, previews and a new card to `user/name`.

    The repository is created if missing. Returns the commit's address. Previews hold a few test
    examples, which are published with the rest. A local path in the config is cut to its last part,
    so that folders of this machine stay unknown; beyond README.md the run itself is not changed.
    Raises CheckpointError where the model is unsound, else HubError.
    """
    check_repo_name(repo)
    check_own_weights(run.config().model, run.id)
    with explain_hub_errors(repo), open_draft_folder(PUSH_DRAFT) as folder:
        stage_run(run, folder)
        report_share(0.1)
        verify_model_loads(folder, run.id)
        report_share(0.2)
        card = make_push_card(run, repo, token)
        write_text_file(folder / CARD_FILE, card)
        report_share(0.3)
        address = commit_folder(folder, repo, token, private)
        report_share(1.0)
    if not is_shipped_run(run.path):
        with suppress(OSError):  # a folder that cannot be written to is no reason to fail now
            write_text_file(run.path / CARD_FILE, card)
    return address


def push_model(model: Autoencoder, repo: str, *, token: Token = None, private: bool = False) -> str:
    """Commits a model that has no run to `user/name`, with a card; as `push_run` otherwise."""
    check_repo_name(repo)
    check_own_weights(model.config, "The model")
    config = RunConfig(model=model.config)
    with explain_hub_errors(repo), open_draft_folder(PUSH_DRAFT) as folder:
        model.save(folder, config)
        verify_model_loads(folder, "The model")
        write_text_file(folder / CARD_FILE, format_card(config, {}, repo=repo))
        return commit_folder(folder, repo, token, private)


def check_own_weights(config: ModelConfig, name: str) -> None:
    """Raises HubError for weights that somebody else published, which are not ours to push."""
    network = config.network
    if isinstance(network, PretrainedNetwork):
        raise HubError(
            f"{name} holds the weights of {network.source}, which are on the Hub already. "
            "Share that name instead."
        )


def stage_run(run: Run, folder: Path) -> None:
    """Copies what is published of a run into `folder`, without local paths and unsound records."""
    config = strip_local_paths(run.config())
    previews = [name for name in list_file_sizes(run.path) if is_preview_name(name)]
    write_text_file(folder / CONFIG_FILE, config.model_dump_json(indent=2) + "\n")
    copy_files(run.path, folder, [WEIGHTS_FILE, METRICS_FILE, *previews])
    keep_sound_records(folder / METRICS_FILE)


def commit_folder(folder: Path, repo: str, token: Token, private: bool) -> str:
    """Commits all files of `folder`, and deletes those that an earlier run left; the address."""
    if token is False:
        raise HubError("Pushing needs a login. Sign in to the Hub, or give a token that may write.")
    names = set(list_file_sizes(folder))
    with explain_hub_errors(repo):
        api = open_client(token)
        old_files = list_repo_files(api, repo, private)
        api.create_repo(repo, private=private, exist_ok=True)
        stale = [
            name
            for name in old_files
            if name not in names and (name in FOREIGN_FILE_LIMITS or is_preview_name(name))
        ]
        commit = api.create_commit(
            repo, list_commit_changes(folder, stale), commit_message="Push from Autoencoder Lab"
        )
        return str(commit.commit_url)
