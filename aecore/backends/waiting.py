"""Reading the queue: the runs that wait, the slots, and whose turn it was.

A run waits while its state.json says that it is queued for a number of processes, it was not sent
elsewhere, and nobody holds its lock. The files may be torn, or not what they seem. Little of the
standard library is used: the supervisor is to stay small.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import time
from collections.abc import Collection
from pathlib import Path
from typing import Any, NamedTuple

from aecore.files import (
    LOCK_FILE,
    OWNER_FILE,
    REMOTE_FILE,
    STATE_FILE,
    open_plain_bytes,
    open_plain_file,
)

NO_PLAIN_FILE = (errno.EINVAL, errno.EISDIR, errno.ELOOP)  # opening a FIFO, a folder, a link
SLOTS_FOLDER = ".slots"  # beside the runs
SUPERVISOR_LOCK, SERVED_FILE = "supervisor.lock", "served.json"
LOCK_TRIES, LOCK_RETRY_SECONDS = 20, 0.05  # readers hold a lock for a moment
MAX_READ_BYTES = 100_000
MAX_PROCESSES = 64


class WaitingRun(NamedTuple):
    """A run in the queue."""

    name: str
    since: float  # when it was queued, in seconds since 1970
    processes: int
    owner: str
    together: str  # the first of the runs that one process is to train; empty where it is alone

    @property
    def group(self) -> str:
        """The run that stands for all that one process is to train."""
        return self.together or self.name


class Start(NamedTuple):
    """A run that was given a slot."""

    name: str
    since: float  # another time in its state.json means that it was queued anew
    pid: int = 0  # of the trainer, where this supervisor started it


def list_waiting(root: Path) -> list[WaitingRun]:
    """Returns the runs of a folder that wait for a slot, or have one and are about to begin."""
    with os.scandir(root) as entries:
        names = [entry.name for entry in entries if not entry.name.startswith(".")]
    runs = (read_waiting_run(root / name) for name in names)
    return [run for run in runs if run is not None]


def read_waiting_run(path: Path) -> WaitingRun | None:
    """Returns a run as the queue sees it; None for one that does not wait."""
    state = read_json_object(path / STATE_FILE)
    if state.get("state") != "queued":
        return None
    since, processes = state.get("since"), state.get("processes")
    if not isinstance(since, int | float) or not isinstance(processes, int):
        return None
    is_here = 1 <= processes <= MAX_PROCESSES and not (path / REMOTE_FILE).exists()
    if not is_here or is_lock_taken(path / LOCK_FILE):
        return None
    owner = read_json_object(path / OWNER_FILE).get("owner")
    owner = owner if isinstance(owner, str) else ""
    return WaitingRun(path.name, since, processes, owner, read_together(state))


def read_together(state: dict[str, Any]) -> str:
    """Returns the first of the runs that a run of this state is to train with; empty for none."""
    together = state.get("together")
    return together if isinstance(together, str) else ""


def list_startable(root: Path, started: Collection[Start]) -> list[WaitingRun]:
    """Returns the waiting runs for which a process can be started, the earliest first.

    Those of `started` have one, unless they were queued anew. Of runs that one process is to train
    it is the earliest, and none where that process is started.
    """
    groups = {read_together(read_json_object(root / start.name / STATE_FILE)) for start in started}
    times = {(start.name, start.since) for start in started}
    startable: dict[str, WaitingRun] = {}
    for run in sorted(list_waiting(root), key=lambda run: (run.since, run.name)):
        is_started = (run.name, run.since) in times or (run.together and run.together in groups)
        if not is_started:
            startable.setdefault(run.group, run)
    return list(startable.values())


def read_start(slot: Path) -> Start:
    """Returns to which run a slot was given."""
    match read_json(slot):
        case [str(name), int(since) | float(since)]:
            return Start(name, since)
    return Start("", 0.0)


def count_runs_ahead(path: Path) -> int | None:
    """Returns how many other runs train, or wait since earlier, while a run waits for a slot.

    Runs that one process trains count as one. None for one that has its slot and is about to begin,
    or is not in the queue. Owners take turns, so that a run may start sooner.
    """
    run, folder = read_waiting_run(path), path.parent / SLOTS_FOLDER
    if run is None:
        return None
    taken = [read_start(slot) for slot in folder.glob("[0-9]*.lock") if is_lock_taken(slot)]
    groups = [startable.group for startable in list_startable(path.parent, taken)]
    return len(taken) + groups.index(run.group) if run.group in groups else None


def read_served(folder: Path) -> list[str]:
    """Returns the owners whose runs were started, in the order of their last turns."""
    owners = read_json(folder / SERVED_FILE)
    return [str(owner) for owner in owners] if isinstance(owners, list) else []


def read_json_object(path: Path) -> dict[str, Any]:
    """Returns the fields of a JSON file; none of one that is missing, torn or no object."""
    content = read_json(path)
    return content if isinstance(content, dict) else {}


def read_json(path: Path) -> Any:
    """Returns the content of a small JSON file; None where it is missing or torn."""
    try:
        return json.loads(read_bytes(path, MAX_READ_BYTES))
    except (ValueError, RecursionError):
        return None


def read_bytes(path: Path, count: int) -> bytes:
    """Returns the last bytes of a plain file; none where it cannot be read."""
    try:
        with open_plain_bytes(path) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - count))
            return file.read(count)
    except OSError:
        return b""


def lock_file(path: Path, tries: int = 1) -> int | None:
    """Locks a file and empties it; returns its number.

    None where another process has it, or something else is in its place.
    """
    try:
        lock = open_plain_file(path, os.O_RDWR | os.O_CREAT)
    except OSError as error:
        if error.errno in NO_PLAIN_FILE:
            return None
        raise
    for attempt in range(tries):
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if attempt < tries - 1:
                time.sleep(LOCK_RETRY_SECONDS)
        else:
            os.ftruncate(lock, 0)
            return lock
    os.close(lock)
    return None


def is_lock_taken(path: Path) -> bool:
    """Returns True while a process holds the lock, and where nobody can: it is no plain file."""
    try:
        with open_plain_bytes(path) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except FileNotFoundError:
        return False
    except OSError:
        return True
    return False
