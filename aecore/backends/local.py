"""This machine: a run is a process in a session of its own, which outlives the page and the server."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from aecore.backends.base import Device, JobStatus, Order
from aecore.errors import RunError
from aecore.files import LOG_FILE
from aecore.runs.process import read_slot_limit, start_module
from aecore.runs.run import Run


class Local:
    """The backend of this machine. A handle is the run folder, which needs no fetching: it is here."""

    def devices(self) -> list[Device]:
        """The best device that there is, and where there are several GPUs all of them together."""
        import torch

        from aecore.training.devices import describe_device, pick_device

        found = [
            Device("auto", describe_device(pick_device("auto")), f"{read_slot_limit()} at a time")
        ]
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
        return [{"record": row.to_row()} for row in rows[cursor:]], len(rows)

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
    start_module(
        module,
        str(run.path.resolve()),
        *arguments,
        log=run.path / LOG_FILE,
        input_text=said,
    )
