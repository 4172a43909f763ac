"""Your own tables: from raw cells to columns that are understood, and to features and classes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from aecore.data.raw import RawData, format_count
from aecore.data.tables.bounds import check_table_size
from aecore.data.tables.column_kinds import infer_column, infer_words
from aecore.data.tables.column_reading import read_column, read_target
from aecore.data.tables.column_values import EMPTY_NOTE, ReadColumn, Table, join_notes
from aecore.data.tables.columns import (
    compute_features,
    describe_new_columns,
    list_schema_features,
    match_columns,
)
from aecore.data.tables.earlier_kinds import infer_earlier_options
from aecore.data.tables.files import open_table
from aecore.data.tables.filling import fill_table
from aecore.data.tables.labels import compute_labels
from aecore.data.tables.number_cells import MISSING_MARKS
from aecore.data.tables.pixel_columns import describe_pixels, find_pixel_columns, make_pictures
from aecore.data.tables.targets import describe_likely_labels, find_target
from aecore.data.tables.typed_cells import PlainCells, split_columns
from aecore.errors import DataError
from aecore.model.columns import LEFT_OUT_KINDS, ColumnOptions
from aecore.names import list_few

if TYPE_CHECKING:
    import pyarrow as pa

    from aecore.data.tables.files import RawTable
    from aecore.model.config import DataConfig

__all__ = [
    "ReadColumn",
    "Table",
    "fill_table",
    "is_read_alike",
    "make_table_data",
    "match_columns",
    "read_columns",
    "read_further_columns",
    "read_further_table",
    "read_table",
]

MAX_COLUMN_NOTES = 10  # on columns; further ones are counted
MAX_PIECE_BYTES = 2**31 - 1  # of texts that Arrow holds in one piece


def read_columns(path: Path, config: DataConfig) -> Table:
    """Read a table file as `config.columns` and `config.label` say, the rest by inference.

    Raises DataError, also for a name in them that is no column.
    """
    raw = open_table(path)
    if len(raw.frame) < 2:
        raise DataError(
            f"{path.name} has {format_count(len(raw.frame), 'row')}; "
            "a data set needs at least 2 rows."
        )
    table = understand_table(raw, config, path.name)
    return table._replace(notes=(*table.notes, *describe_likely_labels(table)))


def is_read_alike(table: Table, config: DataConfig) -> bool:
    """Return True where a config would read a table's file as the table was read."""
    schema = table.schema
    same_label = config.label is None or config.label == (table.target or "")
    return same_label and all(schema.get(n) == options for n, options in config.columns.items())


def read_table(path: Path, config: DataConfig) -> RawData:
    """Read a table file as features and classes for a model. Raises DataError."""
    return make_table_data(read_columns(path, config), config, path.name)


# -- from raw cells to columns


def understand_table(
    raw: RawTable, config: DataConfig, file_name: str, is_further: bool = False
) -> Table:
    """Return a raw table as columns; takes its frame apart, so that no cell is kept twice."""
    import pyarrow as pa

    chosen = dict(config.columns)
    if config.label:
        chosen[config.label] = chosen.get(config.label) or ColumnOptions(kind="target")
    columns: dict[str, ReadColumn | None] = {}
    words: dict[str, PlainCells] = {}
    try:
        for name, cells in split_columns(raw.frame, keep_whole=set(chosen)):
            columns[name] = understand_column(name, cells, chosen.get(name), config, raw.decimal)
            if columns[name] is None:
                words[name] = cells
            del cells  # before the next column is read, which can take their memory
        marks = collect_missing_marks(columns.values())
        for name, cells in words.items():
            columns[name] = infer_words(name, cells, marks)
    except DataError as error:
        raise DataError(f"{file_name}: {error}") from error
    pa.default_memory_pool().release_unused()  # the memory of the texts
    known = {name: column for name, column in columns.items() if column is not None}
    rows = len(next(iter(known.values())).values) if known else 0
    check_table_size(rows, len(known), file_name)  # lists, taken apart, are more columns
    if not is_further:
        check_column_names(set(chosen) - set(known), known, file_name)
    return finish_table(known, raw.notes, config)._replace(csv=raw.csv)


def understand_column(
    name: str,
    cells: PlainCells,
    options: ColumnOptions | None,
    config: DataConfig,
    decimal: str,
) -> ReadColumn | None:
    """Return a column as chosen or inferred; None for words, which `infer_words` decides on."""
    if options is None and config.inference == "earlier":
        options = infer_earlier_options(name, cells, config.unusable == "leave_out")
    if options is None:
        column = infer_column(name, cells, decimal)
    else:
        column = read_column(name, cells, options, decimal)
    return None if column is None else gather_cells(column)


def gather_cells(column: ReadColumn) -> ReadColumn:
    """Return a column with its cells in one piece.

    In many they lie between the texts that they were read from, whose memory stays taken then.
    """
    texts = None if column.texts is None else gather_chunks(column.texts)
    return column._replace(values=gather_chunks(column.values), texts=texts)


