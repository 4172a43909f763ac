"""The process that sends a run elsewhere and follows it: what the job tells goes into the run folder here.

`python -m aecore.backends.follow RUN`, with the visitor's token, if any, on its input. It holds the run's lock
as the trainer would, so that pages see no difference; told to stop, it stops the job.
"""

from __future__ import annotations

import json
import signal
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

from aecore.backends.base import Backend, JobStatus, Order, Unreachable, read_order
from aecore.backends.package import FileCollector, is_wanted_file
from aecore.backends.registry import BACKEND_LABELS, open_backend
from aecore.errors import AecoreError, RunError
from aecore.files import CONFIG_FILE, METRICS_FILE, WEIGHTS_FILE
from aecore.runs.foreign import copy_files, verify_model_loads
from aecore.runs.previews import is_preview_name, keep_sound_previews
from aecore.runs.records import parse_record
from aecore.runs.run import FINAL_STATES, Run

FOLLOW_SECONDS = 1.0
TOLD_FIELDS = (
    "epoch",
    "epochs",
    "progress",
    "device",
    "note",
)  # of the job's state; how it ended is known at its end
PATIENCE = 60.0  # seconds that a backend may be silent when it is to stop a run


class Follower:
    """Brings one run from its order to its end."""

    def __init__(self, run: Run, order: Order, engine: Backend):
        self.run, self.order, self.engine = run, order, engine
        self.stopped, self.cancelled, self.silent = False, False, 0.0
        self.told: dict[str, Any] = {}  # the last state that the job told
        self.files = FileCollector(run.path)

    def work(self) -> None:
        """Send the run if it was not, then follow it; whatever goes wrong is told in state.json."""
        try:
            if not self.order.handle:
                self.run.write_state(note=f"Sending it to {BACKEND_LABELS[self.order.backend]}")
                self.remember(handle=self.engine.submit(self.run, self.order))
            self.follow()
        except AecoreError as error:
            self.run.write_state(state="failed", error=str(error)[:2000], note="")

    def follow(self) -> None:
        while True:
            try:
                standing = self.look()
                self.silent = 0.0
            except Unreachable as error:
                standing = self.wait_for_answer(error)
            if standing.state in FINAL_STATES:
                self.finish(standing)
                return
            time.sleep(FOLLOW_SECONDS)

    def look(self) -> JobStatus:
        """One look: stop the job if that is wanted, take its news."""
        if self.stopped and not self.cancelled:
            self.run.write_state(note="Stopping")
            self.engine.cancel(self.order.handle)
            self.cancelled = True
        standing = self.engine.status(
            self.order.handle
        )  # before the news, so that the last ones are not missed
        rows, cursor = self.engine.events(self.order.handle, self.order.cursor)
        for row in rows:
            self.apply(row)
        if cursor != self.order.cursor:
            self.remember(cursor=cursor)
        if (
            standing.state == "queued"
            and not self.stopped
            and standing.note != (self.run.state().note)
        ):
            self.run.write_state(note=standing.note[:200])
        return standing

    def wait_for_answer(self, error: Unreachable) -> JobStatus:
        """Go on waiting, unless the run is to stop: then give up after a while."""
        self.silent = self.silent or time.monotonic()
        self.run.write_state(note=f"{error} Trying again."[:200])
        if self.stopped and time.monotonic() - self.silent > PATIENCE:
            return JobStatus("failed", f"{error} The job may still run there.")
        return JobStatus("running")

    def apply(self, row: Mapping[str, Any]) -> None:
        """One thing that the job told; what is not as it should be is left out."""
        if "record" in row and (record := parse_record(json.dumps(row["record"]).encode())):
            self.run.append(record)
        elif "file" in row and is_preview_name(str(row["file"])):
            self.files.add(dict(row))
        elif isinstance(row.get("state"), dict):
            self.told = row["state"]
            kept = {name: self.told[name] for name in TOLD_FIELDS if name in self.told}
            live = {"state": "running"} if self.told.get("state") == "running" else {}
            with suppress(ValueError):
                self.run.write_state(**kept, **live)
            if "log" in row:
                sys.stderr.write(f"{row['log']}\n")

    def finish(self, standing: JobStatus) -> None:
        """Bring the result here, and say how it ended."""
        state = self.told.get("state") if self.told.get("state") in FINAL_STATES else standing.state
        error = (
            str(self.told.get("error") or "") if state == self.told.get("state") else standing.note
        )
        if self.stopped and state == "failed" and not error:
            state = "stopped"
        try:
            self.bring()
        except AecoreError as missing:
            if state == "done":
                state, error = "failed", f"It was trained, but its result did not arrive: {missing}"
        self.run.write_state(state=state, error=error[:2000], note="", progress=0.0)

    def bring(self) -> None:
        """The files of the trained run, checked before they come into the folder."""
        with tempfile.TemporaryDirectory(prefix=".fetch-", dir=self.run.path) as name:
            draft = Path(name)
            self.engine.fetch(self.order.handle, draft)
            if not (draft / WEIGHTS_FILE).is_file():
                raise RunError("The job has sent no model.")
            copy_files(self.run.path, draft, [CONFIG_FILE])
            verify_model_loads(draft, self.run.id)
            keep_sound_previews(draft, self.run.config().model.input_shape)
            for file in sorted(path for path in draft.rglob("*") if path.is_file()):
                inside = file.relative_to(draft).as_posix()
                if is_wanted_file(inside) and inside != METRICS_FILE:  # the records came one by one
                    (self.run.path / inside).parent.mkdir(exist_ok=True)
                    file.replace(self.run.path / inside)

    def remember(self, **changes: Any) -> None:
        self.order = self.order.model_copy(update=changes).write(self.run)


def main(path: Path, token: str) -> int:
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
