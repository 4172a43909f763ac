"""The cache for sets larger than memory: decoded images, and arrays that passed their check."""

from __future__ import annotations

import hashlib
import json
import math
import os
import shutil
import tempfile
import time
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.lib import format as npy

from aecore.data.arrays.values import ValueRange
from aecore.data.raw import Array
from aecore.errors import DataError

DAY = 86_400.0
DRAFT_PREFIX = ".draft-"
IMAGES_FILE, ROWS_FILE, NOTES_FILE = "images.npy", "rows.npy", "notes.json"


def cache_folder() -> Path:
    """Return the folder of the cache: AECORE_CACHE if set, else ~/.cache/aecore."""
    return Path(os.environ.get("AECORE_CACHE") or Path.home() / ".cache" / "aecore")


def fingerprint_files(files: Iterable[Path], *options: object) -> str:
    """Return a name for the state of files: it changes with the size or time of any of them.

    Raises OSError.
    """
    digest = hashlib.sha256(repr(options).encode())
    for file in files:
        stat = file.stat()
        line = f"{file}\0{stat.st_size}\0{stat.st_mtime_ns}\n"
        digest.update(line.encode("utf-8", "surrogateescape"))
    return digest.hexdigest()[:32]


# -- arrays that were checked


def find_checked_range(path: Path, allow_missing: bool) -> ValueRange | None:
    """Return the range of an array that passed its check, with this rule for NaN.

    None where it has not, or has changed since.
    """
    try:
        low, high, is_whole = json.loads(_mark_path(path, allow_missing).read_text())["range"]
        return ValueRange(float(low), float(high), bool(is_whole))
    except (OSError, ValueError, TypeError, KeyError):
        return None


def keep_checked_range(path: Path, allow_missing: bool, values: ValueRange) -> None:
    """Remember that all of an array passed its check with this rule for NaN, and its range."""
    with suppress(OSError):  # then it is checked again the next time
        mark = _mark_path(path, allow_missing)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"checked": str(path), "range": values}))


def _mark_path(path: Path, allow_missing: bool) -> Path:
    return cache_folder() / f"{fingerprint_files([path.resolve()], allow_missing)}.json"


# -- decoded images


class CachedImages(NamedTuple):
    """Decoded images in the cache."""

    images: Path  # (N, C, H, W) uint8, a .npy
    rows: Array  # (N,) int64, their positions in the listing of the set
    notes: list[str]  # why the others are left out


def find_cached_images(name: str) -> CachedImages | None:
    """Return the decoded images of that name, or None where there are none yet."""
    folder = cache_folder() / name
    try:
        notes = json.loads((folder / NOTES_FILE).read_text())
        rows = np.load(folder / ROWS_FILE, allow_pickle=False)
    except (OSError, ValueError):
        return None
    return CachedImages(folder / IMAGES_FILE, rows, notes)


@contextmanager
def open_cache_draft(name: str) -> Iterator[Path]:
    """Make a folder that gets its name in the cache at the end, and is removed on an error."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _clear_old_drafts(cache)
        folder = Path(tempfile.mkdtemp(prefix=DRAFT_PREFIX, dir=cache))
    except OSError as error:
        raise DataError(
            f"Nothing can be kept in {cache} ({error}). Set AECORE_CACHE to another folder."
        ) from error
    try:
        yield folder
        with suppress(OSError):  # another process was first, with the same
            folder.rename(cache / name)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _clear_old_drafts(cache: Path) -> None:
    """Remove the drafts of processes that were killed."""
    for folder in cache.glob(f"{DRAFT_PREFIX}*"):
        with suppress(OSError):
            newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if newest < time.time() - DAY:
                shutil.rmtree(folder, ignore_errors=True)


def write_cache_index(folder: Path, rows: list[int], notes: list[str]) -> None:
    """Write the rows and notes of the images in a draft beside them."""
    np.save(folder / ROWS_FILE, np.array(rows, np.int64))
    (folder / NOTES_FILE).write_text(json.dumps(notes))


class ImageArrayWriter:
    """Writes images (C, H, W) one by one into a .npy: one channel until the first colour image.

    The file is written and not mapped: a full disk is then an OSError, where a mapping would end
    the process.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count, self.written = path, count, 0
        self.shape: tuple[int, ...] = ()
        self.file = path.open("wb")

    def add(self, pixels: Array) -> None:
        """Append an image of the shape of the first one, in one or three channels."""
        if not self.shape:
            self._begin(pixels.shape)
        elif pixels.shape[0] > self.shape[0]:
            self._widen()
        self.file.write(np.ascontiguousarray(np.broadcast_to(pixels, self.shape)).data)
        self.written += 1

    def close(self) -> None:
        """Write the final count into the header and close the file."""
        if self.shape:
            self.file.seek(0)
            self._write_header(self.written)
        self.file.close()

    def _begin(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        check_disk_space(self.path.parent, self.count * math.prod(shape))
        self._write_header(self.count)

    def _write_header(self, count: int) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.shape)}
        # NumPy pads the header, so that its length does not depend on the count
        npy.write_array_header_1_0(self.file, header)

    def _widen(self) -> None:
        """Write all images again with three channels."""
        image_bytes = math.prod(self.shape)
        offset = self.file.tell() - self.written * image_bytes
        self.file.close()
        wider = ImageArrayWriter(self.path.with_suffix(".wider"), self.count)
        wider._begin((3, *self.shape[1:]))
        with self.path.open("rb") as grey:
            grey.seek(offset)
            for _ in range(self.written):
                wider.add(np.frombuffer(grey.read(image_bytes), np.uint8).reshape(self.shape))
        wider.path.replace(self.path)
        self.file, self.shape = wider.file, wider.shape


def check_disk_space(folder: Path, byte_count: int) -> None:
    """Raise DataError where the disk of a folder has less room than that."""
    free = shutil.disk_usage(folder).free
    if byte_count > free:
        raise DataError(
            f"The decoded images take {byte_count / 1e9:.3g} GB, but {folder.parent} has "
            f"{free / 1e9:.3g} GB left. Free some space, set AECORE_CACHE to another disk, "
            "or make the set smaller with data.side or data.limit."
        )
