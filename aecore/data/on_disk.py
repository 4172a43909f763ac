"""Sets larger than memory: which part of them is read into memory, and what stays on the disk."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data import stored
from aecore.data.arrays.column_notes import CLIP_NOTE
from aecore.data.arrays.layouts import find_array_layout
from aecore.data.arrays.reading import arrange_array, count_decoded_bytes, make_raw_from_examples
from aecore.data.arrays.values import (
    ArrayReading,
    ValueRange,
    check_finite,
    choose_pixel_scale,
    measure_range,
)
from aecore.data.disk_cache import find_checked_range, keep_checked_range
from aecore.data.memory import check_data_bytes, fits_in_memory
from aecore.data.raw import Array, RawData, ReportProgress, make_raw_data
from aecore.data.splits import Dataset, Split, count_held_out
from aecore.data.stored import StoredArray, draw_permutation, read_npy_header
from aecore.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.model.config import DataConfig


class DiskArray(NamedTuple):
    """A set on the disk, before it is split."""

    array: StoredArray  # all of its examples
    metadata: RawData  # their labels, classes and the like; its x is empty


def read_npy(
    path: Path, report: ReportProgress, config: DataConfig, may_stay_on_disk: bool
) -> RawData | DiskArray:
    """Read one array as `read_npz` reads `x`.

    A set above the memory limit stays on the disk if `may_stay_on_disk`, and is refused otherwise.
    Raises DataError.
    """
    header, name = read_npy_header(path), path.name
    allow_missing = config.missing == "keep"
    byte_count = count_decoded_bytes(header.shape, header.dtype)
    if fits_in_memory(byte_count) or not may_stay_on_disk:
        check_data_bytes(byte_count, name)
        with explain_read_errors(name):
            x, note = arrange_array(np.load(path, allow_pickle=False), name, allow_missing)
            return make_raw_from_examples(x, name, [note])
    layout = find_array_layout(header.shape, header.dtype, name)
    array = StoredArray(path, reading=ArrayReading(layout))
    metadata = make_raw_data(np.empty((0, *array.input_shape), np.float32))
    if not layout.is_image:
        part = read_limited_part(array, metadata, config)
        if part is not None:
            raw, rows = part
            check_finite(raw.x, name, allow_missing, rows)
            return raw
    values = check_stored_values(array, allow_missing, report)
    scale = choose_pixel_scale(values, header.dtype, name) if layout.is_image else None
    told = CLIP_NOTE if scale is None and not layout.is_image else scale.note if scale else ""
    notes = tuple(filter(None, [layout.note, told]))
    array = StoredArray(path, reading=ArrayReading(layout, scale))
    metadata = metadata._replace(notes=notes)
    part = read_limited_part(array, metadata, config)
    return DiskArray(array, metadata) if part is None else part[0]


def read_limited_part(
    array: StoredArray, metadata: RawData, config: DataConfig
) -> tuple[RawData, Array] | None:
    """Read the examples that `config.limit` leaves into memory.

    Returns them and their rows in the file, or None without a limit or if even they do not fit.
    """
    splits = choose_limited_rows(len(array), metadata, config)
    if splits is None or not fits_in_memory(sum(map(len, splits)) * array.example_bytes):
        return None
    import torch

    rows = torch.cat(splits)
    with explain_read_errors(array.path.name):
        x = array.take(rows).numpy()
    y = None if metadata.y is None else metadata.y[rows.numpy()]
    return metadata._replace(x=x, y=y, train_count=len(splits[0])), rows.numpy()


def choose_limited_rows(
    count: int, metadata: RawData, config: DataConfig
) -> tuple[Tensor, Tensor] | None:
    """Return the rows of training and test examples under `config.limit`; None without one.

    They are the rows that a set in memory would have with this limit.
    """
    if config.limit is None:
        return None
    train, test = _split_rows(count, metadata, config, max_test=count)
    if metadata.y is not None and config.train_class in metadata.classes:
        import torch

        train = train[
            torch.from_numpy(metadata.y)[train] == metadata.classes.index(config.train_class)
        ]
    return _draw_rows(train, config.limit, config), _draw_rows(test, config.limit, config)


def check_stored_values(
    array: StoredArray, allow_missing: bool, report: ReportProgress
) -> ValueRange:
    """Return the range of a large array, by which pictures are scaled.

    Raises DataError where it has values that no model can learn from. A file that passed once and
    is unchanged is not read again; of bytes no more is read than tells that they are not all 0
    and 1.
    """
    name, count, values = array.path.name, len(array), ValueRange()
    is_image, dtype = array.reading.layout.is_image, array.header.dtype
    with explain_read_errors(name):
        if dtype.kind != "f" and not is_image:
            return values
        known = find_checked_range(array.path, allow_missing)
        if known is not None:
            return known
        row_bytes = max(array.header.row_bytes, array.example_bytes)
        step = max(1, stored.WINDOW_BYTES // row_bytes)
        for start in range(0, count, step):
            x = array.take_rows(np.arange(start, min(start + step, count))).numpy()
            rows = np.arange(start, start + len(x))
            check_finite(x, name, allow_missing and not is_image, rows)
            if is_image:
                values = values.join(measure_range(x))
            report(f"Checking {name}", min(1.0, (start + step) / count))
            if dtype == np.uint8 and values.high > 1:
                return values
        keep_checked_range(array.path, allow_missing, values)
    return values


def make_disk_dataset(name: str, disk_array: DiskArray, config: DataConfig) -> Dataset:
    """Return a data set whose training examples are on the disk.

    A sample of them and the test examples are in memory. Raises DataError for options that need
    all examples in memory.
    """
    array, metadata = disk_array
    options = {
        "binarise": config.binarise != "none",
        "train_class": config.train_class is not None,
        "split_by": config.split_by is not None,
    }
    if any(options.values()):
        option = next(name for name, is_set in options.items() if is_set)
        raise DataError(
            f"{name} is larger than memory, so data.{option} cannot be used. "
            "Set data.limit to use a part."
        )
    sample_count = max(1, stored.SAMPLE_BYTES // (4 * math.prod(array.input_shape)))
    splits = choose_limited_rows(len(array), metadata, config)
    train, test = splits or _split_rows(len(array), metadata, config, max_test=sample_count)
    sample = _draw_rows(train, sample_count, config)
    note = (
        f"Larger than memory: training reads all {len(train):,} examples from the disk; "
        f"pages show a sample of {len(sample):,}."
    )
    return Dataset(
        name=name,
        kind=metadata.kind,
        train=_read_rows(disk_array, sample, name),
        test=_read_rows(disk_array, test[:sample_count], name),
        classes=metadata.classes,
        columns=metadata.columns,
        notes=(*metadata.notes, note),
        reading=metadata.reading,
        stored=StoredArray(array.path, train.sort().values.numpy(), array.reading),
    )


@contextmanager
def explain_read_errors(name: str) -> Iterator[None]:
    """Turn an error of reading the file `name` into a DataError that says what to do."""
    try:
        yield
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{name} cannot be read ({error}). Look after the disk, or save the file again."
        ) from error


def _split_rows(
    count: int, metadata: RawData, config: DataConfig, max_test: int
) -> tuple[Tensor, Tensor]:
    """Return the rows of the training and of at most `max_test` test examples."""
    if metadata.train_count is not None:
        import torch

        test = torch.arange(metadata.train_count, count)
        return torch.arange(metadata.train_count), _draw_rows(test, max_test, config)
    order = draw_permutation(count, config.split_seed)
    held_out = min(count_held_out(count, config), max_test)
    return order[held_out:], order[:held_out]


def _draw_rows(rows: Tensor, count: int, config: DataConfig) -> Tensor:
    """Draw that many of the rows by the seed of the split; all if there are fewer."""
    if len(rows) <= count:
        return rows
    return rows[draw_permutation(len(rows), config.split_seed)[:count]]


def _read_rows(disk_array: DiskArray, rows: Tensor, name: str) -> Split:
    import torch

    array, metadata = disk_array
    with explain_read_errors(name):
        x = array.take(rows)
    y = None if metadata.y is None else torch.from_numpy(metadata.y)[rows]
    return Split(x, y)
