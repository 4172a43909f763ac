"""A full disk, no network or a Hub that is not well end in a sentence."""

from __future__ import annotations

import errno
import shutil
import socket
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from aecore.hub.client import HUB_TIMEOUT
from aecore.hub.pull import pull_run
from aecore.hub.push import push_model, push_run
from aecore.hub.repositories import name_of_token, search_models
from aecore.model.autoencoder import Autoencoder
from aecore.runs.run import Run
from tests.hub.loopback import Handler, LoopbackHub
from tests.hub.loopback_repos import LoopbackError
from tests.hub.pushed_runs import (
    REPO,
    TOKEN,
    catch_refusal,
    use_hub,
)


def test_a_folder_that_is_taken_is_left_alone(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    loopback.requests.clear()
    (tmp_path / "file").write_text("mine")
    for out in (run.path, tmp_path / "file"):
        assert "exists already" in catch_refusal(lambda out=out: pull_run(REPO, out=out))
    assert loopback.requests == [] and (tmp_path / "file").read_text() == "mine"
    (tmp_path / "empty").mkdir()
    assert Run(pull_run(REPO, out=tmp_path / "empty")).has_model()


def test_a_full_disk_leaves_no_half_a_run(
    loopback: LoopbackHub, run: Run, tmp_path: Path, monkeypatch: Any
) -> None:
    push_run(run, REPO, token=TOKEN)

    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(shutil, "copyfile", full)
    assert "The disk is full" in catch_refusal(lambda: pull_run(REPO, out=tmp_path / "new" / "out"))
    assert list((tmp_path / "new").iterdir()) == []


def test_a_folder_that_cannot_be_made_is_named_as_such(
    loopback: LoopbackHub, run: Run, tmp_path: Path
) -> None:
    push_run(run, REPO, token=TOKEN)
    (tmp_path / "file").write_text("mine")
    assert "cannot be kept here" in catch_refusal(
        lambda: pull_run(REPO, out=tmp_path / "file" / "out")
    )


def test_a_cached_model_is_there_without_a_network(
    loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    from huggingface_hub import constants

    push_run(run, REPO, token=TOKEN)
    sha = pull_run(REPO, revision="main").name
    loopback.stop()
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    assert pull_run(REPO, revision=sha).name == sha
    assert "is not in the Hub's cache" in catch_refusal(lambda: pull_run("alice/other"))


@pytest.mark.parametrize(
    ("status", "words"),
    [
        (429, "too many requests"),
        (500, "a problem of its own"),
        (503, "a problem"),
        (402, "refused (No credit)"),
    ],
)
def test_what_the_hub_says_becomes_a_sentence(
    status: int, words: str, loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    refused: list[str] = []
    slept: list[float] = []

    def refuse(self: Handler, path: str) -> None:
        refused.append(path)
        raise LoopbackError(status, "No credit")

    monkeypatch.setattr(Handler, "dispatch", refuse)
    monkeypatch.setattr(time, "sleep", slept.append)
    for call in (lambda: pull_run(REPO), lambda: push_run(run, REPO, token=TOKEN), search_models):
        assert words in catch_refusal(call)
    assert 3 <= len(refused) <= 4 and sum(slept) < 15, (
        "nothing is asked again and again; a push asks for two things"
    )


def test_an_answer_that_is_no_hubs_becomes_a_sentence(
    loopback: LoopbackHub, run: Run, monkeypatch: Any
) -> None:
    from tests.hub.loopback import Reply

    for body in (b"<html>Log in to the guest network</html>", b"[1]", b"{}", b"null"):
        monkeypatch.setattr(Handler, "dispatch", lambda self, path, body=body: Reply(body))
        for call in (
            lambda: pull_run(REPO),
            lambda: push_run(run, REPO, token=TOKEN),
            lambda: name_of_token(TOKEN),
        ):
            catch_refusal(call)


def list_calls(run: Run) -> tuple[Callable[[], object], ...]:
    return (
        lambda: pull_run(REPO),
        lambda: push_run(run, REPO, token=TOKEN),
        lambda: push_model(Autoencoder.load(run.path), REPO, token=TOKEN),
        search_models,
        lambda: name_of_token(TOKEN),
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9", "http://no-such-host.invalid", "nonsense", "ftp://x"]
)
def test_a_hub_that_is_not_there_is_told_within_seconds(
    url: str, run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    use_hub(monkeypatch, url, tmp_path)
    slept: list[float] = []
    monkeypatch.setattr(time, "sleep", slept.append)
    for call in list_calls(run):
        slept.clear()
        catch_refusal(call)
        assert sum(slept) < 15, "between all tries"


def test_a_hub_that_never_answers_is_given_up(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After one silence: a call that waited for more would wait for ever."""
    assert HUB_TIMEOUT <= 10
    for module in ("client", "repositories", "spaces", "pull"):
        monkeypatch.setattr(f"aecore.hub.{module}.HUB_TIMEOUT", 0.05)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        silent.setblocking(False)
        use_hub(monkeypatch, f"http://127.0.0.1:{silent.getsockname()[1]}", tmp_path)
        for call in list_calls(run):
            assert "127.0.0.1 could not be reached" in catch_refusal(call)
            assert 1 <= count_connections(silent) <= 2, "a push asks for two things"


def count_connections(server: socket.socket) -> int:
    """Count the connections since the last call; none of them has had an answer."""
    for count in range(100):
        try:
            server.accept()[0].close()
        except BlockingIOError:
            return count
    raise AssertionError("too many")
