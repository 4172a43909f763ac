"""Sources of images: a folder, a .zip, or a .parquet of the Hub."""

from __future__ import annotations

import io
import json
import os
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Protocol

from aecore.data.memory import check_data_bytes, may_read_from_disk
from aecore.data.parquet_bounds import check_parquet_size
from aecore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

JUNK_FILES = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}


class ImageSource(Protocol):
    """A set of images: names first, bytes on demand."""

    def list_names(self) -> Iterator[str]:
        """Yield files and folders, with "/" between the parts and at the end of folders."""
        ...

    def read(self, name: str) -> bytes:
        """Return the encoded image of that name."""
        ...

    def open(self, name: str) -> IO[bytes]:
        """Open the encoded image of that name, to read its first bytes."""
        ...

    def locate(self, names: list[str]) -> list[Path]:
        """Return the files of the disk in which these images lie."""
        ...


@contextmanager
def open_image_source(path: Path) -> Iterator[ImageSource]:
    """Open a folder, a .parquet of images or else a .zip. Raises DataError."""
    if path.is_dir():
        yield FolderSource(path)
    elif path.suffix.lower() == ".parquet":
        yield _open_parquet(path)
    else:
        with _open_zip(path) as archive:
            yield ZipSource(archive, path)


def is_junk_file(name: str) -> bool:
    """Return True for hidden files and what operating systems leave in folders."""
    return name.startswith(".") or name.lower() in JUNK_FILES


def holds_encoded_images(path: Path) -> bool:
    """Return True if a .parquet holds encoded images, as data sets of the Hub have them."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return any(_is_image_type(column_type) for column_type in pq.read_schema(path).types)
    except (pa.ArrowException, OSError):
        return False  # the reader of tables explains the error


class FolderSource:
    """A folder with its sub-folders."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def list_names(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.root, followlinks=True):
            folders[:] = sorted(name for name in folders if not is_junk_file(name))
            inside = Path(folder).relative_to(self.root)
            yield from ((inside / name).as_posix() + "/" for name in folders)
            yield from ((inside / name).as_posix() for name in sorted(files))

    def read(self, name: str) -> bytes:
        return (self.root / name).read_bytes()

    def open(self, name: str) -> IO[bytes]:
        return (self.root / name).open("rb")

    def locate(self, names: list[str]) -> list[Path]:
        return [self.root / name for name in names]


class ZipSource:
    """A zip that is read member by member and never unpacked to disk."""

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path = archive, path
        self.members = {info.filename.replace("\\", "/"): info for info in archive.infolist()}
        self._check_members()

    def list_names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.archive.read(self.members[name])

    def open(self, name: str) -> IO[bytes]:
        return self.archive.open(self.members[name])

    def locate(self, names: list[str]) -> list[Path]:
        return [self.path]

    def _check_members(self) -> None:
        """Raise DataError for members outside the archive, encrypted or too large."""
        for name in self.members:
            if name.startswith("/") or ".." in name.split("/"):
                raise DataError(
                    f"{name[:80]} in {self.path.name} points out of the archive. "
                    "Make it again without."
                )
        for name, info in self.members.items():
            if info.flag_bits & 1:
                raise DataError(
                    f"{name} in {self.path.name} is encrypted. "
                    "Make the .zip again without a password."
                )
        sizes = [info.file_size for info in self.members.values()]
        if not may_read_from_disk():
            check_data_bytes(sum(sizes), f"{self.path.name} unpacked")
        check_data_bytes(max(sizes, default=0), f"The largest file in {self.path.name} unpacked")


class ParquetSource:
    """A .parquet of the Hub: a column {bytes, path} of encoded images, and one of classes."""

    def __init__(self, path: Path) -> None:
        import pyarrow.parquet as pq

        self.path = path
        check_parquet_size(path)
        table = pq.ParquetFile(path).read()
        column = next(
            name for name in table.column_names if _is_image_type(table.schema.field(name).type)
        )
        self.images = table[column].combine_chunks().field("bytes")
        folders = _read_parquet_folders(table) or [""] * len(table)
        self.members = {f"{folder}{i}.png": i for i, folder in enumerate(folders)}

    def list_names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        return self.images[self.members[name]].as_py() or b""

    def open(self, name: str) -> IO[bytes]:
        return io.BytesIO(self.read(name))

    def locate(self, names: list[str]) -> list[Path]:
        return [self.path]


def _read_parquet_folders(table: pa.Table) -> list[str] | None:
    """Return a class folder for each row, by the first column that the Hub calls a ClassLabel.

    None where there is no such column, or what the file says of it makes no sense.
    """
    try:
        hub_info = json.loads((table.schema.metadata or {}).get(b"huggingface", b"{}"))
        features = hub_info.get("info", {}).get("features", {})
        labels = {name for name, feature in features.items() if feature["_type"] == "ClassLabel"}
        label = next(name for name in table.column_names if name in labels)
        classes = [str(name) for name in features[label]["names"]]
        rows = table[label].to_pylist()
        names = [classes[i] if 0 <= i < len(classes) else "none" for i in rows]
    except (AttributeError, KeyError, TypeError, ValueError, RecursionError, StopIteration):
        return None
    return [f"{name.replace('/', '-')}/" for name in names]


def _is_image_type(column_type: pa.DataType) -> bool:
    import pyarrow as pa

    is_struct = pa.types.is_struct(column_type)
    return is_struct and {"bytes", "path"} == {field.name for field in column_type}


def _open_parquet(path: Path) -> ParquetSource:
    try:
        return ParquetSource(path)
    except DataError:
        raise
    except Exception as error:  # its metadata is a stranger's
        raise DataError(f"{path.name} is not a readable .parquet of images ({error}).") from error


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path.name} is not a readable .zip file ({error}). Make it again."
        ) from error
