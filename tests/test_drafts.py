"""Drafts go with their process, however that ends."""

from __future__ import annotations

import os
import tempfile

import pytest
from helpers import ended, fork, hold_still, kill_hard, tiny, trained, wait_for

from aecore.errors import DataError
from aecore.runs import drafts
from aecore.runs.drafts import PULL_DRAFT, open_draft_folder, remove_all_drafts
from aecore.runs.foreign import adopt_run_folder
from aecore.runs.listing import create_run
from aecore.runs.uploads import create_upload


def list_drafts(folder):
    return sorted(path.name for path in folder.iterdir() if path.name.startswith("."))


def begin_draft(folder):
    """A process in the middle of a draft."""

    def work():
        with open_draft_folder(PULL_DRAFT, folder) as draft:
            (draft / "weights").write_bytes(b"x" * 100)
            hold_still()

    others = len(list_drafts(folder))
    pid = fork(work)
    pattern = ".pull-*/draft/weights"
    wait_for(lambda: len(list(folder.glob(pattern))) > others, "the draft is begun")
    return pid


def test_a_draft_ends_with_its_block(tmp_path):
    with open_draft_folder(PULL_DRAFT, tmp_path) as draft:
        assert draft.is_dir() and not list(draft.iterdir())
    assert list_drafts(tmp_path) == []


@pytest.mark.parametrize("sweep", ["the next start", "the next pull"])
def test_the_draft_of_a_killed_process_is_removed_and_not_that_of_a_living_one(tmp_path, sweep):
    alive, dead = begin_draft(tmp_path), begin_draft(tmp_path)
    kill_hard(dead)
    assert len(list_drafts(tmp_path)) == 2
    try:
        if sweep == "the next start":
            remove_all_drafts(tmp_path)
        else:
            with open_draft_folder(PULL_DRAFT, tmp_path):
                pass
        assert len(list_drafts(tmp_path)) == 1
    finally:
        kill_hard(alive)
    remove_all_drafts(tmp_path)
    assert list_drafts(tmp_path) == []


def test_a_draft_that_has_no_lock_yet_is_left_for_a_while(tmp_path):
    draft = tmp_path / ".pull-abc"
    draft.mkdir()
    remove_all_drafts(tmp_path)
    assert draft.is_dir()
    os.utime(draft, (0, 0))
    remove_all_drafts(tmp_path)
    assert not draft.exists()


def test_a_draft_whose_process_died_before_it_had_its_lock_is_removed(tmp_path):
    pid = fork(lambda: 0)
    assert ended(pid) == 0
    for holder in (pid, os.getpid()):
        (tmp_path / f".pull-{holder}-abc_1").mkdir()
    remove_all_drafts(tmp_path)
    assert list_drafts(tmp_path) == [f".pull-{os.getpid()}-abc_1"]


def test_a_pull_that_was_killed_is_gone_after_the_next(tmp_path, monkeypatch):
    source, out = trained(tiny(training={"epochs": 1})), tmp_path / "runs" / "pulled"

    def pull_slowly():
        monkeypatch.setattr("aecore.runs.foreign.keep_sound_records", lambda path: hold_still())
        adopt_run_folder(source.path, out, "user/name")

    pid = fork(pull_slowly)
    wait_for(lambda: list(out.parent.glob(".pull-*/draft/run/config.json")), "it is copied")
    kill_hard(pid)
    assert not out.exists() and list_drafts(out.parent)
    adopt_run_folder(source.path, out, "user/name")
    assert list_drafts(out.parent) == []


def test_what_a_killed_trainer_was_writing_is_removed_when_it_goes_on(tmp_path):
    run = create_run(tiny())
    pid = fork(lambda: 0)
    assert ended(pid) == 0
    dead = run.path / f".model.safetensors.{pid}-0123abcd.tmp"
    mine = run.path / f".state.json.{os.getpid()}-0123abcd.tmp"
    other = run.path / ".notes.tmp"
    for path in (dead, mine, other):
        path.write_bytes(b"half")
    with run.lock():
        assert not dead.exists() and mine.exists() and other.exists()


def test_an_upload_that_was_broken_off_by_a_kill_is_removed_and_not_one_under_way(own_runs):
    upload = create_upload()

    def receive():
        with upload.receiving("table.csv") as file:
            file.write(b"a,b\n")
            file.flush()
            hold_still()

    alive, dead = fork(receive), fork(receive)
    wait_for(lambda: len(list_drafts(upload.path)) == 2, "both are under way")
    kill_hard(dead)
    try:
        remove_all_drafts(own_runs)
        assert len(list_drafts(upload.path)) == 1
    finally:
        kill_hard(alive)


def test_temporary_drafts_of_dead_processes_are_removed(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    folder = tmp_path / "aecore-push-abc"
    folder.mkdir()
    (folder / drafts.DRAFT_LOCK).touch()
    remove_all_drafts(tmp_path / "runs")
    assert not folder.exists()


def test_a_full_disk_keeps_no_half_of_an_upload(own_runs):
    upload = create_upload()
    full = pytest.raises(DataError, match="cannot be kept here: No space left")
    with full, upload.receiving("table.csv") as file:
        file.write(b"a,b\n")
        raise OSError(28, "No space left on device")
    assert upload.source is None and list_drafts(upload.path) == []
