"""The queue: one small process, which may be killed at any moment, starts the runs in a fair order.

The trainers are stand-ins that begin and end when the test says so.
"""

from __future__ import annotations

import os
import signal
import time
from pathlib import Path

import pytest
from helpers import ended, fork, is_gone, kill_hard, tiny, wait_for

from aecore.backends import supervisor
from aecore.backends.local import (
    continue_queue,
    open_supervisor_lock,
    submit_local,
    submit_together,
    write_queued,
)
from aecore.backends.trainers import limit_run_minutes, limit_run_resources
from aecore.backends.waiting import list_waiting, lock_file
from aecore.errors import RunError
from aecore.files import REMOTE_FILE
from aecore.runs.listing import create_run
from aecore.runs.ownership import claim_folder
from aecore.runs.process import PACKAGE_PARENT, LockFile
from aecore.runs.run import START_SECONDS, Run
from aecore.runs.state import LIVE_STATES
from aecore.training.trainer import fit

MAX_KILOBYTES = 15_000
STAND_IN = """
import fcntl, json, os, sys, time

path, folder = sys.argv[2], os.environ["STAND_IN"]
name = os.path.basename(path)

def wait_for(*files):
    while not any(os.path.exists(os.path.join(folder, file)) for file in files):
        time.sleep(0.01)

def write_state(**changes):
    with open(path + "/state.json") as file:
        state = json.load(file)
    with open(path + "/.draft", "w") as file:
        json.dump({**state, **changes}, file)
    os.replace(path + "/.draft", path + "/state.json")

with open(os.path.join(folder, "starts"), "a") as file:
    file.write(name + "\\n")
wait_for("begin", "die")
if os.path.exists(os.path.join(folder, "die")):
    print("no such library")
    sys.exit(3)
lock = open(path + "/run.lock", "a+")
fcntl.flock(lock, fcntl.LOCK_EX)
lock.truncate(0)
lock.write(str(os.getpid()))
lock.flush()
write_state(state="running", processes=0)
wait_for("end", "end-" + name)
write_state(state="done")
"""


class Trainers:
    """Stand-ins for trainers, and what they do."""

    def __init__(self, folder: Path):
        self.folder = folder

    def let(self, *files: str) -> None:
        """`begin` and `end` are for all of them, end-NAME is for one; `die` before the lock."""
        for file in files:
            (self.folder / file).touch()

    def starts(self) -> list[str]:
        """Return the names of the runs in the order of their starts."""
        file = self.folder / "starts"
        return file.read_text().split() if file.exists() else []


@pytest.fixture
def trainers(tmp_path, monkeypatch, own_runs):
    """Stand-ins in place of the trainers that a real supervisor starts; all end with the test."""
    package = tmp_path / "stand-in" / "aecore"
    package.mkdir(parents=True)
    package.joinpath("__init__.py").write_text(
        f"__path__.append({str(PACKAGE_PARENT / 'aecore')!r})"
    )
    package.joinpath("__main__.py").write_text(STAND_IN)
    monkeypatch.setattr("aecore.runs.process.PACKAGE_PARENT", package.parent)
    monkeypatch.chdir(tmp_path)  # Python looks into the current folder first
    monkeypatch.setenv("STAND_IN", str(package.parent))
    monkeypatch.setenv("AECORE_SLOTS", "1")
    own_runs.mkdir()
    made = Trainers(package.parent)
    yield made
    made.let("begin", "end")
    wait_for(lambda: not live_supervisor(own_runs), "the supervisor has ended")


def live_supervisor(folder):
    return open_supervisor_lock(folder.resolve()).holder()


def kill_supervisor(folder):
    pid = wait_for(lambda: live_supervisor(folder), "the supervisor lives")
    os.kill(pid, signal.SIGKILL)
    wait_for(lambda: is_gone(pid), "it is gone")


def submit(*owners):
    """Queue a run for each of the owners, in this order."""
    runs = [create_run(tiny()) for _ in owners]
    for run, owner in zip(runs, owners, strict=True):
        claim_folder(run.path, owner)
        submit_local(run)
    return runs


def are_done(runs):
    return all(run.state().state == "done" for run in runs)


def list_processes(text):
    """Return the ids of the processes whose command has a text in it."""
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            command = (folder / "cmdline").read_bytes()
        except OSError:
            continue
        if text.encode() in command:
            found.append(int(folder.name))
    return found


# -- one small process


