"""The run folder: the one contract between trainer, pages, backends and Hub.

config.json          RunConfig; written first, never changed
state.json           State; replaced in one step
run.lock             locked by the trainer for as long as it lives
metrics.jsonl        one flat record a line; a torn last line is ignored
knobs.json           where a page wants the knobs to be while the run trains
model.safetensors    the best weights so far
resume.safetensors   weights, optimiser and position at the end of the last whole epoch
previews/            a few test inputs reconstructed, as NNNNN.safetensors
maps/                slow maps of the codes, for the Latent page
README.md            the model card
log.txt              what the trainer's process printed
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from aecore.errors import RunError
from aecore.files import (
    CONFIG_FILE,
    LOCK_FILE,
    LOG_FILE,
    METRICS_FILE,
    STATE_FILE,
    STOP_FILE,
    WEIGHTS_FILE,
    is_plain_file,
    open_plain_file,
    read_plain_text,
    write_text_file,
)
from aecore.model.config_file import ConfigNames, read_config_names
from aecore.runs.drafts import DELETE_DRAFT, open_draft_folder, remove_dead_files
from aecore.runs.file_cache import FileCache
from aecore.runs.process import LockFile, read_log_tail
from aecore.runs.record_file import read_records
from aecore.runs.records import (
    EpochRecord,
    KnobRecord,
    MetricsRecord,
    PretrainRecord,
    PriorRecord,
    Record,
    encode_record,
    ends_with_newline,
)
from aecore.runs.state import FINAL_STATES, LIVE_STATES, State

if TYPE_CHECKING:
    from aecore.model.config import RunConfig

START_SECONDS = 60  # a run that is begun without the queue may take this long to get its lock
STOP_TRIES = 3
BUSY = "is being trained already, by another process. Stop it first, or wait."


def _parse_state(path: Path) -> State:
    return State.model_validate_json(read_plain_text(path))


def _parse_config(path: Path) -> RunConfig:
    from aecore.model.weights import read_config  # it imports torch, which lists of runs do without

    return read_config(path.parent)


_configs = FileCache(_parse_config)
_states = FileCache(_parse_state)


@dataclass(frozen=True)
class Run:
    """A run folder, by its path. Everything it says is what the disk holds when asked."""

    path: Path

    @property
    def id(self) -> str:
        """The folder's name."""
        return self.path.name

    def config(self) -> RunConfig:
        """Reads config.json; CheckpointError where it is missing or unsound."""
        try:
            return _configs.read(self.path / CONFIG_FILE)
        except OSError:
            return _parse_config(self.path / CONFIG_FILE)  # says what is wrong

    def names(self) -> ConfigNames:
        """Reads variant, data and sweep in config.json, without torch and without checking more.

        CheckpointError where they are not there.
        """
        return read_config_names(self.path)

    # -- its state

    def state(self) -> State:
        """Returns the state; `lost` where the folder says live but no process holds the lock."""
        state = self.saved_state()
        if state is None:  # a model saved or pulled without a history
            return State(state="done" if self.has_model() else "lost")
        if state.state not in LIVE_STATES or self._may_be_starting(state) or self.is_locked():
            return state
        latest = self.saved_state()
        if latest and latest.state in FINAL_STATES:  # it ended between the two looks
            return latest
        return state.model_copy(
            update={"state": "lost", "error": "The training process was killed."}
        )

    def saved_state(self) -> State | None:
        """Reads state.json as it stands; None where it is missing or torn."""
        try:
            return _states.read(self.path / STATE_FILE)
        except (OSError, ValueError):
            return None

    def write_state(self, **changes: Any) -> State:
        """Replaces state.json by the old one with these changes."""
        state = self.saved_state() or State()
        state = State.model_validate({**state.model_dump(), **changes})
        write_text_file(self.path / STATE_FILE, state.model_dump_json())
        return state

    def _may_be_starting(self, state: State) -> bool:
        """Returns whether a queued run may yet get its process and its lock."""
        if state.state != "queued":
            return False
        if state.processes:  # it is in the queue, where it may wait for ever
            return True
        return time.time() - max(state.since, self._lock_file.modified()) < START_SECONDS

    # -- its records and files

    def records(self) -> list[Record]:
        """Reads metrics.jsonl, in the order in which it was written, within MAX_RECORDS."""
        return read_records(self.path / METRICS_FILE)

    def epochs(self) -> list[EpochRecord]:
        """Returns one record for each epoch, in order; one repeated after a resume counts once."""
        by_epoch = {
            record.epoch: record
            for record in self.records()
            if isinstance(record, EpochRecord) and record.epoch is not None
        }
        return list(by_epoch.values())

    def pretraining(self) -> list[PretrainRecord]:
        """Returns the records of the layer-wise pretraining, in order."""
        return [record for record in self.records() if isinstance(record, PretrainRecord)]

    def prior_epochs(self) -> list[PriorRecord]:
        """Returns the records of the prior's epochs, in order; a repeated one counts once."""
        records = [record for record in self.records() if isinstance(record, PriorRecord)]
        return list({record.epoch: record for record in records}.values())

    def knob_moves(self) -> list[KnobRecord]:
        """Returns the knobs that were moved while the run trained, in the order of its steps."""
        moves = [record for record in self.records() if isinstance(record, KnobRecord)]
        return sorted(moves, key=lambda move: (move.epoch, move.step))

    def test_metrics(self) -> dict[str, float]:
        """Returns the metrics of the best weights on the test set; empty before the run is done."""
        rows = [record for record in self.records() if isinstance(record, MetricsRecord)]
        return dict(rows[-1].metrics) if rows else {}

    def append(self, record: Record) -> None:
        """Adds one line to metrics.jsonl, in one write; OSError where that is no plain file."""
        line = encode_record(record)
        flags = os.O_RDWR | os.O_CREAT | os.O_APPEND
        with os.fdopen(open_plain_file(self.path / METRICS_FILE, flags), "a+b") as file:
            if file.tell() and not ends_with_newline(file):
                line = b"\n" + line  # the last writer was killed in mid-line
            file.write(line)

    def previews(self) -> list[tuple[int, Path]]:
        """Returns (epoch, file) of each preview, in order."""
        from aecore.runs.previews import list_previews

        return list_previews(self.path)

    def log_tail(self, lines: int = 20) -> str:
        """Returns the end of what the trainer's process printed."""
        return "\n".join(read_log_tail(self.path / LOG_FILE, lines))

    def has_model(self) -> bool:
        """Returns whether there are weights."""
        return is_plain_file(self.path / WEIGHTS_FILE)

    def version(self) -> float:
        """Returns a number that changes when the weights do: a key for caches."""
        try:
            file = (self.path / WEIGHTS_FILE).stat()
            return file.st_mtime + file.st_size  # a copy may keep the time
        except OSError:
            return 0.0

    # -- its process

    @property
    def _lock_file(self) -> LockFile:
        return LockFile(self.path / LOCK_FILE)

    def is_locked(self) -> bool:
        """Returns True while a trainer lives."""
        return self._lock_file.is_held()

    @contextmanager
    def lock(self, queued: bool = False, shared: bool = False) -> Iterator[None]:
        """Holds the run against other trainers, as a sign of life; `shared` where others train too.

        RunError where one holds it, or nothing can be written; with `queued`, too, where it was
        stopped on its way from the queue.
        """
        with ExitStack() as stack:
            self._enter_lock(stack, self._lock_file.hold(shared=shared))
            remove_dead_files(self.path)  # of a trainer that was killed while it wrote
            state = self.saved_state()
            if queued and state is not None and state.state == "stopped":
                raise RunError(f"{self.id} was stopped before it began.")
            yield

    @contextmanager
    def keep_idle(self) -> Iterator[None]:
        """Keeps trainers away for a moment in which the run is changed; RunError as from `lock`.

        A trainer that is about to begin waits for the end, and then sees what was changed.
        """
        if self.pid() is not None:
            raise RunError(f"{self.id} {BUSY}")
        with ExitStack() as stack:
            self._enter_lock(stack, self._lock_file.hold_unnamed())
            yield

    def _enter_lock(self, stack: ExitStack, hold: AbstractContextManager[IO[str]]) -> None:
        """Takes the lock until the stack is closed; RunError says why that cannot be."""
        try:
            stack.enter_context(hold)
        except BlockingIOError as error:
            raise RunError(f"{self.id} {BUSY}") from error
        except FileNotFoundError as error:
            raise RunError(f"{self.id} is not there any more. Was it deleted?") from error
        except OSError as error:
            raise RunError(
                f"{self.id} cannot be locked: {error.strerror or error}. "
                f"Is {LOCK_FILE} a plain file that may be written?"
            ) from error

    def pid(self) -> int | None:
        """Returns the id of the trainer's process, while it holds the lock."""
        return self._lock_file.holder()

    def stop(self, wait: float = 15.0) -> None:
        """Ends the trainer, if any, which keeps its best model; forcibly after `wait` seconds.

        One that trains other runs too is asked alone; RunError where it has not answered yet.
        """
        for _ in range(STOP_TRIES):
            if self._lock_file.is_shared():  # with runs that are to go on
                (self.path / STOP_FILE).touch()
                self._lock_file.wait_until_free(wait)
            else:
                self._lock_file.end_holder(wait)
            if self.state().state in FINAL_STATES:
                return
            with suppress(RunError), self.keep_idle():  # else its trainer has just begun
                self.write_state(state="stopped", progress=0.0)
                return
        if self._lock_file.is_shared():
            raise RunError(f"{self.id} will stop soon: its process is busy with a run beside it.")
        raise RunError(f"{self.id} cannot be stopped. Was it deleted? Else try again.")

    def interrupt(self) -> None:
        """Tells the process that holds the run to end it, without waiting."""
        self._lock_file.signal_holder(signal.SIGTERM)

    def delete(self) -> None:
        """Removes the folder in one step, then its files. RunError while it is being trained."""
        lock = self.path / LOCK_FILE
        try:
            if os.path.lexists(lock) and not is_plain_file(lock, follow_link=False):
                lock.unlink()  # nobody can hold it
            with self.keep_idle():
                if self.path.is_symlink():
                    self.path.unlink()
                    return
                with open_draft_folder(DELETE_DRAFT, self.path.parent) as draft:
                    os.rename(self.path, draft / "run")  # deeper than listings of runs look
        except OSError as error:
            raise RunError(f"{self.id} cannot be deleted: {error.strerror or error}.") from error
