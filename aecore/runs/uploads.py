"""A visitor's own data: each set in a folder of its own beside the runs.

<runs>/.own/<token>/<the file>         a .zip, .npz, .npy, or a table: .csv, .xlsx, .parquet ...
<runs>/.own/<token>/images/<files>     pictures that came one by one, or in their folders
<runs>/.own/<token>/.set.json          how it is read: a DataConfig

A token is a name and no permission: whose a set is stands in its .owner.json. Files arrive whole or
not at all.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pydantic import ValidationError

from aecore.data.describe import holds_table
from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.data.images.listing import ARCHIVE_SUFFIXES
from aecore.data.tables.files import TABLE_SUFFIXES
from aecore.data.tables.reading import read_columns
from aecore.errors import DataError
from aecore.files import write_text_file
from aecore.limits import read_limit
from aecore.model.config import DataConfig
from aecore.names import drop_unprintable
from aecore.runs.drafts import open_draft_file
from aecore.runs.listing import runs_folder

if TYPE_CHECKING:
    from aecore.data.tables.column_values import Table

PACKED_SUFFIXES = ".aez"  # what aecore.tasks.compress writes
UPLOAD_SUFFIXES = (".zip", *TABLE_SUFFIXES, ".npz", ".npy", *IMAGE_SUFFIXES)
SETTINGS_FILE = ".set.json"
HOUR = 3600.0
IMAGES_FOLDER = "images"
MAX_FILE_NAME_BYTES = 200
MAX_FOLDERS = 10  # in each other


@dataclass(frozen=True)
class UploadedData:
    """One uploaded data set, by its folder."""

    path: Path

    @property
    def token(self) -> str:
        """The folder's name, which stands for the set in addresses."""
        return self.path.name

    @property
    def source(self) -> Path | None:
        """The file, or the folder of pictures; None while nothing has come."""
        images = self.path / IMAGES_FOLDER
        if images.is_dir():
            return images
        files = sorted(self.path.glob("[!.]*"))
        return files[0] if files else None

    @property
    def name(self) -> str:
        """The name that people see."""
        source = self.source
        if source is None:
            return "nothing yet"
        if source.is_file():
            return source.name
        files = [name.lower() for _, _, names in os.walk(source) for name in names]
        count = sum(name.endswith(IMAGE_SUFFIXES) for name in files)
        return "1 picture" if count == 1 else f"{count:,} pictures"

    def size(self) -> int:
        """Returns its bytes on disk."""
        return sum(path.stat().st_size for path in self.path.rglob("*") if path.is_file())

    def brought_at(self) -> float:
        """Returns when its data came, in seconds since 1970; 0 where they were deleted."""
        try:
            return (self.source or self.path).stat().st_mtime
        except OSError:  # a moment ago
            return 0.0

    def config(self) -> DataConfig:
        """Returns how it is read: as it was last saved, or leaving out what cannot be used."""
        source = str((self.source or self.path).resolve())
        try:
            saved = DataConfig.model_validate_json((self.path / SETTINGS_FILE).read_text())
            return saved.model_copy(update={"name": source})
        except (OSError, ValueError, ValidationError):
            return DataConfig(name=source)

    def save(self, config: DataConfig) -> None:
        """Keeps how it is to be read."""
        write_text_file(self.path / SETTINGS_FILE, config.model_dump_json())

    def delete(self) -> None:
        """Removes it with its folder."""
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def receiving(self, name: str, folder: str = "") -> Iterator[IO[bytes]]:
        """Opens a file to write an upload to, which is kept if the block ends well. DataError.

        `folder` is the path of the folder of pictures that it came in; empty where it came alone.
        """
        name, parts = check_upload_name(name), check_upload_folder(folder)
        is_image = bool(parts) or name.lower().endswith(IMAGE_SUFFIXES)
        root = self.path / IMAGES_FOLDER if is_image else self.path
        source = self.source
        if source is not None and source != root:
            raise DataError(
                f"{source.name} is here already. Bring one file at a time, pictures alone, or a "
                "folder or .zip of pictures with the table of their classes."
            )
        draft = self.path / f".{secrets.token_hex(8)}.part"
        try:
            with open_draft_file(draft) as file:
                yield file
            root.joinpath(*parts).mkdir(parents=True, exist_ok=True)
            os.replace(draft, root.joinpath(*parts, name))
        except OSError as error:
            raise DataError(f"{name} cannot be kept here: {error.strerror or error}.") from error
        finally:
            draft.unlink(missing_ok=True)