def test_twenty_queued_runs_cost_one_process_of_fifteen_megabytes(trainers, own_runs):
    runs = submit(*[""] * 21)
    wait_for(trainers.starts, "the first one has a trainer")
    pid = live_supervisor(own_runs)
    others = [found for found in list_processes(str(own_runs)) if found != pid]
    assert len(others) == 1, "a trainer for the one that has the slot, and nothing for the others"
    assert [run.state().state for run in runs] == ["queued"] * 21
    trainers.let("begin", f"end-{runs[0].id}")
    wait_for(lambda: len(trainers.starts()) == 2, "it goes on")
    status = Path(f"/proc/{pid}/status").read_text()
    kilobytes = next(int(line.split()[1]) for line in status.splitlines() if "VmHWM" in line)
    assert 1000 < kilobytes <= MAX_KILOBYTES
    assert live_supervisor(own_runs) == pid
    for run in runs[2:]:
        run.stop()


def test_while_all_slots_are_taken_no_run_is_read(tmp_path, own_runs, monkeypatch):
    write_queued(create_run(tiny()), 1)
    (own_runs / ".slots").mkdir()
    slot = lock_file(own_runs / ".slots" / "0.lock")
    monkeypatch.setattr(supervisor, "list_waiting", lambda root: pytest.fail("it reads the runs"))
    queue = supervisor.Supervisor(own_runs)
    assert all(queue.look() for _ in range(3))
    os.close(slot)


def test_without_a_slot_to_give_the_runs_are_read_again_only_when_one_was_queued(
    own_runs, monkeypatch
):
    monkeypatch.setenv("AECORE_SLOTS", "2")
    monkeypatch.setattr(supervisor, "REREAD_SECONDS", float("inf"))
    lock_path = own_runs / ".slots" / "supervisor.lock"
    lock_path.parent.mkdir(parents=True)
    lock_path.touch()
    slot, reads = lock_file(own_runs / ".slots" / "0.lock"), []
    monkeypatch.setattr(supervisor, "list_startable", lambda *runs: reads.append(runs) or [])
    queue = supervisor.Supervisor(own_runs)
    counts = []
    for touched in (0, 0, 1_800_000_000, 1_800_000_000):
        if touched:
            os.utime(lock_path, (touched, touched))
        assert queue.look()
        counts.append(len(reads))
    assert counts == [1, 1, 2, 2]
    os.close(slot)
    assert not queue.look() and len(reads) == 3


# -- killed at any moment


def test_a_supervisor_that_is_killed_between_start_and_lock_starts_nothing_twice(
    trainers, own_runs, monkeypatch
):
    monkeypatch.setenv("AECORE_SLOTS", "2")
    (first,) = submit("")
    wait_for(trainers.starts, "the first one is on its way")
    kill_supervisor(own_runs)
    assert first.state().state == "queued" and not first.is_locked()
    (second,) = submit("")
    wait_for(lambda: len(trainers.starts()) == 2, "the next supervisor gives the other slot away")
    (third,) = submit("")
    trainers.let("begin", "end")
    wait_for(lambda: are_done([first, second, third]), "all are done")
    assert trainers.starts() == [first.id, second.id, third.id]


def test_killed_again_and_again_it_loses_nothing_and_starts_nothing_twice(trainers, own_runs):
    trainers.let("begin", "end")
    runs, kills = submit(*[""] * 5), 0
    while not are_done(runs):
        time.sleep(0.004 * kills)  # another moment of its work each time
        if pid := live_supervisor(own_runs):
            os.kill(pid, signal.SIGKILL)
            kills += 1
            wait_for(lambda pid=pid: is_gone(pid), "it is gone")
        continue_queue(own_runs)
    assert sorted(trainers.starts()) == sorted(run.id for run in runs)
    assert kills >= 3


def test_the_page_and_the_command_line_start_a_supervisor_where_runs_wait_without_one(
    trainers, own_runs, capsys
):
    from aecore.cli.parser import main

    trainers.let("begin", "end")
    continue_queue()
    run = create_run(tiny())
    continue_queue()
    assert not live_supervisor(own_runs), "a run that nobody submitted does not wait"
    write_queued(run, 1)  # as by a server that was killed at once
    assert main(["runs"]) == 0
    wait_for(lambda: are_done([run]), "it is trained")
    assert trainers.starts() == [run.id]


def test_a_run_that_is_submitted_while_the_supervisor_ends_is_not_missed(
    own_runs, monkeypatch, trainers
):
    """Before it lets its lock go, the lock says that it lives; after that, it looks once more."""
    works = []

    def end_late(queue):
        works.append(queue)
        if len(works) == 1:  # it has decided to end
            submit("")

    monkeypatch.setattr(supervisor.Supervisor, "work", end_late)
    monkeypatch.setattr("aecore.backends.local.start_supervisor", lambda folder: works.append(""))
    own_runs.mkdir(exist_ok=True)
    monkeypatch.setattr(supervisor, "list_waiting", count_once(list_waiting))
    supervisor.main(own_runs)
    assert len(works) == 2 and "" not in works
    submit("")
    assert works[2:] == [""], "who comes later starts another one"


