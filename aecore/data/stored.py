"""Training examples that stay on the disk: a .npy of any size, read in bounded memory and yet well shuffled.

A batch whose rows lie all over a file costs a disk access for each. So the file is cut into blocks, the order of the
blocks is drawn, and the examples of a window of many blocks are shuffled in memory: reading is sequential within a
block, and neighbours in the file come far apart. Files are read, not mapped: where a disk fails or a file was cut
short, a mapping ends the process without a word.
"""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data.arrays import Array, check_array_layout, format_count, read_npy_layout
from aecore.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


BLOCK_BYTES = 256 * 1024
"""What is read at once."""


WINDOW_BYTES = 64 * 2**20
"""What is shuffled at once. Up to three windows are in memory: one in use, one ready, one on its way."""


SAMPLE_BYTES = 64 * 10**6
"""Of examples as float32: what pages see of a large set, and how much of it is the test set."""


NEAR_BYTES = 16 * 1024
"""Rows no farther apart are one read."""


class NpyHeader(NamedTuple):
    """What the first bytes of a .npy promise, and where its values begin."""

    shape: tuple[int, ...]
    columns_first: bool
    dtype: np.dtype[Any]
    offset: int

    @property
    def row_bytes(self) -> int:
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def read_npy_header(path: Path) -> NpyHeader:
    """The header of a .npy whose values a model can learn from, and which is as long as it says. DataError."""
    try:
        with path.open("rb") as file:
            shape, columns_first, dtype = read_npy_layout(file)
            header, size = (
                NpyHeader(shape, columns_first, dtype, file.tell()),
                os.fstat(file.fileno()).st_size,
            )
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path.name} is not a readable .npy file ({error}). Save it again with numpy.save."
        ) from error
    if dtype.hasobject:
        raise DataError(f"{path.name} holds Python objects, which are never loaded. Save numbers.")
    check_array_layout(shape, dtype, path.name)
    if header.offset + math.prod(shape) * dtype.itemsize > size:
        raise DataError(
            f"{path.name} is cut short: its header promises shape {shape}. Save the file again."
        )
    return header


