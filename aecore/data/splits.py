"""A reader's record becomes a data set: split, limited and in tensors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data.arrays.column_notes import check_varied_rows
from aecore.data.division import describe_copies, describe_groups
from aecore.data.groups import draw_whole_groups
from aecore.data.raw import DataKind, RawData, format_count
from aecore.data.stored import StoredArray, draw_permutation
from aecore.errors import DataError
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.model.config import DataConfig
    from aecore.model.scaling import RowTraits


REORDERED_COLUMNS = 4  # at a time


class Split(NamedTuple):
    """One part of a data set."""

    x: Tensor  # (N, *input_shape): uint8 for images stored as bytes, else float32
    y: Tensor | None  # (N,) int64 class indices
    groups: Tensor | None = None  # (N,) int64: examples of one group are not divided
    rows: Tensor | None = None  # (N,) int64: places in the source, from 0; None if it came divided


@dataclass(frozen=True)
class Dataset:
    """A data set in memory, split for training and testing.

    Where memory is too small for the training examples, `stored` holds them all and `train` a
    sample.
    """

    name: str
    kind: DataKind
    train: Split
    test: Split
    classes: tuple[str, ...] = ()  # index = label
    columns: tuple[str, ...] = ()  # of tables and manifolds
    notes: tuple[str, ...] = ()  # what the reader left out, and why
    reading: Mapping[str, Any] = field(default_factory=dict)  # settings that the reader chose
    stored: StoredArray | None = None
    schema: Mapping[str, ColumnOptions] = field(default_factory=dict)  # how columns are read

    @property
    def input_shape(self) -> tuple[int, ...]:
        """Shape of one example: (C, H, W) of an image, (features,) of a row."""
        return tuple(self.train.x.shape[1:])

    @cached_property
    def traits(self) -> RowTraits:
        """Traits that decide the defaults of models: missing cells, extremes, tones of images."""
        from aecore.data.tables.columns import list_heads
        from aecore.data.tones import TONE_PICTURES, has_many_midtones
        from aecore.model.scaling import RowTraits, describe_rows, find_binary_columns

        if self.kind == "image":
            sample = self.train.x[:: max(1, len(self.train.x) // TONE_PICTURES)]
            return RowTraits(has_midtones=has_many_midtones(as_float(sample)))
        traits = describe_rows(self.train.x, self.test.x, is_part=self.stored is not None)
        if not self.schema:
            return traits
        binary = find_binary_columns(self.train.x).tolist()
        return traits._replace(heads=list_heads(self.schema, binary))

    @property
    def count(self) -> int:
        """Number of training examples."""
        return len(self.train.x if self.stored is None else self.stored)


def as_float(x: Tensor) -> Tensor:
    """Convert bytes to float32 in [0, 1]; floats are returned as they are."""
    import torch

    return x.to(torch.float32).div_(255) if x.dtype == torch.uint8 else x


def make_dataset(name: str, raw: RawData, config: DataConfig) -> Dataset:
    """Return the data set of a reader's record under `config`.

    Splits by a seeded permutation, of whole groups where there are such, unless the set has a split
    of its own; then keeps one class, applies the limit and binarises. Raises DataError.
    """
    if not raw.schema:  # columns of a table file were looked at when they were read
        check_varied_rows(raw.x, name)
    if raw.train_count is None or raw.groups is not None:
        train, test = _split_at_random(name, raw, config)
    else:
        train, test = _use_own_split(name, raw, raw.train_count)
    if config.train_class is not None:
        train = _keep_one_class(name, raw, train, config.train_class)
    train, test = _limit_split(train, config), _limit_split(test, config)
    has_own = raw.train_count is not None
    notes = (
        *raw.notes,
        *describe_groups(train.groups, test.groups, config.split_by, has_own),
        *describe_copies(train.x, test.x),
    )
    if config.binarise != "none":
        train, test = _binarise_pixels(name, raw, train, test, config)
    return Dataset(
        name,
        raw.kind,
        train,
        test,
        raw.classes,
        raw.columns,
        notes,
        reading=raw.reading,
        schema=raw.schema,
    )


def count_held_out(count: int, config: DataConfig) -> int:
    """Return how many examples are held out for testing where a set has no split of its own."""
    return min(max(round(count * config.test_fraction), 1), count - 1)


def _use_own_split(name: str, raw: RawData, train_count: int) -> tuple[Split, Split]:
    if not 0 < train_count < len(raw.x):
        part = "training" if train_count == 0 else "test"
        raise DataError(f"{name} has no {part} examples. Both splits need at least one.")
    whole = _to_tensors(raw)
    return _take_rows(whole, slice(train_count)), _take_rows(whole, slice(train_count, None))


def _split_at_random(name: str, raw: RawData, config: DataConfig) -> tuple[Split, Split]:
    count = len(raw.x)
    if count < 2:
        raise DataError(
            f"{name} has {format_count(count, 'example')}, but a data set needs at least 2: "
            "one to train with, one to test with."
        )
    held_out, whole = count_held_out(count, config), _number_rows(_to_tensors(raw))
    if raw.groups is not None:
        train, test = draw_whole_groups(raw.groups, held_out, config.split_seed)
        if not len(test):
            raise DataError(
                f"All examples of {name} have the same {config.split_by!r}, so they cannot be "
                "split by it. Set data.split_by to another column, or leave it out."
            )
        return _take_rows(whole, train), _take_rows(whole, test)
    order = draw_permutation(count, config.split_seed)
    if raw.schema:  # features of a table file are nobody else's: large ones are not kept twice
        whole = _reorder_rows(whole, order)
        return _take_rows(whole, slice(held_out, None)), _take_rows(whole, slice(held_out))
    return _take_rows(whole, order[held_out:]), _take_rows(whole, order[:held_out])


def _to_tensors(raw: RawData) -> Split:
    import torch

    y, groups = (
        None if labels is None else torch.from_numpy(np.ascontiguousarray(labels, dtype=np.int64))
        for labels in (raw.y, raw.groups)
    )
    return Split(torch.from_numpy(np.ascontiguousarray(raw.x)), y, groups)


def _number_rows(split: Split) -> Split:
    import torch

    return split._replace(rows=torch.arange(len(split.x)))


def _reorder_rows(split: Split, order: Tensor) -> Split:
    """Return all rows in another order, in the memory in which they are."""
    for columns in split.x.split(REORDERED_COLUMNS, dim=1):
        columns.copy_(columns[order])
    return split._replace(y=None if split.y is None else split.y[order], rows=order)


def _take_rows(split: Split, rows: Tensor | slice) -> Split:
    y, groups, places = (
        None if part is None else part[rows] for part in (split.y, split.groups, split.rows)
    )
    return Split(split.x[rows], y, groups, places)


def _keep_one_class(name: str, raw: RawData, split: Split, train_class: str) -> Split:
    if train_class not in raw.classes or split.y is None:
        known = ", ".join(raw.classes[:20]) or "none"
        raise DataError(f"{name} has no class {train_class!r} to train with; its classes: {known}.")
    rows = split.y == raw.classes.index(train_class)
    count = int(rows.sum())
    if count < 2:
        raise DataError(
            f"{name} has {format_count(count, 'training example')} of the class {train_class!r}; "
            "2 are needed."
        )
    return _take_rows(split, rows)


def _limit_split(split: Split, config: DataConfig) -> Split:
    if config.limit is None or len(split.x) <= config.limit:
        return split
    return _take_rows(split, draw_permutation(len(split.x), config.split_seed)[: config.limit])


def _binarise_pixels(
    name: str, raw: RawData, train: Split, test: Split, config: DataConfig
) -> tuple[Split, Split]:
    """Draw each pixel as 0 or 255, its grey value the chance.

    Training pixels only with `static`: with `dynamic` the trainer draws them at every step.
    """
    import torch

    if raw.kind != "image":
        raise DataError(f"{name} has no pixels to draw as 0 or 1. Set data.binarise to none.")
    generator = torch.Generator().manual_seed(config.split_seed)

    def draw(split: Split) -> Split:
        parts = [
            torch.bernoulli(as_float(x), generator=generator).mul_(255).byte()
            for x in split.x.split(4096)
        ]
        return split._replace(x=torch.cat(parts))

    test = draw(test)
    return (draw(train) if config.binarise == "static" else train), test
