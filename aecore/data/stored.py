"""Training examples that stay on the disk: a .npy read in bounded memory and yet well shuffled.

A batch whose rows lie all over a file costs a disk access for each. So the file is cut into blocks,
the order of the blocks is drawn, and the examples of a window of many blocks are shuffled in
memory: reading is sequential within a block, and neighbours in the file come far apart. Files are
read, not mapped: where a disk fails or a file was cut short, a mapping ends the process without a
word.
"""

from __future__ import annotations

import math
import os
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from io import BufferedReader
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data.arrays.layouts import check_number_type, make_plain_layout
from aecore.data.arrays.reading import read_npy_layout
from aecore.data.arrays.values import ArrayReading
from aecore.data.raw import Array, format_count
from aecore.errors import DataError

if TYPE_CHECKING:
    import torch
    from torch import Tensor


BLOCK_BYTES = 256 * 1024
"""Read at once."""

WINDOW_BYTES = 64 * 2**20
"""Shuffled at once. Up to three windows are in memory: one in use, one ready, one being read."""

SAMPLE_BYTES = 64 * 10**6
"""Examples as float32 that pages see of a large set, and the size of its test set."""

NEAR_BYTES = 16 * 1024
"""Rows no farther apart than this are read at once."""


class NpyHeader(NamedTuple):
    """The layout of a .npy as its first bytes promise it."""

    shape: tuple[int, ...]
    columns_first: bool  # stored column by column
    dtype: np.dtype[Any]
    offset: int  # where the values begin

    @property
    def row_bytes(self) -> int:
        """Bytes of one row in the file."""
        return math.prod(self.shape[1:]) * self.dtype.itemsize


def read_npy_header(path: Path) -> NpyHeader:
    """Read and check the header of a .npy.

    Raises DataError where its values are no numbers, or the file is shorter than it says.
    """
    try:
        with path.open("rb") as file:
            shape, columns_first, dtype = read_npy_layout(file)
            header = NpyHeader(shape, columns_first, dtype, file.tell())
            size = os.fstat(file.fileno()).st_size
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{path.name} is not a readable .npy file ({error}). Save it again with numpy.save."
        ) from error
    if dtype.hasobject:
        raise DataError(f"{path.name} holds Python objects, which are never loaded. Save numbers.")
    check_number_type(dtype, path.name)
    if header.offset + math.prod(shape) * dtype.itemsize > size:
        raise DataError(
            f"{path.name} is cut short: its header promises shape {shape}. Save the file again."
        )
    return header


