"""A trainer that has imported everything waits for the next run, while a page asks for one."""

from __future__ import annotations

import os
import signal
import sys
import time

import pytest
from helpers import is_gone, tiny, wait_for

from aecore.backends.local import expect_run, open_supervisor_lock, submit_local, write_queued
from aecore.backends.spare import REQUEST_FILE
from aecore.backends.supervisor import Supervisor
from aecore.backends.waiting import SLOTS_FOLDER, SUPERVISOR_LOCK
from aecore.files import LOCK_FILE
from aecore.runs.listing import create_run
from aecore.runs.process import LockFile


@pytest.fixture
def slots(own_runs, monkeypatch):
    """The folder of slots of an empty folder of runs, where spare trainers are allowed."""
    monkeypatch.setenv("AECORE_SPARE_MINUTES", "5")
    folder = own_runs / SLOTS_FOLDER
    folder.mkdir(parents=True)
    return folder


@pytest.fixture
def queue(slots, tmp_path, monkeypatch):
    """A supervisor in this process, whose trainers do nothing until they are killed."""
    program = tmp_path / "trainer"
    program.write_text("#!/bin/sh\nexec sleep 100000\n")
    program.chmod(0o755)
    monkeypatch.setattr(sys, "executable", str(program))
    (slots / SUPERVISOR_LOCK).touch()
    supervisor = Supervisor(slots.parent)
    yield supervisor
    if supervisor.spare is not None:
        supervisor.spare.end()
    for start in supervisor.given.values():
        os.kill(start.pid, signal.SIGKILL)
        os.waitpid(start.pid, 0)


def ask_for_spare(slots, age=0.0):
    (slots / REQUEST_FILE).touch()
    asked = time.time() - age
    os.utime(slots / REQUEST_FILE, (asked, asked))


def find_spare(runs):
    """Return the id of the one spare trainer of a folder of runs; None while there is none."""
    for folder in os.listdir("/proc"):
        if folder.isdigit():
            try:
                with open(f"/proc/{folder}/cmdline") as file:
                    command = file.read()
            except OSError:
                continue
            if f"aecore.cli.spare\0{runs}\0" in command:
                return int(folder)
    return None


def test_the_next_run_begins_in_the_spare_trainer_and_another_one_follows(slots, own_runs):
    expect_run()
    spare = wait_for(lambda: find_spare(own_runs), "a trainer waits")
    run = create_run(tiny())
    submit_local(run)
    wait_for(lambda: run.state().state == "done", "the run is trained")
    assert LockFile(run.path / LOCK_FILE).read_words() == [str(spare).encode()]
    assert "epoch" in run.log_tail(), "what it prints is in the log of its run"
    wait_for(lambda: find_spare(own_runs) not in (None, spare), "the next one waits")
    spare, lock = find_spare(own_runs), open_supervisor_lock(own_runs)
    lock.end_holder(0.0)
    wait_for(lambda: is_gone(spare), "without a supervisor it ends")


def test_nobody_waits_where_that_is_forbidden(own_runs, monkeypatch):
    monkeypatch.setenv("AECORE_SPARE_MINUTES", "0")
    expect_run()
    assert not own_runs.exists()


def test_a_spare_trainer_ends_some_minutes_after_the_last_request(queue, slots):
    ask_for_spare(slots)
    assert queue.look() and queue.look()
    pid = queue.spare.pid
    assert not queue.spare.has_died()
    ask_for_spare(slots, age=301)
    assert not queue.look() and queue.spare is None
    assert is_gone(pid)


def test_one_that_dies_is_replaced_at_the_next_request_alone(queue, slots, monkeypatch):
    monkeypatch.setattr(sys, "executable", "/bin/false")
    ask_for_spare(slots, age=2)
    assert queue.look()
    wait_for(lambda: not queue.look(), "it is seen to have died")
    assert not queue.look()
    ask_for_spare(slots, age=1)
    assert queue.look()


def test_while_no_slot_is_free_nobody_waits(queue, slots):
    with LockFile(slots / "0.lock").hold():
        ask_for_spare(slots)
        assert queue.look() and queue.spare is None
    assert queue.look() and queue.spare is not None


def test_a_run_is_trained_by_another_process_where_the_spare_trainer_cannot(queue, slots):
    ask_for_spare(slots)
    assert queue.look()
    os.kill(queue.spare.pid, signal.SIGKILL)
    wait_for(lambda: is_gone(queue.spare.pid), "it died")
    run = create_run(tiny())
    write_queued(run, 1)
    wait_for(lambda: queue.look() and queue.given, "it is given away")
    (start,) = queue.given.values()
    assert start.name == run.id


def test_a_form_is_shown_though_nothing_can_be_written(tmp_path, monkeypatch):
    monkeypatch.setenv("AECORE_SPARE_MINUTES", "5")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AECORE_RUNS", str(tmp_path / "file"))
    expect_run()


def test_without_room_for_a_process_no_file_stays_open(queue, slots, monkeypatch):
    def refuse():
        raise BlockingIOError("no room for a process")

    ask_for_spare(slots)
    before = len(os.listdir("/proc/self/fd"))
    with monkeypatch.context() as context:
        context.setattr(os, "fork", refuse)
        for _ in range(3):
            with pytest.raises(BlockingIOError):
                queue.look()
    assert len(os.listdir("/proc/self/fd")) == before
    assert queue.look() and queue.spare is not None


def test_a_run_is_known_though_its_slot_cannot_be_written(queue, slots, monkeypatch):
    def refuse(*_):
        raise OSError("the disk is full")

    ask_for_spare(slots)
    assert queue.look()
    pid = queue.spare.pid
    run = create_run(tiny())
    write_queued(run, 1)
    monkeypatch.setattr("aecore.backends.supervisor.name_run", refuse)
    wait_for(lambda: queue.look() and queue.given, "it is given away")
    assert [start.pid for start in queue.given.values()] == [pid]
