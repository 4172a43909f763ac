"""Reads a column as dates."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from aecore.data.tables.column_values import (
    ReadColumn,
    complete_options,
    join_notes,
)
from aecore.data.tables.column_words import (
    Words,
    count_words,
    describe_missing_words,
    drop_empty_cells,
)
from aecore.data.tables.date_cells import (
    MILLISECONDS,
    SECONDS,
    ParsedDates,
    choose_date_parts,
    parse_date_words,
)
from aecore.data.tables.number_cells import (
    is_missing_mark,
    parse_number_words,
)
from aecore.data.tables.typed_cells import PlainCells
from aecore.errors import DataError
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    import pyarrow as pa


def read_dates(
    name: str, cells: PlainCells, options: ColumnOptions, decimal: str, note: str = ""
) -> ReadColumn:
    """Return a column of dates; `parts` and the first day (`unit`) are completed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    parsed = _parse_dates(name, cells, options, decimal)
    values = parsed if isinstance(parsed, pa.ChunkedArray) else None
    if values is None:
        assert isinstance(parsed, tuple)
        values, written, said = parsed
        options, note = complete_options(options, written=written), join_notes(note, said)
    dates = values.to_numpy()
    if not (~np.isnat(dates)).any():
        raise DataError(f"Column {name!r} holds no dates. Choose text or category for it.")
    first = str(np.nanmin(dates).astype("datetime64[D]"))
    options = complete_options(
        options,
        parts=options.parts or choose_date_parts(dates),
        unit=options.unit or f"days since {first}",
    )
    texts = None
    if pa.types.is_string(cells.values.type):
        known, lost = cells.values, pa.scalar(None, pa.string())
        texts = pc.if_else(values.is_valid(), known, lost)
    return ReadColumn(name, options, values, values.null_count, note, texts)


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
        whole = parse_number_words(words.words, decimal).values
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
