"""Pictures that are brought one by one, as files that lie anywhere: one folder of them."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from aecore.data.images.reading import IMAGE_SUFFIXES
from aecore.errors import DataError

FOLDER_NAME = "pictures"  # as errors and notes call all of them together
BESIDE_SUFFIXES = (".csv", ".tsv", ".txt", ".json", ".jsonl")  # may hold the pictures' classes


def are_loose_pictures(files: Sequence[Path]) -> bool:
    """Return True for a picture alone, and for several files."""
    return len(files) > 1 or files[0].name.lower().endswith(IMAGE_SUFFIXES)


@contextmanager
def gather_pictures(files: Sequence[Path]) -> Iterator[Path]:
    """Give a folder in which these pictures lie under their own names, for as long as it is open.

    A table of their classes may be among them. Raises DataError where a file is missing, two have
    one name, or what is given are several sets.
    """
    check_loose_pictures(files)
    with tempfile.TemporaryDirectory(prefix="aecore-") as place:
        folder = Path(place) / FOLDER_NAME
        folder.mkdir()
        for file in files:
            os.symlink(file.resolve(), folder / file.name)
        yield folder


def check_loose_pictures(files: Sequence[Path]) -> None:
    """Raise DataError for files that cannot be read as one set of pictures."""
    names: set[str] = set()
    for file in files:
        if not file.exists():
            raise DataError(f"There is no file {str(file)!r}. Look for a slip in its name.")
        is_picture = file.name.lower().endswith(IMAGE_SUFFIXES)
        if not file.is_file() or not (is_picture or file.name.lower().endswith(BESIDE_SUFFIXES)):
            raise DataError(
                f"{file.name} is no picture, and several files are read as pictures brought one by "
                "one. Give one set of data at a time."
            )
        if file.name in names:
            raise DataError(
                f"Two pictures are called {file.name}. Rename one, or give the folder of both."
            )
        names.add(file.name)
    if not any(name.lower().endswith(IMAGE_SUFFIXES) for name in names):
        raise DataError(
            f"{' and '.join(sorted(names)[:2])} are two tables, and several files are read as "
            "pictures brought one by one. Give one table at a time."
        )
