"""The Hugging Face Hub: pull and push run folders. What comes from there is checked before it is used."""

from __future__ import annotations

import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import yaml

from aecore import hub_client, static
from aecore.autoencoder import Autoencoder
from aecore.card import VARIANT_TAG, card, title
from aecore.config import RunConfig
from aecore.errors import HubError
from aecore.hub_client import LIBRARY, Token, ask, client, plainly
from aecore.latent import Projection
from aecore.pulled import (
    CARD,
    LIMITS,
    METRICS,
    PREVIEW,
    adopt,
    copy,
    keep_sound_records,
    listing,
    verify,
    wanted,
    without_folders,
)
from aecore.runs import Run, is_shipped
from aecore.weights import CONFIG, MODEL, write_text

if TYPE_CHECKING:
    from huggingface_hub import HfApi

REPO = re.compile(r"[A-Za-z0-9][\w.-]{0,95}/[A-Za-z0-9_][\w.-]{0,95}", re.ASCII)
REVISION = re.compile(r"[A-Za-z0-9][\w./+-]{0,249}", re.ASCII)


class Found(NamedTuple):
    """A model on the Hub, as its card describes it."""

    repo: str
    author: str
    updated: datetime | None
    variant: str  # empty where the card names none
    downloads: int
    likes: int


def pull(repo: str, *, revision: str | None = None, token: Token = None, out: Path | None = None) -> Path:
    """The run folder of `user/name`: in the Hub's cache, or as a new run in `out`.

    Sizes are checked before anything is downloaded, and only the files of a run folder are: never a pickle
    or code. `out` appears whole or not at all, in state done, without records and previews that are unsound;
    a path in its config loses its folders, so that a stranger's config cannot point into this machine.

    Raises HubError where the repository cannot be had or holds no model, CheckpointError where it is unsound.
    """
    check_repo(repo)
    if revision is not None and (not REVISION.fullmatch(revision) or ".." in revision):
        raise HubError(f"{revision[:80]!r} is no revision. Give a branch, a tag or a commit's id.")
    if out is not None and os.path.lexists(out) and not is_empty_folder(out):
        raise HubError(f"{out.name} exists already. Choose another folder, or delete that one.")
    snapshot = download(repo, revision, token)
    verify(snapshot, repo)
    return snapshot if out is None else adopt(snapshot, Path(out), repo)


def push(run: Run, repo: str, *, token: Token = None, private: bool = False) -> str:
    """Commit the run's config, weights, records, previews and a new card to `user/name`, made if need be.

    Returns the commit's address. Previews hold a few test examples, which are published with the rest. A
    local path in the config is cut to its last part, so that folders of this machine stay unknown; beyond
    README.md the run itself is not changed. Raises CheckpointError where the model is unsound, else HubError.
    """
    check_repo(repo)
    config = without_folders(run.config())
    with tempfile.TemporaryDirectory(prefix="aecore-push-") as name:
        folder = Path(name)
        with plainly(repo):
            write_text(folder / CONFIG, config.model_dump_json(indent=2) + "\n")
            copy(run.path, folder, [MODEL, METRICS, *(n for n in listing(run.path) if PREVIEW.fullmatch(n))])
            keep_sound_records(folder / METRICS)
        verify(folder, run.id)
        staged = Run(folder)
        text = card(config, staged.test_metrics(), repo=repo, history=staged.epochs(), space=its_page(repo, token))
        write_text(folder / CARD, text)
        address = upload(folder, repo, token, private)
    if not is_shipped(run.path):
        with suppress(OSError):  # a folder that cannot be written to is no reason to fail now
            write_text(run.path / CARD, text)
    return address


