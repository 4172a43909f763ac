"""Reads the cells of one column as the kind that was inferred or chosen for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from aecore.data.tables.column_categories import read_categories, read_flags
from aecore.data.tables.column_dates import read_dates
from aecore.data.tables.column_numbers import finish_number_words, read_number_words, read_numbers
from aecore.data.tables.column_values import (
    ReadColumn,
    join_notes,
    leave_out,
)
from aecore.data.tables.column_words import (
    count_words,
    drop_empty_cells,
)
from aecore.data.tables.number_cells import (
    MAX_EXACT,
)
from aecore.data.tables.typed_cells import PlainCells
from aecore.model.columns import LEFT_OUT_KINDS, ColumnOptions

if TYPE_CHECKING:
    pass

MAX_CLASSES = 100
FEW_CLASSES = 20


def read_column(
    name: str, cells: PlainCells, options: ColumnOptions, decimal: str, note: str = ""
) -> ReadColumn:
    """Return a column read as the kind of its options, which are completed from its cells.

    `decimal` is the mark before decimals in its file; `note` says why it is read so. DataError
    where the cells cannot be of that kind.
    """
    note = join_notes(note, cells.note)
    if options.kind in LEFT_OUT_KINDS:
        return leave_out(name, cells, options, note)
    if options.kind in ("number", "count"):
        return read_numbers(name, cells, options, decimal, note)
    if options.kind == "boolean":
        return read_flags(name, cells, options, note)
    if options.kind == "date":
        return read_dates(name, cells, options, decimal, note)
    if options.kind == "target":
        return read_target(name, cells, options, decimal, note)
    return read_categories(name, cells, options, note)


def read_target(
    name: str, cells: PlainCells, options: ColumnOptions, decimal: str, note: str = ""
) -> ReadColumn:
    """Return the column of the label: words or few numbers with their classes, or numbers."""
    import pyarrow as pa

    values = cells.values
    if pa.types.is_string(values.type) and not options.categories:
        words = count_words(drop_empty_cells(values))
        reading = read_number_words(words, decimal)
        if len(words.words) and not reading.strays.any():
            column = finish_number_words(name, words, reading, options, note)
            values = column.values
            cells, note = cells._replace(values=values), column.note
    is_number = pa.types.is_integer(values.type) or pa.types.is_floating(values.type)
    if is_number and is_whole(values):
        values = values.cast(pa.int64())
    if is_number and not options.categories and not is_class_number(values):
        note = join_notes(note, "A number to predict: no classes.")
        return ReadColumn(name, options, values, values.null_count, note)
    column = read_categories(name, cells._replace(values=values), options, note)
    kept = values if is_number else column.values
    return column._replace(values=kept, missing=kept.null_count)


def is_whole(values: Any) -> bool:
    """Return True for numbers without fractions that are exact as int64."""
    import pyarrow.compute as pc

    if not pc.all(pc.equal(values, pc.round(values)), min_count=0).as_py():
        return False
    return bool(pc.all(pc.less(pc.abs(values), MAX_EXACT), min_count=0).as_py())


def is_class_number(values: Any) -> bool:
    """Return True for numbers that can be names of classes: few kinds, each of several rows."""
    import pyarrow.compute as pc

    distinct, known = pc.count_distinct(values).as_py(), len(values) - values.null_count
    if is_whole(values):
        few = distinct <= FEW_CLASSES or distinct <= known / FEW_CLASSES
        return bool(few and distinct <= min(MAX_CLASSES, known / 2))
    return bool(distinct <= min(FEW_CLASSES, known / 10))
