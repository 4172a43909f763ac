"""The queue: one small process for a folder of runs starts them as training slots become free.

`python -S -m aecore.backends.supervisor RUNS` uses little of the standard library, to stay below
15 MB. The queue is in the run folders alone: a run waits while its state.json says that it is queued
for a number of processes, it was not sent elsewhere, and nobody holds its lock. So killing the
supervisor loses nothing: the next one goes on. A slot is a locked file that names the run to which
it was given. The trainer inherits it, and the system releases it, however the trainer ends.
"""

from __future__ import annotations

import fcntl
import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import Any, NamedTuple, NoReturn

from aecore.files import LOCK_FILE, LOG_FILE, OWNER_FILE, REMOTE_FILE, STATE_FILE, write_text_file
from aecore.limits import read_limit, read_slot_limit

POLL_SECONDS = 0.2
REREAD_SECONDS = 5.0  # between two looks at the runs while nobody says that one was queued
LOCK_TRIES, LOCK_RETRY_SECONDS = 20, 0.05  # readers hold a lock for a moment
SLOTS_FOLDER = ".slots"  # beside the runs
SUPERVISOR_LOCK, SERVED_FILE = "supervisor.lock", "served.json"
MAX_SERVED = 1000  # owners whose last turn is remembered
MAX_READ_BYTES = 100_000
MAX_PROCESSES = 64
MAX_LOG_END = 1500  # bytes of a log that are shown with its failure
NO_LIMIT = 1e7  # minutes or gigabytes from which on there is none
# without it, ranks that are started again look for the address of the dead ones
RESTARTS = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "2"]


class WaitingRun(NamedTuple):
    """A run in the queue."""

    name: str
    since: float  # when it was queued, in seconds since 1970
    processes: int
    owner: str


class Start(NamedTuple):
    """A run that was given a slot."""

    name: str
    since: float  # another time in its state.json means that it was queued anew
    pid: int = 0  # of the trainer, where this supervisor started it


def main(root: Path) -> None:
    """Starts the waiting runs of a folder until none waits and none trains.

    Ends at once where another supervisor works.
    """
    folder = root / SLOTS_FOLDER
    folder.mkdir(exist_ok=True)
    while (lock := lock_file(folder / SUPERVISOR_LOCK, LOCK_TRIES)) is not None:
        os.write(lock, str(os.getpid()).encode())
        Supervisor(root).work()
        os.close(lock)
        if not list_waiting(root):  # whoever queues a run from now on finds the lock free
            return


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
            names = {start.name for start in self.given.values()}
            waiting = [run for run in list_waiting(self.root) if run.name not in names]
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
        log = os.open(path / LOG_FILE, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o666)
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


# -- the files


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
    if not is_here or is_lock_held(path / LOCK_FILE):
        return None
    owner = read_json_object(path / OWNER_FILE).get("owner")
    return WaitingRun(path.name, since, processes, owner if isinstance(owner, str) else "")


def read_start(slot: Path) -> Start:
    """Returns to which run a slot was given."""
    match read_json(slot):
        case [str(name), int(since) | float(since)]:
            return Start(name, since)
    return Start("", 0.0)


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
    """Returns the last bytes of a file, which are none where it cannot be read."""
    try:
        with open(path, "rb", opener=open_at_once) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - count))
            return file.read(count)
    except OSError:
        return b""


def open_at_once(path: str, flags: int) -> int:
    """Opens a file; does not wait for the other end of a pipe that is in its place."""
    return os.open(path, flags | os.O_NONBLOCK)


def lock_file(path: Path, tries: int = 1) -> int | None:
    """Locks a file and empties it; returns its number, or None where another process has it."""
    lock = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
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


def is_lock_held(path: Path) -> bool:
    """Returns True while a process holds the lock."""
    try:
        with open(path, "rb", opener=open_at_once) as file:
            fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    except OSError:
        return False
    return False


if __name__ == "__main__":
    main(Path(sys.argv[1]))
