"""Reads the cells of one column as the kind that was inferred or chosen for it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from aecore.data.column_words import (
    Words,
    count_words,
    describe_missing_words,
    drop_empty_cells,
    quote_few,
)
from aecore.data.date_cells import (
    MILLISECONDS,
    SECONDS,
    ParsedDates,
    choose_date_parts,
    parse_date_words,
)
from aecore.data.number_cells import INFINITE_MARKS, MAX_EXACT, ParsedNumbers, is_missing_mark
from aecore.data.number_cells import parse_number_words as parse
from aecore.data.raw import format_count
from aecore.data.typed_cells import PlainCells
from aecore.errors import DataError
from aecore.model.columns import LEFT_OUT_KINDS, ColumnOptions

if TYPE_CHECKING:
    import pyarrow as pa

MAX_CATEGORIES = 1000
MAX_CLASSES = 100
FEW_CLASSES = 20
CERTAIN_TRUE = ("true", "wahr", "vrai", "verdadero", "vero", ".true.")
CERTAIN_FALSE = ("false", "falsch", "faux", "falso", ".false.")
TRUE_WORDS = (*CERTAIN_TRUE, "t", "yes", "y", "ja", "oui", "si", "1", "on", "x")
FALSE_WORDS = (*CERTAIN_FALSE, "f", "no", "n", "nein", "non", "0", "off")


class ReadColumn(NamedTuple):
    """One column of a table as it is understood."""

    name: str
    options: ColumnOptions  # complete: kind, words, unit ...
    values: pa.ChunkedArray  # double, int64, string, bool or timestamp; left out: as they were
    missing: int
    note: str

    @property
    def is_input(self) -> bool:
        """True where a model gets the column."""
        return self.options.kind not in (*LEFT_OUT_KINDS, "target")


class Table(NamedTuple):
    """A table as it is understood."""

    columns: tuple[ReadColumn, ...]  # in the file's order, those left out too
    notes: tuple[str, ...]  # on the file as a whole

    @property
    def rows(self) -> int:
        """Number of rows."""
        return len(self.columns[0].values) if self.columns else 0

    @property
    def schema(self) -> dict[str, ColumnOptions]:
        """How each column is read, by its name."""
        return {column.name: column.options for column in self.columns}

    @property
    def target(self) -> str | None:
        """The name of the column that holds the label; None where there is none."""
        return next((c.name for c in self.columns if c.options.kind == "target"), None)


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


def join_notes(*notes: str) -> str:
    """Return sentences as one text, without those that are empty or said already."""
    return " ".join(dict.fromkeys(note for note in notes if note))


def leave_out(name: str, cells: PlainCells, options: ColumnOptions, note: str) -> ReadColumn:
    """Return a column that is no input, with the cells as they were."""
    import pyarrow as pa

    is_text = pa.types.is_string(cells.values.type)
    values = drop_empty_cells(cells.values) if is_text else cells.values
    note = note or "Left out, as it was chosen."
    return ReadColumn(name, options, values, values.null_count, note)


# -- numbers


class NumberReading(NamedTuple):
    """Words as numbers, and what was found among them."""

    numbers: pa.Array  # of each different word
    decimal: str
    units: tuple[str, ...]
    strays: np.ndarray[Any, Any]  # (words,) bool: neither numbers nor marks for missing cells
    marks: np.ndarray[Any, Any]  # (words,) bool: marks for missing cells


def read_number_words(
    words: Words, decimal: str, missing: tuple[str, ...] = ()
) -> NumberReading:
    """Return words as numbers, by the mark before decimals that reads most of them.

    `missing` are further marks for missing cells.
    """
    is_mark = is_missing_mark(words.words).to_numpy(zero_copy_only=False)
    if missing:
        is_mark |= np.isin(np.array(words.list_all(), object), missing)
    best: tuple[int, str, ParsedNumbers] | None = None
    for mark in (decimal, "," if decimal == "." else "."):
        parsed = parse(words.words, mark)
        is_number = parsed.values.is_valid().to_numpy(zero_copy_only=False)
        count = int(words.counts[is_number].sum())
        if best is None or count > best[0]:
            best = count, mark, parsed
    assert best is not None
    is_number = best[2].values.is_valid().to_numpy(zero_copy_only=False) & ~is_mark
    return NumberReading(best[2].values, best[1], best[2].units, ~is_number & ~is_mark, is_mark)


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
        note, options = join_notes(note, "Seconds since 1970."), _set(options, unit=SECONDS)
    elif pa.types.is_string(kind):
        words = count_words(drop_empty_cells(cells.values))
        reading = read_number_words(words, options.decimal if options.decimal == "," else decimal)
        return finish_number_words(name, words, reading, options, note)
    elif pa.types.is_integer(kind) or pa.types.is_floating(kind):
        values = cells.values
    else:
        raise DataError(f"Column {name!r} holds no numbers ({kind}). Choose ignored for it.")
    if cells.unit and not options.unit:
        options = _set(options, unit=cells.unit)
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
    options = _set(
        options,
        decimal=reading.decimal,
        unit=options.unit or (units[0] if units else ""),
        missing=options.missing or tuple(word[:1000] for word in listed[:100]),
    )
    note = join_notes(
        note,
        f"Numbers without their unit, {', '.join(units)}." if units else "",
        describe_missing_words(usual, int(counts[~np.array(infinite, bool)].sum())),
        describe_infinite(int(counts[np.array(infinite, bool)].sum())),
        describe_precision(values),
    )
    return ReadColumn(name, options, values, values.null_count, note)


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


def _set(options: ColumnOptions, **values: Any) -> ColumnOptions:
    return options.model_copy(update=values)


# -- words


def read_flags(
    name: str, cells: PlainCells, options: ColumnOptions, note: str = ""
) -> ReadColumn:
    """Return a column of true and false; `categories` say how the two are written, false first."""
    import pyarrow as pa

    kind = cells.values.type
    if pa.types.is_boolean(kind):
        return ReadColumn(name, options, cells.values, cells.values.null_count, note)
    words = count_words(drop_empty_cells(make_texts(name, cells.values)))
    listed = words.list_all()
    pair = options.categories or find_flag_words(listed)
    flags = [read_flag(word, pair) for word in listed]
    lost = np.array([flag is None for flag in flags], bool)
    if lost.all():
        raise DataError(
            f"Column {name!r} holds {quote_few(listed)}, not two words for true and false. "
            "Choose category for it."
        )
    lost_words = [word for word, is_lost in zip(listed, lost, strict=True) if is_lost]
    values = words.expand(pa.array(flags, pa.bool_()))
    options = _set(options, categories=() if pair == ("False", "True") else pair)
    note = join_notes(note, describe_missing_words(lost_words, int(words.counts[lost].sum())))
    return ReadColumn(name, options, values, values.null_count, note)


def find_flag_words(listed: list[str]) -> tuple[str, ...]:
    """Return the words for false and true among those of a column; none where it is unclear."""
    true_words = [word for word in listed if read_flag(word) is True]
    false_words = [word for word in listed if read_flag(word) is False]
    if len(true_words) == 1 and len(false_words) == 1:
        return false_words[0], true_words[0]
    return ()


def read_flag(word: str, pair: tuple[str, ...] = ()) -> bool | None:
    """Return what a word says, by the words for false and true; None where it is neither."""
    if word in pair:
        return pair.index(word) == 1
    small = word.lower()
    return True if small in TRUE_WORDS else False if small in FALSE_WORDS else None


def make_texts(name: str, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return cells as strings; DataError for lists and the like."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if pa.types.is_boolean(values.type):
        return pc.if_else(values, "True", "False")
    if pa.types.is_nested(values.type) or pa.types.is_binary(values.type):
        raise DataError(
            f"Column {name!r} holds {values.type}, which is no word. Choose ignored for it."
        )
    return values.cast(pa.string())


def read_categories(
    name: str, cells: PlainCells, options: ColumnOptions, note: str = ""
) -> ReadColumn:
    """Return a column of words of few kinds; `categories` are completed, in their order."""
    import pyarrow as pa

    texts = drop_empty_cells(make_texts(name, cells.values))
    words = count_words(texts)
    listed = words.list_all()
    if options.missing:
        lost = np.isin(np.array(listed, object), options.missing)
        texts = words.expand(pa.array([None if m else w for w, m in zip(listed, lost, strict=True)],
                                      pa.string()))
        note = join_notes(
            note,
            describe_missing_words(
                [w for w, m in zip(listed, lost, strict=True) if m], int(words.counts[lost].sum())
            ),
        )
        listed = [w for w, m in zip(listed, lost, strict=True) if not m]
    if options.categories:
        new = sorted(set(listed) - set(options.categories))
        if new:
            note = join_notes(note, f"{quote_few(new)} are no words of this column before.")
    else:
        options = _set(options, categories=order_words(name, listed, cells, options.kind))
        if options.kind == "ordered":
            note = join_notes(note, f"In the order {' < '.join(options.categories[:8])}.")
    return ReadColumn(name, options, texts, texts.null_count, note)


def order_words(name: str, listed: list[str], cells: PlainCells, kind: str) -> tuple[str, ...]:
    """Return the words of a column in order: that of the file, of numbers, or the alphabet's."""
    if len(listed) > MAX_CATEGORIES:
        raise DataError(
            f"Column {name!r} has {len(listed):,} different words; a category may have "
            f"{MAX_CATEGORIES:,}. Choose text for it."
        )
    if too_long := [word for word in listed if len(word) > MAX_CATEGORIES]:
        raise DataError(f"Column {name!r} has words of {len(too_long[0]):,} letters: choose text.")
    if cells.order:
        return tuple(word for word in cells.order if kind == "ordered" or word in listed)
    return tuple(sorted(listed, key=sort_key))


