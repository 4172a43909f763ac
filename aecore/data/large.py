"""Sets that memory is too small for: what of them is read into memory, and what stays on the disk."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data import arrays, cache, stored
from aecore.data.arrays import Array, Raw
from aecore.data.splits import Dataset, Split, held_out_count
from aecore.data.stored import Stored, permutation, read_header
from aecore.errors import DataError

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.config import DataConfig

Report = Callable[[str, float], None]


class Large(NamedTuple):
    """A set on the disk, before it is split."""

    stored: Stored  # all of its examples
    about: Raw  # what else is known of them; its x is empty


def read_npy(path: Path, report: Report, config: DataConfig, large: bool) -> Raw | Large:
    """Reads one array as `read_npz` reads `x`. A large one stays on the disk if `large` allows for that. DataError."""
    header, missing = read_header(path), config.missing == "keep"
    need = math.prod(header.shape) * header.dtype.itemsize
    if need <= arrays.MAX_BYTES or not large:
        arrays.check_bytes(need, path.name)
        with reading(path.name):
            return arrays.raw_of(arrays.inputs(np.load(path, allow_pickle=False), path.name, missing))
    whole = Stored(path)
    about = arrays.raw_of(np.empty((0, *whole.input_shape), np.float32))
    if (part := read_part(whole, about, config)) is not None:
        raw, rows = part
        return raw._replace(x=arrays.inputs(raw.x, path.name, missing, rows))
    check_all(whole, missing, report)
    return Large(whole, about)


def read_part(whole: Stored, about: Raw, config: DataConfig) -> tuple[Raw, Array] | None:
    """What `config.limit` leaves of a set, in memory, and which rows those are; None if even that does not fit."""
    chosen = limited_rows(len(whole), about, config)
    if chosen is None or sum(map(len, chosen)) * whole.example_bytes > arrays.MAX_BYTES:
        return None
    import torch

    rows = torch.cat(chosen)
    with reading(whole.path.name):
        x = whole.take(rows).numpy()
    y = None if about.y is None else about.y[rows.numpy()]
    return about._replace(x=x, y=y, train=len(chosen[0])), rows.numpy()


def limited_rows(count: int, about: Raw, config: DataConfig) -> tuple[Tensor, Tensor] | None:
    """The rows of training and test examples that an ordinary set would have with this limit; None without one."""
    if config.limit is None:
        return None
    train, test = _divided(count, about, config, count)
    if about.y is not None and config.train_class in about.classes:
        import torch

        train = train[torch.from_numpy(about.y)[train] == about.classes.index(config.train_class)]
    return _first(train, config.limit, config), _first(test, config.limit, config)


def _divided(count: int, about: Raw, config: DataConfig, most: int) -> tuple[Tensor, Tensor]:
    """Rows of training and of at most so many test examples, as an ordinary set has them."""
    if about.train is not None:
        import torch

        test = torch.arange(about.train, count)
        return torch.arange(about.train), test if len(test) <= most else _first(test, most, config)
    order, held_out = permutation(count, config.split_seed), min(held_out_count(count, config), most)
    return order[held_out:], order[:held_out]


def _first(rows: Tensor, count: int, config: DataConfig) -> Tensor:
    """So many of the rows by the seed of the divisions, or all."""
    return rows if len(rows) <= count else rows[permutation(len(rows), config.split_seed)[:count]]


def check_all(whole: Stored, missing: bool, report: Report) -> None:
    """Raises DataError where a value of a large array is of no use. An unchanged file is looked through only once."""
    name, count = whole.path.name, len(whole)
    with reading(name):
        if whole.header.dtype.kind != "f" or cache.was_checked(whole.path, missing):
            return
        step = max(1, stored.WINDOW_BYTES // max(whole.header.row_bytes, whole.example_bytes))
        for start in range(0, count, step):
            rows = np.arange(start, min(start + step, count))
            arrays.inputs(whole.take_rows(rows).numpy(), name, missing, rows)
            report(f"Checking {name}", min(1.0, (start + step) / count))
        cache.set_checked(whole.path, missing)


def make_large(name: str, large: Large, config: DataConfig) -> Dataset:
    """All training examples on the disk; a sample of them and the test examples in memory. DataError."""
    whole, about = large
    if config.binarise != "none" or config.train_class is not None:
        option = "binarise" if config.binarise != "none" else "train_class"
        raise DataError(f"{name} is larger than memory, so data.{option} cannot be used. Set data.limit to use a part.")
    most = max(1, stored.SAMPLE_BYTES // (4 * math.prod(whole.input_shape)))
    train, test = limited_rows(len(whole), about, config) or _divided(len(whole), about, config, most)
    sample, test = _first(train, most, config), test[:most]
    note = (
        f"Larger than memory: training reads all {len(train):,} examples from the disk; "
        f"pages show a sample of {len(sample):,}."
    )
    with reading(name):
        found = [Split(whole.take(rows), _labels(about, rows)) for rows in (sample, test)]
    trained = Stored(whole.path, train.sort().values.numpy())
    return Dataset(name, about.kind, *found, about.classes, about.columns, (*about.notes, note), trained)


def _labels(about: Raw, rows: Tensor) -> Tensor | None:
    import torch

    return None if about.y is None else torch.from_numpy(about.y)[rows]


@contextmanager
def reading(name: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, ValueError) as error:
        raise DataError(f"{name} cannot be read ({error}). Look after the disk, or save the file again.") from error
