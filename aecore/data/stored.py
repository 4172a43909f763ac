"""Data sets larger than memory: arrays that stay on the disk and are read a window at a time, well shuffled.

A batch that draws rows from all over a file costs a disk access for each. So the file is cut into blocks, the
order of the blocks is drawn, and the examples of a window of many blocks are shuffled in memory: reading is
sequential within a block, and neighbours in the file come far apart.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import queue
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.lib.format import open_memmap

from aecore.data import arrays
from aecore.data.arrays import Array
from aecore.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

BLOCK_BYTES = 256 * 1024  # read at once
WINDOW_BYTES = 64 * 2**20  # shuffled at once; the next window is read meanwhile
DAY = 86_400.0
SAMPLE_BYTES = 64 * 10**6  # of examples as float: what pages see of a large set, and what is held out


class Stored:
    """Examples (N, *shape) of a memory-mapped array: some of its rows, which stay on the disk."""

    def __init__(self, array: Array, rows: Array):
        """`array`: (M, *shape) of bytes or floats, memory-mapped. `rows`: which of them, in their order, int64."""
        self.array, self.rows = array, rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def input_shape(self) -> tuple[int, ...]:
        return tuple(self.array.shape[1:])

    @property
    def bytes_each(self) -> int:
        return math.prod(self.input_shape) * self.array.dtype.itemsize

    def take(self, positions: Tensor) -> Tensor:
        """The examples at these positions, in memory: (n, *shape), bytes or float32."""
        return in_memory(self.array, self.rows[positions.numpy()])

    def hold_out(self, count: int, seed: int) -> tuple[Stored, Tensor]:
        """The set without `count` random examples, and those, in memory."""
        import torch

        order = torch.randperm(len(self), generator=torch.Generator().manual_seed(seed))
        kept = order[count:].sort().values
        return Stored(self.array, self.rows[kept.numpy()]), self.take(order[:count])

    def batches(self, size: int, seed: int) -> Iterator[Tensor]:
        """Every example once, in an order that is a function of `seed` alone: (size, *shape), at last the rest."""
        import torch

        rest: Tensor | None = None
        for window in ahead(self.windows(seed)):
            pool = window if rest is None else torch.cat([rest, window])
            whole = len(pool) - len(pool) % size
            yield from pool[:whole].split(size) if whole else ()
            rest = pool[whole:].clone() if whole < len(pool) else None
        if rest is not None:
            yield rest

    def windows(self, seed: int) -> Iterator[Tensor]:
        """The examples of many random blocks at a time, shuffled."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        step = max(1, BLOCK_BYTES // self.bytes_each)  # rows of the file
        edges = np.searchsorted(self.rows, np.arange(0, len(self.array) + step, step))
        blocks = [(a, b) for a, b in pairwise(edges) if b > a]
        order = torch.randperm(len(blocks), generator=generator).tolist()
        many = max(1, WINDOW_BYTES // (step * self.bytes_each))
        for start in range(0, len(order), many):
            chosen = [slice(*blocks[i]) for i in order[start : start + many]]
            places = torch.randperm(sum(block.stop - block.start for block in chosen), generator=generator)
            pool = in_memory(self.array, self.rows[:1]).new_empty((len(places), *self.input_shape))
            for block, where in zip(chosen, places.split([b.stop - b.start for b in chosen]), strict=True):
                pool[where] = in_memory(self.array, self.rows[block])
            yield pool


def in_memory(array: Array, rows: Array) -> Tensor:
    """Rows of an array as a tensor of its own. A run without gaps is one read."""
    import torch

    gapless = len(rows) and rows[-1] - rows[0] == len(rows) - 1 and (len(rows) < 2 or bool((np.diff(rows) == 1).all()))
    found = array[rows[0] : rows[-1] + 1] if gapless else array[rows]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a file that is open for reading alone: the tensor is copied next
        tensor = torch.from_numpy(np.ascontiguousarray(found))
    pixels = tensor.dtype == torch.uint8 and tensor.dim() == 4  # tables are floats, as they are in memory
    return tensor.clone() if pixels else tensor.to(torch.float32, copy=True)


def ahead(windows: Iterator[Tensor]) -> Iterator[Tensor]:
    """The same, each made by a thread while the one before is used. It ends with who uses it."""
    ready: queue.Queue[Tensor | Exception | None] = queue.Queue(maxsize=1)
    over = threading.Event()

    def hand(item: Tensor | Exception | None) -> None:
        while not over.is_set():
            with suppress(queue.Full):
                ready.put(item, timeout=0.1)
                return

    def work() -> None:
        try:
            for window in windows:
                hand(window)
                if over.is_set():
                    return
            hand(None)
        except Exception as error:  # a disk that fails: told to who waits
            hand(error)

    thread = threading.Thread(target=work, daemon=True)
    thread.start()
    try:
        while (item := ready.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        over.set()
        thread.join()


# -- what becomes one


def is_large(count: int, what: str) -> bool:
    """Whether so many bytes stay on the disk. On a public page they are refused instead: raises DataError there."""
    if count <= arrays.MAX_BYTES:
        return False
    if os.environ.get("SPACE_ID"):
        arrays.check_bytes(count, what)
    return True


def open_npy(path: Path) -> Array:
    """A .npy without reading it: memory-mapped. DataError where it is torn or holds objects."""
    try:
        return np.load(path, mmap_mode="r", allow_pickle=False)
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{path.name} is not a readable .npy file ({error}). Save it again with numpy.save.") from error


def checked(path: Path, check: Callable[[Array], object], report: Callable[[str, float], None]) -> Array:
    """The array of a large .npy once `check` has seen all of it in parts; a file that is known is not read again."""
    array, mark = open_npy(path), cache_folder() / f"{stamp([path])}.checked"
    if mark.exists():
        return array
    step = max(1, WINDOW_BYTES // max(1, array[:1].nbytes))
    for start in range(0, len(array), step):
        try:
            check(array[start : start + step])
        except DataError as error:
            raise DataError(f"From row {start:,} on: {error}") from error
        report(f"Checking {path.name}", min(1.0, (start + step) / len(array)))
    mark.parent.mkdir(parents=True, exist_ok=True)
    mark.touch()
    return array


def cache_folder() -> Path:
    """Where decoded images of large sets are kept: $AECORE_CACHE, or a folder of the user's cache."""
    return Path(os.environ.get("AECORE_CACHE") or Path.home() / ".cache" / "aecore")


def stamp(files: Sequence[Path], *options: object) -> str:
    """Names a state of files: another one as soon as any of them has another size or time."""
    digest = hashlib.sha256(json.dumps(options).encode())
    for file in files:
        found = file.stat()
        digest.update(f"{file.resolve()}|{found.st_size}|{found.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:32]


def cached(name: str) -> tuple[Array, list[int]] | None:
    """The decoded images of that name, and which of the listing they are; None where they are not kept yet."""
    images, kept = cache_folder() / f"{name}.npy", cache_folder() / f"{name}.kept.npy"
    if not kept.exists():
        return None
    rows = np.load(kept, allow_pickle=False).tolist()
    return open_npy(images)[: len(rows)], rows


class Draft:
    """Images on their way into the cache: room on the disk, and a name only once all are there."""

    def __init__(self, name: str):
        self.name, self.made = name, 0
        self.folder = cache_folder()
        self.folder.mkdir(parents=True, exist_ok=True)
        for path in self.folder.glob(".*-*.npy"):  # of a process that was killed
            if path.stat().st_mtime < time.time() - DAY:
                path.unlink()

    def room(self, shape: tuple[int, ...]) -> Array:
        """A new array of bytes on the disk. DataError where that has no room."""
        need, free = math.prod(shape), shutil.disk_usage(self.folder).free
        if need > 0.95 * free:
            raise DataError(
                f"The images take {need / 1e9:.3g} GB once decoded, and {self.folder} has {free / 1e9:.3g} GB left. "
                "Free some space, set AECORE_CACHE to another disk, or set data.side to make them smaller."
            )
        self.made += 1
        return open_memmap(self.path(self.made), "w+", np.uint8, shape)

    def path(self, number: int) -> Path:
        return self.folder / f".{self.name}.{os.getpid()}-{number}.npy"

    def keep(self, array: Array, kept: Sequence[int]) -> Array:
        """Give the last room its name; the array as it is read from now on."""
        array.flush()  # type: ignore[attr-defined]
        os.replace(self.path(self.made), self.folder / f"{self.name}.npy")
        draft = self.path(0)
        np.save(draft, np.array(kept, np.int64))
        os.replace(draft, self.folder / f"{self.name}.kept.npy")
        return open_npy(self.folder / f"{self.name}.npy")[: len(kept)]


@contextmanager
def draft(name: str) -> Iterator[Draft]:
    """A draft whose files are gone at the end, whatever happens."""
    made = Draft(name)
    try:
        yield made
    finally:
        for path in made.folder.glob(f".{name}.{os.getpid()}-*.npy"):
            path.unlink()
