"""What is kept of sets that are larger than memory: decoded images, and which arrays were found to be in order."""

from __future__ import annotations

import hashlib
import json
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

from aecore.data.arrays import Array
from aecore.errors import DataError

DAY = 86_400.0
DRAFT = ".draft-"


def cache_folder() -> Path:
    """$AECORE_CACHE, or a folder of the user's cache."""
    return Path(os.environ.get("AECORE_CACHE") or Path.home() / ".cache" / "aecore")


def fingerprint_files(files: Iterable[Path], *options: object) -> str:
    """Names a state of files: another one as soon as one of them has another size or time. Raises OSError."""
    digest = hashlib.sha256(repr(options).encode())
    for file in files:
        found = file.stat()
        digest.update(
            f"{file}\0{found.st_size}\0{found.st_mtime_ns}\n".encode("utf-8", "surrogateescape")
        )
    return digest.hexdigest()[:32]


def was_array_checked(path: Path, missing: bool) -> bool:
    """Whether all of an array was found to be in order, with this rule for NaN, and it is unchanged since."""
    return _mark(path, missing).exists()


def mark_array_checked(path: Path, missing: bool) -> None:
    with suppress(OSError):  # then it is checked again the next time
        mark = _mark(path, missing)
        mark.parent.mkdir(parents=True, exist_ok=True)
        mark.write_text(json.dumps({"checked": str(path), "missing": missing}))


def _mark(path: Path, missing: bool) -> Path:
    return cache_folder() / f"{fingerprint_files([path.resolve()], missing)}.json"


class CachedImages(NamedTuple):
    """Decoded images in the cache."""

    images: Path  # (N, C, H, W) uint8, a .npy
    rows: Array  # (N,) int64, which of the listing they are
    notes: list[str]  # why the others are left out


def find_cached_images(name: str) -> CachedImages | None:
    """The decoded images of that name, or None where there are none yet."""
    folder = cache_folder() / name
    try:
        notes = json.loads((folder / "notes.json").read_text())
        return CachedImages(
            folder / "images.npy", np.load(folder / "rows.npy", allow_pickle=False), notes
        )
    except (OSError, ValueError):
        return None


@contextmanager
def open_cache_draft(name: str) -> Iterator[Path]:
    """A new folder, which gets its name in the cache at the end; where something fails, nothing of it is left."""
    cache = cache_folder()
    try:
        cache.mkdir(parents=True, exist_ok=True)
        _clear_old_drafts(cache)
        folder = Path(tempfile.mkdtemp(prefix=DRAFT, dir=cache))
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
    for folder in cache.glob(f"{DRAFT}*"):
        with suppress(OSError):
            newest = max(path.stat().st_mtime for path in (folder, *folder.iterdir()))
            if newest < time.time() - DAY:
                shutil.rmtree(folder, ignore_errors=True)


def write_cache_index(folder: Path, rows: list[int], notes: list[str]) -> None:
    """What belongs to the images of a draft."""
    np.save(folder / "rows.npy", np.array(rows, np.int64))
    (folder / "notes.json").write_text(json.dumps(notes))


class ImageArrayWriter:
    """Writes images (C, H, W) one after the other into a .npy: one channel until the first colour image comes.

    Written, not mapped: a disk that runs full is an OSError then, and not the end of the process.
    """

    def __init__(self, path: Path, count: int) -> None:
        self.path, self.count, self.made = path, count, 0
        self.shape: tuple[int, ...] = ()
        self.file = path.open("wb")

    def add(self, pixels: Array) -> None:
        if not self.shape:
            self._begin(pixels.shape)
        elif pixels.shape[0] > self.shape[0]:
            self._widen()
        self.file.write(np.ascontiguousarray(np.broadcast_to(pixels, self.shape)).data)
        self.made += 1

    def close(self) -> None:
        """Say in the header how many came."""
        if self.shape:
            self.file.seek(0)
            self._header(self.made)
        self.file.close()

    def _begin(self, shape: tuple[int, ...]) -> None:
        self.shape = shape
        check_disk_space(self.path.parent, self.count * int(np.prod(shape)))
        self._header(self.count)

    def _header(self, count: int) -> None:
        header = {"descr": "|u1", "fortran_order": False, "shape": (count, *self.shape)}
        npy.write_array_header_1_0(
            self.file, header
        )  # NumPy pads it, so that its length does not depend on the count

    def _widen(self) -> None:
        """Write all again with three channels."""
        offset, size = (
            self.file.tell() - self.made * int(np.prod(self.shape)),
            int(np.prod(self.shape)),
        )
        self.file.close()
        wider = ImageArrayWriter(self.path.with_suffix(".wider"), self.count)
        wider._begin((3, *self.shape[1:]))
        with self.path.open("rb") as grey:
            grey.seek(offset)
            for _ in range(self.made):
                wider.add(np.frombuffer(grey.read(size), np.uint8).reshape(self.shape))
        wider.path.replace(self.path)
        self.file, self.shape = wider.file, wider.shape


def check_disk_space(folder: Path, need: int) -> None:
    """Raises DataError where a disk has less room than that."""
    if need > (free := shutil.disk_usage(folder).free):
        raise DataError(
            f"The decoded images take {need / 1e9:.3g} GB, but {folder.parent} has {free / 1e9:.3g} GB left. Free some "
            "space, set AECORE_CACHE to another disk, or make the set smaller with data.side or data.limit."
        )
