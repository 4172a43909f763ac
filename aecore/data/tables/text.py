"""Tables of text: .csv and its relatives, in any encoding, to columns of cells as they are."""

from __future__ import annotations

import io
from collections.abc import Iterator
from itertools import islice
from typing import IO, TYPE_CHECKING, NamedTuple

import numpy as np

from aecore.data.raw import format_count
from aecore.data.tables.bounds import PART_BYTES, check_table_size
from aecore.data.tables.contents import TableSource
from aecore.data.tables.decimal_marks import infer_decimal
from aecore.data.tables.encoding import TextFacts, examine_text, open_as_utf8
from aecore.data.tables.headers import Header, find_header
from aecore.data.tables.ragged_rows import RowFitter
from aecore.data.tables.separators import (
    Dialect,
    choose_dialect,
    iterate_lines,
    iterate_rows,
    read_rows,
    read_separator_line,
)
from aecore.errors import DataError

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_LETTERS = 4_000_000
SAMPLE_LINES = 500
CSV_BLOCK_BYTES = 1 << 21
BATCH_CELLS = 500_000


class Layout(NamedTuple):
    """Where the rows of a text file begin, and what they are made of."""

    dialect: Dialect
    header: Header
    skipped: list[str]  # lines up to the first row


class TextTable(NamedTuple):
    """A table of text as its file has it."""

    table: pa.Table
    decimal: str  # the mark before decimals
    separator: str  # of cells; empty where there is none
    notes: list[str]


def read_text_table(source: TableSource) -> TextTable:
    """Return a table of text, how it is written, and notes.

    Raises DataError, and what decompression raises.
    """
    facts = examine_text(source)
    layout = find_layout(source, facts)
    names = layout.header.names
    check_table_size(facts.lines, len(names), source.name)
    table, notes = None, [*facts.notes, *layout.header.notes]
    if not (layout.dialect.in_runs or facts.has_spaced_quotes or facts.quotes % 2):
        table = _read_regular_rows(source, facts, layout)
    if table is None:
        table, row_notes = _read_any_rows(source, facts, layout)
        notes += row_notes
    elif facts.has_blanks:
        table = _strip_blanks(table)
    table, end_notes = _drop_empty_end(table.rename_columns(names), source.name)
    separator = layout.dialect.separator
    is_sure = separator != ";" and (not facts.commas or (separator == "," and not facts.quotes))
    texts = [chunk for column in table.columns for chunk in column.chunks if not is_sure]
    decimal, decimal_notes = infer_decimal(texts, separator, source.name)
    return TextTable(table, decimal, separator, notes + end_notes + decimal_notes)


def find_layout(source: TableSource, facts: TextFacts) -> Layout:
    """Decide by its first lines how a text file is laid out. Raises DataError."""
    with open_text(source, facts) as text:
        lines = _read_first_lines(text)
        is_cut = bool(text.read(1))
    if is_cut and len(lines) == 1:
        raise DataError(
            f"The first line of {source.name} has more than {SAMPLE_LETTERS:,} letters. "
            "Put each row on a line of its own."
        )
    told = read_separator_line("".join(lines[:1]))
    start = 0 if told is None else 1
    dialect = choose_dialect(lines, is_cut, source.name) if told is None else Dialect(told)
    rows = read_rows(lines[start:], dialect, is_cut, source.name)
    if not any(row.cells for row in rows):
        raise DataError(
            f"{source.name} is empty. Give it a line of column names, then rows of numbers."
        )
    header = find_header([row.cells for row in rows], source.name)
    end = start + (rows[header.start - 1].line if header.start else 0)
    return Layout(dialect, header, lines[:end])


def _read_first_lines(text: io.TextIOBase) -> list[str]:
    """Return the first lines, the last one torn where they have too many letters."""
    lines: list[str] = []
    room = SAMPLE_LETTERS
    while room and len(lines) < SAMPLE_LINES and (line := text.readline(room)):
        lines.append(line)
        room -= len(line)
    return lines


