"""The names of the files in a run folder, and writing that replaces a file in one step."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "model.safetensors"
METRICS_FILE = "metrics.jsonl"
RESUME_FILE = "resume.safetensors"
CARD_FILE = "README.md"
REMOTE_FILE = "remote.json"
ESTIMATOR_FILE = "estimator.json"
STATE_FILE = "state.json"
LOCK_FILE = "run.lock"
LOG_FILE = "log.txt"
PREVIEWS_FOLDER = "previews"
OWNER_FILE = ".owner.json"  # hidden, since a brought data set is the one visible file

LIBRARY = "aecore"  # as the Hub calls what loads a run folder


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
