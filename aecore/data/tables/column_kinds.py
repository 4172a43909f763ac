"""Infers what a column is from all its cells: number, words, date, key ..."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aecore.data.tables.column_categories import (
    CERTAIN_FALSE,
    CERTAIN_TRUE,
    read_categories,
    read_flags,
)
from aecore.data.tables.column_dates import looks_like_days, parse_dates_of_words, read_dates
from aecore.data.tables.column_keys import INDEX_NAME, KEY_NAME, MAX_WORDS, find_key_reason, is_time
from aecore.data.tables.column_numbers import (
    describe_precision,
    describe_suspected_mark,
    finish_number_words,
    read_number_words,
)
from aecore.data.tables.column_reading import read_column
from aecore.data.tables.column_values import EMPTY_NOTE, ReadColumn, join_notes, leave_out
from aecore.data.tables.column_words import Words, count_words, drop_empty_cells, quote_few
from aecore.data.tables.number_cells import (
    LONG_KEY,
    cast_numbers,
    has_leading_zeros,
    is_missing_mark,
)
from aecore.data.tables.typed_cells import PlainCells
from aecore.model.columns import ColumnKind, ColumnOptions

if TYPE_CHECKING:
    import pyarrow as pa

SAMPLE_CELLS = 100
MANY_ROWS = 20  # of each word, for a category of more kinds
MOST_WORDS = 100
LONG_WORD = 60  # letters
SURE_MARKS = (
    "?",
    "n/a",
    "#n/a",
    "null",
    "<na>",
    "nan",
    "nat",
    "#div/0!",
    "(null)",
    "\\n",
    "-",
    ".",
)


def infer_column(name: str, cells: PlainCells, decimal: str) -> ReadColumn | None:
    """Return a column as what its cells are; None for words, which `infer_words` decides on.

    `decimal` is the mark before decimals in the file.
    """
    import pyarrow as pa

    kind, known = cells.values.type, len(cells.values) - cells.values.null_count
    if known == 0:
        return leave_out(name, cells, ColumnOptions(kind="ignored"), EMPTY_NOTE)
    if pa.types.is_string(kind):
        return infer_from_texts(name, cells, decimal)
    if pa.types.is_boolean(kind):
        column = read_flags(name, cells, ColumnOptions(kind="boolean"), cells.note)
        return _check_constant(column, cells)
    if pa.types.is_integer(kind) or pa.types.is_floating(kind):
        options = ColumnOptions(kind="number")
        return check_numbers(read_column(name, cells, options, decimal), cells)
    if pa.types.is_timestamp(kind):
        dates = read_dates(name, cells, ColumnOptions(kind="date"), decimal, cells.note)
        return _check_constant(dates, cells)
    what = "bytes" if "binary" in str(kind) else f"values of the kind {str(kind)[:60]}"
    return leave_out(name, cells, ColumnOptions(kind="ignored"), f"Holds {what}, left out.")


def infer_from_texts(name: str, cells: PlainCells, decimal: str) -> ReadColumn | None:
    """Return a column of strings that are numbers or dates; None where they are other words."""
    import pyarrow as pa

    texts = cells.values
    plain = read_plain_numbers(texts, decimal)
    if plain is None:  # a column of numbers alone has no empty cells to look for
        texts = drop_empty_cells(texts)
        if texts.null_count == len(texts):
            return leave_out(name, cells, ColumnOptions(kind="ignored"), EMPTY_NOTE)
        plain = read_plain_numbers(texts, decimal) if texts.null_count else None
    if plain is not None:
        if plain.type == "double" and are_long_keys(texts):
            return None
        note = describe_precision(plain)
        column = ReadColumn(name, ColumnOptions(kind="number"), plain, plain.null_count, note)
        return check_numbers(column, cells)
    words = count_words(texts)
    dates = parse_dates_of_words(words, decimal)
    if dates is not None:
        options = ColumnOptions(kind="date", written=dates.written)
        column = read_dates(name, PlainCells(texts), options, decimal, dates.note)
        return _check_constant(column, cells)
    if has_leading_zeros(words.words):
        return None
    reading = read_number_words(words, decimal)
    if not are_numbers(words, reading.strays, reading.marks, reading.units):
        return None
    column = finish_number_words(name, words, reading, ColumnOptions(kind="number"))
    return check_numbers(column, cells._replace(values=pa.chunked_array(texts.chunks)))


def read_plain_numbers(texts: pa.ChunkedArray, decimal: str) -> pa.ChunkedArray | None:
    """Return strings as numbers where each is one in the spelling of Python; else None."""
    import pyarrow as pa
    import pyarrow.compute as pc

    try:
        # with a decimal comma, a point is the mark of thousands
        values = pc.cast(texts, pa.int64()) if decimal == "," else cast_numbers(texts)
    except pa.ArrowInvalid:
        return None
    if values.null_count != texts.null_count or has_leading_zeros(texts):
        return None
    return values


def are_long_keys(texts: pa.ChunkedArray) -> bool:
    """Return True for whole numbers of more digits than a number holds: keys, not measurements."""
    import pyarrow.compute as pc

    return all(
        pc.all(pc.match_substring_regex(part, LONG_KEY), min_count=0).as_py()
        for part in (texts.slice(0, SAMPLE_CELLS), texts)  # the first cells tell of most columns
    )


def are_numbers(words: Words, strays: Any, marks: Any, units: tuple[str, ...]) -> bool:
    """Return True where words are numbers of at most one unit, but for a few."""
    if len({unit.casefold() for unit in units if unit}) > 1:
        return False
    numbers = int(words.counts[~(strays | marks)].sum())
    others = int(words.counts[strays].sum())
    if numbers == 0 or others > numbers:
        return False
    if others == 0:
        return True
    kinds = int((~(strays | marks)).sum())
    few = int(strays.sum()) <= 3 and (kinds > MAX_WORDS or others <= numbers / 2)
    return few or others <= numbers / 10


def _check_constant(column: ReadColumn, cells: PlainCells) -> ReadColumn:
    """Return a column as it is, or left out where it has one value only."""
    value = find_only_value(column.values)
    if value is None:
        return column
    more = " that has one" if column.missing else ""
    note = f"One value only, {value} in every row{more}: left out."
    return leave_out(column.name, cells, ColumnOptions(kind="ignored"), note)


def find_only_value(values: Any) -> str | None:
    """Return the value that all cells have; None where there are several."""
    import pyarrow.compute as pc

    bounds = pc.min_max(values).as_py()
    if bounds["min"] is None or bounds["min"] != bounds["max"]:
        return None
    return str(bounds["min"])[:40]


# -- numbers


def check_numbers(column: ReadColumn, cells: PlainCells) -> ReadColumn:
    """Return numbers as they are, or as dates, keys or a constant where they are that."""
    if find_only_value(column.values) is not None:
        return _check_constant(column, cells)
    suspicion = describe_suspected_mark(column.name, column.values)
    column = column._replace(note=join_notes(column.note, suspicion))
    if column.values.type != "int64" or cells.is_measured or column.options.unit:
        return column
    if is_time(column.name, column.values):
        options = ColumnOptions(kind="date")
        if looks_like_days(column.values):
            options = ColumnOptions(kind="date", written="%Y%m%d")
        return read_dates(column.name, PlainCells(column.values), options, ".", cells.note)
    reason = find_key_reason(column.name, column.values)
    if reason:
        return leave_out(column.name, cells, ColumnOptions(kind="id"), f"{reason}: left out.")
    return column


# -- words


def infer_words(
    name: str, cells: PlainCells, missing_marks: frozenset[str] = frozenset()
) -> ReadColumn:
    """Return a column of words as flags, a category, a key or text.

    `missing_marks` are words, in small letters, that stand for missing cells in other columns.
    """
    words = count_words(drop_empty_cells(cells.values))
    missing, note = find_missing_words(words, missing_marks)
    listed = [word for word in words.list_all() if word not in missing]
    if not listed:
        return leave_out(name, cells, ColumnOptions(kind="ignored"), EMPTY_NOTE)
    if len(listed) == 1:
        note = f"One word only, {quote_few(listed)}: left out."
        return leave_out(name, cells, ColumnOptions(kind="ignored"), note)
    if {word.lower() for word in listed} <= {*CERTAIN_TRUE, *CERTAIN_FALSE}:
        return read_flags(name, cells, ColumnOptions(kind="boolean"))
    kind, reason = decide_words(name, words, listed)
    options = ColumnOptions(kind=kind, missing=missing)
    if kind != "category":
        return leave_out(name, cells, ColumnOptions(kind=kind), reason)
    if cells.order:
        options = ColumnOptions(kind="ordered", missing=missing)
    return read_categories(name, cells, options, note)


def decide_words(name: str, words: Words, listed: list[str]) -> tuple[ColumnKind, str]:
    """Return what words are, and why they are left out if they are."""
    known, distinct = words.known, len(listed)
    longest = max(map(len, listed))
    usable = distinct <= MAX_WORDS or distinct <= min(MOST_WORDS, known / MANY_ROWS)
    several = distinct <= max(2, known * 0.7) and distinct < known
    if INDEX_NAME.fullmatch(name) and distinct == known:
        return "id", "An index: left out."
    if usable and several and longest <= LONG_WORD:
        return "category", ""
    is_prose = longest > LONG_WORD or np.mean([word.count(" ") for word in listed[:1000]]) > 2
    if is_prose:
        return "text", f"Free text, {distinct:,} different: left out."
    if distinct == known or KEY_NAME.fullmatch(name):
        return "id", f"{distinct:,} different words, one for each row or thing: left out."
    return "text", f"{distinct:,} different words, too many for a category: left out."


def find_missing_words(words: Words, missing_marks: frozenset[str]) -> tuple[tuple[str, ...], str]:
    """Return the words that stand for missing cells, and a note on those that might.

    NA and None are words where they are as frequent as others, unless numbers of the same file
    have them for missing cells.
    """
    listed = words.list_all()
    marks = is_missing_mark(words.words).to_numpy(zero_copy_only=False)
    if not marks.any() or not any(letter.isalnum() for word in listed for letter in word):
        return (), ""
    others = words.counts[~marks]
    usual = float(np.median(others)) if len(others) else 0.0
    missing: list[str] = []
    kept: list[str] = []
    for i in np.flatnonzero(marks):
        word = listed[i]
        sure = word.lower() in SURE_MARKS or word.lower() in missing_marks
        rare = words.counts[i] < usual / 4
        (missing if sure or rare else kept).append(word)
    note = f"{quote_few(kept)} is taken as a word." if kept else ""
    return tuple(missing), note