def publish(
    run: Run, repo: str, *, token: Token = None, private: bool = False, maps: Sequence[Projection] = ("pca",),
    thumbnails: bool = False,
) -> str:  # fmt: skip
    """The run's explorer as a static Space of the name `user/name`; returns its address.

    It links to the model repository of the same name, and that one's card to it, where there is one. Raises what
    `static.export` does, and HubError.
    """
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    check_repo(repo)
    if token is False:
        raise HubError("Publishing needs a login. Sign in to the Hub, or give a token that may write.")
    with plainly(repo):
        api = client(token)
        model = has_model(api, repo, private)
        old = space_files(api, repo, private)
    with tempfile.TemporaryDirectory(prefix="aecore-publish-") as name:
        folder = Path(name)
        static.export(run, folder, maps=maps, thumbnails=thumbnails, repo=repo if model else "")
        write_text(folder / CARD, space_card(without_folders(run.config()), repo if model else ""))
        names = list(listing(folder))
        with plainly(repo):
            api.create_repo(repo, repo_type="space", space_sdk="static", private=private, exist_ok=True)
            changes = [CommitOperationDelete(path) for path in old if path in static.packed_names() - set(names)]
            changes += [CommitOperationAdd(path, str(folder / path)) for path in names]
            api.create_commit(repo, changes, commit_message="Publish from Autoencoder Lab", repo_type="space")
            if model:
                text = card(without_folders(run.config()), run.test_metrics(), repo=repo, history=run.epochs(),
                            space=page_of(repo))  # fmt: skip
                api.create_commit(repo, [CommitOperationAdd(CARD, text.encode())], commit_message="Link to its page")
    return page_of(repo)


def page_of(repo: str) -> str:
    """The address of the Space of a name."""
    return f"{hub_client.endpoint()}/spaces/{repo}"


def its_page(repo: str, token: Token) -> str:
    """The address of a model's own page; empty where there is none, or where that cannot be known."""
    try:
        with plainly(repo):
            return page_of(repo) if is_ours(client(token).space_info(repo, timeout=hub_client.TIMEOUT)) else ""
    except HubError:
        return ""


def space_card(config: RunConfig, repo: str) -> str:
    """README.md of a static Space: what the Hub reads of it."""
    values: dict[str, Any] = {"title": title(config)[:80], "emoji": "🔬", "colorFrom": "indigo", "colorTo": "blue"}
    values |= {"sdk": "static", "app_file": "index.html", "pinned": False, "license": "mit"}
    values |= {"tags": ["autoencoder", LIBRARY], **({"models": [repo]} if repo else {})}
    text = f"The latent space of [{repo}](https://huggingface.co/{repo}), to explore." if repo else "A latent space."
    return f"---\n{yaml.safe_dump(values, sort_keys=False, allow_unicode=True)}---\n\n{text}\n"


def has_model(api: HfApi, repo: str, private: bool) -> bool:
    """Whether a model of this library is there. HubError where it is private and its page would not be."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, timeout=hub_client.TIMEOUT)
    except RepositoryNotFoundError:
        return False
    if info.private and not private:
        raise HubError(f"The model {repo} is private, and its page would show its codes to all. Publish it as private.")
    return info.library_name == LIBRARY


def space_files(api: HfApi, repo: str, private: bool) -> list[str]:
    """The files that the Space has; none where it is new. HubError where it is not ours to replace."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.space_info(repo, timeout=hub_client.TIMEOUT)
    except RepositoryNotFoundError:
        return []
    if not is_ours(info):
        raise HubError(f"The Space {repo} holds something else. Choose another name.")
    if private and info.private is False:
        raise HubError(f"{repo} is public already. Choose another name, or make it private on the Hub first.")
    return [file.rfilename for file in info.siblings or ()]


def is_ours(space: Any) -> bool:
    """Whether a Space is a page that `publish` made, or one that is still empty."""
    files = {file.rfilename for file in space.siblings or ()} - {".gitattributes", CARD}
    return space.sdk == "static" and (not files or {"explorer.js", static.MODEL} <= files)


def push_model(model: Autoencoder, repo: str, *, token: Token = None, private: bool = False) -> str:
    """Commit a model that has no run to `user/name`, with a card. Returns and raises as `push`."""
    check_repo(repo)
    config = RunConfig(model=model.config)
    with tempfile.TemporaryDirectory(prefix="aecore-push-") as name:
        folder = Path(name)
        with plainly(repo):
            model.save(folder, config)
        verify(folder, "The model")
        write_text(folder / CARD, card(config, {}, repo=repo))
        return upload(folder, repo, token, private)


