"""Folders and files in the making: each is locked by its process, and goes with it.

Whoever is killed leaves drafts. They are removed at the next start of a server, and by the next
process that makes one of their kind: a draft whose lock is free is nobody's.
"""

from __future__ import annotations

import fcntl
import os
import re
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO

from aecore.files import open_plain_file
from aecore.runs.process import open_lock_file, try_lock

PULL_DRAFT, DELETE_DRAFT, FETCH_DRAFT = ".pull-", ".delete-", ".fetch-"
RUN_DRAFTS = (PULL_DRAFT, DELETE_DRAFT, ".probe-")  # in a folder of runs
PUSH_DRAFT, PAGE_DRAFT, PUBLISH_DRAFT = "aecore-push-", "aecore-page-", "aecore-publish-"
MAPS_DRAFT, DATA_DRAFT, JOB_DRAFT = "aecore-array-maps-", "aecore-data-", "aecore-job-"
TEMPORARY_DRAFTS = (PUSH_DRAFT, PAGE_DRAFT, PUBLISH_DRAFT, MAPS_DRAFT, DATA_DRAFT, JOB_DRAFT)
DRAFT_LOCK = "draft.lock"
UNLOCKED_SECONDS = 60.0  # a folder may be so old before it has its lock
HOUR_SECONDS = 3600.0  # no file takes so long to write, whoever has its process id now
FILE_DRAFT = re.compile(r"\..+\.(\d{1,10})-[0-9a-f]{8}\.tmp")  # as `replace_file` names them
FOLDER_DRAFT = re.compile(r".+-(\d{1,10})-[^-]+")  # as `open_draft_folder` names them
UPLOAD_DRAFTS = ".own/*/.*.part"


@contextmanager
def open_draft_folder(prefix: str, parent: Path | None = None) -> Iterator[Path]:
    """Gives an empty folder, two levels below `parent`, that is removed at the end.

    `parent` is the folder of temporary files by default. OSError where nothing can be made there.
    """
    parent = parent or Path(tempfile.gettempdir())
    remove_dead_folders(parent, prefix)
    with tempfile.TemporaryDirectory(prefix=f"{prefix}{os.getpid()}-", dir=parent) as name:
        folder = Path(name)
        with open_lock_file(folder / f".{DRAFT_LOCK}") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            os.rename(folder / f".{DRAFT_LOCK}", folder / DRAFT_LOCK)  # nobody sees it unlocked
            (folder / "draft").mkdir()
            yield folder / "draft"


@contextmanager
def open_draft_file(path: Path) -> Iterator[IO[bytes]]:
    """Opens a new file to write to, locked while it is open."""
    with open(path, "xb") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield file


def remove_all_drafts(root: Path) -> None:
    """Removes what dead processes left in a folder of runs and in that of temporary files."""
    for prefix in RUN_DRAFTS:
        remove_dead_folders(root, prefix)
    for prefix in TEMPORARY_DRAFTS:
        remove_dead_folders(Path(tempfile.gettempdir()), prefix)
    for part in root.glob(UPLOAD_DRAFTS):
        remove_unlocked_file(part)
    for run in root.glob("*/"):
        remove_dead_folders(run, FETCH_DRAFT)
        remove_dead_files(run)


def remove_dead_folders(parent: Path, prefix: str) -> None:
    """Removes the draft folders of a kind whose process has ended."""
    for folder in parent.glob(f"{prefix}*"):
        with suppress(OSError):
            if not folder.is_symlink() and is_dead_folder(folder):
                shutil.rmtree(folder, ignore_errors=True)


def is_dead_folder(folder: Path) -> bool:
    """Returns True for a draft folder that nobody holds; OSError where it is gone."""
    try:
        descriptor = open_plain_file(folder / DRAFT_LOCK)
    except FileNotFoundError:  # it is a moment old, or its process did not come so far
        pid = FOLDER_DRAFT.fullmatch(folder.name)
        is_old = time.time() - folder.stat().st_mtime > UNLOCKED_SECONDS
        return is_old or (pid is not None and not is_alive(int(pid[1])))
    with os.fdopen(descriptor, "rb") as lock:
        return try_lock(lock)


def remove_unlocked_file(path: Path) -> None:
    """Removes a draft of one file whose process has ended."""
    with suppress(OSError), os.fdopen(open_plain_file(path), "rb") as file:
        if try_lock(file):
            path.unlink()


def remove_dead_files(folder: Path) -> None:
    """Removes what `replace_file` was writing in a folder when its process was killed."""
    for path in folder.glob(".*.tmp"):
        name = FILE_DRAFT.fullmatch(path.name)
        with suppress(OSError):
            is_old = time.time() - path.lstat().st_mtime > HOUR_SECONDS
            if name and (is_old or not is_alive(int(name[1]))):
                path.unlink()


def is_alive(pid: int) -> bool:
    """Returns True while there is a process of that id."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except (OSError, OverflowError):
        return True
    return True
