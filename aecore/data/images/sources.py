"""Sources of images: a folder, a .zip, or a .parquet of the Hub."""

from __future__ import annotations

import io
import lzma
import os
import zipfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, NamedTuple, Protocol

from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.data.images.parquet import open_image_parquet
from aecore.data.images.zip_names import decode_zip_names
from aecore.data.memory import check_data_bytes, may_read_from_disk
from aecore.errors import DataError

ZIP_ERRORS = (zipfile.BadZipFile, zlib.error, RuntimeError, lzma.LZMAError)
JUNK_FILES = {"__macosx", "thumbs.db", "ehthumbs.db", "desktop.ini"}


class ImageSource(Protocol):
    """A set of images: names first, bytes on demand."""

    notes: list[str]  # what was guessed of the container

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
    """Open a folder, a picture, a .parquet of images or else a .zip. Raises DataError."""
    if path.is_dir():
        yield FolderSource(path)
    elif path.name.lower().endswith(IMAGE_SUFFIXES):
        yield FilesSource([path])
    elif path.suffix.lower() == ".parquet":
        yield open_image_parquet(path)
    else:
        with _open_zip(path) as archive:
            yield ZipSource(archive, path)


def is_junk_file(name: str) -> bool:
    """Return True for hidden files and what operating systems leave in folders."""
    return name.startswith(".") or name.lower() in JUNK_FILES


class FolderSource:
    """A folder with its sub-folders."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.notes: list[str] = []

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


class FilesSource:
    """Pictures that were brought one by one, each known by its file's name."""

    def __init__(self, paths: Sequence[Path]) -> None:
        """Raise DataError for two files of one name."""
        self.notes: list[str] = []
        self.paths: dict[str, Path] = {}
        for path in paths:
            other = self.paths.setdefault(path.name, path)
            if other != path:
                raise DataError(f"{other} and {path} have the same name. Rename one of them.")

    def list_names(self) -> Iterator[str]:
        return iter(self.paths)

    def read(self, name: str) -> bytes:
        return self.paths[name].read_bytes()

    def open(self, name: str) -> IO[bytes]:
        return self.paths[name].open("rb")

    def locate(self, names: list[str]) -> list[Path]:
        return [self.paths[name] for name in names]


class ZipMember(NamedTuple):
    """A file of an archive, or of an archive in it."""

    archive: zipfile.ZipFile
    info: zipfile.ZipInfo


class ZipSource:
    """A zip that is read member by member and never unpacked to disk.

    A zip in it is read like a folder of its name.
    """

    def __init__(self, archive: zipfile.ZipFile, path: Path) -> None:
        self.archive, self.path = archive, path
        self.notes: list[str] = []
        self.members = self._list_members(archive)
        self._check_members()
        for name in [name for name in self.members if name.lower().endswith(".zip")]:
            self._add_inner(name)
        self._check_members()

    def list_names(self) -> Iterator[str]:
        return iter(self.members)

    def read(self, name: str) -> bytes:
        member = self.members[name]
        return member.archive.read(member.info)

    def open(self, name: str) -> IO[bytes]:
        member = self.members[name]
        return member.archive.open(member.info)

    def locate(self, names: list[str]) -> list[Path]:
        return [self.path]

    def _list_members(self, archive: zipfile.ZipFile) -> dict[str, ZipMember]:
        infos = archive.infolist()
        names, encoding = decode_zip_names(infos)
        if encoding is not None:
            self.notes.append(
                f"{self.path.name} does not say how its names are encoded; they are read as "
                f"{encoding}."
            )
        return {names[info.filename].replace("\\", "/"): ZipMember(archive, info) for info in infos}

    def _add_inner(self, name: str) -> None:
        """Put the files of an archive in the archive in its place; one that is torn stays as is."""
        with suppress(OSError, ValueError, NotImplementedError, EOFError, *ZIP_ERRORS):
            inner = zipfile.ZipFile(io.BytesIO(self.read(name)))
            members = self._list_members(inner)
            del self.members[name]
            self.members |= {f"{name[:-4]}/{inside}": one for inside, one in members.items()}

    def _check_members(self) -> None:
        """Raise DataError for members outside the archive, encrypted or too large."""
        for name in self.members:
            if name.startswith("/") or "/../" in f"/{name}/":
                raise DataError(
                    f"{name[:80]} in {self.path.name} points out of the archive. "
                    "Make it again without."
                )
        for name, member in self.members.items():
            if member.info.flag_bits & 1:
                raise DataError(
                    f"{name} in {self.path.name} is encrypted. "
                    "Make the .zip again without a password."
                )
        sizes = [member.info.file_size for member in self.members.values()]
        if not may_read_from_disk():
            check_data_bytes(sum(sizes), f"{self.path.name} unpacked")
        check_data_bytes(max(sizes, default=0), f"The largest file in {self.path.name} unpacked")


def _open_zip(path: Path) -> zipfile.ZipFile:
    try:
        return zipfile.ZipFile(path)
    except (OSError, ValueError, NotImplementedError, zipfile.BadZipFile) as error:
        raise DataError(
            f"{path.name} is not a readable .zip file ({error}). Make it again."
        ) from error