class StoredArray:
    """Some rows of a .npy as examples (N, *input_shape): uint8 for images stored as bytes, else float32."""

    def __init__(self, path: Path, rows: Array | None = None) -> None:
        """`rows`: which of the file's, ascending int64; all without it. Raises DataError as `read_header` does."""
        self.path, self.header = path, read_npy_header(path)
        if self.header.columns_first and len(self.header.shape) > 1:
            raise DataError(
                f"{path.name} is saved column by column, so no example of it lies in one piece. "
                "Save numpy.ascontiguousarray of it."
            )
        self.rows: Array = np.arange(self.header.shape[0]) if rows is None else rows

    def __len__(self) -> int:
        return len(self.rows)

    @property
    def input_shape(self) -> tuple[int, ...]:
        """(C, H, W) of an image, (features,) of a row."""
        inner = self.header.shape[1:]
        return (1, *inner) if len(inner) == 2 else inner

    @property
    def shape(self) -> tuple[int, ...]:
        return (len(self), *self.input_shape)

    @property
    def dtype(self) -> torch.dtype:
        import torch

        return (
            torch.uint8
            if self.header.dtype == np.uint8 and len(self.input_shape) == 3
            else torch.float32
        )

    @property
    def example_bytes(self) -> int:
        """Of one example in memory."""
        return math.prod(self.input_shape) * self.dtype.itemsize

    def take(self, positions: Tensor) -> Tensor:
        """The examples at these positions of this set, in memory and in this order: (n, *input_shape). OSError."""
        return self.take_rows(self.rows[positions.cpu().numpy()])

    def take_rows(self, rows: Array) -> Tensor:
        """As `take`, by the rows of the file."""
        order = np.argsort(rows, kind="stable")
        with self.path.open("rb") as file:
            return self._read(file, rows[order], order)

    def hold_out(self, count: int, seed: int) -> tuple[StoredArray, Tensor]:
        """The set without `count` random examples, and those, in memory. OSError; DataError if none were left."""
        if not 0 <= count < len(self):
            raise DataError(
                f"{count} of {format_count(len(self), 'example')} cannot be held out. Hold out fewer."
            )
        chosen = seeded_permutation(len(self), seed)[:count]
        return StoredArray(self.path, np.delete(self.rows, chosen.numpy())), self.take(chosen)

    def batches(self, batch_size: int, seed: int) -> Iterator[Tensor]:
        """Every example once: (batch_size, *input_shape) each, at last the rest.

        The order is a function of file, rows and seed. The next window is read by a thread, which ends with this
        generator; what it meets, such as an OSError, is raised here.
        """
        import torch

        begun: list[Tensor] = []
        with closing(read_ahead(self._windows(seed))) as windows:
            for window in windows:
                lacking = batch_size - sum(map(len, begun))
                begun.append(window[:lacking])
                if len(window) < lacking:
                    continue
                yield torch.cat(begun)
                *whole, rest = window[lacking:].split(batch_size)
                yield from whole
                begun = [rest.clone()]  # a view would keep its window in memory
                if len(rest) == batch_size:
                    yield begun.pop()
        if sum(map(len, begun)):
            yield torch.cat(begun)

    def _windows(self, seed: int) -> Iterator[Tensor]:
        """The examples of many random blocks at a time, shuffled."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        blocks = self._blocks()
        block_bytes = self._block_rows * max(self.example_bytes, self.header.row_bytes)
        with self.path.open("rb") as file:
            order = torch.randperm(len(blocks), generator=generator)
            for chosen in order.split(max(1, WINDOW_BYTES // block_bytes)):
                found = [self.rows[slice(*blocks[i])] for i in chosen.sort().values.tolist()]
                rows = np.concatenate([self.rows[:0], *found])
                yield self._read(file, rows, torch.randperm(len(rows), generator=generator).numpy())

    @property
    def _block_rows(self) -> int:
        return max(1, BLOCK_BYTES // self.header.row_bytes)

    def _blocks(self) -> list[tuple[int, int]]:
        """From which position to which each block of the file goes that has examples of this set."""
        step = self._block_rows
        edges = np.searchsorted(self.rows, np.arange(0, self.header.shape[0] + step, step)).tolist()
        return [(start, end) for start, end in pairwise(edges) if start < end]

    def _read(self, file: IO[bytes], rows: Array, places: Array) -> Tensor:
        """The examples of ascending rows, each written to its place: no second copy to shuffle them."""
        import torch

        out = torch.empty((len(rows), *self.input_shape), dtype=self.dtype)
        inside = out.numpy().reshape(len(rows), *self.header.shape[1:])
        near = max(1, NEAR_BYTES // self.header.row_bytes)
        apart = (np.diff(rows) > near) | (np.diff(rows // self._block_rows) != 0)
        with np.errstate(
            over="ignore"
        ):  # what float32 cannot hold was refused when the set was checked
            for start, end in pairwise([0, *(np.flatnonzero(apart) + 1).tolist(), len(rows)]):
                if start < end:
                    inside[places[start:end]] = self._span(file, rows[start:end])
        return out

    def _span(self, file: IO[bytes], rows: Array) -> Array:
        """Neighbouring rows as they are in the file, in one read."""
        first, count = int(rows[0]), int(rows[-1] - rows[0]) + 1
        span = np.empty((count, *self.header.shape[1:]), self.header.dtype)
        file.seek(self.header.offset + first * self.header.row_bytes)
        if file.readinto(span.reshape(-1).view(np.uint8)) < span.nbytes:  # type: ignore[attr-defined]
            raise OSError(f"{self.path} was cut short while it was read")
        return span if count == len(rows) else span[rows - first]


def read_ahead(items: Iterator[Tensor]) -> Iterator[Tensor]:
    """The same, each made by a thread while the one before is in use. The thread ends with the generator."""
    with closing(items), ThreadPoolExecutor(1, "aecore-stored") as pool:  # type: ignore[type-var]
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def seeded_permutation(count: int, seed: int) -> Tensor:
    """0 to count - 1 in an order that is a function of the seed alone."""
    import torch

    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
