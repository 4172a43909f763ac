"""This machine: a run is a process in a session of its own, which outlives the page and the app."""

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
    """The backend of this machine. A handle is the run folder, which needs no fetching."""

    def devices(self) -> list[Device]:
        """Returns the fastest device, and where there are several GPUs all of them together."""
        import torch

        from aecore.training.devices import describe_device, pick_device

        label = describe_device(pick_device("auto"))
        devices = [Device("auto", label, f"{read_slot_limit()} at a time")]
        count = torch.cuda.device_count()
        if count > 1:
            detail = "each takes its share of every batch"
            devices.append(Device(f"gpu:{count}", f"{count} GPUs", detail))
        return devices

    def submit(self, run: Run, order: Order | None = None) -> str:
        """Queues the run; there is nothing to order of one's own machine."""
        submit_local(run)
        return str(run.path.resolve())

    def status(self, handle: str) -> JobStatus:
        state = Run(Path(handle)).state()
        return JobStatus("failed" if state.state == "lost" else state.state, state.error)

    def events(self, handle: str, cursor: int) -> tuple[list[dict[str, Any]], int]:
        """Returns the records since `cursor`, which counts them."""
        records = Run(Path(handle)).records()
        return [{"record": record.to_row()} for record in records[cursor:]], len(records)

    def cancel(self, handle: str) -> None:
        Run(Path(handle)).stop()

    def fetch(self, handle: str, folder: Path) -> None:
        """Does nothing: the files are here."""


def submit_local(run: Run, processes: int = 1) -> None:
    """Starts or resumes training as soon as a slot is free; returns at once.

    Raises RunError where the run is being trained.
    """
    if run.state().state == "running":
        raise RunError(f"{run.id} is being trained already. Stop it first, or wait.")
    spawn_for_run(run, "aecore.backends.slots", str(processes))


def spawn_for_run(run: Run, module: str, *arguments: str, input_text: str = "") -> None:
    """Queues the run and starts `python -m module` for it, which takes its lock.

    `input_text` is all that the process can read from its input.
    """
    run.write_state(state="queued", error="", note="", since=time.time())
    start_module(
        module,
        str(run.path.resolve()),
        *arguments,
        log=run.path / LOG_FILE,
        input_text=input_text,
    )
