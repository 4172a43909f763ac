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
import re
import secrets
import shutil
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from aecore.config import RunConfig, TrainConfig
from aecore.errors import CheckpointError, RunError
from aecore.parts.base import Options
from aecore.weights import CONFIG, MODEL, read_config, write_text

Status = Literal["queued", "running", "done", "stopped", "failed", "lost"]
LIVE, FINAL = ("queued", "running"), ("done", "stopped", "failed")
START_SECONDS = 60  # a queued run may take this long to get its process and its lock
SHIPPED_DATA = ("mnist-", "breast-cancer-", "swiss-roll-", "s-curve-", "circles-")  # as in .gitignore
SHIPPED = Path(__file__).resolve().parent.parent / "checkpoints"


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
        waiting = state.state == "queued" and time.time() - max(state.since, self.touched()) < START_SECONDS
        if state.state in LIVE and not waiting and not self.is_locked():
            if (now := self.written()) and now.state in FINAL:  # it ended between the two looks
                return now
            return state.model_copy(update={"state": "lost", "error": "The training process was killed."})
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
        write_text(self.path / "state.json", state.model_dump_json())
        return state

    def records(self, kind: str | None = None) -> list[dict[str, Any]]:
        """The lines of metrics.jsonl, or those of one kind: epoch, pretrain or test."""
        try:
            text = (self.path / "metrics.jsonl").read_bytes()
        except OSError:
            return []
        rows = (parse_line(line) for line in text[: text.rfind(b"\n") + 1].splitlines())
        return [row for row in rows if row is not None and (kind is None or row.get("kind") == kind)]

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
        return (self.path / MODEL).is_file()

    def version(self) -> float:
        """Changes when the weights do: a key for caches."""
        try:
            file = (self.path / MODEL).stat()
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
                raise RunError(f"{self.id} is being trained by another process. Stop it first: aecore stop {self.id}.")
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
            kill(pid, signal.SIGTERM)
            deadline = time.monotonic() + wait
            while self.is_locked() and time.monotonic() < deadline:
                time.sleep(0.05)
            if self.is_locked():
                kill(pid, signal.SIGKILL)
        if self.state().state in ("queued", "running", "lost"):  # it had no time to say so itself
            self.write_state(state="stopped", progress=0.0)

    def interrupt(self) -> None:
        """Tell the process that holds the run to end it, and wait for nothing."""
        if pid := self.pid():
            kill(pid, signal.SIGTERM)

    def delete(self) -> None:
        """Remove the folder. RunError while it is being trained."""
        if self.is_locked():
            raise RunError(f"{self.id} is being trained. Stop it first.")
        try:
            self.path.unlink() if self.path.is_symlink() else shutil.rmtree(self.path)
        except OSError as error:
            raise RunError(f"{self.id} cannot be deleted: {error.strerror or error}.") from error


def root() -> Path:
    """Where runs live: $AECORE_RUNS, or checkpoints/ in the current folder."""
    return Path(os.environ.get("AECORE_RUNS", "checkpoints"))


def create(config: RunConfig, folder: Path | None = None) -> Run:
    """A new run folder, queued. RunError where `folder` is taken."""
    path = folder or root() / new_id(config)
    try:
        path.mkdir(parents=True, exist_ok=False)
    except FileExistsError as error:
        if folder is None and path.is_dir():  # many runs of one minute may draw the same letters
            return create(config)
        raise RunError(f"{path} exists already. Choose another folder, or resume that run.") from error
    except OSError as error:
        raise RunError(f"{path} cannot be made: {error.strerror}. Choose another folder.") from error
    write_text(path / CONFIG, config.model_dump_json(indent=2) + "\n")
    run = Run(path)
    epochs = (config.training or TrainConfig()).epochs
    run.write_state(state="queued", epochs=epochs, since=time.time())
    return run


