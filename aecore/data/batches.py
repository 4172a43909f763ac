"""Examples of any number for a model that is trained already, some at a time."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data.datasets import find_data_path, open_dataset
from aecore.data.describe import holds_table
from aecore.data.on_disk import DiskArray
from aecore.data.raw import Array, RawData, spell_shape
from aecore.data.tables.batches import count_table_rows, iterate_tables
from aecore.errors import DataError
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    from torch import Tensor

    from aecore.data.tables.reading import Table
    from aecore.model.config import DataConfig


class Batch(NamedTuple):
    """Some examples, in the order of their file."""

    x: Tensor  # (n, *input_shape): uint8 or float32, NaN where a cell of a table is missing
    table: Table | None  # the rows as they were brought, with all their columns; None without
    labels: dict[str, list[str]]  # `name` and `class` of what is no table, where there are such
    new_words: Mapping[str, Array] = {}  # of a table: words (n,) that the model does not know


class BatchedData(NamedTuple):
    """A source of examples, to be read as often as needed."""

    name: str
    total: int | None  # about how many there are; None where that is not known
    notes: tuple[str, ...]  # what was changed to make them fit
    read: Callable[[int], Iterator[Batch]]  # of so many rows each, and at last the rest


def open_batches(
    config: DataConfig, schema: Mapping[str, ColumnOptions], shape: tuple[int, ...]
) -> BatchedData:
    """Open the data set or path `config.name` for a model that takes examples of `shape`.

    Columns of a table are found by their names in `schema`, images are made to fit. Raises
    DataError, also while batches are read.
    """
    path = find_data_path(config)
    if path is not None and len(shape) == 1 and holds_table(path):
        return open_table_batches(path, config, schema)
    return open_array_batches(config, shape)


def open_table_batches(
    path: Path, config: DataConfig, schema: Mapping[str, ColumnOptions]
) -> BatchedData:
    """Open a table of any length by the schema of a model."""
    from aecore.data.tables.columns import find_new_words, match_columns

    def read(rows: int) -> Iterator[Batch]:
        import torch

        for table in iterate_tables(path, config, schema, rows):
            x = torch.from_numpy(match_columns(table, schema, path.name))
            yield Batch(x, table, {}, find_new_words(table, schema))

    return BatchedData(path.name, count_table_rows(path), (), read)


def open_array_batches(config: DataConfig, shape: tuple[int, ...]) -> BatchedData:
    """Open images or rows; those that are larger than memory stay on the disk."""
    from aecore.data.images.fitting import resize_images

    examples = open_dataset(config)
    array, raw = examples if isinstance(examples, DiskArray) else (examples.x, examples)
    name, notes = Path(config.name).name, raw.notes
    example_shape = tuple(array.shape[1:])
    if example_shape != shape:
        if not (len(shape) == 3 and raw.kind == "image"):
            raise DataError(
                f"{name} holds examples of {spell_shape(example_shape)}, but this run takes "
                f"{spell_shape(shape)}. "
                "Choose another run."
            )
        first = next(iter(iterate_examples(examples, 1)))
        notes = (resize_images(first, shape)[1], *notes)

    def read(rows: int) -> Iterator[Batch]:
        start = 0
        for x in iterate_examples(examples, rows):
            fitted = resize_images(x, shape)[0] if example_shape != shape else x
            yield Batch(fitted, None, list_labels(raw, start, start + len(x)))
            start += len(x)

    return BatchedData(name, len(array), notes, read)


def iterate_examples(examples: RawData | DiskArray, rows: int) -> Iterator[Tensor]:
    """Yield all examples in their own order, `rows` at a time and at last the rest."""
    import torch

    array = examples.array if isinstance(examples, DiskArray) else examples.x
    for start in range(0, len(array), rows):
        if isinstance(examples, DiskArray):
            yield examples.array.take_rows(examples.array.rows[start : start + rows])
        else:
            yield torch.from_numpy(np.ascontiguousarray(examples.x[start : start + rows]))


def list_labels(raw: RawData, start: int, end: int) -> dict[str, list[str]]:
    """Return the file names and classes of these examples, where there are such."""
    labels: dict[str, list[str]] = {}
    if raw.names:
        labels["name"] = list(raw.names[start:end])
    if raw.y is not None and raw.classes:
        labels["class"] = [raw.classes[label] for label in raw.y[start:end].tolist()]
    return labels
