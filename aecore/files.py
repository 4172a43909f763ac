"""The names of the files in a run folder, and writing that replaces a file in one step."""

from __future__ import annotations

import os
import secrets
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

LIBRARY = "aecore"  # as the Hub calls what loads a run folder


def write_text_file(path: Path, text: str) -> None:
    """Write a UTF-8 text file, or replace it in one step."""
    replace_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def replace_file(path: Path, write: Callable[[Path], object]) -> None:
    """Call `write` with the path of a draft in the same folder, then rename it to `path`.

    If `write` fails, the old file stays, and no draft is left.
    """
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        write(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
