"""The loopback Hub, driven by the real huggingface_hub client."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import httpx2
import pytest
import torch
from huggingface_hub import CommitOperationDelete, HfApi
from huggingface_hub.errors import (
    EntryNotFoundError,
    HfHubHTTPError,
    RepositoryNotFoundError,
    RevisionNotFoundError,
)
from safetensors.torch import save_file

from tests.hub.loopback import LoopbackHub

os.environ |= {
    "HF_HUB_DISABLE_XET": "1",
    "HF_HUB_DISABLE_TELEMETRY": "1",
    "HF_HUB_DISABLE_PROGRESS_BARS": "1",
}


CARD = "---\nlibrary_name: aecore\nlicense: apache-2.0\ntags: [autoencoder, toy]\n---\n# A toy\n"
REPO = "alice/ae"


@pytest.fixture
def hub() -> Iterator[LoopbackHub]:
    users = {"hf_alice": "alice", "hf_bob": "bob", "hf_reader": "alice"}
    with LoopbackHub(users, read_only={"hf_reader"}) as hub:
        yield hub


@pytest.fixture
def alice(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token="hf_alice")


@pytest.fixture
def bob(hub: LoopbackHub) -> HfApi:
    return HfApi(endpoint=hub.url, token="hf_bob")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "run"
    (folder / "previews").mkdir(parents=True)
    save_file(
        {"weight": torch.arange(3_000_000, dtype=torch.float32)}, folder / "model.safetensors"
    )
    (folder / "config.json").write_text('{"latent_dim": 2}')
    (folder / "metrics.jsonl").write_text("")
    (folder / "previews" / "001 first.bin").write_bytes(bytes(range(256)))
    (folder / "README.md").write_text(CARD)
    return folder


def push_folder(api: HfApi, folder: Path, **kwargs: object) -> str:
    api.create_repo(REPO, exist_ok=True, **kwargs)
    return api.upload_folder(repo_id=REPO, folder_path=folder).oid


def read_contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in files}


def test_a_pushed_folder_comes_back_with_equal_bytes(
    hub: LoopbackHub, alice: HfApi, folder: Path, tmp_path: Path
) -> None:
    push_folder(alice, folder)
    pulled = read_contents(
        Path(HfApi(endpoint=hub.url, token=False).snapshot_download(REPO, cache_dir=tmp_path / "c"))
    )
    assert pulled.pop(".gitattributes")
    assert pulled == read_contents(folder)
    assert sum(method == "PUT" for method, _ in hub.requests) == 1
    assert "hf_alice" not in str(hub.requests)


def test_the_client_checks_every_pulled_file_against_the_hub(
    alice: HfApi, folder: Path, tmp_path: Path
) -> None:
    push_folder(alice, folder)
    alice.snapshot_download(REPO, cache_dir=tmp_path / "cache")
    checked = alice.verify_repo_checksums(REPO, cache_dir=tmp_path / "cache")
    assert checked.checked_count == 6
    assert not checked.mismatches
    assert not checked.missing_paths


def test_a_large_file_of_any_name_goes_through_lfs(hub: LoopbackHub, alice: HfApi) -> None:
    hub.lfs_threshold = 100
    alice.create_repo(REPO)
    alice.upload_file(repo_id=REPO, path_in_repo="previews.npy", path_or_fileobj=b"x" * 101)
    info = alice.model_info(REPO, files_metadata=True)
    sizes = {file.rfilename: (file.size, file.lfs is not None) for file in info.siblings or []}
    assert sizes["previews.npy"] == (101, True)


def test_a_pinned_revision_gives_the_older_content(
    alice: HfApi, folder: Path, tmp_path: Path
) -> None:
    old = push_folder(alice, folder)
    alice.create_tag(REPO, tag="v1")
    (folder / "config.json").write_text('{"latent_dim": 3}')
    new = push_folder(alice, folder)
    assert old != new

    def pulled(revision: str) -> str:
        return Path(
            alice.hf_hub_download(REPO, "config.json", revision=revision, cache_dir=tmp_path)
        ).read_text()

    assert pulled(old) == pulled("v1") == '{"latent_dim": 2}'
    assert pulled(new) == pulled("main") == '{"latent_dim": 3}'
    assert alice.model_info(REPO).sha == new
    for unknown in ("v2", "f" * 40, "ünknown\n"):
        with pytest.raises(RevisionNotFoundError):
            pulled(unknown)


def test_a_pinned_and_cached_pull_sends_no_request(
    hub: LoopbackHub, alice: HfApi, folder: Path, tmp_path: Path
) -> None:
    sha = push_folder(alice, folder)
    first = alice.snapshot_download(REPO, revision=sha, cache_dir=tmp_path)
    hub.requests.clear()
    assert alice.snapshot_download(REPO, revision=sha, cache_dir=tmp_path) == first
    assert hub.requests == []


def test_an_unchanged_upload_makes_no_commit(hub: LoopbackHub, alice: HfApi, folder: Path) -> None:
    first = push_folder(alice, folder)
    hub.requests.clear()
    assert push_folder(alice, folder) == first
    assert ("POST", "/api/models/alice/ae/commit/main") not in hub.requests
    assert all(method != "PUT" for method, _ in hub.requests)


def test_a_branch_grows_apart_from_main(alice: HfApi, folder: Path) -> None:
    push_folder(alice, folder)
    alice.create_branch(REPO, branch="draft")
    alice.upload_file(
        repo_id=REPO, path_in_repo="new.txt", path_or_fileobj=b"new", revision="draft"
    )
    assert alice.file_exists(REPO, "new.txt", revision="draft")
    assert not alice.file_exists(REPO, "new.txt")


def test_deleted_files_and_folders_are_gone(alice: HfApi, folder: Path) -> None:
    push_folder(alice, folder)
    gone = [
        CommitOperationDelete("config.json"),
        CommitOperationDelete("previews/", is_folder=True),
    ]
    alice.create_commit(REPO, gone, commit_message="Tidy")
    left = {".gitattributes", "README.md", "metrics.jsonl", "model.safetensors"}
    assert set(alice.list_repo_files(REPO)) == left


def test_a_commit_on_an_outdated_parent_is_refused(alice: HfApi, folder: Path) -> None:
    old = push_folder(alice, folder)
    (folder / "config.json").write_text("{}")
    push_folder(alice, folder)
    with pytest.raises(HfHubHTTPError, match="412"):
        alice.upload_file(repo_id=REPO, path_in_repo="a", path_or_fileobj=b"a", parent_commit=old)


def test_a_wrong_token_is_refused_everywhere(
    hub: LoopbackHub, alice: HfApi, folder: Path, tmp_path: Path
) -> None:
    push_folder(alice, folder)
    wrong = HfApi(endpoint=hub.url, token="hf_wrong")

    def pull() -> object:
        return wrong.hf_hub_download(REPO, "config.json", cache_dir=tmp_path)

    for call in (
        wrong.whoami,
        lambda: wrong.create_repo("alice/b"),
        lambda: wrong.model_info(REPO),
        pull,
    ):
        with pytest.raises(HfHubHTTPError) as caught:
            call()
        assert caught.value.response.status_code == 401
        assert not isinstance(caught.value, RepositoryNotFoundError)


def test_a_good_token_tells_who_it_belongs_to(hub: LoopbackHub, bob: HfApi) -> None:
    assert bob.whoami()["name"] == "bob"
    reader = HfApi(endpoint=hub.url, token="hf_reader")
    assert reader.whoami()["auth"]["accessToken"]["role"] == "read"


def test_only_a_writing_token_of_the_owner_may_push(
    hub: LoopbackHub, alice: HfApi, bob: HfApi, folder: Path
) -> None:
    push_folder(alice, folder)
    for api in (bob, HfApi(endpoint=hub.url, token="hf_reader")):
        with pytest.raises(HfHubHTTPError, match="403"):
            api.upload_file(repo_id=REPO, path_in_repo="a.txt", path_or_fileobj=b"a")
        with pytest.raises(HfHubHTTPError, match="403"):
            api.create_repo("alice/other")


@pytest.mark.parametrize("token", ["hf_alice", False])
def test_a_missing_repository_is_named_as_such(
    hub: LoopbackHub, token: str | bool, tmp_path: Path
) -> None:
    api = HfApi(endpoint=hub.url, token=token)
    with pytest.raises(RepositoryNotFoundError):
        api.model_info("alice/none")
    with pytest.raises(RepositoryNotFoundError):
        api.snapshot_download("alice/none", cache_dir=tmp_path)


def test_a_missing_file_is_named_as_such(alice: HfApi, folder: Path, tmp_path: Path) -> None:
    push_folder(alice, folder)
    with pytest.raises(EntryNotFoundError):
        alice.hf_hub_download(REPO, "none.json", cache_dir=tmp_path)


def test_a_private_repository_is_hidden_from_others(
    hub: LoopbackHub, alice: HfApi, bob: HfApi, folder: Path, tmp_path: Path
) -> None:
    push_folder(alice, folder, private=True)
    assert alice.model_info(REPO).private
    assert [model.id for model in alice.list_models()] == [REPO]
    for stranger in (bob, HfApi(endpoint=hub.url, token=False)):
        assert not stranger.repo_exists(REPO)
        assert list(stranger.list_models()) == []
        with pytest.raises(RepositoryNotFoundError):
            stranger.hf_hub_download(REPO, "config.json", cache_dir=tmp_path / "strangers")


def test_creating_twice_is_a_conflict_unless_it_may_exist(hub: LoopbackHub, alice: HfApi) -> None:
    assert alice.create_repo("ae") == alice.create_repo(REPO, exist_ok=True) == f"{hub.url}/{REPO}"
    with pytest.raises(HfHubHTTPError, match="409"):
        alice.create_repo(REPO)


def test_a_deleted_repository_is_gone(alice: HfApi, bob: HfApi, folder: Path) -> None:
    push_folder(alice, folder)
    with pytest.raises(HfHubHTTPError, match="403"):
        bob.delete_repo(REPO)
    alice.delete_repo(REPO)
    assert not alice.repo_exists(REPO)


def test_models_are_found_by_what_their_card_says(
    hub: LoopbackHub, alice: HfApi, bob: HfApi, folder: Path
) -> None:
    push_folder(alice, folder)
    bob.create_repo("bob/other")

    def found(**wanted: object) -> list[str]:
        return [model.id for model in bob.list_models(**wanted)]

    assert found(filter="aecore") == found(filter=["toy", "license:apache-2.0"]) == [REPO]
    assert found(filter=["toy", "absent"]) == []
    assert found(author="bob") == found(search="OTH") == found(limit=1) == ["bob/other"]
    hub.put_file(REPO, "newer.txt", b"newer")
    assert found(sort="last_modified") == [REPO, "bob/other"]
    (model,) = bob.list_models(filter="aecore", full=True, cardData=True)
    assert (model.library_name, model.sha) == ("aecore", alice.model_info(REPO).sha)
    assert model.card_data is not None
    assert model.card_data.tags == ["autoencoder", "toy"]


def test_a_broken_card_is_refused_on_push_but_can_be_planted(
    hub: LoopbackHub, alice: HfApi, folder: Path
) -> None:
    (folder / "README.md").write_text("---\ntags: [a\n---\n")
    with pytest.raises(ValueError, match="Invalid metadata"):
        push_folder(alice, folder)
    hub.put_file("bob/evil", "README.md", b"---\ntags: [a\n---\n")
    assert alice.model_info("bob/evil").tags == []


def test_planted_content_is_served_as_it_is(hub: LoopbackHub, alice: HfApi, tmp_path: Path) -> None:
    sha = hub.put_file("bob/evil", "model.safetensors", b"\xff" * 16)
    path = alice.hf_hub_download("bob/evil", "model.safetensors", revision=sha, cache_dir=tmp_path)
    assert Path(path).read_bytes() == b"\xff" * 16


def test_the_header_of_a_safetensors_file_is_read_by_range(
    hub: LoopbackHub, alice: HfApi, folder: Path
) -> None:
    push_folder(alice, folder)
    header = alice.get_safetensors_metadata(REPO)
    assert header.files_metadata["model.safetensors"].tensors["weight"].shape == [3_000_000]
    beyond = httpx2.get(
        f"{hub.url}/{REPO}/resolve/main/config.json", headers={"Range": "bytes=900-"}
    )
    assert beyond.status_code == 416


def test_a_stopped_hub_refuses_connections(hub: LoopbackHub, alice: HfApi) -> None:
    assert alice.whoami()["name"] == "alice"
    hub.stop()
    with pytest.raises(httpx2.ConnectError):
        alice.whoami()
