"""Things as one .zip, which is written while it is read: neither disk nor memory holds it."""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import IO, NamedTuple

from aecore.errors import AecoreError
from aecore.files import CONFIG_FILE, LOCK_FILE, LOG_FILE, RESUME_FILE
from aecore.runs.foreign import strip_local_paths
from aecore.runs.keeping import KeptThing
from aecore.runs.run import Run

COPY_BYTES = 2**20


class ArchivedFile(NamedTuple):
    """A file on the disk, its name in an archive, and what stands there in its place."""

    path: Path
    name: str
    content: bytes | None = None  # None is what the file holds


def list_archived_files(
    things: Sequence[KeptThing], with_resume: bool = False
) -> Iterator[ArchivedFile]:
    """Yields the files of things, each thing in a folder of its own.

    Hidden files, which say whose it is, locks, logs and links are left out; resume.safetensors,
    too, unless it is asked for. config.json names data without the folders of this machine.
    """
    left_out = {LOCK_FILE, LOG_FILE} if with_resume else {LOCK_FILE, LOG_FILE, RESUME_FILE}
    for thing, folder in zip(things, name_folders(things), strict=True):
        for path in sorted(list_plain_files(thing.path)):
            if path.name not in left_out:
                name = f"{folder}/{path.relative_to(thing.path).as_posix()}"
                is_config = thing.is_run and path == thing.path / CONFIG_FILE
                yield ArchivedFile(path, name, format_portable_config(thing) if is_config else None)


def format_portable_config(thing: KeptThing) -> bytes:
    """Returns a run's config.json without local paths; empty where it is unsound."""
    try:
        config = strip_local_paths(Run(thing.path).config())
    except AecoreError:
        return b""
    return (config.model_dump_json(indent=2) + "\n").encode()


def name_folders(things: Sequence[KeptThing]) -> list[str]:
    """Returns a folder's name for each thing, its title or id; two of one name are numbered."""
    names: list[str] = []
    for thing in things:
        stem = thing.name if thing.is_run else Path(thing.name).stem
        name = re.sub(r"[^\w.-]+", "-", stem).strip(".-")[:80] or "thing"
        while name in names:
            head, _, number = name.rpartition("~")
            name = f"{head}~{int(number) + 1}" if head else f"{name}~2"
        names.append(name)
    return names


def list_plain_files(folder: Path) -> Iterator[Path]:
    """Yields the files below a folder that are neither hidden nor links."""
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for path in (Path(parent) / name for name in names if not name.startswith(".")):
            if path.is_file() and not path.is_symlink():
                yield path


def stream_zip(files: Iterable[ArchivedFile]) -> Iterator[bytes]:
    """Yields a .zip of files as they are read; one that goes meanwhile is left out.

    Nothing is compressed: weights and pictures would not become smaller.
    """
    pipe = _Pipe()
    with zipfile.ZipFile(pipe, "w", strict_timestamps=False) as archive:  # type: ignore[call-overload]
        for path, name, content in files:
            with suppress(FileNotFoundError), open_content(path, content) as source:
                info = zipfile.ZipInfo.from_file(path, name, strict_timestamps=False)
                with archive.open(info, "w") as target:
                    while chunk := source.read(COPY_BYTES):
                        target.write(chunk)
                        yield pipe.take()
    yield pipe.take()


def open_content(path: Path, content: bytes | None) -> IO[bytes]:
    """Opens a file, or the content that stands in its place; FileNotFoundError where it is gone."""
    return open(path, "rb") if content is None else io.BytesIO(content)


class _Pipe:
    """A file that can only be written to, and keeps what was written until it is taken."""

    def __init__(self) -> None:
        self.chunks: list[bytes] = []

    def write(self, chunk: bytes) -> int:
        self.chunks.append(bytes(chunk))
        return len(chunk)

    def flush(self) -> None:
        """Does nothing: there is nowhere to write to."""

    def take(self) -> bytes:
        """Returns what was written since it was last called."""
        content, self.chunks = b"".join(self.chunks), []
        return content
