"""The queue: one small process for a folder of runs starts them as training slots become free.

`python -S -m aecore.backends.supervisor RUNS LOCK` uses little of the standard library, to stay
below 15 MB. The queue is in the run folders alone, so that killing the supervisor loses nothing:
the next one goes on. A slot is a locked file that names the run to which it was given. The trainer
inherits it, and the system releases it, however the trainer ends.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import NoReturn

from aecore.backends.waiting import (
    LOCK_TRIES,
    SERVED_FILE,
    SLOTS_FOLDER,
    SUPERVISOR_LOCK,
    Start,
    WaitingRun,
    list_startable,
    list_waiting,
    lock_file,
    read_bytes,
    read_json_object,
    read_served,
    read_start,
)
from aecore.files import LOCK_FILE, LOG_FILE, STATE_FILE, open_plain_file, write_text_file
from aecore.limits import read_limit, read_slot_limit

POLL_SECONDS = 0.2
REREAD_SECONDS = 5.0  # between two looks at the runs while nobody says that one was queued
MAX_SERVED = 1000  # owners whose last turn is remembered
MAX_LOG_END = 1500  # bytes of a log that are shown with its failure
NO_LIMIT = 1e7  # minutes or gigabytes from which on there is none
# without it, ranks that are started again look for the address of the dead ones
RESTARTS = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "2"]


def main(root: Path, lock: int | None = None) -> None:
    """Starts the waiting runs of a folder until none waits and none trains.

    `lock` is the supervisor's lock, held and inherited; without it, ends at once where another
    supervisor works.
    """
    folder = root / SLOTS_FOLDER
    folder.mkdir(exist_ok=True)
    if lock is None:
        lock = lock_file(folder / SUPERVISOR_LOCK, LOCK_TRIES)
    while lock is not None:
        os.set_inheritable(lock, False)
        os.ftruncate(lock, 0)
        os.write(lock, str(os.getpid()).encode())
        Supervisor(root).work()
        os.close(lock)
        if not list_waiting(root):  # whoever queues a run from now on finds the lock free
            return
        lock = lock_file(folder / SUPERVISOR_LOCK, LOCK_TRIES)


class Supervisor:
    """The one process that gives away the slots of a folder of runs."""

    def __init__(self, root: Path) -> None:
        self.root, self.folder = root, root / SLOTS_FOLDER
        self.given: dict[Path, Start] = {}  # by slot
        self.touched, self.read_at = 0, 0.0

    def work(self) -> None:
        """Looks again and again until there is nothing left to do."""
        is_busy = True
        while is_busy:
            try:
                is_busy = self.look()
            except OSError:  # a full disk, or no room for a process: later, perhaps
                is_busy = self.folder.is_dir()
            if is_busy:
                time.sleep(POLL_SECONDS)

    def look(self) -> bool:
        """Fills the free slots; returns False where nothing waits and nothing trains.

        The runs are read only where there is a free slot, and may be one to take it.
        """
        usable = [self.folder / f"{number}.lock" for number in range(read_slot_limit())]
        others = [slot for slot in self.folder.glob("[0-9]*.lock") if slot not in usable]
        free = [slot for slot in (*others, *usable) if self.is_free(slot) and slot in usable]
        if free and self.is_time_to_read():
            waiting = list_startable(self.root, self.given.values())
            for slot in free[: len(waiting)]:
                run = self.choose_next(waiting)
                waiting.remove(run)
                self.start(run, slot)
        return bool(self.given)

    def is_free(self, slot: Path) -> bool:
        """Returns True for a slot that no trainer holds; the last one's end is looked into."""
        lock = lock_file(slot)
        if lock is None:
            if slot not in self.given:  # by a supervisor that is gone
                self.given[slot] = read_start(slot)
            return False
        os.close(lock)
        if slot in self.given:
            conclude_run(self.root, self.given[slot])
            del self.given[slot]
            self.touched = 0  # somebody may wait for it
        return True

    def is_time_to_read(self) -> bool:
        """Returns True where a run may have been queued since the runs were read."""
        touched = (self.folder / SUPERVISOR_LOCK).stat().st_mtime_ns
        is_due = time.monotonic() - self.read_at > REREAD_SECONDS
        if touched == self.touched and self.given and not is_due:
            return False
        self.touched, self.read_at = touched, time.monotonic()
        return True

    def choose_next(self, waiting: list[WaitingRun]) -> WaitingRun:
        """Returns the oldest run of the owner whose last turn is the longest ago."""
        turns = {owner: turn for turn, owner in enumerate(read_served(self.folder))}
        return min(waiting, key=lambda run: (turns.get(run.owner, -1), run.since, run.name))

    def start(self, run: WaitingRun, slot: Path) -> None:
        """Starts a trainer in a slot; killed at any point, it leaves what the next one needs."""
        served = [owner for owner in read_served(self.folder) if owner != run.owner]
        served = [*served, run.owner][-MAX_SERVED:]
        write_text_file(self.folder / SERVED_FILE, json.dumps(served))
        lock = lock_file(slot)
        if lock is None:
            return
        try:
            os.write(lock, json.dumps([run.name, run.since]).encode())
            pid = os.fork()
            if not pid:
                become_trainer(self.root / run.name, run.processes, lock)
        finally:
            os.close(lock)
        self.given[slot] = Start(run.name, run.since, pid)


