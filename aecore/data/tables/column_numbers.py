"""Reads a column as numbers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data.raw import format_count
from aecore.data.tables.column_values import (
    ReadColumn,
    complete_options,
    join_notes,
)
from aecore.data.tables.column_words import (
    Words,
    blank_out,
    count_words,
    describe_missing_words,
    drop_empty_cells,
)
from aecore.data.tables.date_cells import SECONDS
from aecore.data.tables.number_cells import (
    INFINITE_MARKS,
    ParsedNumbers,
    is_missing_mark,
    parse_clock_words,
    parse_number_words,
)
from aecore.data.tables.typed_cells import PlainCells
from aecore.errors import DataError
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    import pyarrow as pa


CLOCK_NOTE = "Times are read as seconds."


class NumberReading(NamedTuple):
    """Words as numbers, and what was found among them."""

    numbers: pa.Array  # of each different word
    decimal: str
    units: tuple[str, ...]
    strays: np.ndarray[Any, Any]  # (words,) bool: neither numbers nor marks for missing cells
    marks: np.ndarray[Any, Any]  # (words,) bool: marks for missing cells
    note: str = ""  # on how they were read


def read_number_words(words: Words, decimal: str, missing: tuple[str, ...] = ()) -> NumberReading:
    """Return words as numbers, by the mark before decimals that reads most of them.

    `missing` are further marks for missing cells.
    """
    is_mark = is_missing_mark(words.words).to_numpy(zero_copy_only=False)
    if missing:
        is_mark |= np.isin(np.array(words.list_all(), object), missing)
    best: tuple[int, str, ParsedNumbers] | None = None
    for mark in (decimal, "," if decimal == "." else "."):
        parsed = parse_number_words(words.words, mark)
        is_number = parsed.values.is_valid().to_numpy(zero_copy_only=False)
        count = int(words.counts[is_number].sum())
        if best is None or count > best[0]:
            best = count, mark, parsed
    assert best is not None
    note = describe_spelling(best[2], best[1], decimal)
    if best[0] == 0:
        seconds = parse_clock_words(blank_out(words.words, is_mark))
        if seconds is not None:
            best = words.known, decimal, ParsedNumbers(seconds, ("s",))
            note = CLOCK_NOTE
    is_number = best[2].values.is_valid().to_numpy(zero_copy_only=False) & ~is_mark
    return NumberReading(
        best[2].values, best[1], best[2].units, ~is_number & ~is_mark, is_mark, note
    )


def describe_spelling(parsed: ParsedNumbers, mark: str, decimal: str) -> str:
    """Return a sentence on marks before decimals and between thousands that were guessed."""
    if mark != decimal:
        return f"The mark before decimals is {mark!r} here."
    other = "," if mark == "." else "."
    if other in parsed.grouped:
        return f"{parsed.grouped!r} is read with {other!r} between thousands."
    return ""


def read_numbers(
    name: str, cells: PlainCells, options: ColumnOptions, decimal: str, note: str = ""
) -> ReadColumn:
    """Return a column of numbers, in the file's units; other words are taken as missing."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.values.type
    if pa.types.is_boolean(kind):
        values: Any = pc.cast(cells.values, pa.int64())
    elif pa.types.is_timestamp(kind):
        values = pc.divide(cells.values.cast(pa.int64()).cast(pa.float64(), safe=False), 1e6)
        note, options = (
            join_notes(note, "Seconds since 1970."),
            complete_options(options, unit=SECONDS),
        )
    elif pa.types.is_string(kind):
        words = count_words(drop_empty_cells(cells.values))
        mark = options.decimal if options.decimal == "," else decimal
        reading = read_number_words(words, mark, options.missing)
        return finish_number_words(name, words, reading, options, note)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = blank_out_numbers(cells.values, options.missing)
    else:
        raise DataError(f"Column {name!r} holds no numbers ({kind}). Choose ignored for it.")
    if cells.unit and not options.unit:
        options = complete_options(options, unit=cells.unit)
    note = join_notes(note, describe_infinite(cells.infinite), describe_precision(values))
    return ReadColumn(name, options, values, values.null_count, note)


