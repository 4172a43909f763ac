"""A visitor's own data: each set in a folder of its own beside the runs, whose name is hard to guess.

<runs>/.own/<token>/<the file>         a .zip, .npz, .npy, .csv or .parquet
<runs>/.own/<token>/images/<files>     pictures that came one by one
<runs>/.own/<token>/.set.json          how it is read: a DataConfig

Who knows the token may use the set; there is no other permission. Files arrive whole or not at all.
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
from typing import IO

from pydantic import ValidationError

from aecore.data.image_sources import holds_encoded_images
from aecore.data.images import IMAGE_SUFFIXES, count_image_sizes
from aecore.data.tables import read_frame
from aecore.errors import DataError
from aecore.files import write_text_file
from aecore.model.config import DataConfig
from aecore.runs.listing import runs_folder

MAX_UPLOAD_BYTES = int(
    float(os.environ.get("AECORE_MAX_UPLOAD_MB") or 512) * 10**6
)  # bytes of one set
PACKED_SUFFIXES = ".aez"  # what aecore.tasks.compress writes
UPLOAD_SUFFIXES = (".zip", ".csv", ".parquet", ".npz", ".npy", *IMAGE_SUFFIXES)
SETTINGS_FILE = ".set.json"
HOUR = 3600.0
LABEL_NAMES = ("class", "label", "target", "species", "category", "diagnosis", "y")
MAX_CLASSES = 100
SIDES = (16, 28, 32, 64)


@dataclass(frozen=True)
class UploadedData:
    """One set, by its folder."""

    path: Path

    @property
    def token(self) -> str:
        return self.path.name

    @property
    def source(self) -> Path | None:
        """What the reader is given: the file, or the folder of pictures; None while nothing has come."""
        if (self.path / "images").is_dir():
            return self.path / "images"
        files = sorted(self.path.glob("[!.]*"))
        return files[0] if files else None

    @property
    def name(self) -> str:
        """What people call it."""
        source = self.source
        if source is None:
            return "nothing yet"
        return source.name if source.is_file() else f"{len(list(source.iterdir())):,} pictures"

    def size(self) -> int:
        """Bytes on disk."""
        return sum(p.stat().st_size for p in self.path.rglob("*") if p.is_file())

    def config(self) -> DataConfig:
        """How it is read: as it was last saved, or leaving out what cannot be used."""
        source = str((self.source or self.path).resolve())
        try:
            kept = DataConfig.model_validate_json((self.path / SETTINGS_FILE).read_text())
            return kept.model_copy(update={"name": source})
        except (OSError, ValueError, ValidationError):
            return DataConfig(name=source, unusable="leave_out")

    def save(self, config: DataConfig) -> None:
        write_text_file(self.path / SETTINGS_FILE, config.model_dump_json())

    def delete(self) -> None:
        shutil.rmtree(self.path, ignore_errors=True)

    @contextmanager
    def receiving(self, name: str) -> Iterator[IO[bytes]]:
        """A file to write `name` to; it is there when the block ends well, else nothing is. DataError."""
        name = check_upload_name(name)
        folder = self.path / "images" if name.lower().endswith(IMAGE_SUFFIXES) else self.path
        if (source := self.source) is not None and source != folder:
            raise DataError(
                f"{source.name} is here already. Bring one file at a time, or pictures alone."
            )
        draft = self.path / f".{secrets.token_hex(8)}.part"
        try:
            with open(draft, "wb") as file:
                yield file
            folder.mkdir(exist_ok=True)
            os.replace(draft, folder / name)
        except OSError as error:
            raise DataError(f"{name} cannot be kept here: {error.strerror or error}.") from error
        finally:
            draft.unlink(missing_ok=True)


def guess_settings(one: UploadedData) -> DataConfig:
    """How a set that has just come is best read: small squares where pictures differ, classes by a telling name.

    DataError where it cannot be read at all.
    """
    config = one.config()
    suffix = Path(config.name).suffix.lower()
    if suffix in (".csv", ".parquet") and not holds_encoded_images(Path(config.name)):
        frame = read_frame(Path(config.name))
        label = next((name for name in frame.columns if name.strip().lower() in LABEL_NAMES), None)
        if label is not None and (
            frame[label].isna().any() or frame[label].nunique() > MAX_CLASSES
        ):
            label = None
        return config.model_copy(update={"label": label, "missing": "keep"})
    if suffix in (".npz", ".npy"):
        return config
    sizes = count_image_sizes(Path(config.name))
    least = min(min(size) for size in sizes)
    if len(sizes) == 1 and max(*sizes) <= 64:
        return config
    return config.model_copy(
        update={"side": max([side for side in SIDES if side <= least], default=SIDES[0])}
    )


def uploads_folder() -> Path:
    return runs_folder() / ".own"


def create_upload(keep: float | None = None) -> UploadedData:
    """An empty set, to be filled. DataError where nothing can be kept.

    Sets that nothing came to are cleared away, and all that are older than `keep` seconds where that is given.
    """
    remove_old_uploads(keep=keep)
    path = uploads_folder() / secrets.token_urlsafe(12)
    try:
        path.mkdir(parents=True)
    except OSError as error:
        raise DataError(
            f"Data cannot be kept in {uploads_folder()}: {error.strerror or error}."
        ) from error
    return UploadedData(path)


def find_upload(token: str) -> UploadedData | None:
    """The set of that token; None for one that is not there or is no token."""
    path = uploads_folder() / token if re.fullmatch(r"[\w-]{16}", token, re.ASCII) else None
    return UploadedData(path) if path is not None and path.is_dir() else None


def find_upload_of_path(name: str) -> UploadedData | None:
    """The set that a data set's name, a path, lies in; None for any other data."""
    inside = Path(name)
    root = uploads_folder().resolve()
    return (
        find_upload(inside.relative_to(root).parts[0])
        if inside.is_relative_to(root) and inside != root
        else None
    )


def list_uploads() -> list[UploadedData]:
    """Every set with something in it, the newest first."""
    found = [UploadedData(path) for path in uploads_folder().glob("*") if path.is_dir()]
    kept = [own for own in found if own.source and own.source.suffix != PACKED_SUFFIXES]
    return sorted(kept, key=lambda own: own.path.stat().st_mtime, reverse=True)


def remove_old_uploads(idle: float = HOUR, keep: float | None = None) -> None:
    """Remove sets that nothing came to for so many seconds, and, where `keep` is given, all older than that."""
    for path in uploads_folder().glob("*"):
        with suppress(OSError):
            age = time.time() - path.stat().st_mtime
            if (keep is not None and age > keep) or (
                age > idle and UploadedData(path).source is None
            ):
                UploadedData(path).delete()


def check_upload_name(name: str) -> str:
    """A file name from a stranger: a name and no path, of a kind that is read. DataError."""
    name = re.sub(r"[\x00-\x1f]", "", name.replace("\\", "/").rsplit("/", 1)[-1]).strip()
    if not name or name.startswith(".") or len(name.encode()) > 200:
        raise DataError(f"{name[:60]!r} is no name for a file of data.")
    if not name.lower().endswith((*UPLOAD_SUFFIXES, PACKED_SUFFIXES)):
        raise DataError(
            f"{name[:60]} is of no kind that is read here: give a {', '.join(UPLOAD_SUFFIXES[:5])}, or pictures."
        )
    return name
