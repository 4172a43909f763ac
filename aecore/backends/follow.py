"""The process that sends a run elsewhere and follows it: the job's news go into its folder here.

`python -m aecore.backends.follow RUN`, with the visitor's token, if any, on its input. It holds the
run's lock as the trainer would, so that pages see no difference; told to stop, it stops the job.
"""

from __future__ import annotations

import json
import signal
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aecore.backends.base import Backend, JobStatus, Order, Unreachable
from aecore.backends.launch import read_order
from aecore.backends.package import FileCollector, is_wanted_file
from aecore.backends.registry import BACKENDS, open_backend
from aecore.errors import AecoreError, RunError
from aecore.files import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE, make_plain_folder
from aecore.runs.drafts import FETCH_DRAFT, open_draft_folder
from aecore.runs.foreign import copy_files, verify_model_loads
from aecore.runs.previews import is_preview_name, keep_sound_previews
from aecore.runs.records import parse_record
from aecore.runs.run import Run
from aecore.runs.state import FINAL_STATES

FOLLOW_SECONDS = 1.0
# fields of the job's state that are taken over; how it ended is known at its end
FOLLOWED_FIELDS = ("epoch", "epochs", "progress", "device", "note")
PATIENCE = 60.0  # seconds that a backend may be silent when it is to stop a run


class Follower:
    """Brings one run from its order to its end."""

    def __init__(self, run: Run, order: Order, backend: Backend):
        self.run, self.order, self.backend = run, order, backend
        self.stopped, self.cancelled = False, False
        self.silent_since = 0.0  # by the monotonic clock; 0 while the backend answers
        self.job_state: dict[str, Any] = {}  # the last one that the job reported
        self.files = FileCollector(run.path)

    def work(self) -> None:
        """Sends the run if it was not, then follows it; writes what goes wrong to state.json."""
        try:
            if not self.order.handle:
                label = BACKENDS[self.order.backend].label
                self.run.write_state(note=f"Sending it to {label}")
                self.update_order(handle=self.backend.submit(self.run, self.order))
            self.follow()
        except AecoreError as error:
            self.run.write_state(state="failed", error=str(error)[:2000], note="")

    def follow(self) -> None:
        """Looks at the job once a second until it has ended."""
        while True:
            try:
                status = self.look()
                self.silent_since = 0.0
            except Unreachable as error:
                status = self.wait_for_answer(error)
            if status.state in FINAL_STATES:
                self.finish(status)
                return
            time.sleep(FOLLOW_SECONDS)

    def look(self) -> JobStatus:
        """Looks once: stops the job where that is asked for, and takes its news."""
        if self.stopped and not self.cancelled:
            self.run.write_state(note="Stopping")
            self.backend.cancel(self.order.handle)
            self.cancelled = True
        # the status before the news, so that the last ones are not missed
        status = self.backend.status(self.order.handle)
        rows, cursor = self.backend.events(self.order.handle, self.order.cursor)
        for row in rows:
            self.apply_news(row)
        if cursor != self.order.cursor:
            self.update_order(cursor=cursor)
        is_waiting = status.state == "queued" and not self.stopped
        if is_waiting and status.note != self.run.state().note:
            self.run.write_state(note=status.note[:200])
        return status

    def wait_for_answer(self, error: Unreachable) -> JobStatus:
        """Goes on waiting, unless the run is to stop: then gives up after a while."""
        self.silent_since = self.silent_since or time.monotonic()
        self.run.write_state(note=f"{error} Trying again."[:200])
        if self.stopped and time.monotonic() - self.silent_since > PATIENCE:
            return JobStatus("failed", f"{error} The job may still run there.")
        return JobStatus("running")

    def apply_news(self, row: Mapping[str, Any]) -> None:
        """Writes one report of the job into the run folder; leaves out what is not sound."""
        if "record" in row:
            record = parse_record(json.dumps(row["record"]).encode())
            if record is not None:
                self.run.append(record)
        elif "file" in row:
            if is_preview_name(str(row["file"])):
                self.files.add(dict(row))
        elif isinstance(row.get("state"), dict):
            self.apply_job_state(row["state"])
            if "log" in row:
                sys.stderr.write(f"{row['log']}\n")

    def apply_job_state(self, state: dict[str, Any]) -> None:
        self.job_state = state
        changes = {name: state[name] for name in FOLLOWED_FIELDS if name in state}
        if state.get("state") == "running":
            changes["state"] = "running"
        with suppress(ValueError):
            self.run.write_state(**changes)

    def finish(self, status: JobStatus) -> None:
        """Brings the result here, and writes how the run ended."""
        state, error = self.resolve_end(status)
        try:
            self.bring_result()
        except AecoreError as missing:
            if state == "done":
                state = "failed"
                error = f"It was trained, but its result did not arrive: {missing}"
        self.run.write_state(state=state, error=error[:2000], note="", progress=0.0)

    def resolve_end(self, status: JobStatus) -> tuple[str, str]:
        """Returns the final state and the error, by the job's own report where there is one."""
        reported = self.job_state.get("state")
        if reported in FINAL_STATES:
            state, error = str(reported), str(self.job_state.get("error") or "")
        else:
            state, error = status.state, status.note
        if self.stopped and state == "failed" and not error:
            state = "stopped"
        return state, error

    def bring_result(self) -> None:
        """Moves the files of the trained run into its folder, once they are checked."""
        with open_draft_folder(FETCH_DRAFT, self.run.path) as draft:
            self.backend.fetch(self.order.handle, draft)
            if not (draft / WEIGHTS_FILE).is_file():
                raise RunError("The job has sent no model. Resume the run to train it again.")
            copy_files(self.run.path, draft, [CONFIG_FILE])
            verify_model_loads(draft, self.run.id)
            keep_sound_previews(draft, self.run.config().model.input_shape)
            for file in sorted(path for path in draft.rglob("*") if path.is_file()):
                inside = file.relative_to(draft).as_posix()
                if is_wanted_file(inside) and inside != METRICS_FILE:  # its lines came one by one
                    if (folder := (self.run.path / inside).parent) != self.run.path:
                        make_plain_folder(folder)
                    file.replace(self.run.path / inside)

    def update_order(self, **changes: Any) -> None:
        self.order = self.order.model_copy(update=changes).write(self.run)


def main(path: Path, token: str) -> int:
    """Holds the run's lock and follows it to its end; returns the exit status."""
    run = Run(path)
    with run.lock():
        order = read_order(run)
        if order is None:
            return 1
        follower = Follower(run, order, open_backend(order.backend, token or False))
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, lambda *_: setattr(follower, "stopped", True))
        follower.work()
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1]), sys.stdin.read()))
