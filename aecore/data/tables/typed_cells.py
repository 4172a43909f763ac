"""Cells of Parquet and workbooks: the many types of Arrow as five that columns are read from."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import TYPE_CHECKING, NamedTuple

from aecore.data.tables.number_cells import drop_infinite

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

MAX_ELEMENTS = 20_000  # columns that lists of one length become


class PlainCells(NamedTuple):
    """The cells of one column."""

    values: pa.ChunkedArray  # string, int64, double, bool or timestamp[us]; else unreadable
    note: str = ""
    unit: str = ""
    order: tuple[str, ...] = ()  # words of an ordered category, in their order
    infinite: int = 0  # cells that were, and are null now
    is_measured: bool = False  # numbers that cannot be keys: durations, parts of a list


def split_columns(
    frame: pd.DataFrame, keep_whole: Collection[str] = ()
) -> Iterator[tuple[str, PlainCells]]:
    """Yield each column's name and cells, and take it out of the frame.

    A column of lists of one length is taken apart, `name[0]`, `name[1]`, ..., unless it is one of
    `keep_whole`.
    """
    names = list(frame.columns)
    columns = [make_chunks(frame[name]) for name in names]
    frame.drop(columns=names, inplace=True)  # at once: one by one takes the square of their number
    for name in names:
        cells = columns.pop(0)
        elements = [] if name in keep_whole else take_lists_apart(name, cells)
        if elements:
            yield from elements
        else:
            yield name, make_plain(cells)


def make_chunks(column: pd.Series) -> pa.ChunkedArray:
    """Return a column's cells, which Arrow holds already, without a copy."""
    import pyarrow as pa

    cells = pa.array(column)
    return cells if isinstance(cells, pa.ChunkedArray) else pa.chunked_array([cells])


def take_lists_apart(name: str, cells: pa.ChunkedArray) -> list[tuple[str, PlainCells]]:
    """Return a column for each place of lists of numbers of one length; none for anything else."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind = cells.type
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    if not (is_list or pa.types.is_fixed_size_list(kind)):
        return []
    numeric = pa.types.is_floating(kind.value_type) or pa.types.is_integer(kind.value_type)
    if not numeric or len(cells) == cells.null_count:
        return []
    bounds = pc.min_max(pc.list_value_length(cells)).as_py()
    length = bounds["min"]
    if length != bounds["max"] or not 0 < length <= MAX_ELEMENTS:
        return []
    note = f"A number of the lists in {name!r}."
    return [
        (
            f"{name}[{i}]",
            make_plain(pc.list_element(cells, i))._replace(note=note, is_measured=True),
        )
        for i in range(length)
    ]


def make_plain(cells: pa.ChunkedArray) -> PlainCells:
    """Return cells of any type of Arrow as one of the plain ones, with a note on what changed."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind, types = cells.type, pa.types
    if types.is_dictionary(kind):
        return _decode_dictionary(cells)
    if types.is_boolean(kind) or types.is_null(kind) or types.is_string(kind):
        return PlainCells(cells)
    if types.is_large_string(kind) or types.is_string_view(kind):
        return PlainCells(cells.cast(pa.string()))
    if types.is_integer(kind):
        return _make_whole(cells)
    if types.is_floating(kind):
        return _drop_infinite_cells(cells)
    if types.is_decimal(kind):
        whole = kind.scale == 0 and kind.precision <= 18
        return PlainCells(pc.cast(cells, pa.int64() if whole else pa.float64(), safe=False))
    if types.is_duration(kind):
        ticks = {"s": 1, "ms": 1e3, "us": 1e6, "ns": 1e9}[kind.unit]
        seconds = pc.divide(cells.cast(pa.int64()).cast(pa.float64(), safe=False), ticks)
        return PlainCells(seconds, "Durations are read as seconds.", "s", is_measured=True)
    if types.is_time(kind):
        micros = cells.cast(pa.time64("us") if kind != pa.time64("ns") else kind, safe=False)
        ticks = 1e9 if kind == pa.time64("ns") else 1e6
        seconds = pc.divide(micros.cast(pa.int64()).cast(pa.float64(), safe=False), ticks)
        note = "Times of day are read as seconds since midnight."
        return PlainCells(seconds, note, "s", is_measured=True)
    if types.is_date(kind):
        return PlainCells(cells.cast(pa.timestamp("us")))
    return _make_timestamps(cells) if types.is_timestamp(kind) else PlainCells(cells)


def _decode_dictionary(cells: pa.ChunkedArray) -> PlainCells:
    import pyarrow as pa
    import pyarrow.compute as pc

    plain = make_plain(pc.cast(cells, cells.type.value_type))
    if not cells.type.ordered or not pa.types.is_string(plain.values.type) or not cells.num_chunks:
        return plain
    words = [word for word in cells.chunk(0).dictionary.to_pylist() if word is not None]
    return plain._replace(order=tuple(words))


def _make_whole(cells: pa.ChunkedArray) -> PlainCells:
    import pyarrow as pa

    try:
        return PlainCells(cells.cast(pa.int64()))
    except pa.ArrowInvalid:  # 2^63 and more
        return PlainCells(cells.cast(pa.float64(), safe=False))


def _drop_infinite_cells(cells: pa.ChunkedArray) -> PlainCells:
    import pyarrow as pa
    import pyarrow.compute as pc

    wide = cells.cast(pa.float32()) if pa.types.is_float16(cells.type) else cells
    wide = wide.cast(pa.float64())
    infinite = pc.sum(pc.is_inf(wide), min_count=0).as_py()
    return PlainCells(drop_infinite(wide), infinite=infinite)


def _make_timestamps(cells: pa.ChunkedArray) -> PlainCells:
    """Return times as the clocks of their zone show them."""
    import pyarrow as pa
    import pyarrow.compute as pc

    zone = cells.type.tz
    if zone is None:
        return PlainCells(pc.cast(cells, pa.timestamp("us"), safe=False))
    local = pc.local_timestamp(cells)
    return PlainCells(
        pc.cast(local, pa.timestamp("us"), safe=False), f"Times are those of the zone {zone}."
    )
