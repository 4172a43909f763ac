"""Where the images of a set lie: in a folder, in a .zip, or in a .parquet of the Hub."""

from __future__ import annotations

import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol

from aecore.data.arrays import check_data_bytes
from aecore.data.memory import may_read_from_disk
from aecore.errors import DataError

JUNK_FILES = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}


def is_junk_file(part: str) -> bool:
    return part.startswith(".") or part.lower() in JUNK_FILES


class ImageSource(Protocol):
    """Where the images lie: names first, bytes on demand."""

    def names(self) -> Iterator[str]: ...  # with "/" between parts and at the end of folders
    def read(self, name: str) -> bytes: ...
    def files(self, names: list[str]) -> list[Path]: ...  # of the disk, in which these images lie


class FolderSource:
    def __init__(self, root: Path) -> None:
        self.root = root

    def names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.root, followlinks=True):
            folders[:] = sorted(name for name in folders if not is_junk_file(name))
            inside = Path(folder).relative_to(self.root)
            yield from ((inside / name).as_posix() + "/" for name in folders)
            yield from ((inside / name).as_posix() for name in sorted(files))

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def files(self, names: list[str]) -> list[Path]:
        return [self.root / name for name in names]


class ZipSource:
    """A zip that is read member by member and never unpacked to disk."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path, where = archive, path, path.name
        self.members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}
        astray = next(
            (name for name in self.members if name.startswith("/") or ".." in name.split("/")), None
        )
        if astray is not None:
            raise DataError(
                f"{astray[:80]} in {where} points out of the archive. Make it again without."
            )
        locked = next((name for name, info in self.members.items() if info.flag_bits & 1), None)
        if locked is not None:
            raise DataError(
                f"{locked} in {where} is encrypted. Make the .zip again without a password."
            )
        sizes = [info.file_size for info in self.members.values()]
        if not may_read_from_disk():
            check_data_bytes(sum(sizes), f"{where} unpacked")
        check_data_bytes(max(sizes, default=0), f"The largest file in {where} unpacked")

    def names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.archive.read(self.members[name])

    def files(self, names: list[str]) -> list[Path]:
        return [self.path]


class ParquetSource:
    """A .parquet of encoded images, as data sets on the Hub have them: a column {bytes, path}, and one of classes."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        table = pq.ParquetFile(path).read()
        column = next(
            name for name in table.column_names if _holds_images(table.schema.field(name).type)
        )
        self.images = table[column].combine_chunks().field("bytes")
        about = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = about.get("info", {}).get("features", {})
        label = next(
            (name for name, kind in features.items() if kind.get("_type") == "ClassLabel"), None
        )
        words = features[label]["names"] if label else []
        labels = (
            [words[i] if 0 <= i < len(words) else "none" for i in table[label].to_pylist()]
            if label
            else None
        )
        folders = [f"{word.replace('/', '-')}/" for word in labels] if labels else [""] * len(table)
        self.members = {f"{folder}{i}.png": i for i, folder in enumerate(folders)}

    def names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.images[self.members[name]].as_py() or b""

    def files(self, names: list[str]) -> list[Path]:
        return [self.path]


def holds_encoded_images(path: Path) -> bool:
    """Whether a .parquet holds encoded images."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return any(_holds_images(kind) for kind in pq.read_schema(path).types)
    except (pa.ArrowException, OSError):
        return False  # the reader of tables says what is wrong with it


def _holds_images(kind: Any) -> bool:
    import pyarrow as pa

    return pa.types.is_struct(kind) and {"bytes", "path"} == {field.name for field in kind}


@contextmanager
def open_image_source(path: Path) -> Iterator[ImageSource]:
    if path.is_dir():
        yield FolderSource(path)
    elif path.suffix.lower() == ".parquet":
        try:
            rows = ParquetSource(path)
        except Exception as error:  # its metadata is a stranger's
            raise DataError(
                f"{path.name} is not a readable .parquet of images ({error})."
            ) from error
        yield rows
    else:
        try:
            archive = zipfile.ZipFile(path)
        except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
            raise DataError(
                f"{path.name} is not a readable .zip file ({error}). Make it again."
            ) from error
        with archive:
            yield ZipSource(archive, path)
