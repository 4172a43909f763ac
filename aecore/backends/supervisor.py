"""The queue: one small process for a folder of runs starts them as training slots become free.

`python -S -m aecore.backends.supervisor RUNS LOCK` uses little of the standard library, to stay
below 15 MB. The queue is in the run folders alone, so that killing the supervisor loses nothing:
the next one goes on. A slot is a locked file that names the run to which it was given. The trainer
inherits it, and the system releases it, however the trainer ends.
"""

from __future__ import annotations

import json
import os
import sys
import time
from contextlib import suppress
from pathlib import Path

from aecore.backends.spare import Spare, read_spare_request, start_spare
from aecore.backends.trainers import become_trainer
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
from aecore.files import LOCK_FILE, LOG_FILE, STATE_FILE, write_text_file
from aecore.limits import read_slot_limit

POLL_SECONDS, SPARE_POLL_SECONDS = 0.2, 0.05  # the latter while a trainer waits
REREAD_SECONDS = 5.0  # between two looks at the runs while nobody says that one was queued
MAX_SERVED = 1000  # owners whose last turn is remembered
MAX_LOG_END = 1500  # bytes of a log that are shown with its failure


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
        self.spare: Spare | None = None
        self.vain_request = 0.0  # whose spare trainer died

    def work(self) -> None:
        """Looks again and again until there is nothing left to do."""
        is_busy = True
        while is_busy:
            try:
                is_busy = self.look()
            except OSError:  # a full disk, or no room for a process: later, perhaps
                is_busy = self.folder.is_dir()
            if is_busy:
                time.sleep(SPARE_POLL_SECONDS if self.spare else POLL_SECONDS)

    def look(self) -> bool:
        """Fills the free slots; returns False where nothing waits and nothing trains or may soon.

        The runs are read only where there is a free slot, and may be one to take it.
        """
        usable = [self.folder / f"{number}.lock" for number in range(read_slot_limit())]
        others = [slot for slot in self.folder.glob("[0-9]*.lock") if slot not in usable]
        free = [slot for slot in (*others, *usable) if self.is_free(slot) and slot in usable]
        free.sort(key=lambda slot: not self.spare or slot != self.spare.slot)
        if free and self.is_time_to_read():
            waiting = list_startable(self.root, self.given.values())
            for slot in free[: len(waiting)]:
                run = self.choose_next(waiting)
                waiting.remove(run)
                self.start(run, slot)
        self.keep_spare([slot for slot in free if slot not in self.given])
        return bool(self.given or self.spare)

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
        if touched == self.touched and (self.given or self.spare) and not is_due:
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
        is_spare = self.spare is not None and self.spare.slot == slot and run.processes == 1
        start = self.start_in_spare(run) if is_spare else fork_trainer(self.root, run, slot)
        if start is None:
            self.touched = 0  # at the next look
        else:
            self.given[slot] = start

    def start_in_spare(self, run: WaitingRun) -> Start | None:
        """Lets the spare trainer begin with a run; None where that is impossible."""
        assert self.spare is not None
        spare, self.spare = self.spare, None
        lock = spare.begin(run.name)
        if lock is None:
            return None
        # after it has its run: killed in between, this leaves none that never begins
        with suppress(OSError):  # a full disk: the run is known here all the same
            name_run(lock, run)
        os.close(lock)
        return Start(run.name, run.since, spare.pid)

    def keep_spare(self, free: list[Path]) -> None:
        """Keeps a spare trainer while one is asked for, once there is a slot that nobody needs."""
        asked = read_spare_request(self.folder)
        if self.spare is not None and self.spare.has_died():
            self.spare, self.vain_request = None, asked
        if self.spare is not None and not asked:
            self.spare.end()
            self.spare = None
        elif self.spare is None and asked > self.vain_request and free:
            self.spare = start_spare(self.root, free[0])


def fork_trainer(root: Path, run: WaitingRun, slot: Path) -> Start | None:
    """Starts a trainer in a free slot; None where somebody looks at that."""
    lock = lock_file(slot)
    if lock is None:
        return None
    try:
        name_run(lock, run)
        pid = os.fork()
        if not pid:
            become_trainer(root / run.name, run.processes, lock)
    finally:
        os.close(lock)
    return Start(run.name, run.since, pid)


def name_run(slot: int, run: WaitingRun) -> None:
    """Writes into a slot which run has it."""
    os.write(slot, json.dumps([run.name, run.since]).encode())


# -- the end of a trainer


def conclude_run(root: Path, start: Start) -> None:
    """Marks a run as failed whose trainer ended without a word: it would be started for ever."""
    end = describe_trainer_end(start.pid)
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


def describe_trainer_end(pid: int) -> str:
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
