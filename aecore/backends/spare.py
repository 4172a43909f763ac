"""A spare trainer: a process that has imported what it computes with, and waits for its run.

Importing PyTorch takes longer than a small model's first epoch. So a page that can start a run asks
for a spare one, and the supervisor keeps it, beside a free slot, until a while after the last such
request. Both have the slot's file open: the lock that the supervisor takes there is the trainer's,
and the system releases it when the trainer ends. A spare one ends with its supervisor.

The standard library alone is used: the supervisor is to stay small.
"""

from __future__ import annotations

import fcntl
import os
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple, NoReturn

from aecore.backends.trainers import become_process, limit_run_resources
from aecore.files import open_plain_file
from aecore.limits import read_limit

REQUEST_FILE, SPARE_LOG = "spare.request", "spare.log"  # in the folder of slots
MAX_NAME_BYTES = 512  # which a pipe takes in one piece


class Spare(NamedTuple):
    """A spare trainer, as its supervisor knows it."""

    slot: Path
    lock: int  # the slot's file, not locked yet
    pipe: int  # takes the name of a run
    pid: int

    def begin(self, name: str) -> int | None:
        """Lets it train a run, and returns the slot's file, locked, to be closed.

        None, and no trainer, where that is impossible; it is no spare one any more.
        """
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            os.write(self.pipe, name.encode())
        except OSError:  # it died, or somebody looks at the slot
            self.end()
            return None
        os.close(self.pipe)
        return self.lock

    def end(self) -> None:
        """Ends it, in whatever it is at."""
        with suppress(ProcessLookupError):
            os.kill(self.pid, signal.SIGKILL)
        os.waitpid(self.pid, 0)
        self.close()

    def has_died(self) -> bool:
        """Returns True, and forgets it, where it ended before it had a run, as without PyTorch."""
        if not os.waitpid(self.pid, os.WNOHANG)[0]:
            return False
        self.close()
        return True

    def close(self) -> None:
        """Closes what the supervisor has open for it."""
        os.close(self.pipe)
        os.close(self.lock)


def start_spare(root: Path, slot: Path) -> Spare:
    """Starts a spare trainer for runs of a folder, beside a free slot."""
    lock = open_plain_file(slot, os.O_RDWR | os.O_CREAT)
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError:  # no room for a process: it is tried again and again
        for file in (lock, reader, writer):
            os.close(file)
        raise
    if not pid:
        become_spare(root, slot, lock, reader)
    os.close(reader)
    return Spare(slot, lock, writer, pid)


def become_spare(root: Path, slot: Path, lock: int, pipe: int) -> NoReturn:
    """Executes a spare trainer in this process."""
    try:
        limit_run_resources()
        command = [sys.executable, "-X", "faulthandler", "-m", "aecore.cli.spare"]
        become_process([*command, str(root), str(pipe)], slot.parent / SPARE_LOG, (lock, pipe))
    finally:
        os._exit(127)


# -- asking for one


def request_spare(slots: Path) -> bool:
    """Asks for a spare trainer from now on; returns False where settings forbid them."""
    if not read_limit("spare_minutes"):
        return False
    slots.mkdir(parents=True, exist_ok=True)
    (slots / REQUEST_FILE).touch()
    return True


def read_spare_request(slots: Path) -> float:
    """Returns when a spare trainer was asked for last; 0 where that is too long ago."""
    try:
        asked = (slots / REQUEST_FILE).stat().st_mtime
    except OSError:
        return 0.0
    return asked if time.time() - asked < 60 * read_limit("spare_minutes") else 0.0