def guess_settings(upload: UploadedData, table: Table | None = None) -> DataConfig:
    """Guesses how a new set is best read; DataError for a table that cannot be read at all.

    The kinds of a table's columns are kept; `table` is what was read of it, if it was.
    """
    config = upload.config()
    path = Path(config.name)
    if not holds_table(path):
        return config
    table = table or read_columns(path, config)
    return config.model_copy(
        update={"columns": table.schema, "label": table.target or config.label}
    )


def read_upload_bytes() -> int:
    """Returns how many bytes one set may have."""
    return int(read_limit("upload_mb") * 10**6)


def uploads_folder() -> Path:
    """Returns the folder of all uploaded sets."""
    return runs_folder() / ".own"


def create_upload() -> UploadedData:
    """Creates an empty set, to be filled. DataError where nothing can be kept.

    Sets that have stayed empty are removed.
    """
    remove_empty_uploads()
    path = uploads_folder() / secrets.token_urlsafe(12)
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"Data cannot be kept in {uploads_folder()}: {error.strerror or error}."
        ) from error
    return UploadedData(path)


def find_upload(token: str) -> UploadedData | None:
    """Returns the set of that token; None for one that is not there or is no token."""
    if not re.fullmatch(r"[\w-]{16}", token, re.ASCII):
        return None
    path = uploads_folder() / token
    return UploadedData(path) if path.is_dir() else None


def is_upload_path(name: str) -> bool:
    """Returns True where a data set's name is a path of brought data, which may be deleted."""
    path, root = Path(name), uploads_folder().resolve()
    return path != root and path.is_relative_to(root)


def find_upload_of_path(name: str) -> UploadedData | None:
    """Returns the set that a data set's name, a path, lies in; None for any other data."""
    if not is_upload_path(name):
        return None
    return find_upload(Path(name).relative_to(uploads_folder().resolve()).parts[0])


def list_uploads() -> list[UploadedData]:
    """Returns every set of data that is read as such, the newest first."""
    filled = [
        upload
        for upload in list_filled_uploads()
        if upload.source and upload.source.suffix != PACKED_SUFFIXES
    ]
    return sorted(filled, key=UploadedData.brought_at, reverse=True)


def list_filled_uploads() -> list[UploadedData]:
    """Returns every set with anything in it, in no order."""
    uploads = [UploadedData(path) for path in uploads_folder().glob("*") if path.is_dir()]
    return [upload for upload in uploads if upload.source]


def remove_empty_uploads(idle: float = HOUR) -> None:
    """Removes sets that are still empty after `idle` seconds."""
    for path in uploads_folder().glob("*"):
        with suppress(OSError):
            age = time.time() - path.stat().st_mtime
            if age > idle and UploadedData(path).source is None:
                UploadedData(path).delete()


def check_upload_name(name: str) -> str:
    """Checks a stranger's file name: without a path, of a kind that is read. DataError."""
    name = re.sub(r"[\x00-\x1f]", "", name.replace("\\", "/").rsplit("/", 1)[-1])
    name = drop_unprintable(name).strip()
    if not name or name.startswith(".") or len(name.encode()) > MAX_FILE_NAME_BYTES:
        raise DataError(f"{name[:60]!r} is no name for a file of data.")
    small = name.lower()
    if small.endswith(ARCHIVE_SUFFIXES) and not small.endswith(".zip"):
        raise DataError(
            f"{name[:60]} is an archive of a kind that is not opened. "
            "Unpack it, and bring the files or a .zip of them."
        )
    if not small.endswith((*UPLOAD_SUFFIXES, PACKED_SUFFIXES)):
        raise DataError(
            f"{name[:60]} is of no kind that is read here. Bring pictures or a .zip of them, "
            "a table (.csv, .xlsx, .parquet) or arrays (.npz, .npy)."
        )
    return name


def check_upload_folder(path: str) -> tuple[str, ...]:
    """Checks the path of a stranger's folder, in which a file came; returns its parts. DataError.

    Names that hide a folder or lead out of it are none.
    """
    parts = [re.sub(r"[\x00-\x1f]", "", part) for part in path.replace("\\", "/").split("/")]
    parts = [drop_unprintable(part).strip() for part in parts]
    parts = [part for part in parts if part]
    if len(parts) > MAX_FOLDERS:
        raise DataError(f"{path[:60]!r} has too many folders in each other. Bring a .zip instead.")
    for part in parts:
        if part.startswith(".") or len(part.encode()) > MAX_FILE_NAME_BYTES:
            raise DataError(f"{part[:60]!r} is no name for a folder of data.")
    return tuple(parts)
