"""The explorer of a run is published as a static Space."""

from __future__ import annotations

from pathlib import Path

import pytest

from aecore.errors import HubError
from aecore.hub.push import push_run
from aecore.hub.spaces import publish_explorer
from tests.hub.loopback import LoopbackHub
from tests.hub.loopback_repos import File, Repo, front_matter
from tests.hub.pushed_runs import (
    REPO,
    TOKEN,
    make_run,
)


def test_an_explorer_is_published_as_a_static_space_that_links_to_its_model(
    loopback: LoopbackHub, tmp_path: Path
):
    run = make_run(tmp_path / "run")
    push_run(run, REPO, token=TOKEN)
    assert "Explore it" not in loopback.repos[REPO].at("main").files["README.md"].data.decode()
    address = publish_explorer(run, REPO, token=TOKEN)
    assert address == f"{loopback.url}/spaces/{REPO}"
    space = loopback.spaces[REPO]
    files = {name: file.data for name, file in space.at("main").files.items()}
    assert space.sdk == "static" and not space.private
    written = {
        "README.md",
        "index.html",
        "explorer.js",
        "style.css",
        "model.bin",
        "model.bin.js",
        "pca.bin",
        "pca.bin.js",
        "units.bin",
        "units.bin.js",
    }
    assert set(files) == written | {".gitattributes"}
    head = front_matter(files["README.md"].decode())
    assert head["sdk"] == "static" and head["app_file"] == "index.html" and head["models"] == [REPO]
    assert f"https://huggingface.co/{REPO}" in files["index.html"].decode()
    card = loopback.repos[REPO].at("main").files["README.md"].data.decode()
    assert f"[Explore it in the browser]({address})" in card
    push_run(run, REPO, token=TOKEN)  # and a later push keeps the link
    assert address in loopback.repos[REPO].at("main").files["README.md"].data.decode()


def test_publishing_again_replaces_the_page_and_leaves_no_old_map(
    loopback: LoopbackHub, tmp_path: Path
):
    run = make_run(tmp_path / "run")
    publish_explorer(run, REPO, token=TOKEN, maps=("pca", "tsne"), private=True)
    assert "tsne.bin" in loopback.spaces[REPO].at("main").files and loopback.spaces[REPO].private
    assert REPO not in loopback.repos
    publish_explorer(run, REPO, token=TOKEN, private=True, trainable=True)
    files = loopback.spaces[REPO].at("main").files
    assert "tsne.bin" not in files and "trainer.js" in files
    assert "**Train a model in the page**" in files["README.md"].data.decode()
    publish_explorer(run, REPO, token=TOKEN, private=True)
    assert "trainer.js" not in loopback.spaces[REPO].at("main").files


def test_a_space_of_somebody_else_is_left_alone(loopback: LoopbackHub, tmp_path: Path):
    run = make_run(tmp_path / "run")
    with pytest.raises(HubError, match="may not write to bob"):
        publish_explorer(run, "bob/page", token=TOKEN)
    loopback.spaces[REPO] = Repo(REPO, sdk="static")
    loopback.spaces[REPO].commit("main", {"game.js": File(b"", lfs=False)})
    with pytest.raises(HubError, match="holds something else"):
        publish_explorer(run, REPO, token=TOKEN)
    with pytest.raises(HubError, match="Publishing needs a login"):
        publish_explorer(run, REPO, token=False)
    assert set(loopback.spaces[REPO].at("main").files) == {"game.js"}


def test_a_private_models_page_is_not_made_public(loopback: LoopbackHub, tmp_path: Path):
    run = make_run(tmp_path / "run")
    push_run(run, REPO, token=TOKEN, private=True)
    with pytest.raises(HubError, match="is private, and its page would show its codes to all"):
        publish_explorer(run, REPO, token=TOKEN)
    assert REPO not in loopback.spaces
    publish_explorer(run, REPO, token=TOKEN, private=True)
    assert loopback.spaces[REPO].private