def sort_key(word: str) -> tuple[bool, float, str]:
    """Return what words are sorted by: numbers by their size, before all others."""
    try:
        number = float(word)
    except ValueError:
        return True, 0.0, word
    return False, number, word


# -- dates


def read_dates(
    name: str, cells: PlainCells, options: ColumnOptions, decimal: str, note: str = ""
) -> ReadColumn:
    """Return a column of dates; `parts` and the first day (`unit`) are completed."""
    import pyarrow as pa

    parsed = _parse_dates(name, cells, options, decimal)
    values = parsed if isinstance(parsed, pa.ChunkedArray) else None
    if values is None:
        assert isinstance(parsed, tuple)
        values, written, said = parsed
        options, note = _set(options, written=written), join_notes(note, said)
    dates = values.to_numpy()
    if not (~np.isnat(dates)).any():
        raise DataError(f"Column {name!r} holds no dates. Choose text or category for it.")
    first = str(np.nanmin(dates).astype("datetime64[D]"))
    options = _set(
        options,
        parts=options.parts or choose_date_parts(dates),
        unit=options.unit or f"days since {first}",
    )
    return ReadColumn(name, options, values, values.null_count, note)


def _parse_dates(
    name: str, cells: PlainCells, options: ColumnOptions, decimal: str
) -> pa.ChunkedArray | tuple[pa.ChunkedArray, str, str]:
    """Return timestamps; or timestamps, how they are written, and a note."""
    import pyarrow as pa

    kind = cells.values.type
    if pa.types.is_timestamp(kind):
        return cells.values
    if not pa.types.is_string(kind):
        whole = cells.values.cast(pa.int64(), safe=False)
        if options.written != "%Y%m%d" and not looks_like_days(whole):
            return read_epochs(name, whole)
        cells = PlainCells(whole.cast(pa.string()))
    words = count_words(drop_empty_cells(cells.values))
    parsed = parse_dates_of_words(words, decimal, options.written)
    if parsed is None:
        whole = parse(words.words, decimal).values
        if pa.types.is_integer(whole.type) and whole.null_count < len(whole):
            return read_epochs(name, words.expand(whole))
        raise DataError(f"Column {name!r} holds no dates. Choose text or category for it.")
    dates = pa.array(parsed.values, pa.timestamp("us"))
    lost = parsed.values.isna().to_numpy()
    listed = [word for word, is_lost in zip(words.list_all(), lost, strict=True) if is_lost]
    said = describe_missing_words(listed, int(words.counts[lost].sum()))
    return words.expand(dates), parsed.written, join_notes(parsed.note, said)