def finish_number_words(
    name: str, words: Words, reading: NumberReading, options: ColumnOptions, note: str = ""
) -> ReadColumn:
    """Return the column of numbers that words were read as."""
    import pyarrow as pa
    import pyarrow.compute as pc

    lost = reading.strays | reading.marks
    numbers = pc.if_else(pa.array(~lost), reading.numbers, None)
    values = words.expand(numbers)
    if values.null_count == len(values):
        raise DataError(f"Column {name!r} holds no numbers. Choose category, text or ignored.")
    listed = words.words.filter(pa.array(lost)).to_pylist()
    infinite = [word.lower() in INFINITE_MARKS for word in listed]
    counts = words.counts[lost]
    usual = [word for word, is_inf in zip(listed, infinite, strict=True) if not is_inf]
    units = [unit for unit in reading.units if unit]
    is_clock = reading.note == CLOCK_NOTE
    options = complete_options(
        options,
        decimal=reading.decimal,
        unit=options.unit or (units[0] if units else ""),
        missing=options.missing or tuple(word[:1000] for word in listed[:100]),
    )
    note = join_notes(
        note,
        reading.note,
        f"Numbers without their unit, {', '.join(units)}." if units and not is_clock else "",
        describe_missing_words(usual, int(counts[~np.array(infinite, bool)].sum())),
        describe_infinite(int(counts[np.array(infinite, bool)].sum())),
        describe_precision(values),
    )
    return ReadColumn(name, options, values, values.null_count, note)


def blank_out_numbers(values: Any, marks: tuple[str, ...]) -> Any:
    """Return numbers with null in place of those that are marks for missing cells."""
    import pyarrow as pa
    import pyarrow.compute as pc

    missing = [float(mark) for mark in marks if re.fullmatch(r"[+-]?\d+(\.\d*)?", mark)]
    if not missing:
        return values
    is_mark = pc.is_in(values.cast(pa.float64(), safe=False), pa.array(missing, pa.float64()))
    return pc.if_else(is_mark, pa.scalar(None, values.type), values)


def describe_suspected_mark(name: str, values: Any) -> str:
    """Return a sentence on a number such as -999 that may mark missing cells; "" without one.

    It is all nines, stands in several cells, and is farther from the others than these are apart.
    """
    import pyarrow.compute as pc

    bounds = pc.min_max(values).as_py()
    for mark in (bounds["min"], bounds["max"]):
        if mark is None or not re.fullmatch(r"-?99+(\.0|\.9+)?", str(mark)):
            continue
        is_mark = pc.equal(values, mark)
        count, rest = pc.sum(is_mark).as_py(), pc.min_max(values.filter(pc.invert(is_mark))).as_py()
        if rest["min"] is None or count < 2:
            continue
        apart = min(abs(mark - rest["min"]), abs(mark - rest["max"]))
        if apart > rest["max"] - rest["min"]:
            return (
                f"{mark:g} stands in {count:,} cells, far from all others. If it marks missing "
                f'ones, set data.columns.{name} to {{"kind": "number", "missing": ["{mark:g}"]}}.'
            )
    return ""


def describe_infinite(count: int) -> str:
    """Return a sentence on infinite cells; an empty text where there are none."""
    if not count:
        return ""
    return f"{format_count(count, 'infinite cell')} (inf) {'is' if count == 1 else 'are'} missing."


def describe_precision(values: Any) -> str:
    """Return a sentence where float32, which models compute in, cannot tell the numbers apart."""
    import pyarrow.compute as pc

    bounds = pc.min_max(values).as_py()
    low, high = bounds["min"], bounds["max"]
    if low is None or low == high:
        return ""
    largest = max(abs(low), abs(high))
    if largest > float(np.finfo(np.float32).max):
        return "Numbers beyond 3e38 are taken as missing by models."
    if (high - low) / largest < 1e-4 and largest > 2**24:
        return "The numbers hardly differ from each other for their size: models see little of it."
    return ""
