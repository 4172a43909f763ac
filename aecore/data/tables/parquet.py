"""Tables of Parquet as columns that a frame can hold, whatever their types."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from aecore.data.parquet_bounds import check_parquet_size
from aecore.data.tables.bounds import check_table_size
from aecore.data.tables.headers import make_names_unique
from aecore.errors import DataError
from aecore.names import clean_name

if TYPE_CHECKING:
    import pyarrow as pa

FIRST_DAY, LAST_DAY = -719_162, 2_932_896  # of the years 1 to 9999, counted from 1970
DAY = {
    unit: 86_400 * count for unit, count in (("s", 1), ("ms", 10**3), ("us", 10**6), ("ns", 10**9))
}


def read_parquet_table(path: Path) -> tuple[pa.Table, list[str]]:
    """Return the table of a .parquet, its names unique, and notes. Raises DataError."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        with pq.ParquetFile(path) as file:
            check_table_size(file.metadata.num_rows, len(file.schema_arrow), path.name)
            check_parquet_size(path)
            table = file.read()
        columns = [simplify_column(column) for column in table.columns]
        table = pa.Table.from_arrays(columns, names=table.column_names)
        table.validate(full=True)  # texts may be no UTF-8
        for name, column in zip(table.column_names, table.columns, strict=True):
            check_dates(column, clean_name(name), path.name)
    except DataError:
        raise
    except Exception as error:  # its metadata is a stranger's
        reason = " ".join(str(error).split())
        raise DataError(
            f"{path.name} is not a readable .parquet file ({reason}). Save it again."
        ) from error
    names, notes = make_names_unique(table.column_names, path.name)
    return table.rename_columns(names), notes


def is_unordered_dictionary(kind: pa.DataType) -> bool:
    """Return True for words that are numbered in no order that means anything."""
    import pyarrow as pa

    return pa.types.is_dictionary(kind) and not kind.ordered


def check_dates(column: pa.ChunkedArray, name: str, file_name: str) -> None:
    """Raise DataError for dates beyond those that Python knows."""
    import pyarrow as pa
    import pyarrow.compute as pc

    kind: Any = column.type
    if pa.types.is_timestamp(kind):
        days = pc.divide(column.cast(pa.int64()), DAY[kind.unit])
    elif pa.types.is_date(kind):
        days = column.cast(pa.date32()).cast(pa.int32())
    else:
        return
    ends = pc.min_max(days).as_py()
    if ends["min"] is not None and not FIRST_DAY < ends["min"] <= ends["max"] < LAST_DAY:
        raise DataError(
            f"{file_name} holds a date beyond the years 1 to 9999 in {name!r}. Correct it."
        )


def simplify_column(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """Return a column without types that say the same in another way, such as dictionaries.

    Words with an order keep it.
    """
    import pyarrow as pa

    kind: Any = column.type
    if isinstance(kind, pa.BaseExtensionType):
        chunks = [chunk.storage for chunk in column.chunks]
        return simplify_column(pa.chunked_array(chunks, kind.storage_type))
    for is_kind, simple in (
        (is_unordered_dictionary, lambda: kind.value_type),
        (pa.types.is_run_end_encoded, lambda: kind.value_type),
        (pa.types.is_float16, pa.float32),
        (pa.types.is_large_string, pa.string),
        (pa.types.is_string_view, pa.string),
        (pa.types.is_large_binary, pa.binary),
        (pa.types.is_binary_view, pa.binary),
    ):
        if is_kind(kind):
            return column.cast(simple())
    return column
