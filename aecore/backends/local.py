"""This machine: a run is a process in a session of its own, which outlives the page and the server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

from aecore.backends.slots import limit
from aecore.errors import RunError
from aecore.runs import Run

PROJECT = Path(__file__).resolve().parent.parent.parent


def submit(run: Run) -> None:
    """Start or resume training `run` as soon as a slot is free; returns at once. RunError where it trains already."""
    if run.state().state == "running":
        raise RunError(f"{run.id} is being trained already. Stop it first, or wait.")
    run.write_state(state="queued", error="", since=time.time())
    with open(run.path / "log.txt", "ab") as log:
        subprocess.Popen(
            [sys.executable, "-m", "aecore.backends.slots", str(run.path.resolve())],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=environment(),
            start_new_session=True,  # signals to the server do not reach it
        )


def environment() -> dict[str, str]:
    """The child's environment: its share of the cores, and no spinning while it waits for them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    threads = 1 if cores <= 2 else max(1, cores // limit())  # on two cores one is left for the pages
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {**os.environ, "OMP_NUM_THREADS": str(threads), "OMP_WAIT_POLICY": "PASSIVE", "PYTHONPATH": path}


def log_tail(run: Run, lines: int = 20) -> str:
    """The end of what the process printed, for when it died without a word."""
    try:
        return "\n".join((run.path / "log.txt").read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
