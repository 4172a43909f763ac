"""The names of the files in a run folder, reading plain files, and replacing one in one step.

A run folder may be a stranger's: a link leads elsewhere, and whoever opens a FIFO waits for ever.
So files in it are opened here, which takes plain files alone. Only the standard library is used.
"""

from __future__ import annotations

import errno
import os
import stat
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
METRICS_FILE = "metrics.jsonl"
KNOBS_FILE = "knobs.json"
STOP_FILE = "stop"
RESUME_FILE = "resume.safetensors"
CARD_FILE = "README.md"
REMOTE_FILE = "remote.json"
ESTIMATOR_FILE = "estimator.json"
STATE_FILE = "state.json"
LOCK_FILE = "run.lock"
LOG_FILE = "log.txt"
PREVIEWS_FOLDER = "previews"
UNIT_NAMES_FILE = "units.json"
OWNER_FILE = ".owner.json"  # hidden, since a brought data set is the one visible file

LIBRARY = "aecore"  # as the Hub calls what loads a run folder
MAX_TEXT_BYTES = 1_000_000  # of a small text file in a run folder


def _find_shipped_folder() -> Path:
    """Returns the folder of the shipped models, in an installed package or beside a checkout's."""
    package = Path(__file__).resolve().parent
    installed = package / "checkpoints"
    return installed if installed.is_dir() else package.parent / "checkpoints"


SHIPPED_FOLDER = _find_shipped_folder()


def find_model_folder(name: str | Path) -> Path:
    """Returns the run folder of that path, or else the shipped model of that name."""
    shipped = SHIPPED_FOLDER / name
    is_shipped = not (Path(name) / CONFIG_FILE).is_file() and (shipped / CONFIG_FILE).is_file()
    return shipped if is_shipped else Path(name)


def write_text_file(path: Path, text: str) -> None:
    """Write a UTF-8 text file, or replace it in one step."""
    replace_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with the path of a draft in the same folder, then rename it to `path`.

    If `write` fails, the old file stays, and no draft is left.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}-{os.urandom(4).hex()}.tmp")
    try:
        write(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def open_plain_file(path: Path | str, flags: int = os.O_RDONLY) -> int:
    """Opens a plain file, never waiting; returns its descriptor.

    OSError for a link, a FIFO, a device or a folder. With os.O_CREAT a missing file is made.
    """
    descriptor = os.open(path, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o666)
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return descriptor
    os.close(descriptor)
    raise OSError(errno.EINVAL, "it is no plain file", str(path))


def open_plain_bytes(path: Path) -> BinaryIO:
    """Opens a plain file to be read; OSError as `open_plain_file`."""
    return os.fdopen(open_plain_file(path), "rb")


def read_plain_text(path: Path, limit: int = MAX_TEXT_BYTES) -> str:
    """Reads a plain file of UTF-8 text.

    OSError for one that is no plain file or larger than `limit` bytes, ValueError for other bytes.
    """
    with open_plain_bytes(path) as file:
        content = file.read(limit + 1)
    if len(content) > limit:
        raise OSError(errno.EFBIG, f"it has more than {limit:,} bytes", str(path))
    return content.decode("utf-8")


def is_plain_file(path: Path, follow_link: bool = True) -> bool:
    """Returns True for a plain file, or a link to one, as the Hub's cache has them."""
    try:
        return stat.S_ISREG(os.stat(path, follow_symlinks=follow_link).st_mode)
    except (OSError, ValueError):
        return False


def make_plain_folder(path: Path) -> None:
    """Makes a folder in a run folder; OSError where a link or a file is in its place."""
    path.mkdir(parents=True, exist_ok=True)
    if path.is_symlink():
        raise OSError(errno.ENOTDIR, "it is a link to another folder", str(path))
