"""A table whose missing cells are taken from a model, in the kinds and spelling of its file."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from aecore.data.raw import Array
from aecore.data.tables.column_values import ReadColumn, Table
from aecore.data.tables.columns import list_features, parse_first_day, simplify_name
from aecore.data.tables.date_cells import (
    ISO,
    MILLISECONDS,
    SECONDS,
    WHOLE_DAYS,
    find_iso_format,
    list_date_features,
)
from aecore.model.columns import ColumnOptions

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SECONDS_OF_DAY = 86_400
MAX_SHOWN = 200  # letters of a cell that is no number, word or date


def make_frame(table: Table, rows: int | None = None) -> pd.DataFrame:
    """Return the first rows, or all, of a table for pages; bytes, lists and the like as texts."""
    cells = {c.name: show_nested_cells(c.values.slice(0, rows)) for c in table.columns}
    return make_arrow_frame(cells)


def make_written_frame(table: Table) -> pd.DataFrame:
    """Return a table in the kinds and the spelling of its file, with Arrow types."""
    return make_arrow_frame({c.name: write_cells(c, c.values) for c in table.columns})


def make_written_page_frame(table: Table) -> pd.DataFrame:
    """Return a table in the spelling of its file for pages; bytes, lists and the like as texts."""
    cells = {c.name: show_nested_cells(write_cells(c, c.values)) for c in table.columns}
    return make_arrow_frame(cells)


def make_arrow_frame(cells: Mapping[str, pa.ChunkedArray]) -> pd.DataFrame:
    """Return columns as a frame that keeps their Arrow types."""
    import pandas as pd

    return pd.DataFrame(
        {
            name: pd.Series(pd.array(values, pd.ArrowDtype(values.type)))
            for name, values in cells.items()
        }
    )


def show_nested_cells(values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return bytes, lists and the like as texts, cut where they are long; others as they are."""
    import pyarrow as pa

    kind = values.type
    if not (pa.types.is_nested(kind) or pa.types.is_null(kind) or "binary" in str(kind)):
        return values
    texts = [None if cell is None else str(cell)[:MAX_SHOWN] for cell in values.to_pylist()]
    return pa.chunked_array([pa.array(texts, pa.string())])


def fill_table(table: Table, schema: Mapping[str, ColumnOptions], x: Array) -> pd.DataFrame:
    """Return the table with its missing cells taken from x (N, F), the features of `schema`.

    Known cells, and columns that the model does not know, stay as they are: words, flags, whole
    numbers and dates come back as such.
    """
    places: dict[str, tuple[int, str]] = {}
    start = 0
    for name, options in schema.items():
        count = len(list_features(name, options))
        if count:
            places[simplify_name(name)] = (start, name)
        start += count
    filled = {}
    for column in table.columns:
        values: Any = column.values
        if simplify_name(column.name) in places and column.missing:
            start, name = places[simplify_name(column.name)]
            options = schema[name]
            features = x[:, start : start + len(list_features(name, options))]
            values = fill_column(column, options, features)
        filled[column.name] = write_cells(column, values)
    return make_arrow_frame(filled)


def write_cells(column: ReadColumn, values: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column's cells, or those with gaps filled, as its file has them.

    Flags are in its words, dates letter by letter as it has them, and filled ones written alike.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    pair, written = column.options.categories, column.options.written
    if pa.types.is_boolean(values.type) and len(pair) == 2:
        return pc.if_else(values, pair[1], pair[0])
    if not pa.types.is_timestamp(values.type) or not written:
        return values
    if column.texts is None:
        return write_dates(values, written)
    if values.null_count == column.texts.null_count:
        return column.texts
    if written == ISO:
        written = find_iso_format(column.texts)
    dates = write_dates(values, written)
    return pc.coalesce(column.texts, dates.cast(pa.string()))


def write_dates(dates: pa.ChunkedArray, written: str) -> pa.ChunkedArray:
    """Return dates as texts of a format, or as the whole numbers that they were."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if written in (SECONDS, MILLISECONDS):
        ticks = 10**6 if written == SECONDS else 10**3
        return pc.divide(dates.cast(pa.int64()), ticks)
    if written == ISO:
        written = "%Y-%m-%d" if _holds_days(dates) else "%Y-%m-%d %H:%M:%S"
    texts = dates.to_pandas().dt.strftime(written)
    cells = pa.chunked_array([pa.array(texts, pa.string(), from_pandas=True)])
    return cells.cast(pa.int64()) if written == WHOLE_DAYS else cells


def fill_column(column: ReadColumn, options: ColumnOptions, features: Array) -> pa.ChunkedArray:
    """Return the cells of a column, missing ones taken from its features (N, ...)."""
    import pyarrow as pa
    import pyarrow.compute as pc

    values = column.values
    guesses = decode_features(options, features)
    if guesses is None:
        return values
    if pa.types.is_integer(values.type) and guesses.dtype.kind == "f":
        guesses = np.rint(np.nan_to_num(guesses)).astype(np.int64)
    if pa.types.is_string(values.type) and guesses.dtype.kind == "b":
        guesses = np.array(options.categories or ("False", "True"), object)[guesses.astype(int)]
    if pa.types.is_timestamp(values.type) and _holds_days(column.values):
        guesses = guesses.astype("datetime64[D]").astype("datetime64[s]")
    if pa.types.is_floating(values.type) and guesses.dtype.kind == "f":
        guesses = guesses.astype(np.float32).astype(str).astype(np.float64)  # .1, not .10000000149
    filling = pa.array(guesses, from_pandas=True)
    if pa.types.is_string(values.type) and not pa.types.is_string(filling.type):
        return values
    return pc.coalesce(values, filling.cast(values.type, safe=False))


def _holds_days(dates: pa.ChunkedArray) -> bool:
    """Return True for dates without a time of day."""
    known = dates.drop_null().to_numpy()
    return bool((known == known.astype("datetime64[D]")).all())


def decode_features(options: ColumnOptions, features: Array) -> Array | None:
    """Return the cell (N,) that features (N, ...) of a column say; None where they do not."""
    if options.kind == "category":
        return np.array(options.categories, object)[features.argmax(1)]
    if options.kind == "ordered":
        ranks = np.rint(np.nan_to_num(features[:, 0])).clip(0, len(options.categories) - 1)
        return np.array(options.categories, object)[ranks.astype(np.int64)]
    if options.kind == "boolean":
        return features[:, 0] >= 0.5
    if options.kind == "date":
        if "time" not in options.parts:
            return None
        place = list_date_features("", options.parts).index("[time]")
        seconds = np.rint(np.nan_to_num(features[:, place].astype(np.float64)) * SECONDS_OF_DAY)
        return parse_first_day(options.unit) + seconds.astype("timedelta64[s]")
    return features[:, 0].astype(np.float64)