def parse_dates_of_words(words: Words, decimal: str, written: str = "") -> ParsedDates | None:
    """Return the dates of words other than marks for missing cells; None where they are none."""
    import pandas as pd

    listed = pd.Series(words.list_all(), dtype=object)
    marks = pd.Series(is_missing_mark(words.words).to_numpy(zero_copy_only=False))
    if written in (SECONDS, MILLISECONDS):
        return None
    parsed = parse_date_words(listed[~marks].astype(str), decimal == ",", written)
    return None if parsed is None else parsed._replace(values=parsed.values.reindex(listed.index))


def looks_like_days(whole: Any) -> bool:
    """Return True for whole numbers that are all days such as 20241231."""
    import pyarrow.compute as pc

    bounds = pc.min_max(whole).as_py()
    if bounds["min"] is None or bounds["min"] < 19000101 or bounds["max"] > 21001231:
        return False
    values = whole.drop_null().to_numpy()
    month, day = values // 100 % 100, values % 100
    return bool(((month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)).all())


def read_epochs(name: str, whole: Any) -> tuple[pa.ChunkedArray, str, str]:
    """Return times of seconds or milliseconds since 1970, in UTC."""
    import pyarrow as pa
    import pyarrow.compute as pc

    most = pc.max(pc.abs(whole)).as_py() or 0
    scale, written = (10**6, SECONDS) if most < 10**11 else (10**3, MILLISECONDS)
    if most >= 10**14:
        raise DataError(f"Column {name!r} holds no dates. Choose number for it.")
    values = pc.multiply(whole, scale).cast(pa.timestamp("us"))
    unit = "Seconds" if written == SECONDS else "Milliseconds"
    return values, written, f"{unit} since 1970 are read as times in UTC."


# -- the target


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
