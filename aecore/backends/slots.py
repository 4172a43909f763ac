"""The queue: wait for one of the machine's training slots, then become the trainer.

`python -m aecore.backends.slots RUN` uses the standard library alone, so that a waiting run costs a
few megabytes. There is no scheduler: a slot is a locked file, which the trainer inherits and the
system releases, however the trainer ends. The run that was queued first goes first.
"""

from __future__ import annotations

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path
from typing import IO

from aecore.files import LOCK_FILE, STATE_FILE, read_plain_text
from aecore.runs.process import LockFile, read_slot_limit, try_lock

POLL_SECONDS = 0.3
SLOTS_FOLDER = ".slots"  # beside the runs
# without it, ranks that are started again look for the address of the dead ones
RESTARTS = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "2"]


def main(path: Path, processes: int = 1) -> None:
    """Holds the run's lock while waiting; with a slot, executes the trainer in this process."""
    with LockFile(path / LOCK_FILE).hold(wait=True) as lock:
        slot = wait_for_slot(path)
        # the lock is free until the trainer has started: its time says that one is on its way
        os.utime(lock.fileno())
    os.set_inheritable(slot.fileno(), True)
    apply_run_limits()
    os.environ.update(RESTARTS)
    os.execv(sys.executable, trainer_command(path, processes))


def wait_for_slot(path: Path) -> IO[bytes]:
    """Returns a slot once there is a free one and no run that was queued earlier waits."""
    since = read_queued_since(path) or time.time()
    while True:
        if not is_earlier_waiting(path, since):
            slot = take_free_slot(path.parent)
            if slot is not None:
                return slot
        time.sleep(POLL_SECONDS)


def trainer_command(path: Path, processes: int) -> list[str]:
    """Returns the command that trains a run: one process, or several under torchrun.

    torchrun starts all of them again where one dies.
    """
    torchrun = [*TORCHRUN, "--nproc-per-node", str(processes)] if processes > 1 else []
    resume = ["-m", "aecore", "resume", str(path), "--queued"]
    return [sys.executable, "-X", "faulthandler", *torchrun, *resume]


def apply_run_limits() -> None:
    """Sets the limits of a public demo, which the trainer inherits.

    They are memory in GB, minutes of time, and niceness.
    """
    if gigabytes := read_number_setting("AECORE_RUN_MEMORY_GB"):
        size = int(gigabytes * 1e9)
        # of data, not of addresses: torch reserves more addresses than it uses
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    if minutes := read_number_setting("AECORE_RUN_MINUTES"):
        signal.alarm(max(1, round(minutes * 60)))  # the trainer takes it as a request to stop
    if niceness := read_number_setting("AECORE_RUN_NICE"):
        os.nice(int(niceness))


def read_number_setting(name: str) -> float:
    """Returns a setting of the environment; 0 where it is not set or no number."""
    try:
        return max(0.0, float(os.environ.get(name) or 0))
    except ValueError:
        return 0.0


def take_free_slot(root: Path) -> IO[bytes] | None:
    """Returns a slot of the folder of runs, now held by this process; None where all are taken."""
    folder = root / SLOTS_FOLDER
    folder.mkdir(exist_ok=True)
    for i in range(read_slot_limit()):
        file = open(folder / f"{i}.lock", "ab")  # noqa: SIM115 - open while the trainer lives
        if try_lock(file):
            return file
        file.close()
    return None


def is_earlier_waiting(path: Path, since: float) -> bool:
    """Returns True while a run that was queued earlier than `since` is waiting."""
    for state_file in path.parent.glob(f"*/{STATE_FILE}"):
        other = state_file.parent
        if other == path:
            continue
        queued = read_queued_since(other)
        if queued is not None and queued < since and LockFile(other / LOCK_FILE).is_held():
            return True
    return False


def read_queued_since(path: Path) -> float | None:
    """Returns when the run was queued, in seconds since 1970; None if it is not."""
    try:
        state = json.loads(read_plain_text(path / STATE_FILE))
        return float(state["since"]) if state["state"] == "queued" else None
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
