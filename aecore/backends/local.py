"""This machine: a run is a process in a session of its own, which outlives the page and the server."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from aecore.backends.base import Device, JobStatus, Order
from aecore.backends.slots import slot_limit
from aecore.errors import RunError
from aecore.runs.run import Run

PROJECT = Path(__file__).resolve().parent.parent.parent


class Local:
    """The backend of this machine. A handle is the run folder, which needs no fetching: it is here."""

    def devices(self) -> list[Device]:
        """The best device that there is, and where there are several GPUs all of them together."""
        import torch

        from aecore.training.devices import describe_device, pick_device

        found = [Device("auto", describe_device(pick_device("auto")), f"{slot_limit()} at a time")]
        if (count := torch.cuda.device_count()) > 1:
            found.append(
                Device(f"gpu:{count}", f"{count} GPUs", "each takes its share of every batch")
            )
        return found

    def submit(self, run: Run, order: Order | None = None) -> str:
        submit_local(run)
        return str(run.path.resolve())

    def status(self, handle: str) -> JobStatus:
        state = Run(Path(handle)).state()
        return JobStatus("failed" if state.state == "lost" else state.state, state.error)

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        rows = Run(Path(handle)).records()
        return [{"record": row} for row in rows[cursor:]], len(rows)

    def cancel(self, handle: str) -> None:
        Run(Path(handle)).stop()

    def fetch(self, handle: str, folder: Path) -> None:
        """Nothing to do."""


def submit_local(run: Run, processes: int = 1) -> None:
    """Start or resume training as soon as a slot is free; returns at once. RunError where it trains already."""
    if run.state().state == "running":
        raise RunError(f"{run.id} is being trained already. Stop it first, or wait.")
    spawn_for_run(run, "aecore.backends.slots", str(processes))


def spawn_for_run(run: Run, module: str, *arguments: str, said: str = "") -> None:
    """Queue the run and start `module` for it, which takes its lock. `said` is all that it can read from its input."""
    run.write_state(state="queued", error="", note="", since=time.time())
    with open(run.path / "log.txt", "ab") as log:
        process = subprocess.Popen(
            [sys.executable, "-m", module, str(run.path.resolve()), *arguments],
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env=child_environment(),
            start_new_session=True,  # signals to the server do not reach it
        )
    assert process.stdin is not None
    with process.stdin as pipe:
        pipe.write(said.encode())


def child_environment() -> dict[str, str]:
    """The child's environment: its share of the cores, and no spinning while it waits for them."""
    cores = (
        len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    )
    threads = (
        1 if cores <= 2 else max(1, cores // slot_limit())
    )  # on two cores one is left for the pages
    path = os.pathsep.join(filter(None, [str(PROJECT), os.environ.get("PYTHONPATH", "")]))
    return {
        **os.environ,
        "OMP_NUM_THREADS": str(threads),
        "OMP_WAIT_POLICY": "PASSIVE",
        "PYTHONPATH": path,
        "HF_HUB_DISABLE_PROGRESS_BARS": "1",
    }


def read_log_tail(run: Run, lines: int = 20) -> str:
    """The end of what the process printed, for when it died without a word."""
    try:
        return "\n".join((run.path / "log.txt").read_text(errors="replace").splitlines()[-lines:])
    except OSError:
        return ""