def gather_chunks(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells in one piece, unless they are too many for one."""
    if values.num_chunks < 2 or values.nbytes > MAX_PIECE_BYTES:
        return values
    import pyarrow as pa

    return pa.chunked_array([values.combine_chunks()])


def collect_missing_marks(columns: Iterable[ReadColumn | None]) -> frozenset[str]:
    """Return the marks for missing cells that columns of numbers have, in small letters."""
    return frozenset(
        mark.lower()
        for column in columns
        if column is not None and column.options.kind in ("number", "count")
        for mark in column.options.missing
        if mark.lower() in MISSING_MARKS
    )


def check_column_names(wrong: set[str], columns: Mapping[str, ReadColumn], file_name: str) -> None:
    """Raise DataError for chosen names that no column has."""
    if wrong:
        verb = "is no column" if len(wrong) == 1 else "are no columns"
        raise DataError(
            f"{list_few(sorted(map(repr, wrong)))} {verb} of {file_name}; "
            f"it has {list_few(list(columns))}. Correct data.label or data.columns."
        )


def finish_table(
    columns: dict[str, ReadColumn], notes: tuple[str, ...], config: DataConfig
) -> Table:
    """Return the table with its target and its pictures found, where nothing is chosen."""
    has_target = any(column.options.kind == "target" for column in columns.values())
    if config.label is None and config.inference == "current" and not has_target:
        open_columns = {n: c for n, c in columns.items() if n not in config.columns}
        name = find_target(open_columns)
        if name is not None:
            columns[name] = make_target(columns[name])
    pixels = find_pixel_columns(columns)
    for name in pixels:
        if columns[name].options.kind == "ignored":  # a pixel that is never on keeps its place
            cells, options = PlainCells(columns[name].values), ColumnOptions(kind="number")
            columns[name] = read_column(name, cells, options, ".")
    notes = (*notes, describe_pixels(pixels)) if pixels else notes
    return Table(tuple(columns.values()), notes)


def make_target(column: ReadColumn) -> ReadColumn:
    """Return an inferred column as the label of its table."""
    options = ColumnOptions(kind="target", missing=column.options.missing)
    note = join_notes("Taken as the label for its name.", column.note.replace(": left out.", "."))
    return read_target(column.name, PlainCells(column.values), options, ".", note)


# -- from columns to features


def make_table_data(table: Table, config: DataConfig, file_name: str) -> RawData:
    """Return features (N, F) float32, classes and notes of a table. Raises DataError.

    Missing cells are NaN; they are refused with `config.missing` refuse, and columns that would
    be left out with `config.unusable` refuse.
    """
    if config.unusable == "refuse":
        refuse_left_out(table, config, file_name)
    if config.missing == "refuse":
        refuse_missing(table, file_name)
    inputs = [column for column in table.columns if column.is_input]
    notes = (*table.notes, *describe_columns_briefly(table))
    if not inputs:
        if all(EMPTY_NOTE in column.note for column in table.columns):
            raise DataError(f"{file_name} has no values: all its columns are empty. Add values.")
        raise DataError(
            f"{file_name} has no column of use as input. {' '.join(notes[:3])} "
            "Add columns of numbers, or choose what else one of these is read as."
        )
    y, classes = compute_labels(table)
    pixels = find_pixel_columns({column.name: column for column in inputs})
    if config.pixels == "pictures" and len(pixels) == len(inputs):
        x = make_pictures(inputs, file_name)
        return RawData("image", x, y, classes, notes=notes, schema=table.schema)
    x, names = compute_features(inputs)
    return RawData("table", x, y, classes, names, notes=notes, schema=table.schema)


def refuse_left_out(table: Table, config: DataConfig, file_name: str) -> None:
    """Raise DataError for columns that are left out though nobody chose that."""
    wrong = [
        f"{column.name!r} ({column.note.rstrip('.')})"
        for column in table.columns
        if column.options.kind in LEFT_OUT_KINDS and column.name not in config.columns
    ]
    if wrong:
        raise DataError(
            f"{file_name} has {format_count(len(wrong), 'column')} that would be left out: "
            f"{list_few(wrong)}. Choose with data.columns.NAME=KIND, or set data.unusable to "
            "leave_out."
        )


def refuse_missing(table: Table, file_name: str) -> None:
    """Raise DataError where cells of inputs or labels are missing."""
    wrong = [
        f"{column.name!r} ({column.missing})"
        for column in table.columns
        if column.missing and column.options.kind not in LEFT_OUT_KINDS
    ]
    if wrong:
        raise DataError(
            f"{file_name} has missing values in {list_few(wrong)}. "
            "Fill them or drop those rows, or set data.missing to keep."
        )


def describe_columns_briefly(table: Table) -> tuple[str, ...]:
    """Return few sentences on what was guessed, changed or left out, columns together."""
    names: dict[str, list[str]] = defaultdict(list)
    for column in table.columns:
        if column.note:
            names[column.note].append(repr(column.name))
    listed = [f"{list_few(group, 4)}: {note}" for note, group in names.items()]
    rest = len(listed) - MAX_COLUMN_NOTES
    if rest <= 1:
        return tuple(listed)
    more = f"There are notes on {rest} more columns: `aecore data` lists them."
    return (*listed[:MAX_COLUMN_NOTES], more)


# -- further files


def read_further_columns(path: Path, config: DataConfig) -> Table:
    """Read a further file of the kind that `config.columns` describe, in any order of columns.

    New columns are inferred; `match_columns` says which are absent. Raises DataError.
    """
    raw = open_table(path)
    return understand_table(raw, config, path.name, is_further=True)


def read_further_table(path: Path, config: DataConfig) -> RawData:
    """Read a further file as the features that `config.columns` describe, and its classes.

    Raises DataError where a column is absent.
    """
    table = read_further_columns(path, config)
    x = match_columns(table, config.columns, path.name)
    y, classes = compute_labels(table)
    notes = (
        *table.notes,
        *describe_columns_briefly(table),
        *describe_new_columns(table, config.columns),
    )
    names = list_schema_features(config.columns)
    return RawData("table", x, y, classes, names, notes=notes, schema=dict(config.columns))
