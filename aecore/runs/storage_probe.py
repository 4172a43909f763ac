"""Tells whether a folder can hold runs: not every mounted bucket or network disk can."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from aecore.errors import RunError
from aecore.files import write_text_file
from aecore.runs.process import LockFile

ADVICE = "Let AECORE_RUNS name a folder on a local disk."


def check_storage(folder: Path) -> None:
    """Raises RunError where a folder, made if missing, cannot hold runs.

    Tries what runs are built on: a file is replaced in one step, and locked against others.
    """
    with explain_missing("be written"):
        folder.mkdir(parents=True, exist_ok=True)
        probe = TemporaryDirectory(prefix=".probe-", dir=folder, ignore_cleanup_errors=True)
    with probe as name:
        file = Path(name) / "probe"
        with explain_missing("be written and replaced"):
            for text in ("old", "new"):
                write_text_file(file, text)
        with explain_missing("be locked"), LockFile(file).hold():
            is_locked = LockFile(file).is_held()
    if not is_locked:
        raise RunError(format_refusal("be locked", "a lock is not seen by others"))


@contextmanager
def explain_missing(what: str) -> Iterator[None]:
    """Turns an error of the system into the sentence that says what files cannot do there."""
    try:
        yield
    except OSError as error:
        raise RunError(format_refusal(what, error.strerror or str(error))) from error


def format_refusal(what: str, reason: str) -> str:
    """Returns the sentence for a folder where files cannot do something; it names no path."""
    return f"The folder for runs cannot be used: files cannot {what} there ({reason}). {ADVICE}"
