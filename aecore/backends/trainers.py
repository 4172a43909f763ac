"""Trainers as processes: their commands, their limits, and becoming one.

The standard library alone is used: the supervisor is to stay small.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NoReturn

from aecore.files import LOG_FILE, open_plain_file
from aecore.limits import read_limit

NO_LIMIT = 1e7  # minutes or gigabytes from which on there is none
# without it, ranks that are started again look for the address of the dead ones
RESTARTS = {"TORCH_DISABLE_SHARE_RDZV_TCP_STORE": "1"}
TORCHRUN = ["-m", "torch.distributed.run", "--standalone", "--max-restarts", "2"]


def become_trainer(path: Path, processes: int, slot: int) -> NoReturn:
    """Executes the trainer of a run in this process, in a session of its own."""
    try:
        limit_run_resources()
        limit_run_minutes()
        become_process(trainer_command(path, processes), path / LOG_FILE, (slot,))
    finally:
        os._exit(127)


def become_process(command: Sequence[str], log: Path, kept: Sequence[int]) -> NoReturn:
    """Executes a command in this process, in a session of its own, with these files kept open."""
    os.setsid()
    take_output(log)
    for number in kept:
        os.set_inheritable(number, True)
    os.environ.update(RESTARTS)
    os.execv(command[0], list(command))


def take_output(log: Path) -> None:
    """Appends what this process prints to a log from now on; it can read nothing."""
    null = os.open(os.devnull, os.O_RDONLY)
    output = open_plain_file(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for number, file in enumerate((null, output, output)):
        os.dup2(file, number)


def trainer_command(path: Path, processes: int) -> list[str]:
    """Returns the command that trains a run: one process, or several under torchrun.

    torchrun starts all of them again where one dies.
    """
    torchrun = [*TORCHRUN, "--nproc-per-node", str(processes)] if processes > 1 else []
    resume = ["-m", "aecore", "resume", str(path), "--queued"]
    return [sys.executable, "-X", "faulthandler", *torchrun, *resume]


def limit_run_resources() -> None:
    """Sets the memory and the niceness of a run, which what this process executes inherits."""
    gigabytes = read_limit("run_memory_gb")
    if 0 < gigabytes < NO_LIMIT:
        size = int(gigabytes * 1e9)
        # of data, not of addresses: torch reserves more addresses than it uses
        resource.setrlimit(resource.RLIMIT_DATA, (size, size))
    os.nice(int(min(read_limit("run_nice"), 19)))


def limit_run_minutes() -> None:
    """Sets the minutes of a run, from now on; the trainer takes their end as a request to stop."""
    minutes = read_limit("run_minutes")
    if 0 < minutes < NO_LIMIT:
        signal.alarm(max(1, round(minutes * 60)))
