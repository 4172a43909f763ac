"""Pull: a model of the Hub becomes a run folder, checked before it is used."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from aecore.errors import HubError
from aecore.files import CONFIG_FILE, WEIGHTS_FILE
from aecore.hub.client import HUB_TIMEOUT, Token, explain_hub_errors, open_client
from aecore.hub.repositories import REVISION_NAME, ask_missing_sizes, check_repo_name
from aecore.hub.transfer import make_silent_bar
from aecore.limits import is_public
from aecore.runs.drafts import PULL_DRAFT, open_draft_folder
from aecore.runs.foreign import adopt_run_folder, choose_files_to_take, verify_model_loads

ReserveBytes = Callable[[int], object]  # raises where there is no room for so many


def pull_run(
    repo: str,
    *,
    revision: str | None = None,
    token: Token = None,
    out: Path | None = None,
    owner: str = "",
    reserve: ReserveBytes | None = None,
) -> Path:
    """Returns the run folder of `user/name`: in the Hub's cache, or as a new run in `out`.

    Sizes are checked before anything is downloaded, and only the files of a run folder are: never a
    pickle or code. `reserve` is called with their bytes before, and may raise. `out` appears whole
    or not at all, as the run of that owner, in state done, without records and previews that are
    unsound; a path in its config loses its folders, so that a stranger's config cannot point into
    this machine. Where visitors are strangers nothing of it stays in the Hub's cache.

    Raises HubError where the repository cannot be had or holds no model, CheckpointError where it
    is unsound.
    """
    check_repo_name(repo)
    if revision is not None and (not REVISION_NAME.fullmatch(revision) or ".." in revision):
        raise HubError(f"{revision[:80]!r} is no revision. Give a branch, a tag or a commit's id.")
    if out is not None and os.path.lexists(out) and not is_empty_folder(out):
        raise HubError(f"{out.name} exists already. Choose another folder, or delete that one.")
    if out is None:
        snapshot = download_snapshot(repo, revision, token, reserve)
        verify_model_loads(snapshot, repo)
        return snapshot
    out = Path(out)
    with explain_hub_errors(repo), choose_download_folder(out) as folder:
        snapshot = download_snapshot(repo, revision, token, reserve, folder)
        verify_model_loads(snapshot, repo)
        return adopt_run_folder(snapshot, out, repo, owner)


@contextmanager
def choose_download_folder(out: Path) -> Iterator[Path | None]:
    """Gives None, which is the Hub's cache, or among strangers a folder that is deleted again.

    A file in the cache may be private: whoever asks for it next might get it.
    """
    if not is_public():
        yield None
        return
    out.parent.mkdir(parents=True, exist_ok=True)
    with open_draft_folder(PULL_DRAFT, out.parent) as folder:
        yield folder


def download_snapshot(
    repo: str,
    revision: str | None,
    token: Token,
    reserve: ReserveBytes | None = None,
    into: Path | None = None,
) -> Path:
    """Returns the folder of one commit, once its listing shows a model of bearable size.

    It is `into`, or by default in the Hub's cache.
    """
    from huggingface_hub import constants

    with explain_hub_errors(repo, revision):
        api = open_client(token)
        if constants.HF_HUB_OFFLINE:
            snapshot = api.snapshot_download(
                repo,
                revision=revision,
                local_files_only=True,
                allow_patterns=[CONFIG_FILE, WEIGHTS_FILE],
            )
            return Path(snapshot)
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=HUB_TIMEOUT)
        sizes = {file.rfilename: file.size for file in info.siblings or ()}
        sizes = ask_missing_sizes(api, repo, info.sha, sizes)
        names = choose_files_to_take(repo, sizes)
        if reserve:
            reserve(sum(sizes[name] or 0 for name in names))
        snapshot = api.snapshot_download(
            repo,
            revision=info.sha,
            allow_patterns=names,
            local_dir=into,
            tqdm_class=make_silent_bar(sum(sizes[name] or 0 for name in names)),
        )
        folder = Path(snapshot)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise HubError(
            f"{missing[0]} of {repo} did not arrive: the connection was lost. Try again."
        )
    return folder


def is_empty_folder(path: Path) -> bool:
    """Returns True for a folder without anything in it."""
    return path.is_dir() and not any(path.iterdir())
