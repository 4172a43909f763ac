"""Sets that memory is too small for: what of them is read into memory, and what stays on the disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data.arrays import (
    MAX_ARRAY_BYTES,
    Array,
    RawData,
    check_data_bytes,
    check_inputs,
    make_raw_data,
)
from aecore.data.image_cache import mark_array_checked, was_array_checked
from aecore.data.splits import Dataset, Split, count_held_out
from aecore.data.stored import (
    SAMPLE_BYTES,
    WINDOW_BYTES,
    StoredArray,
    read_npy_header,
    seeded_permutation,
)
from aecore.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.model.config import DataConfig


Report = Callable[[str, float], None]


class DiskArray(NamedTuple):
    """A set on the disk, before it is split."""

    stored: StoredArray  # all of its examples
    about: RawData  # what else is known of them; its x is empty


def read_npy(path: Path, report: Report, config: DataConfig, large: bool) -> RawData | DiskArray:
    """Reads one array as `read_npz` reads `x`. A large one stays on the disk if `large` allows for that. DataError."""
    header, missing = read_npy_header(path), config.missing == "keep"
    need = math.prod(header.shape) * header.dtype.itemsize
    if need <= MAX_ARRAY_BYTES or not large:
        check_data_bytes(need, path.name)
        with explain_read_errors(path.name):
            return make_raw_data(
                check_inputs(np.load(path, allow_pickle=False), path.name, missing)
            )
    whole = StoredArray(path)
    about = make_raw_data(np.empty((0, *whole.input_shape), np.float32))
    if (part := read_limited_part(whole, about, config)) is not None:
        raw, rows = part
        return raw._replace(x=check_inputs(raw.x, path.name, missing, rows))
    check_stored_values(whole, missing, report)
    return DiskArray(whole, about)


def read_limited_part(
    whole: StoredArray, about: RawData, config: DataConfig
) -> tuple[RawData, Array] | None:
    """What `config.limit` leaves of a set, in memory, and which rows those are; None if even that does not fit."""
    chosen = limited_rows(len(whole), about, config)
    if chosen is None or sum(map(len, chosen)) * whole.example_bytes > MAX_ARRAY_BYTES:
        return None
    import torch

    rows = torch.cat(chosen)
    with explain_read_errors(whole.path.name):
        x = whole.take(rows).numpy()
    y = None if about.y is None else about.y[rows.numpy()]
    return about._replace(x=x, y=y, train=len(chosen[0])), rows.numpy()


def limited_rows(count: int, about: RawData, config: DataConfig) -> tuple[Tensor, Tensor] | None:
    """The rows of training and test examples that an ordinary set would have with this limit; None without one."""
    if config.limit is None:
        return None
    train, test = _divide_rows(count, about, config, count)
    if about.y is not None and config.train_class in about.classes:
        import torch

        train = train[torch.from_numpy(about.y)[train] == about.classes.index(config.train_class)]
    return _draw_rows(train, config.limit, config), _draw_rows(test, config.limit, config)


def _divide_rows(
    count: int, about: RawData, config: DataConfig, most: int
) -> tuple[Tensor, Tensor]:
    """Rows of training and of at most so many test examples, as an ordinary set has them."""
    if about.train is not None:
        import torch

        test = torch.arange(about.train, count)
        return torch.arange(about.train), test if len(test) <= most else _draw_rows(
            test, most, config
        )
    order, held_out = (
        seeded_permutation(count, config.split_seed),
        min(count_held_out(count, config), most),
    )
    return order[held_out:], order[:held_out]


def _draw_rows(rows: Tensor, count: int, config: DataConfig) -> Tensor:
    """So many of the rows by the seed of the divisions, or all."""
    return (
        rows
        if len(rows) <= count
        else rows[seeded_permutation(len(rows), config.split_seed)[:count]]
    )


def check_stored_values(whole: StoredArray, missing: bool, report: Report) -> None:
    """Raises DataError where a value of a large array is of no use. An unchanged file is looked through only once."""
    name, count = whole.path.name, len(whole)
    with explain_read_errors(name):
        if whole.header.dtype.kind != "f" or was_array_checked(whole.path, missing):
            return
        step = max(1, WINDOW_BYTES // max(whole.header.row_bytes, whole.example_bytes))
        for start in range(0, count, step):
            rows = np.arange(start, min(start + step, count))
            check_inputs(whole.take_rows(rows).numpy(), name, missing, rows)
            report(f"Checking {name}", min(1.0, (start + step) / count))
        mark_array_checked(whole.path, missing)


def make_disk_dataset(name: str, large: DiskArray, config: DataConfig) -> Dataset:
    """All training examples on the disk; a sample of them and the test examples in memory. DataError."""
    whole, about = large
    if config.binarise != "none" or config.train_class is not None:
        option = "binarise" if config.binarise != "none" else "train_class"
        raise DataError(
            f"{name} is larger than memory, so data.{option} cannot be used. Set data.limit to use a part."
        )
    most = max(1, SAMPLE_BYTES // (4 * math.prod(whole.input_shape)))
    train, test = limited_rows(len(whole), about, config) or _divide_rows(
        len(whole), about, config, most
    )
    sample, test = _draw_rows(train, most, config), test[:most]
    note = (
        f"Larger than memory: training reads all {len(train):,} examples from the disk; "
        f"pages show a sample of {len(sample):,}."
    )
    with explain_read_errors(name):
        found = [Split(whole.take(rows), _labels_of_rows(about, rows)) for rows in (sample, test)]
    trained = StoredArray(whole.path, train.sort().values.numpy())
    return Dataset(
        name, about.kind, *found, about.classes, about.columns, (*about.notes, note), trained
    )


def _labels_of_rows(about: RawData, rows: Tensor) -> Tensor | None:
    import torch

    return None if about.y is None else torch.from_numpy(about.y)[rows]


@contextmanager
def explain_read_errors(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError) as error:
        raise DataError(
            f"{name} cannot be read ({error}). Look after the disk, or save the file again."
        ) from error