def count_once(function):
    """Let a function answer once, and find nothing later."""
    calls = []

    def call(root):
        calls.append(root)
        return function(root) if len(calls) == 1 else []

    return call


def test_runs_that_are_submitted_one_after_the_other_as_it_ends_are_all_trained(trainers):
    trainers.let("begin", "end")
    for _ in range(6):
        runs = submit("")
        wait_for(lambda made=runs: are_done(made), "it is trained")
    assert len(trainers.starts()) == 6


def test_a_second_supervisor_of_a_folder_ends_at_once(own_runs, monkeypatch):
    (own_runs / ".slots").mkdir(parents=True)
    lock = lock_file(own_runs / ".slots" / "supervisor.lock")
    monkeypatch.setattr(supervisor.Supervisor, "work", lambda queue: pytest.fail("it works"))
    monkeypatch.setattr(time, "sleep", lambda seconds: None)  # between its tries
    supervisor.main(own_runs)
    os.close(lock)


# -- whose turn it is


def test_the_queue_alternates_between_owners_also_across_supervisors(trainers, own_runs):
    a1, a2, a3, b1, b2 = submit("a", "a", "a", "b", "b")
    trainers.let("begin")
    order = [a1, b1, a2, b2, a3]
    for count, run in enumerate(order, 1):
        wait_for(lambda count=count: len(trainers.starts()) == count, "the next one begins")
        if count in (2, 3):
            kill_supervisor(own_runs)
            continue_queue(own_runs)
        trainers.let(f"end-{run.id}")
    wait_for(lambda: are_done(order), "all are done")
    assert trainers.starts() == [run.id for run in order]


def test_the_runs_of_one_owner_go_in_the_order_in_which_they_were_queued(trainers):
    runs = submit("", "", "")
    trainers.let("begin", "end")
    wait_for(lambda: are_done(runs), "all are done")
    assert trainers.starts() == [run.id for run in runs]


# -- what waits, and how it ends


def test_a_trainer_that_dies_before_it_begins_fails_with_the_end_of_its_log(trainers):
    trainers.let("die")
    runs = submit("", "")
    wait_for(lambda: all(run.state().state == "failed" for run in runs), "both have failed")
    assert "exit status 3" in runs[0].state().error and "no such library" in runs[0].state().error
    assert sorted(trainers.starts()) == sorted(run.id for run in runs)
    (trainers.folder / "die").unlink()
    submit_local(runs[0])
    wait_for(lambda: trainers.starts().count(runs[0].id) == 2, "it is tried again when asked for")
    assert not runs[0].state().error


def test_a_killed_trainer_gives_its_slot_back(trainers):
    killed, other = submit("", "")
    trainers.let("begin")
    wait_for(lambda: killed.state().state == "running", "it trains")
    os.kill(killed.pid(), signal.SIGKILL)
    wait_for(other.pid, "the other one trains")
    assert killed.state().state == "lost" and trainers.starts() == [killed.id, other.id]


def test_only_a_run_that_was_submitted_here_waits(own_runs):
    run = create_run(tiny())
    write_queued(run, 1)
    (known,) = list_waiting(own_runs)
    assert (known.name, known.since, known.processes) == (run.id, run.state().since, 1)
    with run.lock():
        assert not list_waiting(own_runs), "it trains in the foreground"
    (run.path / REMOTE_FILE).write_text("{}")
    assert not list_waiting(own_runs), "it was sent elsewhere"
    (run.path / REMOTE_FILE).unlink()
    for content in (
        "",
        "{",
        "[]",
        "[" * 100_000,
        '{"state": "queued", "since": 1}',
        '{"state": "queued", "since": null, "processes": 1}',
        '{"state": "queued", "since": 1, "processes": 0}',
        '{"state": "queued", "since": 1, "processes": 1000}',
        '{"state": "done", "since": 1, "processes": 1}',
    ):
        (run.path / "state.json").write_text(content)
        assert not list_waiting(own_runs), content


@pytest.mark.parametrize("make", [os.mkfifo, lambda path: path.symlink_to("nowhere")])
def test_a_run_whose_lock_is_no_plain_file_does_not_train_but_can_be_deleted(own_runs, make):
    run = create_run(tiny())
    write_queued(run, 1)
    make(run.path / "run.lock")
    assert not list_waiting(own_runs)
    with pytest.raises(RunError, match="plain file"):
        submit_local(run)
    run.delete()
    assert not list(own_runs.glob("*")), "not even a draft is left"


