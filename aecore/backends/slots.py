"""The queue: wait for one of the machine's training slots, then become the trainer.

`python -m aecore.backends.slots RUN` uses the standard library alone, so that a waiting run costs a
few megabytes. There is no scheduler: a slot is a locked file, which the trainer inherits and the
system lets go of, however the trainer ends. The run that was queued first goes first.
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

from aecore.files import LOCK_FILE, STATE_FILE
from aecore.runs.process import LockFile, read_slot_limit, try_lock

POLL_SECONDS = 0.3
RESTARTS = {
    "TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"
}  # else restarted ranks look for the address of the dead ones


def main(path: Path, processes: int = 1) -> None:
    """Hold the run's lock while waiting; with a slot in hand, exec the trainer, or a torchrun of several."""
    with LockFile(path / LOCK_FILE).hold(wait=True) as lock:
        since = read_queued_since(path) or time.time()
        while is_earlier_waiting(path, since) or (slot := take_free_slot(path.parent)) is None:
            time.sleep(POLL_SECONDS)
        os.utime(
            lock.fileno()
        )  # the lock is free until the trainer has started: this says that one is on its way
    os.set_inheritable(slot.fileno(), True)
    apply_run_limits()
    os.environ.update(RESTARTS)
    os.execv(sys.executable, trainer_command(path, processes))


def trainer_command(path: Path, processes: int) -> list[str]:
    """The command that trains a run: one process, or a torchrun of several that starts dead ones again."""
    several = [
        "-m",
        "torch.distributed.run",
        "--standalone",
        "--nproc-per-node",
        str(processes),
        "--max-restarts",
        "2",
    ]
    resume = ["-m", "aecore", "resume", str(path), "--queued"]
    return [sys.executable, "-X", "faulthandler", *(several if processes > 1 else []), *resume]


def apply_run_limits() -> None:
    """The limits of a public demo, which the trainer inherits: memory in GB, minutes of time, niceness."""
    if gigabytes := read_number_setting("AECORE_RUN_MEMORY_GB"):
        size = int(gigabytes * 1e9)
        resource.setrlimit(
            resource.RLIMIT_DATA, (size, size)
        )  # not of addresses: torch reserves more than it uses
    if minutes := read_number_setting("AECORE_RUN_MINUTES"):
        signal.alarm(max(1, round(minutes * 60)))  # the trainer takes it as a wish to stop
    if niceness := read_number_setting("AECORE_RUN_NICE"):
        os.nice(int(niceness))


def read_number_setting(name: str) -> float:
    """A setting of the environment; 0 where it is not set."""
    try:
        return max(0.0, float(os.environ.get(name) or 0))
    except ValueError:
        return 0.0


def take_free_slot(root: Path) -> IO[bytes] | None:
    """A slot that nobody holds, now held by this process."""
    folder = root / ".slots"
    folder.mkdir(exist_ok=True)
    for i in range(read_slot_limit()):
        file = open(folder / f"{i}.lock", "ab")  # noqa: SIM115 - stays open for as long as the trainer lives
        if try_lock(file):
            return file
        file.close()
    return None


def is_earlier_waiting(path: Path, since: float) -> bool:
    """Whether a run that was queued earlier is still waiting."""
    for state in path.parent.glob(f"*/{STATE_FILE}"):
        if state.parent == path:
            continue
        other = read_queued_since(state.parent)
        if other is not None and other < since and LockFile(state.parent / LOCK_FILE).is_held():
            return True
    return False


def read_queued_since(path: Path) -> float | None:
    """When the run was queued; None if it is not."""
    try:
        state = json.loads((path / STATE_FILE).read_text())
        return float(state["since"]) if state["state"] == "queued" else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 1)
