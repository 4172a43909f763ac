"""The files of a run folder: their names in one place, and how a file is replaced in one step."""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Any

REMOTE_FILE = "remote.json"


METRICS_FILE, CARD_FILE = "metrics.jsonl", "README.md"


RESUME_FILE = "resume.safetensors"


STATE_FILE, LOCK_FILE, LOG_FILE = "state.json", "run.lock", "log.txt"


PREVIEWS_FOLDER = "previews"


CONFIG_FILE, WEIGHTS_FILE = "config.json", "model.safetensors"


def write_text_file(path: Path, text: str) -> None:
    """Replace a text file in one step."""
    replace_file(path, lambda draft: draft.write_text(text, encoding="utf-8"))


def replace_file(path: Path, write: Any) -> None:
    """Write beside `path`, then rename over it; a failed write leaves the old file and no draft."""
    draft = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.tmp")
    try:
        write(draft)
        os.replace(draft, path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise
