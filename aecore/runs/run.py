"""The run folder: the one contract between trainer, pages, backends and Hub.

config.json          RunConfig; written first, never changed
state.json           State; replaced in one step
run.lock             locked by the trainer for as long as it lives
metrics.jsonl        one flat record a line; a torn last line is ignored
model.safetensors    the best weights so far
resume.safetensors   weights, optimiser and position at the end of the last whole epoch
previews/            a few test inputs reconstructed, as NNNN.safetensors
README.md            the model card
"""

from __future__ import annotations

import fcntl
import json
import os
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aecore.errors import RunError
from aecore.files import WEIGHTS_FILE, write_text_file
from aecore.model.config import RunConfig
from aecore.model.parts.base import Options
from aecore.model.weights import read_config
from aecore.runs.records import ends_with_newline, parse_record

Status = Literal["queued", "running", "done", "stopped", "failed", "lost"]
LIVE_STATES, FINAL_STATES = ("queued", "running"), ("done", "stopped", "failed")
START_SECONDS = 60  # a queued run may take this long to get its process and its lock


class State(Options):
    """state.json."""

    state: Status = "queued"
    epoch: int = Field(0, ge=0)
    epochs: int = Field(0, ge=0)
    progress: float = Field(0.0, ge=0, le=1)  # of the epoch that is under way
    device: str = Field("", max_length=200)
    note: str = Field("", max_length=200)  # what it is doing before the first epoch
    error: str = Field("", max_length=2000)
    since: float = 0.0  # when it was queued, seconds since 1970


@dataclass(frozen=True)
class Run:
    """A run folder, by its path. Everything it says is read from disk when asked."""

    path: Path

    @property
    def id(self) -> str:
        return self.path.name

    def config(self) -> RunConfig:
        """Raises CheckpointError where config.json is missing or unsound."""
        return read_config(self.path)

    def state(self) -> State:
        """What the folder says; `lost` where it says live but no process holds the lock."""
        state = self.written()
        if state is None:  # a model saved or pulled without a history
            return State(state="done" if self.has_model() else "lost")
        waiting = (
            state.state == "queued"
            and time.time() - max(state.since, self.touched()) < START_SECONDS
        )
        if state.state in LIVE_STATES and not waiting and not self.is_locked():
            if (
                now := self.written()
            ) and now.state in FINAL_STATES:  # it ended between the two looks
                return now
            return state.model_copy(
                update={"state": "lost", "error": "The training process was killed."}
            )
        return state

    def written(self) -> State | None:
        """state.json as it stands; None where it is missing or torn."""
        try:
            return State.model_validate_json((self.path / "state.json").read_text())
        except (OSError, ValueError):
            return None

    def write_state(self, **changes: Any) -> State:
        """Replace state.json with the old one and these changes."""
        state = self.written() or State()
        state = State.model_validate({**state.model_dump(), **changes})
        write_text_file(self.path / "state.json", state.model_dump_json())
        return state

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, or those of one kind: epoch, pretrain or test."""
        try:
            text = (self.path / "metrics.jsonl").read_bytes()
        except OSError:
            return []
        rows = (parse_record(line) for line in text[: text.rfind(b"\n") + 1].splitlines())
        return [
            row for row in rows if row is not None and (kind is None or row.get("kind") == kind)
        ]

    def epochs(self) -> list[dict[str, Any]]:
        """One record for each epoch, in order; an epoch repeated after a resume counts once."""
        rows = (row for row in self.records("epoch") if isinstance(row.get("epoch"), int))
        return list({row["epoch"]: row for row in rows}.values())

    def append(self, record: dict[str, Any]) -> None:
        """Add one line to metrics.jsonl, in one write."""
        line = (json.dumps(record) + "\n").encode()
        with open(self.path / "metrics.jsonl", "a+b") as file:
            if file.tell() and not ends_with_newline(file):
                line = b"\n" + line  # the last writer was killed in mid-line
            file.write(line)

    def test_metrics(self) -> dict[str, float]:
        """What `evaluate` found at the end, without the record's kind; empty before."""
        rows = self.records("test")
        return {name: v for name, v in rows[-1].items() if name != "kind"} if rows else {}

    def previews(self) -> list[tuple[int, Path]]:
        """(epoch, file) of the kept reconstructions, in order."""
        files = (self.path / "previews").glob("[0-9]*.safetensors")
        return sorted((int(p.stem), p) for p in files if p.stem.isdecimal())

    def has_model(self) -> bool:
        return (self.path / WEIGHTS_FILE).is_file()

    def version(self) -> float:
        """Changes when the weights do: a key for caches."""
        try:
            file = (self.path / WEIGHTS_FILE).stat()
            return file.st_mtime + file.st_size  # a copy may keep the time
        except OSError:
            return 0.0

    def touched(self) -> float:
        """When a process last took the lock, or in the queue a slot."""
        try:
            return (self.path / "run.lock").stat().st_mtime
        except OSError:
            return 0.0

    def is_locked(self) -> bool:
        """True while a trainer lives."""
        try:
            with open(self.path / "run.lock", "rb") as file:
                fcntl.flock(file, fcntl.LOCK_SH | fcntl.LOCK_NB)
                return False
        except BlockingIOError:
            return True
        except OSError:
            return False

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the run against other trainers, and as a sign of life; RunError where another process does."""
        with open(self.path / "run.lock", "a+") as file:
            for _ in range(20):  # a reader that tests the lock holds it for a moment
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    time.sleep(0.05)
            else:
                raise RunError(
                    f"{self.id} is being trained by another process. Stop it first: aecore stop {self.id}."
                )
            file.truncate(0)
            file.write(str(os.getpid()))
            file.flush()
            yield

    def pid(self) -> int | None:
        """The trainer's process, while it holds the lock."""
        if not self.is_locked():
            return None
        try:
            return int((self.path / "run.lock").read_text())
        except (OSError, ValueError):
            return None

    def stop(self, wait: float = 15.0) -> None:
        """End the trainer: it keeps its best model. Forcibly after `wait` seconds. Harmless when none runs."""
        if pid := self.pid():
            signal_process(pid, signal.SIGTERM)
            deadline = time.monotonic() + wait
            while self.is_locked() and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.is_locked():
                signal_process(pid, signal.SIGKILL)
        if self.state().state in ("queued", "running", "lost"):  # it had no time to say so itself
            self.write_state(state="stopped", progress=0.0)

    def interrupt(self) -> None:
        """Tell the process that holds the run to end it, and wait for nothing."""
        if pid := self.pid():
            signal_process(pid, signal.SIGTERM)

    def delete(self) -> None:
        """Remove the folder. RunError while it is being trained."""
        if self.is_locked():
            raise RunError(f"{self.id} is being trained. Stop it first.")
        try:
            self.path.unlink() if self.path.is_symlink() else shutil.rmtree(self.path)
        except OSError as error:
            raise RunError(f"{self.id} cannot be deleted: {error.strerror or error}.") from error


def signal_process(pid: int, signum: int) -> None:
    """Signal a trainer, with all it started where it leads a process group of its own."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)
    except ProcessLookupError:
        pass