def search(text: str = "", *, token: Token = False, limit: int = 20) -> list[Found]:
    """Models of this library whose name contains `text`, the newest first. Raises HubError."""
    params: dict[str, Any] = {"filter": LIBRARY, "search": text[:200], "sort": "lastModified"}
    fields = ["author", "lastModified", "tags", "downloads", "likes"]
    params |= {"limit": max(1, min(limit, 100)), "expand": fields}
    with plainly():
        return [found(row) for row in ask("/api/models", token, params)[:limit]]


def whoami(token: Token = None) -> str:
    """The name that a token belongs to. Raises HubError where the Hub does not know it."""
    with plainly():
        return str(ask("/api/whoami-v2", token)["name"])


# -- down


def download(repo: str, revision: str | None, token: Token) -> Path:
    """The snapshot folder of one commit, once the listing shows a model of bearable size."""
    from huggingface_hub import constants

    with plainly(repo, revision):
        api = client(token)
        if constants.HF_HUB_OFFLINE:
            pinned: dict[str, Any] = {"revision": revision, "local_files_only": True}
            return Path(api.snapshot_download(repo, allow_patterns=[CONFIG, MODEL], **pinned))
        info = api.model_info(repo, revision=revision, files_metadata=True, timeout=hub_client.TIMEOUT)
        names = wanted(repo, {file.rfilename: file.size for file in info.siblings or ()})
        folder = Path(api.snapshot_download(repo, revision=info.sha, allow_patterns=names))
    if absent := [name for name in names if not (folder / name).is_file()]:
        raise HubError(f"{absent[0]} of {repo} did not arrive: the connection was lost. Try again.")
    return folder


# -- up


def upload(folder: Path, repo: str, token: Token, private: bool) -> str:
    """All files of `folder` in one commit, without those that an earlier run left there."""
    from huggingface_hub import CommitOperationAdd, CommitOperationDelete

    names = list(listing(folder))
    with plainly(repo):
        api = client(token)
        if token is False:
            raise HubError("Pushing needs a login. Sign in to the Hub, or give a token that may write.")
        old = present(api, repo, private)
        api.create_repo(repo, private=private, exist_ok=True)
        stale = [name for name in old if name not in names and (name in LIMITS or PREVIEW.fullmatch(name))]
        changes = [CommitOperationDelete(name) for name in stale]
        changes += [CommitOperationAdd(name, str(folder / name)) for name in names]
        return str(api.create_commit(repo, changes, commit_message="Push from Autoencoder Lab").commit_url)


def present(api: HfApi, repo: str, private: bool) -> list[str]:
    """The files that the repository has; none where it is new. HubError where it is not ours to replace."""
    from huggingface_hub.errors import RepositoryNotFoundError

    try:
        info = api.model_info(repo, timeout=hub_client.TIMEOUT)
    except RepositoryNotFoundError:
        return []
    if info.library_name not in (None, LIBRARY):
        raise HubError(f"{repo} holds a model of another library, {info.library_name}. Choose another name.")
    if private and info.private is False:
        raise HubError(f"{repo} is public already. Choose another name, or make it private on the Hub first.")
    return [file.rfilename for file in info.siblings or ()]


# -- what they share


def check_repo(repo: str) -> None:
    if not REPO.fullmatch(repo) or "--" in repo or ".." in repo or repo.endswith((".", "-", ".git")):
        raise HubError(f"{repo[:100]!r} is no repository. Give it as user/name.")


def is_empty_folder(path: Path) -> bool:
    return path.is_dir() and not any(path.iterdir())


def found(row: Mapping[str, Any]) -> Found:
    """A row of the Hub's listing."""
    tags = [str(tag) for tag in row.get("tags") or ()]
    variant = next((tag.removeprefix(VARIANT_TAG) for tag in tags if tag.startswith(VARIANT_TAG)), "")
    updated = None
    with suppress(ValueError):
        updated = datetime.fromisoformat(str(row.get("lastModified")))
    repo = str(row["id"])
    author = str(row.get("author") or repo.split("/")[0])
    counts = (int(row.get(name) or 0) for name in ("downloads", "likes"))
    return Found(repo, author, updated, variant if re.fullmatch(r"[a-z0-9-]{1,64}", variant) else "", *counts)
