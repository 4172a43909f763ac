"""Processes that work beside the app: starting one, its lock, its log, and ending it.

A lock is a file held with flock, which the system releases however the process ends; the file holds
the process's id.
"""

from __future__ import annotations

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from aecore.files import open_plain_bytes, open_plain_file
from aecore.limits import read_slot_limit

PACKAGE_PARENT = Path(__file__).resolve().parents[2]  # the folder that holds the package aecore
LOCK_POLL_SECONDS = 0.02
LOCK_TRIES, LOCK_RETRY_SECONDS = 20, 0.05
MAX_HOLDER_BYTES, MAX_PID = 40, 2**31
SHARED = b"shared"
MAX_TAIL_BYTES = 64_000  # of a log that are shown
tied_processes: list[subprocess.Popen[bytes]] = []  # their pipes are open while this process lives


@dataclass(frozen=True)
class LockFile:
    """A file that a process keeps locked for as long as it lives, with its process id inside."""

    path: Path

    def is_held(self) -> bool:
        """Returns True while a process holds the lock."""
        try:
            with open_plain_bytes(self.path) as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    def holder(self) -> int | None:
        """Returns the id of the process that holds the lock; None where there is none.

        None as well for a number that no process of a run has: 0 and below mean many.
        """
        if not self.is_held():
            return None
        try:
            pid = int(self.read_words()[0])
        except (OSError, ValueError, IndexError):
            return None
        return pid if 1 < pid < MAX_PID else None

    def is_shared(self) -> bool:
        """Returns True while the process that holds the lock works for others too."""
        try:
            return self.is_held() and self.read_words()[1:] == [SHARED]
        except OSError:
            return False

    def read_words(self) -> list[bytes]:
        """Returns what the file holds: a process id, and SHARED where it works for others too."""
        with open_plain_bytes(self.path) as file:
            return file.read(MAX_HOLDER_BYTES).split()

    def modified(self) -> float:
        """Returns when the lock was last taken or touched, in seconds since 1970; 0 if never."""
        try:
            return self.path.stat().st_mtime
        except OSError:
            return 0.0

    @contextmanager
    def hold(self, wait: bool = False, shared: bool = False) -> Iterator[IO[str]]:
        """Holds the lock, with this process's id in the file; yields the open file.

        `shared` tells that the process works for others too, and is not to end for this lock.
        Waits for ever with `wait`, else raises BlockingIOError where another process keeps it.
        OSError where it is no plain file.
        """
        with open_lock_file(self.path) as file:
            if wait:
                fcntl.flock(file, fcntl.LOCK_EX)
            else:
                _lock_soon(file)
            write_holder(file, os.getpid(), shared)
            yield file

    @contextmanager
    def hold_unnamed(self) -> Iterator[IO[str]]:
        """Holds the lock for a moment, without a process id that somebody could signal.

        Yields the open file. Raises BlockingIOError where another process keeps it.
        """
        with open_lock_file(self.path) as file:
            _lock_soon(file)
            file.truncate(0)
            yield file

    def wait_until_free(self, seconds: float) -> bool:
        """Waits at most `seconds` for the lock to be released; returns whether it is."""
        deadline = time.monotonic() + seconds
        while self.is_held() and time.monotonic() < deadline:
            time.sleep(LOCK_POLL_SECONDS)
        return not self.is_held()

    def signal_holder(self, signum: int) -> None:
        """Sends a signal to the process that holds the lock, if one does."""
        if pid := self.holder():
            signal_process(pid, signum)

    def end_holder(self, seconds: float, signum: int = signal.SIGTERM) -> None:
        """Ends the process that holds the lock; by SIGKILL if `signum` did not within `seconds`."""
        pid = self.holder()
        if not pid:
            return
        signal_process(pid, signum)
        if not self.wait_until_free(seconds):
            signal_process(pid, signal.SIGKILL)


def _lock_soon(file: IO[str]) -> None:
    """Locks a file within a second: `is_held` in another process holds it for a moment."""
    for _ in range(LOCK_TRIES - 1):
        if try_lock(file):
            return
        time.sleep(LOCK_RETRY_SECONDS)
    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)


def open_lock_file(path: Path) -> IO[str]:
    """Opens a lock file for appending, which is made if missing; OSError for no plain file."""
    return os.fdopen(open_plain_file(path, os.O_RDWR | os.O_CREAT | os.O_APPEND), "a+")


def try_lock(file: IO[str] | IO[bytes]) -> bool:
    """Locks an open file exclusively if that is possible at once; returns whether it was."""
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def write_holder(file: IO[str], pid: int, shared: bool = False) -> None:
    """Replaces the content of a lock file, open for appending, by a process id."""
    file.truncate(0)
    file.write(f"{pid} {SHARED.decode()}" if shared else str(pid))
    file.flush()


def signal_process(pid: int, signum: int) -> None:
    """Signals a process, and all it started where it leads a process group of its own."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)
    except ProcessLookupError:
        pass


def start_module(
    module: str,
    *arguments: str,
    log: Path,
    input_text: str = "",
    held_lock: IO[str] | None = None,
    is_bare: bool = False,
    is_tied: bool = False,
) -> int:
    """Starts `python -m module arguments` in a session of its own; returns its process id.

    It outlives this process, and signals to this one do not reach it. Its output is appended to
    `log`; all that it can read is `input_text`. It keeps a `held_lock` for as long as it lives. A
    bare one finds no installed packages, which saves memory. A tied one can tell when this process
    has ended, and is to end then: `child.end_with_starter`.
    """
    descriptor = open_plain_file(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    with os.fdopen(descriptor, "ab") as output:
        process = subprocess.Popen(
            [sys.executable, *(["-S"] if is_bare else []), "-m", module, *arguments],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            env=make_child_environment(),
            pass_fds=[held_lock.fileno()] if held_lock else [],
            start_new_session=True,
        )
    assert process.stdin is not None
    process.stdin.write(input_text.encode())
    if is_tied:
        process.stdin.flush()
        tied_processes[:] = [*(one for one in tied_processes if one.poll() is None), process]
    else:
        process.stdin.close()
    return process.pid


def count_cores() -> int:
    """Returns how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def count_child_threads() -> int:
    """Returns with how many threads a child computes at most: its share of the cores."""
    cores = count_cores()
    # on two cores one is left for the pages
    return 1 if cores <= 2 else max(1, cores // read_slot_limit())


def make_child_environment() -> dict[str, str]:
    """Returns a child's environment: its share of the cores, and no spinning while it waits."""
    path = os.pathsep.join(filter(None, [str(PACKAGE_PARENT), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(count_child_threads()),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": path,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def read_log_tail(log: Path, lines: int = 20) -> list[str]:
    """Returns the last lines of a log, of at most MAX_TAIL_BYTES; none where there is no log."""
    try:
        with open_plain_bytes(log) as file:
            file.seek(max(0, os.fstat(file.fileno()).st_size - MAX_TAIL_BYTES))
            content = file.read(MAX_TAIL_BYTES)
    except OSError:
        return []
    return content.decode("utf-8", "replace").splitlines()[-lines:]