def open_text(source: TableSource, facts: TextFacts) -> io.TextIOWrapper:
    """Open a text file in its encoding, with the ends of lines as they are."""
    stream = open_as_utf8(source, facts.encoding)
    return io.TextIOWrapper(stream, encoding="utf-8", errors="replace", newline="")


def _read_regular_rows(source: TableSource, facts: TextFacts, layout: Layout) -> pa.Table | None:
    """Return the rows as columns of texts, quickly; None where rows are not alike."""
    import pyarrow as pa
    from pyarrow import csv

    names = [str(i) for i in range(len(layout.header.names))]
    try:
        with open_as_utf8(source, facts.encoding) as stream:
            _skip_bytes(stream, len("".join(layout.skipped).encode()))
            table = csv.read_csv(
                stream,
                # memory taken by other threads would not be given back by this one
                csv.ReadOptions(column_names=names, block_size=CSV_BLOCK_BYTES, use_threads=False),
                csv.ParseOptions(
                    delimiter=layout.dialect.mark,
                    escape_char="\\" if layout.dialect.has_escapes else False,
                    newlines_in_values=facts.quotes > 0,
                ),
                csv.ConvertOptions(
                    check_utf8=False, column_types=dict.fromkeys(names, pa.string())
                ),
            )
    except pa.ArrowInvalid:
        return None
    pa.default_memory_pool().release_unused()  # what the reader of blocks needed
    return table


def _skip_bytes(stream: IO[bytes], count: int) -> None:
    while count > 0:
        part = stream.read(min(count, PART_BYTES))
        if not part:
            return
        count -= len(part)


def _read_any_rows(
    source: TableSource, facts: TextFacts, layout: Layout
) -> tuple[pa.Table, list[str]]:
    """Return the rows as columns of texts and notes; rows may be shorter or longer than others."""
    import pyarrow as pa

    width = len(layout.header.names)
    fitter = RowFitter(width, source.name, len(layout.skipped))
    schema = pa.schema([(str(i), pa.string()) for i in range(width)])
    with open_text(source, facts) as text:
        text.read(len("".join(layout.skipped)))
        rows = iterate_rows(iterate_lines(text, source.name), layout.dialect, source.name)
        parts = [
            pa.record_batch([pa.array(cells, pa.string()) for cells in columns], schema=schema)
            for columns in _make_batches(fitter.fit_rows(rows), max(1, BATCH_CELLS // width))
        ]
    return pa.Table.from_batches(parts, schema), fitter.describe()


def _make_batches(rows: Iterator[list[str]], length: int) -> Iterator[list[tuple[str, ...]]]:
    """Yield the columns of `length` rows at a time."""
    while batch := list(islice(rows, length)):
        yield list(zip(*batch, strict=True))


def _strip_blanks(table: pa.Table) -> pa.Table:
    """Return the table without the blanks around its cells."""
    import pyarrow.compute as pc

    for i, column in enumerate(table.columns):
        table = table.set_column(i, table.field(i), pc.utf8_trim_whitespace(column))
    return table


def _drop_empty_end(table: pa.Table, file_name: str) -> tuple[pa.Table, list[str]]:
    """Return the table without rows of empty cells at its end, and a note if there were any."""
    length = len(table)
    if not length or any(table.slice(length - 1).to_pylist()[0].values()):
        return table, []
    kept = max(map(_find_end, table.columns))
    rows = format_count(length - kept, "empty row")
    return table.slice(0, kept), [f"{file_name} ends with {rows}, left out."]


def _find_end(column: pa.ChunkedArray) -> int:
    """Return the number of cells up to the last one that is not empty."""
    import pyarrow.compute as pc

    filled = np.flatnonzero(pc.not_equal(column, "").to_numpy())
    return int(filled[-1]) + 1 if len(filled) else 0
