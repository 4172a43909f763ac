"""A run as one file that another machine can train: code, run folder, and data of one's own.

On the way back: the files of a run that a job may send.
"""

from __future__ import annotations

import base64
import binascii
import io
import json
import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from aecore.backends.base import NEWS_MARK
from aecore.data.catalog import CATALOG
from aecore.errors import RunError
from aecore.files import (
    CARD_FILE,
    CONFIG_FILE,
    METRICS_FILE,
    RESUME_FILE,
    STATE_FILE,
    WEIGHTS_FILE,
)
from aecore.model.config import RunConfig
from aecore.runs.foreign import FOREIGN_FILE_LIMITS
from aecore.runs.previews import is_preview_name
from aecore.runs.run import Run

PACKAGED_CODE = Path(__file__).resolve().parent.parent
MAX_PACKAGE_BYTES = 200_000_000
PACKAGE_FILE = "job.zip"  # the package's name on the Hub
PACKAGE_FOLDER = "run"  # the run's name inside
LINE_BYTES = 48_000  # bytes of a file in one line of a log
MAX_SENT_PREVIEW = 10_000_000
SENT_FILE_LIMITS = {
    **FOREIGN_FILE_LIMITS,
    RESUME_FILE: 4 * FOREIGN_FILE_LIMITS[WEIGHTS_FILE],  # weights, two moments, and room
}


# -- the way there, as a package


def pack_run(run: Run) -> bytes:
    """Returns the .zip from which `run` is trained or resumed; RunError where it is too large."""
    config, sources = relocate_config(run.config())
    files = list_packed_files(run, sources)
    size = sum(path.stat().st_size for path, _ in files)
    if size > MAX_PACKAGE_BYTES:
        raise RunError(
            f"The run and its data have {size / 1e6:,.0f} MB; at most "
            f"{MAX_PACKAGE_BYTES / 1e6:,.0f} MB can be sent. "
            "Train it here, or on a data set that the other machine can download."
        )
    state = {
        "state": "queued",
        "epoch": run.state().epoch,
        "epochs": config.training.epochs if config.training else 0,
    }
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in files:
            archive.write(path, name)
        archive.writestr(f"{PACKAGE_FOLDER}/{CONFIG_FILE}", config.model_dump_json(indent=2))
        archive.writestr(f"{PACKAGE_FOLDER}/{STATE_FILE}", json.dumps(state))
    return buffer.getvalue()


def relocate_config(config: RunConfig) -> tuple[RunConfig, list[tuple[Path, str]]]:
    """Returns the config for the other machine, and (path here, name there) of one's own data."""
    if config.data is None or config.data.name in CATALOG:
        return config, []
    source = Path(config.data.name)
    if not source.exists():
        raise RunError(
            f"The data of this run, {source.name}, are not here any more. Bring them again."
        )
    name = f"data/{source.name}"
    data = config.data.model_copy(update={"name": name})
    return config.model_copy(update={"data": data}), [(source, name)]


def list_packed_files(run: Run, sources: list[tuple[Path, str]]) -> list[tuple[Path, str]]:
    """Returns (path, name in the archive) of the code, the data and what is trained so far."""
    code = [
        (path, f"aecore/{path.relative_to(PACKAGED_CODE).as_posix()}")
        for path in sorted(PACKAGED_CODE.rglob("*.py"))
    ]
    data = [pair for source, target in sources for pair in list_data_files(source, target)]
    trained = [
        (run.path / name, f"{PACKAGE_FOLDER}/{name}")
        for name in (WEIGHTS_FILE, RESUME_FILE, METRICS_FILE)
        if (run.path / name).is_file()
    ]
    return code + data + trained


def list_data_files(source: Path, target: str) -> Iterator[tuple[Path, str]]:
    """Yields (path, name in the archive) of a file, or of all files of a folder."""
    if source.is_file():
        yield source, target
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        if path.is_file():
            yield path, f"{target}/{path.relative_to(source).as_posix()}"


# -- the way back, by a log


def encode_file_lines(folder: Path, name: str) -> Iterator[str]:
    """Yields a file as lines of a log."""
    data = (folder / name).read_bytes()
    count = max(1, -(-len(data) // LINE_BYTES))
    for i in range(count):
        text = base64.b64encode(data[i * LINE_BYTES : (i + 1) * LINE_BYTES]).decode()
        yield NEWS_MARK + json.dumps({"file": name, "part": i, "of": count, "data": text})


def unpack_log_files(rows: Iterable[dict[str, Any]], folder: Path) -> list[str]:
    """Writes the files that a job's log holds into `folder`; returns their names."""
    files = FileCollector(folder)
    names = [files.add(row) for row in rows if "file" in row]
    return [name for name in names if name]


class FileCollector:
    """Puts the parts of files together as they come, and writes whole ones into `folder`."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.parts: dict[str, list[bytes]] = {}

    def add(self, row: dict[str, Any]) -> str:
        """Takes one part; returns the name of the file that is whole with it, or "".

        Parts come in order. Files that a run may not have are left out.
        """
        name = str(row.get("file"))
        if not is_wanted_file(name):
            return ""
        try:
            data = base64.b64decode(row["data"], validate=True)
            number, count = int(row["part"]), int(row["of"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            return ""
        parts = self.parts.setdefault(name, [])
        if number == 0:
            parts.clear()
        size = sum(map(len, parts)) + len(data)
        if number != len(parts) or size > SENT_FILE_LIMITS.get(name, MAX_SENT_PREVIEW):
            return ""
        parts.append(data)
        if len(parts) < count:
            return ""
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(b"".join(self.parts.pop(name)))
        return name


def is_wanted_file(name: str) -> bool:
    """Returns True for a file of a job that belongs into the run folder here."""
    return name in (WEIGHTS_FILE, RESUME_FILE, METRICS_FILE, CARD_FILE) or is_preview_name(name)
