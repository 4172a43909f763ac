"""A run as one file that another machine can train: the code, the run folder, and the data where they are one's own.

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
PACKAGE_FOLDER = "run"  # the run's name inside
PART_BYTES = 48_000  # bytes of a file in one line of a log
SENT_FILE_LIMITS = {
    **FOREIGN_FILE_LIMITS,
    RESUME_FILE: 4 * FOREIGN_FILE_LIMITS[WEIGHTS_FILE],
}  # weights, two moments, and room


def pack_run(run: Run) -> bytes:
    """The .zip to train or go on with `run` from. RunError where it would be too large to send."""
    config, sources = relocate_config(run.config())
    files = [
        (path, f"aecore/{path.relative_to(PACKAGED_CODE).as_posix()}")
        for path in sorted(PACKAGED_CODE.rglob("*.py"))
    ]
    files += [
        (path, name)
        for source, target in sources
        for path, name in list_packed_files(source, target)
    ]
    files += [
        (run.path / name, f"{PACKAGE_FOLDER}/{name}")
        for name in (WEIGHTS_FILE, RESUME_FILE, METRICS_FILE)
        if (run.path / name).is_file()
    ]
    if (size := sum(path.stat().st_size for path, _ in files)) > MAX_PACKAGE_BYTES:
        raise RunError(
            f"The run and its data have {size / 1e6:,.0f} MB; at most {MAX_PACKAGE_BYTES / 1e6:,.0f} MB can be sent. "
            "Train it here, or on a data set that the other machine can download."
        )
    state = {
        "state": "queued",
        "epoch": run.state().epoch,
        "epochs": config.training.epochs if config.training else 0,
    }
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for path, name in files:
            archive.write(path, name)
        archive.writestr(f"{PACKAGE_FOLDER}/{CONFIG_FILE}", config.model_dump_json(indent=2))
        archive.writestr(f"{PACKAGE_FOLDER}/{STATE_FILE}", json.dumps(state))
    return packed.getvalue()


def relocate_config(config: RunConfig) -> tuple[RunConfig, list[tuple[Path, str]]]:
    """The config as it holds on the other machine, and (path here, name there) of one's own data."""
    if config.data is None or config.data.name in CATALOG:
        return config, []
    here = Path(config.data.name)
    if not here.exists():
        raise RunError(
            f"The data of this run, {here.name}, are not here any more. Bring them again."
        )
    name = f"data/{here.name}"
    return config.model_copy(update={"data": config.data.model_copy(update={"name": name})}), [
        (here, name)
    ]


def list_packed_files(source: Path, target: str) -> Iterator[tuple[Path, str]]:
    """(path, name in the archive) of a file, or of all files of a folder."""
    if source.is_file():
        yield source, target
    for path in sorted(source.rglob("*")) if source.is_dir() else ():
        if path.is_file():
            yield path, f"{target}/{path.relative_to(source).as_posix()}"


# -- the way back, by a log


def encode_file_lines(folder: Path, name: str) -> Iterator[str]:
    """A file as lines of a log."""
    data = (folder / name).read_bytes()
    count = max(1, -(-len(data) // PART_BYTES))
    for i in range(count):
        text = base64.b64encode(data[i * PART_BYTES : (i + 1) * PART_BYTES]).decode()
        yield NEWS_MARK + json.dumps({"file": name, "part": i, "of": count, "data": text})


class FileCollector:
    """Puts the parts of files together as they come, and those into `folder` that a run may have."""

    def __init__(self, folder: Path):
        self.folder = folder
        self.parts: dict[str, list[bytes]] = {}

    def add(self, row: dict[str, Any]) -> str:
        """Take one row; the name of the file that is whole with it, else nothing. Parts come in order."""
        if not is_wanted_file(name := str(row.get("file"))):
            return ""
        parts = self.parts.setdefault(name, [])
        try:
            data = base64.b64decode(row["data"], validate=True)
            part, count = int(row["part"]), int(row["of"])
        except (KeyError, TypeError, ValueError, binascii.Error):
            return ""
        if part == 0:
            parts.clear()
        if part != len(parts) or sum(map(len, parts)) + len(data) > SENT_FILE_LIMITS.get(
            name, 10_000_000
        ):
            return ""
        parts.append(data)
        if len(parts) < count:
            return ""
        (self.folder / name).parent.mkdir(exist_ok=True)
        (self.folder / name).write_bytes(b"".join(self.parts.pop(name)))
        return name


def is_wanted_file(name: str) -> bool:
    """Whether a file of a job belongs into the run folder here."""
    return name in (WEIGHTS_FILE, RESUME_FILE, METRICS_FILE, CARD_FILE) or is_preview_name(name)


def unpack_log_files(rows: Iterable[dict[str, Any]], folder: Path) -> list[str]:
    """Write the files that a job's log holds into `folder`; their names."""
    files = FileCollector(folder)
    return [name for row in rows if "file" in row and (name := files.add(row))]
