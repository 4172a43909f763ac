"""Runs and data kept for visitors: their sizes, until when, and sweeping those of the absent.

Things are runs and brought data sets. Swept is what has an owner who was not here for `keep_hours`,
is not published and does not train; never what belongs to the operator or came with the code.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from aecore.errors import AecoreError
from aecore.files import CONFIG_FILE
from aecore.limits import read_limit
from aecore.model.config import RunConfig, TrainConfig
from aecore.runs.listing import is_shipped_run, list_runs
from aecore.runs.ownership import OwnerRecord, read_last_visit, read_owner_record, seen_folder
from aecore.runs.previews import PREVIEW_ROWS, TRACKED_VALUES
from aecore.runs.run import Run
from aecore.runs.state import LIVE_STATES
from aecore.runs.uploads import UploadedData, list_filled_uploads

SWEEP_SECONDS = 600.0
SETTLED_NANOSECONDS = 2 * 10**9  # after which the time of a folder tells its next change
# of one weight on the disk: model.safetensors, and resume.safetensors with the moments of Adam
BYTES_PER_WEIGHT = 4 * (1 + 3)
RECORD_BYTES, SMALL_FILES_BYTES = 300, 200_000  # of an epoch in metrics.jsonl; config, card, log


@dataclass(frozen=True)
class KeptThing:
    """A run or a brought data set, as it lies on the disk."""

    path: Path
    is_run: bool
    record: OwnerRecord

    @property
    def name(self) -> str:
        """The title that its owner gave it, else the run's id or the file's name."""
        return self.record.title or self.given_name

    @property
    def given_name(self) -> str:
        """The run's id, or the name of the file that was brought."""
        return self.path.name if self.is_run else UploadedData(self.path).name

    def is_live(self) -> bool:
        """Returns True for a run that trains or waits for its turn."""
        return self.is_run and Run(self.path).state().state in LIVE_STATES

    def size(self) -> int:
        """Returns its bytes on disk."""
        return measure_folder(self.path)

    def expected_size(self) -> int:
        """Returns its bytes on disk; of a run under way, all that it may yet write."""
        size = self.size()
        if not self.is_live():
            return size
        try:
            return max(size, estimate_run_bytes(Run(self.path).config()))
        except AecoreError:
            return size

    def made_at(self) -> float:
        """Returns when it was made, in seconds since 1970."""
        if self.record.made:
            return self.record.made
        if not self.is_run:
            return UploadedData(self.path).brought_at()
        try:
            return (self.path / CONFIG_FILE).stat().st_mtime
        except OSError:
            return 0.0

    def keep_until(self) -> float:
        """Returns until when it is kept if its owner does not come back, in seconds since 1970."""
        if self.record.published or not self.record.owner:
            return math.inf
        last_use = max(read_last_visit(self.record.owner), self.made_at())
        return last_use + 3600 * read_limit("keep_hours")

    def delete(self) -> None:
        """Removes it. RunError for a run that trains."""
        if self.is_run:
            Run(self.path).delete()
        else:
            UploadedData(self.path).delete()


def open_thing(path: Path, is_run: bool) -> KeptThing:
    """Returns the run or data set in a folder, with its record as it is now."""
    return KeptThing(path, is_run, read_owner_record(path))


def list_things(may_list: Callable[[Path], bool] = lambda path: True) -> list[KeptThing]:
    """Returns the runs and brought sets whose folders `may_list` admits, the newest first."""
    folders = {run.path: True for run in list_runs() if not is_shipped_run(run.path)}
    folders |= {upload.path: False for upload in list_filled_uploads()}
    things = [open_thing(path, is_run) for path, is_run in folders.items() if may_list(path)]
    return sorted(things, key=KeptThing.made_at, reverse=True)


# -- sizes


def estimate_run_bytes(config: RunConfig) -> int:
    """Returns about how many bytes a run writes at most, by its model, previews and epochs."""
    training = config.training or TrainConfig()
    value_bytes = 1 if len(config.model.input_shape) == 3 else 4
    preview = 2 * PREVIEW_ROWS * config.model.features * value_bytes + 2 * TRACKED_VALUES
    return (
        BYTES_PER_WEIGHT * config.model.count_weights()
        + training.previews * preview
        + training.epochs * RECORD_BYTES
        + SMALL_FILES_BYTES
    )


def measure_folder(path: Path | str) -> int:
    """Returns the bytes of the files below a folder; hidden files and links do not count.

    A folder that has not changed is not read again, so that sets of many files cost nothing.
    """
    try:
        changed = os.stat(path).st_mtime_ns
        is_settled = time.time_ns() - changed > SETTLED_NANOSECONDS
        read = sum_folder if is_settled else sum_folder.__wrapped__
        size, folders = read(str(path), changed)
    except OSError:  # deleted a moment ago
        return 0
    return size + sum(map(measure_folder, folders))


@lru_cache(maxsize=20_000)
def sum_folder(path: str, changed: int) -> tuple[int, tuple[str, ...]]:
    """Returns the bytes of the files right in a folder that changed then, and its folders."""
    size, folders = 0, []
    with os.scandir(path) as entries:
        for entry in entries:
            if entry.name.startswith("."):
                continue
            if entry.is_dir(follow_symlinks=False):
                folders.append(entry.path)
            elif entry.is_file(follow_symlinks=False):
                size += entry.stat(follow_symlinks=False).st_size
    return size, tuple(folders)


# -- sweeping


def sweep_absent(now: float | None = None) -> list[KeptThing]:
    """Deletes what owners who stay away did not publish, the oldest first; returns that.

    `now` is in seconds since 1970.
    """
    if math.isinf(read_limit("keep_hours")):
        return []
    now = time.time() if now is None else now
    expired = [thing for thing in list_things() if is_expired(thing, now)]
    swept = [thing for thing in sorted(expired, key=KeptThing.keep_until) if sweep(thing, now)]
    forget_visits(now)
    return swept


def is_expired(thing: KeptThing, now: float) -> bool:
    """Returns True for what may be swept."""
    return thing.keep_until() < now and not thing.is_live()


def sweep(thing: KeptThing, now: float) -> bool:
    """Deletes a thing, unless its owner has come back meanwhile; returns whether it is gone."""
    if not is_expired(open_thing(thing.path, thing.is_run), now):
        return False
    with suppress(AecoreError):
        thing.delete()
    return not thing.path.exists()


def forget_visits(now: float) -> None:
    """Forgets when those were here who own nothing and stay away."""
    owners = {thing.record.owner for thing in list_things()}
    oldest = now - 3600 * read_limit("keep_hours")
    for mark in seen_folder().glob("*"):
        if mark.name not in owners and read_last_visit(mark.name) < oldest:
            mark.unlink(missing_ok=True)


def keep_sweeping() -> None:
    """Sweeps every ten minutes, for ever; for a thread of the server."""
    while True:
        with suppress(OSError):
            sweep_absent()
        time.sleep(SWEEP_SECONDS)
