"""The files of a set of images, by what they are."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from aecore.data.images.folders import FolderParts
from aecore.data.images.formats import IMAGE_SUFFIXES
from aecore.data.images.labels import LABEL_TABLES
from aecore.data.images.notes import ImageReading
from aecore.data.images.sources import is_junk_file
from aecore.errors import DataError
from aecore.limits import read_limit

ARCHIVE_SUFFIXES = (".tar", ".tgz", ".tar.gz", ".tar.bz2", ".tar.xz", ".7z", ".rar", ".zip")
MAX_PICTURES = 500_000


class ListedFiles(NamedTuple):
    """The files of a set by what they are."""

    images: dict[FolderParts, str]  # names by their path inside the set
    tables: list[str]
    folders: set[FolderParts]


def list_image_files(names: Iterable[str], reading: ImageReading) -> ListedFiles:
    """Return the files and folders of a set, without junk files."""
    listing = ListedFiles({}, [], set())
    set_name = reading.set_name
    limit = int(min(MAX_PICTURES, read_limit("pictures")))
    for count, name in enumerate(names):
        parts = tuple(part for part in name.split("/") if part not in ("", "."))
        if count >= limit:
            raise DataError(f"{set_name} holds more than {limit:,} files. Use fewer examples.")
        if any(is_junk_file(part) for part in parts):
            continue
        if name.endswith("/"):
            listing.folders.add(parts)
        elif name.lower().endswith(IMAGE_SUFFIXES):
            listing.images[parts] = name
            listing.folders.update(parts[:depth] for depth in range(1, len(parts)))
        elif name.lower().endswith(LABEL_TABLES):
            listing.tables.append(name)
        else:
            _set_file_aside("/".join(parts), reading)
    images = listing.images if reading.keeps_order else dict(sorted(listing.images.items()))
    return ListedFiles(images, listing.tables, listing.folders - {()})


def _set_file_aside(name: str, reading: ImageReading) -> None:
    """Leave out a file that is no image by its name."""
    is_archive = name.lower().endswith(ARCHIVE_SUFFIXES)
    what = "is an archive that is not opened" if is_archive else "is not an image"
    cure = "Unpack it" if is_archive else "Take it out"
    reading.set_aside(
        "archive" if is_archive else "odd",
        name,
        f"{name[:80]} in {reading.set_name} {what} ({', '.join(IMAGE_SUFFIXES)}). {cure}.",
    )