def shared(config: RunConfig, folder: Path | None, first: bool) -> Run:
    """The run that several processes train in `folder`; the first of them makes it where it is not there yet.

    RunError where there is no folder that all of them know, or where it holds another run.
    """
    if folder is None:
        raise RunError("Several processes need one folder to meet in. Give it with --out.")
    if first and not (folder / CONFIG).is_file():
        create(config, folder)
    deadline = time.monotonic() + START_SECONDS
    while not (folder / CONFIG).is_file() and time.monotonic() < deadline:
        time.sleep(0.1)
    if (run := Run(folder)).config() != config:
        raise RunError(f"{folder} holds a run of other settings. Choose another folder.")
    return run


def new_id(config: RunConfig) -> str:
    """When, what, on which data, and four letters against collisions: 1122-2105-vae-digits-3fa9."""
    data = re.sub(r"[^a-z0-9]+", "-", Path(config.data.name if config.data else "model").stem.lower())[:24].strip("-")
    return f"{datetime.now():%m%d-%H%M}-{config.model.variant}-{data}-{secrets.token_hex(2)}"


def find(name: str | Path) -> Run:
    """The run of that id or folder; RunError lists what there is."""
    for path in (Path(name), root() / name, SHIPPED / name):
        with suppress(OSError):  # a name too long for a file
            if (path / CONFIG).is_file():
                return Run(path)
    known = ", ".join(run.id for run in list_runs()[:8]) or "none yet"
    raise RunError(f"There is no run {str(name)[:80]!r} in {root()}. Known: {known}.")


def list_runs() -> list[Run]:
    """Every run folder: the user's newest first, then the shipped ones by name, each name once."""
    own = sorted(folders(root()), key=created, reverse=True)
    shipped = sorted((p for p in folders(SHIPPED) if is_shipped(p)), key=shipped_order)
    own = [p for p in own if p.resolve() not in {s.resolve() for s in shipped}]
    taken = {p.name for p in own}
    return [Run(path) for path in [*own, *(p for p in shipped if p.name not in taken)]]


def folders(parent: Path) -> list[Path]:
    return [p.parent for p in parent.glob(f"*/{CONFIG}")] if parent.is_dir() else []


def created(path: Path) -> float:
    try:
        return (path / CONFIG).stat().st_mtime
    except OSError:  # deleted a moment ago
        return 0.0


def is_shipped(path: Path) -> bool:
    """Shipped runs come with the code; their names begin with what they were trained on."""
    return path.parent.resolve() == SHIPPED and path.name.startswith(SHIPPED_DATA)


def shipped_order(path: Path) -> tuple[int, str]:
    return next(i for i, data in enumerate(SHIPPED_DATA) if path.name.startswith(data)), path.name


def parse_line(line: bytes) -> dict[str, Any] | None:
    """One record: a kind and finite numbers; None for a line that was torn or that no trainer wrote."""
    try:
        row = json.loads(line) if len(line) < 10_000 else None
    except (ValueError, RecursionError):
        return None
    if not isinstance(row, dict) or row.get("kind") not in ("epoch", "pretrain", "test"):
        return None
    numbers = (value for name, value in row.items() if name != "kind")
    return row if all(type(v) in (int, float) and abs(v) < 1e300 for v in numbers) else None  # a NaN is not either


def ends_with_newline(file: Any) -> bool:
    file.seek(-1, os.SEEK_END)
    return file.read(1) == b"\n"


def kill(pid: int, signum: int) -> None:
    """Signal a trainer, with all it started where it leads a process group of its own."""
    try:
        if os.getpgid(pid) == pid:
            os.killpg(pid, signum)
        else:
            os.kill(pid, signum)
    except ProcessLookupError:
        pass


def readable(run: Run) -> bool:
    """Whether the run's config is sound, so that listings can go past one that is not."""
    try:
        run.config()
    except CheckpointError:
        return False
    return True


def safe_name(text: str) -> str:
    """A run id from an address, as it may come from a stranger: a name, never a path."""
    if text != Path(text).name or text.startswith("."):
        raise RunError(f"{text[:80]!r} is no run id.")
    return text
