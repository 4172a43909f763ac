"""This machine: a run is a process in a session of its own, which outlives the page and the app."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from aecore.backends.base import Device, JobStatus, Order
from aecore.backends.spare import request_spare
from aecore.backends.waiting import SLOTS_FOLDER, SUPERVISOR_LOCK, list_waiting
from aecore.files import LOG_FILE, REMOTE_FILE
from aecore.limits import read_slot_limit
from aecore.runs.listing import runs_folder
from aecore.runs.process import LockFile, count_child_threads, start_module
from aecore.runs.run import Run


class Local:
    """The backend of this machine. A handle is the run folder, which needs no fetching."""

    def devices(self) -> list[Device]:
        """Returns the fastest device, and where there are several GPUs all of them together."""
        import torch

        from aecore.training.devices import describe_device, pick_device

        label = describe_device(pick_device("auto"), count_child_threads())
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
    """Queues the run, which starts or resumes as soon as a slot is free; returns at once.

    RunError where the run is being trained. One that waits already keeps its place.
    """
    with run.keep_idle():
        state = run.saved_state()
        if state is None or state.state != "queued" or not state.processes:
            (run.path / REMOTE_FILE).unlink(missing_ok=True)  # from now on it is here
            write_queued(run, processes)
    wake_supervisor(run.path.parent.resolve())


def submit_together(runs: Sequence[Run]) -> None:
    """Queues runs of one shape, which one process trains as soon as a slot is free.

    RunError where one of them is being trained; those before it are queued.
    """
    for run in runs:
        with run.keep_idle():
            (run.path / REMOTE_FILE).unlink(missing_ok=True)
            write_queued(run, 1, together=runs[0].id)
    wake_supervisor(runs[0].path.parent.resolve())


def write_queued(run: Run, processes: int = 0, together: str = "") -> None:
    """Writes that a run waits: for a number of processes in the queue of this machine, or not.

    `together` is the first of the runs that one process is to train, if there are others.
    """
    run.write_state(
        state="queued",
        error="",
        note="",
        since=time.time(),
        processes=processes,
        together=together,
    )


def continue_queue(folder: Path | None = None) -> None:
    """Starts the supervisor of a folder of runs where runs wait and none lives.

    That is so after a kill, or after a restart of the machine.
    """
    folder = (folder or runs_folder()).resolve()
    if folder.is_dir() and not open_supervisor_lock(folder).is_held() and list_waiting(folder):
        start_supervisor(folder)


def expect_run(folder: Path | None = None) -> None:
    """Keeps a trainer ready for a few minutes: a run is about to be started, perhaps.

    Nothing is ready where files cannot be written, which the start of a run will tell.
    """
    folder = (folder or runs_folder()).resolve()
    with suppress(OSError):
        if request_spare(folder / SLOTS_FOLDER) and not open_supervisor_lock(folder).is_held():
            start_supervisor(folder)


def wake_supervisor(folder: Path) -> None:
    """Tells the supervisor of a folder that a run was queued; starts one where none lives."""
    lock = open_supervisor_lock(folder)
    if lock.is_held():
        now = time.time_ns()
        os.utime(lock.path, ns=(now, now))
    else:
        start_supervisor(folder)


def start_supervisor(folder: Path) -> None:
    """Starts a supervisor, which inherits its lock; none where somebody else was quicker."""
    slots = folder / SLOTS_FOLDER
    slots.mkdir(exist_ok=True)
    with suppress(BlockingIOError), open_supervisor_lock(folder).hold_unnamed() as lock:
        start_module(
            "aecore.backends.supervisor",
            str(folder),
            str(lock.fileno()),
            log=slots / "supervisor.log",
            held_lock=lock,
            is_bare=True,
        )


def open_supervisor_lock(folder: Path) -> LockFile:
    """Returns the lock that the supervisor of a folder of runs holds for as long as it lives."""
    return LockFile(folder / SLOTS_FOLDER / SUPERVISOR_LOCK)


def spawn_for_run(run: Run, module: str, *arguments: str, input_text: str = "") -> None:
    """Writes that the run waits, and starts `python -m module` for it, which takes its lock.

    `input_text` is all that the process can read from its input.
    """
    write_queued(run)
    start_module(
        module,
        str(run.path.resolve()),
        *arguments,
        log=run.path / LOG_FILE,
        input_text=input_text,
    )
