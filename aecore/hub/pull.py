"""Pull: a model of the Hub becomes a run folder, checked before it is used.

It is a run that was pushed, or an autoencoder of the library diffusers (`aecore.hub.pretrained`).
"""

from __future__ import annotations

import hashlib
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from aecore.errors import HubError
from aecore.files import CONFIG_FILE, LIBRARY, WEIGHTS_FILE
from aecore.hub.client import HUB_TIMEOUT, Token, explain_hub_errors, open_client
from aecore.hub.pretrained import (
    PUBLISHED_WEIGHTS,
    ShownPictures,
    WeightOrigin,
    adopt_published,
    find_published_files,
)
from aecore.hub.repositories import REVISION_NAME, ask_missing_sizes, check_repo_name
from aecore.hub.transfer import make_silent_bar
from aecore.limits import is_public
from aecore.runs.drafts import PULL_DRAFT, open_draft_folder
from aecore.runs.foreign import (
    adopt_run_folder,
    choose_files_to_take,
    list_file_sizes,
    verify_model_loads,
)

ReserveBytes = Callable[[int], object]  # raises where there is no room for so many

OFFLINE_FILES = (CONFIG_FILE, WEIGHTS_FILE, *PUBLISHED_WEIGHTS)
LICENSE_TAG = "license:"
LICENSE_NAME = re.compile(r"[\w.+-]{1,80}", re.ASCII)


def pull_run(
    repo: str,
    *,
    revision: str | None = None,
    token: Token = None,
    out: Path | None = None,
    owner: str = "",
    reserve: ReserveBytes | None = None,
    subfolder: str = "",
    pictures: ShownPictures | None = None,
) -> Path:
    """Returns the run folder of `user/name`: in the Hub's cache, or as a new run in `out`.

    Sizes are checked before anything is downloaded, and only the files of a run folder are: never a
    pickle or code. `reserve` is called with their bytes before, and may raise. `out` appears whole
    or not at all, as the run of that owner, in state done, without records and previews that are
    unsound; a path in its config loses its folders, so that a stranger's config cannot point into
    this machine. Where visitors are strangers nothing of it stays in the Hub's cache.

    Of an autoencoder of diffusers, which may lie in a `subfolder`, the run is read-only, and pages
    show it on `pictures`.

    Raises HubError where the repository cannot be had or holds no model, CheckpointError where it
    is unsound.
    """
    check_repo_name(repo)
    if revision is not None and (not REVISION_NAME.fullmatch(revision) or ".." in revision):
        raise HubError(f"{revision[:80]!r} is no revision. Give a branch, a tag or a commit's id.")
    if out is not None and os.path.lexists(out) and not is_empty_folder(out):
        raise HubError(f"{out.name} exists already. Choose another folder, or delete that one.")
    with explain_hub_errors(repo), choose_download_folder(out) as folder:
        snapshot = download_snapshot(repo, revision, token, reserve, folder, subfolder)
        if snapshot.published:
            return adopt_snapshot(snapshot, out, pictures or ShownPictures(), owner)
        if pictures:
            raise HubError(f"{repo} holds a run with data of its own. Name no pictures for it.")
        verify_model_loads(snapshot.folder, repo)
        return adopt_run_folder(snapshot.folder, Path(out), repo, owner) if out else snapshot.folder


class Snapshot(NamedTuple):
    """A folder with files of one commit that were downloaded."""

    folder: Path
    published: list[str]  # config and weights of an autoencoder of diffusers, if it is one
    origin: WeightOrigin


def adopt_snapshot(
    snapshot: Snapshot, out: Path | None, pictures: ShownPictures, owner: str
) -> Path:
    """Makes a run of an autoencoder of diffusers: in `out`, or in the Hub's cache of such things.

    There it is kept for the next time.
    """
    if out is None:
        from huggingface_hub import cached_assets_path

        origin = snapshot.origin
        digest = hashlib.sha256(repr(pictures).encode()).hexdigest()[:12]
        name = "-".join([*snapshot.published[0].split("/")[:-1], origin.revision[:12], digest])
        out = cached_assets_path(LIBRARY, origin.source, name) / "run"
        if (out / CONFIG_FILE).is_file():
            verify_model_loads(out, origin.source)
            return out
    return adopt_published(
        snapshot.folder, snapshot.published, Path(out), snapshot.origin, pictures, owner
    )


@contextmanager
def choose_download_folder(out: Path | None) -> Iterator[Path | None]:
    """Gives None, which is the Hub's cache, or among strangers a folder that is deleted again.

    A file in the cache may be private: whoever asks for it next might get it.
    """
    if out is None or not is_public():
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
    subfolder: str = "",
) -> Snapshot:
    """Returns the files of one commit, once its listing shows a model of bearable size.

    They are in `into`, or by default in the Hub's cache.
    """
    from huggingface_hub import constants

    with explain_hub_errors(repo, revision):
        api = open_client(token)
        if constants.HF_HUB_OFFLINE:
            snapshot = api.snapshot_download(
                repo,
                revision=revision,
                local_files_only=True,
                allow_patterns=[f"*{name}" for name in OFFLINE_FILES],
            )
            folder = Path(snapshot)
            published = find_published_files(repo, list_file_sizes(folder), subfolder)
            return Snapshot(folder, published, WeightOrigin(repo, folder.name, ""))
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=HUB_TIMEOUT)
        sizes = {file.rfilename: file.size for file in info.siblings or ()}
        sizes = ask_missing_sizes(api, repo, info.sha, sizes)
        published = find_published_files(repo, sizes, subfolder)
        names = published or choose_files_to_take(repo, sizes)
        total = sum(sizes[name] or 0 for name in names)
        if reserve:
            reserve(2 * total if published else total)  # half precision becomes float32
        snapshot = api.snapshot_download(
            repo,
            revision=info.sha,
            allow_patterns=names,
            local_dir=into,
            tqdm_class=make_silent_bar(total),
        )
        folder = Path(snapshot)
    missing = [name for name in names if not (folder / name).is_file()]
    if missing:
        raise HubError(
            f"{missing[0]} of {repo} did not arrive: the connection was lost. Try again."
        )
    return Snapshot(folder, published, make_origin(repo, info))


def make_origin(repo: str, info: Any) -> WeightOrigin:
    """Returns where weights are from, by what the Hub says of their repository."""
    tags = [str(tag) for tag in info.tags or ()]
    stated = [tag.removeprefix(LICENSE_TAG) for tag in tags if tag.startswith(LICENSE_TAG)]
    license = stated[0] if stated and LICENSE_NAME.fullmatch(stated[0]) else ""
    return WeightOrigin(repo, info.sha or "", license)


def is_empty_folder(path: Path) -> bool:
    """Returns True for a folder without anything in it."""
    return path.is_dir() and not any(path.iterdir())