def test_a_run_in_the_queue_is_never_lost_and_one_that_is_begun_without_it_may_be(monkeypatch):
    waiting, begun = create_run(tiny()), create_run(tiny())
    write_queued(waiting, 2)
    later = time.time() + 100 * START_SECONDS
    monkeypatch.setattr(time, "time", lambda: later)
    assert waiting.state().state == "queued" and begun.state().state == "lost"


# -- stop, resume and delete in the queue


def test_a_queued_run_is_stopped_resumed_and_deleted_at_once(trainers):
    first, second, third = submit("", "", "")
    wait_for(trainers.starts, "the first one is on its way")
    second.stop()
    third.delete()
    assert second.state().state == "stopped" and not third.path.exists()
    assert [path.name for path in third.path.parent.glob(".delete-*")] == []
    submit_local(second)
    since = second.state().since
    submit_local(second)
    assert second.state().since == since, "a second click does not lose its place"
    trainers.let("begin", "end")
    wait_for(lambda: are_done([first, second]), "both are done")
    assert trainers.starts() == [first.id, second.id]


def test_a_run_that_is_stopped_or_deleted_on_its_way_from_the_queue_does_not_begin():
    stopped, deleted = create_run(tiny()), create_run(tiny())
    for run in (stopped, deleted):
        write_queued(run, 1)
    stopped.stop()
    with pytest.raises(RunError, match="stopped before it began"):
        list(fit(stopped, queued=True))
    assert stopped.state().state == "stopped" and not stopped.has_model()
    deleted.delete()
    with pytest.raises(RunError, match="deleted"):
        list(fit(deleted, queued=True))
    assert not deleted.path.exists()
    for change in (deleted.stop, deleted.delete, lambda: submit_local(deleted)):
        with pytest.raises(RunError, match="deleted"):
            change()


def test_a_stop_reaches_a_trainer_that_begins_in_the_same_moment(monkeypatch):
    run, pids, end_holder = create_run(tiny()), [], LockFile.end_holder
    write_queued(run, 1)

    def begin():
        with run.lock():
            run.write_state(state="running")
            signal.pause()

    def end_and_begin(lock, wait):
        end_holder(lock, wait)
        if not pids:
            pids.append(fork(begin))
            wait_for(lambda: run.pid() == pids[0], "the trainer has the lock")

    monkeypatch.setattr(LockFile, "end_holder", end_and_begin)
    run.stop()
    assert run.state().state == "stopped" and ended(pids[0]) == -signal.SIGTERM


def test_whoever_changes_a_run_for_a_moment_is_not_taken_for_its_trainer(monkeypatch):
    run = create_run(tiny())
    (run.path / "run.lock").write_text("1")  # the id of a process that is gone
    with run.keep_idle():
        assert run.is_locked() and run.pid() is None
    pid = fork(lambda: hold(run))
    wait_for(lambda: run.pid() == pid, "it trains")
    for change in (run.delete, lambda: submit_local(run)):
        with pytest.raises(RunError, match="being trained"):
            change()
    kill_hard(pid)
    assert run.state().state in LIVE_STATES


def hold(run: Run) -> None:
    with run.lock():
        signal.pause()


# -- the limits of a run


def test_a_run_of_strangers_has_bounds_of_memory_time_and_rank(monkeypatch):
    rank = os.getpriority(os.PRIO_PROCESS, 0)
    assert run_limits() == (0, -1, rank)
    monkeypatch.setenv("AECORE_PUBLIC", "1")
    assert run_limits() == (30 * 60, 3 * 10**9, rank + 5)
    monkeypatch.setenv("AECORE_RUN_MINUTES", "0")
    monkeypatch.setenv("AECORE_RUN_MEMORY_GB", "inf")
    monkeypatch.setenv("AECORE_RUN_NICE", "1e9")
    assert run_limits() == (0, -1, 19)


def run_limits():
    """Return the seconds, bytes of data and niceness of a process under the limits."""
    import resource

    reader, writer = os.pipe()

    def work():
        limit_run_resources()
        limit_run_minutes()
        size = resource.getrlimit(resource.RLIMIT_DATA)[0]
        os.write(writer, f"{signal.alarm(0)} {size} {os.getpriority(os.PRIO_PROCESS, 0)}".encode())

    assert ended(fork(work)) == 0
    os.close(writer)
    with os.fdopen(reader) as file:
        return tuple(map(int, file.read().split()))


def test_runs_that_train_together_take_one_slot(trainers, monkeypatch):
    monkeypatch.setenv("AECORE_SLOTS", "2")
    group = [create_run(tiny()) for _ in range(3)]
    submit_together(group)
    (alone,) = submit("")
    wait_for(lambda: len(trainers.starts()) == 2, "both slots are taken")
    assert set(trainers.starts()) == {group[0].id, alone.id}