# -- a trainer


def become_trainer(path: Path, processes: int, slot: int) -> NoReturn:
    """Executes the trainer of a run in this process, in a session of its own."""
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDONLY)
        log = open_plain_file(path / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        for number, file in enumerate((null, log, log)):
            os.dup2(file, number)
        os.set_inheritable(slot, True)
        apply_run_limits()
        os.environ.update(RESTARTS)
        os.execv(sys.executable, trainer_command(path, processes))
    finally:
        os._exit(127)


def trainer_command(path: Path, processes: int) -> list[str]:
    """Returns the command that trains a run: one process, or several under torchrun.

    torchrun starts all of them again where one dies.
    """
    torchrun = [*TORCHRUN, "--nproc-per-node", str(processes)] if processes > 1 else []
    resume = ["-m", "aecore", "resume", str(path), "--queued"]
    return [sys.executable, "-X", "faulthandler", *torchrun, *resume]


def apply_run_limits() -> None:
    """Sets the limits of a run, which the trainer inherits: memory, minutes, and niceness."""
    gigabytes, minutes = read_limit("run_memory_gb"), read_limit("run_minutes")
    if 0 < gigabytes < NO_LIMIT:
        size = int(gigabytes * 1e9)
        # of data, not of addresses: torch reserves more addresses than it uses
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    if 0 < minutes < NO_LIMIT:
        signal.alarm(max(1, round(minutes * 60)))  # the trainer takes it as a request to stop
    os.nice(int(min(read_limit("run_nice"), 19)))


def conclude_run(root: Path, start: Start) -> None:
    """Marks a run as failed whose trainer ended without a word: it would be started for ever."""
    end = describe_end(start.pid)
    path = root / start.name
    if not is_unchanged(path, start):
        return
    lock = lock_file(path / LOCK_FILE, LOCK_TRIES)
    if lock is None:  # somebody trains it without the queue
        return
    try:
        if is_unchanged(path, start):
            log = read_bytes(path / LOG_FILE, MAX_LOG_END).decode(errors="replace").strip()
            error = f"The training process died{end}." + (f" Its log ends:\n{log}" if log else "")
            state = {**read_json_object(path / STATE_FILE), "state": "failed", "error": error}
            write_text_file(path / STATE_FILE, json.dumps(state))
    finally:
        os.close(lock)


def is_unchanged(path: Path, start: Start) -> bool:
    """Returns True where a run is queued as it was when it got its slot."""
    state = read_json_object(path / STATE_FILE)
    return state.get("state") == "queued" and state.get("since") == start.since


def describe_end(pid: int) -> str:
    """Waits for a child that has ended; returns how, or nothing for another's child."""
    try:
        status = os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) if pid else None
    except ChildProcessError:
        status = None
    if status is None:
        return ""
    return f" (signal {-status})" if status < 0 else f" (exit status {status})"


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