class StoredArray:
    """Some rows of a .npy as examples (N, *input_shape): images of bytes as uint8, else float32."""

    def __init__(
        self, path: Path, rows: Array | None = None, reading: ArrayReading | None = None
    ) -> None:
        """Open the array with these rows of the file, ascending int64; all without them.

        Without a `reading` it is N x features, N x H x W or N x C x H x W, with values as they are.
        Raises DataError as `read_npy_header` does, and for an array none of whose examples lies in
        one piece.
        """
        self.path, self.header = path, read_npy_header(path)
        self.reading = reading or ArrayReading(make_plain_layout(self.header.shape))
        if not self.reading.layout.has_examples_first:
            raise DataError(
                f"{self.reading.layout.note} It is larger than memory, and no example of it lies "
                "in one piece: save it with the axis of pictures first, by numpy.moveaxis."
            )
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
        """Shape of one example: (C, H, W) of an image, (features,) of a row."""
        return self.reading.layout.input_shape

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of all examples: (N, *input_shape)."""
        return (len(self), *self.input_shape)

    @property
    def dtype(self) -> torch.dtype:
        """Type of the examples in memory: uint8 for images read as bytes, else float32."""
        import torch

        holds_bytes = self.reading.find_dtype(self.header.dtype) == np.uint8
        return torch.uint8 if holds_bytes else torch.float32

    @property
    def example_bytes(self) -> int:
        """Bytes of one example in memory."""
        return math.prod(self.input_shape) * self.dtype.itemsize

    def take(self, positions: Tensor) -> Tensor:
        """Read the examples at these positions of this set, in this order: (n, *input_shape).

        Raises OSError.
        """
        return self.take_rows(self.rows[positions.cpu().numpy()])

    def take_rows(self, rows: Array) -> Tensor:
        """Read examples as `take` does, by their rows in the file."""
        order = np.argsort(rows, kind="stable")
        with self.path.open("rb") as file:
            return self._read_rows(file, rows[order], order)

    def hold_out(self, count: int, seed: int) -> tuple[StoredArray, Tensor]:
        """Return the set without `count` random examples, and those examples in memory.

        Raises OSError, and DataError if no example were left.
        """
        if not 0 <= count < len(self):
            raise DataError(
                f"{count} of {format_count(len(self), 'example')} cannot be held out. "
                "Hold out fewer."
            )
        held_out = draw_permutation(len(self), seed)[:count]
        rest = StoredArray(self.path, np.delete(self.rows, held_out.numpy()), self.reading)
        return rest, self.take(held_out)

    def batches(self, batch_size: int, seed: int) -> Iterator[Tensor]:
        """Yield every example once: (batch_size, *input_shape) each, at last the rest.

        The order is a function of file, rows and seed. The next window is read by a thread, which
        ends with this generator; an error that it meets, such as an OSError, is raised here.
        """
        import torch

        parts: list[Tensor] = []  # parts of the next batch
        with closing(read_ahead(self._windows(seed))) as windows:
            for window in windows:
                lacking = batch_size - sum(map(len, parts))
                parts.append(window[:lacking])
                if len(window) < lacking:
                    continue
                yield torch.cat(parts)
                *whole, rest = window[lacking:].split(batch_size)
                yield from whole
                parts = [rest.clone()]  # a view would keep its window in memory
                if len(rest) == batch_size:
                    yield parts.pop()
        if sum(map(len, parts)):
            yield torch.cat(parts)

    def _windows(self, seed: int) -> Generator[Tensor, None, None]:
        """Yield the examples of many random blocks at a time, shuffled."""
        import torch

        generator = torch.Generator().manual_seed(seed)
        blocks = self._list_blocks()
        block_bytes = self._block_rows * max(self.example_bytes, self.header.row_bytes)
        with self.path.open("rb") as file:
            order = torch.randperm(len(blocks), generator=generator)
            for window in order.split(max(1, WINDOW_BYTES // block_bytes)):
                parts = [self.rows[slice(*blocks[i])] for i in window.sort().values.tolist()]
                rows = np.concatenate([self.rows[:0], *parts])
                targets = torch.randperm(len(rows), generator=generator).numpy()
                yield self._read_rows(file, rows, targets)

    @property
    def _block_rows(self) -> int:
        """Rows of the file in one block."""
        return max(1, BLOCK_BYTES // self.header.row_bytes)

    def _list_blocks(self) -> list[tuple[int, int]]:
        """Return first and end position of each block of the file that has examples of this set."""
        step = self._block_rows
        edges = np.searchsorted(self.rows, np.arange(0, self.header.shape[0] + step, step)).tolist()
        return [(start, end) for start, end in pairwise(edges) if start < end]

    def _read_rows(self, file: BufferedReader, rows: Array, targets: Array) -> Tensor:
        """Read ascending rows, each into its target position: no second copy to shuffle them."""
        import torch

        out = torch.empty((len(rows), *self.input_shape), dtype=self.dtype)
        view = out.numpy()
        near = max(1, NEAR_BYTES // self.header.row_bytes)
        apart = (np.diff(rows) > near) | (np.diff(rows // self._block_rows) != 0)
        cuts = [0, *(np.flatnonzero(apart) + 1).tolist(), len(rows)]
        for start, end in pairwise(cuts):
            if start < end:
                span = self._read_span(file, rows[start:end])
                view[targets[start:end]] = self.reading.convert(span)
        return out

    def _read_span(self, file: BufferedReader, rows: Array) -> Array:
        """Read neighbouring rows as they are in the file, in one read."""
        first, count = int(rows[0]), int(rows[-1] - rows[0]) + 1
        span = np.empty((count, *self.header.shape[1:]), self.header.dtype)
        file.seek(self.header.offset + first * self.header.row_bytes)
        if file.readinto(span.reshape(-1).view(np.uint8).data) < span.nbytes:
            raise OSError(f"{self.path} was cut short while it was read")
        return span if count == len(rows) else span[rows - first]


def read_ahead(items: Generator[Tensor, None, None]) -> Generator[Tensor, None, None]:
    """Yield the same items, each made by a thread while the one before is in use.

    The thread ends with the generator.
    """
    with closing(items), ThreadPoolExecutor(1, "aecore-stored") as pool:
        coming = pool.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = pool.submit(next, items, None)
            yield item


def draw_permutation(count: int, seed: int) -> Tensor:
    """Return 0 to count - 1 in an order that is a function of the seed alone."""
    import torch

    return torch.randperm(count, generator=torch.Generator().manual_seed(seed))
